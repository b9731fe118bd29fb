package tree

import (
	"cmp"
	"debug/elf"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// The C libraries of Linux that Node is built for.
const (
	Glibc = "glibc"
	Musl  = "musl"
)

// Runtime is what native code meets in an image: the C library, the version of glibc,
// and that of Node.js; each is "" where the base image does not tell.
type Runtime struct{ LibC, GlibC, Node string }

// demand is what a compiled file wants of what runs it; the zero value is anything.
type demand struct {
	libc  string
	glibc string // the newest of glibc's versions of functions that it calls, "2.38"
	abi   int    // the NODE_MODULE_VERSION that it is compiled for
	napi  bool   // it is a module for every Node.js
}

// abis are the versions of Node.js by the NODE_MODULE_VERSION that their modules are compiled
// for (doc/abi_version_registry.json of nodejs/node).
var abis = map[int]string{93: "16", 102: "17", 108: "18", 111: "19", 115: "20", 120: "21", 127: "22", 131: "23", 137: "24", 141: "25", 147: "26"}

// ofABI begins the name of the function by which Node.js starts a module of its own version
// only (node.h: NODE_MODULE_INITIALIZER); the other two are those of modules for any.
const ofABI = "node_register_module_v"

// ofAnyABI are the names in modules that are made for every Node.js (Node-API).
var ofAnyABI = []string{"napi_register_module_v1", "napi_module_register"}

// glibcVersion is how glibc names the versions of its functions.
var glibcVersion = regexp.MustCompile(`^GLIBC_(\d+\.\d+)(\.\d+)?$`)

// demandOf reads what a compiled file for Linux says of itself, or else its package of it;
// what says nothing, or is broken, wants nothing.
func demandOf(e Entry, m made) (d demand) {
	if len(m.LibC) == 1 {
		defer func() { d.libc = cmp.Or(d.libc, m.LibC[0]) }()
	}
	file, err := e.Root.Open(e.Path)
	if err != nil {
		return d
	}
	defer func() { _ = file.Close() }()
	code, err := elf.NewFile(file)
	if err != nil {
		return d
	}
	d.read(code)
	return d
}

// read takes in what the parts of a compiled file say. Those that are not there, or are
// broken, are passed over: what the others say is enough.
func (d *demand) read(code *elf.File) {
	needed, _ := code.ImportedLibraries()
	for _, library := range needed {
		switch {
		case strings.HasPrefix(library, "libc.so"):
			d.libc = cmp.Or(d.libc, Glibc)
		case strings.HasPrefix(library, "libc.musl"):
			d.libc = cmp.Or(d.libc, Musl)
		}
	}
	symbols, _ := code.DynamicSymbols()
	for _, s := range symbols {
		if version, found := strings.CutPrefix(s.Name, ofABI); found {
			d.abi, _ = strconv.Atoi(version)
		}
		d.napi = d.napi || slices.Contains(ofAnyABI, s.Name)
	}
	needs, _ := code.DynamicVersionNeeds()
	for _, library := range needs {
		for _, version := range library.Needs {
			if m := glibcVersion.FindStringSubmatch(version.Dep); m != nil && newer(m[1], d.glibc) {
				d.glibc = m[1]
			}
		}
	}
}

// newer reports whether a version of glibc is above another one, or the first.
func newer(version, than string) bool {
	return than == "" || semver.Compare("v"+version, "v"+than) > 0
}

// demands are what the compiled files of a family of packages want on one platform.
type demands struct {
	libcs map[string]bool
	abis  map[int]bool
	napi  bool
	// oldest is the glibc that the least demanding of the files wants, as there may be one
	// for each system.
	oldest string
}

// demand takes in what a file of a family wants.
func (n *Native) demand(family, platform string, one demand) {
	if n.demands[family] == nil {
		n.demands[family] = map[string]*demands{}
	}
	d := n.demands[family][platform]
	if d == nil {
		d = &demands{libcs: map[string]bool{}, abis: map[int]bool{}}
		n.demands[family][platform] = d
	}
	d.add(one)
}

// add takes in what one more file wants.
func (d *demands) add(one demand) {
	if one.libc != "" {
		d.libcs[one.libc] = true
	}
	if one.abi != 0 {
		d.abis[one.abi] = true
	}
	d.napi = d.napi || one.napi
	if one.glibc != "" && (d.oldest == "" || newer(d.oldest, one.glibc)) {
		d.oldest = one.glibc
	}
}

// unfit says why none of the files runs, "" when one may.
func (d *demands) unfit(r Runtime) string {
	for _, foreign := range []string{Glibc, Musl} {
		if r.LibC != "" && foreign != r.LibC && d.libcs[foreign] && !d.libcs[r.LibC] {
			return fmt.Sprintf("has code for %s only, and the base image has %s", foreign, r.LibC)
		}
	}
	if r.LibC == Glibc && r.GlibC != "" && d.oldest != "" && newer(d.oldest, r.GlibC) {
		return fmt.Sprintf("was compiled for glibc %s, and the base image has %s: install the dependencies on a system that is no newer than the base image's, or take a newer base image", d.oldest, r.GlibC)
	}
	return d.otherNode(r.Node)
}

// otherNode says for which Node.js the files are, when that is not one that is known to be
// the base image's.
func (d *demands) otherNode(version string) string {
	major, _, _ := strings.Cut(version, ".")
	if len(d.abis) == 0 || d.napi || !slices.Contains(slices.Collect(maps.Values(abis)), major) {
		return ""
	}
	var compiled []string
	for _, abi := range slices.Sorted(maps.Keys(d.abis)) {
		if abis[abi] == major {
			return ""
		}
		compiled = append(compiled, cmp.Or(abis[abi], fmt.Sprintf("with NODE_MODULE_VERSION %d", abi)))
	}
	return fmt.Sprintf("was compiled for Node.js %s, and the base image has %s: install the dependencies with the Node.js of the base image", strings.Join(compiled, " and "), version)
}

// Unfit are the packages whose code for a platform does not run with what an image has:
// another C library (npm/cli#4828: glibc's in Alpine), an older glibc
// (laverdet/isolated-vm#292), another Node.js (red-hat-data-services/rhai-org-pulse#815).
func (n *Native) Unfit(platform string, r Runtime) (unfit []string) {
	for _, name := range slices.Sorted(maps.Keys(n.demands)) {
		if d := n.demands[name][platform]; d != nil {
			if why := d.unfit(r); why != "" {
				unfit = append(unfit, name+" "+why)
			}
		}
	}
	return unfit
}
