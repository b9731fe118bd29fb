package tree

import (
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The C libraries of Linux that Node is built for.
const (
	glibc = "glibc"
	musl  = "musl"
)

// libcOf is the C library that a compiled file is linked with or, where it does not
// say, the only one that its package is for; "" for any.
func libcOf(e Entry, m made) string {
	file, err := e.Root.Open(e.Path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if code, err := elf.NewFile(file); err == nil {
		needed, _ := code.ImportedLibraries() // without an error: what it says is enough
		for _, library := range needed {
			switch {
			case strings.HasPrefix(library, "libc.so"):
				return glibc
			case strings.HasPrefix(library, "libc.musl"):
				return musl
			}
		}
	}
	if len(m.LibC) == 1 {
		return m.LibC[0]
	}
	return ""
}

// OtherLibC are the packages whose code for a platform is linked with another C library
// only than the one that the base image has (npm/cli#4828: glibc's in Alpine).
func (n *Native) OtherLibC(platform, libc string) (other []string) {
	for _, name := range slices.Sorted(maps.Keys(n.libcs)) {
		has := n.libcs[name]
		for _, foreign := range []string{glibc, musl} {
			if foreign != libc && has[platform+" "+foreign] && !has[platform+" "+libc] {
				other = append(other, fmt.Sprintf("%s has code for %s only, and the base image has %s", name, foreign, libc))
			}
		}
	}
	return other
}
