package tree

import (
	"context"
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Native is the compiled code of a tree: for each package the platforms that it has
// code for.
type Native struct {
	// modules are packages with compiled modules (*.node), and those that say by the cpu
	// of their package.json which processor they are for.
	modules map[string]map[string]bool
	// programs are other packages with executables and shared libraries, which may be
	// for a system that is not used.
	programs map[string]map[string]bool
	// elsewhere are the packages of other systems in families that have one for each, as
	// macOS installs them (npm/cli#4828), and families those with one for Linux.
	elsewhere, families map[string]map[string]bool
	// demands are what a family's code for a platform wants of what runs it.
	demands map[string]map[string]*demands
}

// platformWord is the part of a package's name that says for which processor or
// system it was made: @swc/core-linux-arm64-gnu is one of several packages that do
// the same.
var platformWord = regexp.MustCompile(`(linux|linuxmusl|darwin|win32|freebsd|android|x64|x86_64|amd64|arm64|aarch64|ia32|arm|armv[67]l?|armhf|s390x|ppc64le|ppc64|riscv64|loong64|gnu|musl|gnueabihf|musleabihf|msvc)`)

var platformWords = regexp.MustCompile(`(^|[-_.])` + platformWord.String() + `($|[-_.])`)

// FindNative looks at the compiled modules, executables and shared libraries among the
// entries.
func FindNative(ctx context.Context, entries []Entry) (*Native, error) {
	found := &Native{demands: map[string]map[string]*demands{}}
	for _, m := range []*map[string]map[string]bool{&found.modules, &found.programs, &found.elsewhere, &found.families} {
		*m = map[string]map[string]bool{}
	}
	for _, e := range entries {
		if !mayBeNative(e) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		platform, err := platformOfModule(e)
		if err != nil {
			return nil, fmt.Errorf("looking at native code %q: %w", e.Path, err)
		}
		if platform == "" {
			continue
		}
		found.note(e, platform)
	}
	return found, nil
}

// note takes in a compiled file that is made for a platform.
func (n *Native) note(e Entry, platform string) {
	folder, family := PackageOf(e.Path)
	m := madeFor(e.Root, folder)
	isForLinux := strings.HasPrefix(platform, "linux/")
	switch {
	case m.forLinux() && isForLinux:
		note(n.families, family, platform)
		n.demand(family, platform, demandOf(e, m))
	case !m.forLinux() && family != folder:
		note(n.elsewhere, family, platform)
	}
	switch {
	case !m.forLinux():
	case path.Ext(e.Path) == ".node" || len(m.CPU) > 0:
		note(n.modules, family, platform)
	case isForLinux:
		note(n.programs, folder, platform)
	}
}

// mayBeNative reports whether a file is run or loaded: a module, a shared library, or
// an executable.
func mayBeNative(e Entry) bool {
	base := path.Base(e.Path)
	return e.Mode.IsRegular() && (path.Ext(base) == ".node" || path.Ext(base) == ".so" || strings.Contains(base, ".so.") || e.Mode&0o111 != 0)
}

func note(m map[string]map[string]bool, name, platform string) {
	if m[name] == nil {
		m[name] = map[string]bool{}
	}
	m[name][platform] = true
}

// platformOfModule reads the head of a compiled module; "" means that it is none.
func platformOfModule(e Entry) (string, error) {
	file, err := e.Root.Open(e.Path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 20)
	if _, err := io.ReadFull(file, head); err != nil {
		return "", nil // too short for a module
	}
	if string(head[:4]) == elf.ELFMAG {
		order := binary.ByteOrder(binary.LittleEndian)
		if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
			order = binary.BigEndian
		}
		return "linux/" + architectureOf(elf.Machine(order.Uint16(head[18:]))), nil
	}
	switch binary.LittleEndian.Uint32(head) {
	case macho.Magic64, macho.Magic32, 0xbebafeca:
		return "darwin", nil
	}
	if string(head[:2]) == "MZ" {
		return "windows", nil
	}
	return "", nil
}

func architectureOf(machine elf.Machine) string {
	switch machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_RISCV:
		return "riscv64"
	}
	return machine.String()
}

// PackageOf gives the folder of the package that a file belongs to, and the name
// that it shares with its siblings for other platforms.
func PackageOf(name string) (folder, family string) {
	parts := strings.Split(name, "/")
	last := len(parts) - 1
	for i, p := range parts {
		if p == backstage.Modules && i+1 < len(parts) {
			last = i + 1
			if strings.HasPrefix(parts[last], "@") && last+1 < len(parts) {
				last++
			}
		}
	}
	folder = strings.Join(parts[:last+1], "/")
	family = folder
	for i := 0; i < 4; i++ { // words share their separators, so that one pass misses neighbours
		family = platformWords.ReplaceAllString(family, "$1*$3")
	}
	return folder, family
}

// made is what a package.json says about the systems that the package is for.
type made struct {
	OS   stringOrList `json:"os"`
	CPU  stringOrList `json:"cpu"`
	LibC stringOrList `json:"libc"`
}

// stringOrList is a list, or the one string in place of it, which npm takes as well.
type stringOrList []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *stringOrList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = stringOrList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

func madeFor(root *os.Root, folder string) (m made) {
	content, err := files.ReadIn(root, folder+"/package.json", MaxPackageJSON)
	if err != nil || json.Unmarshal(text.Unmarked(content), &m) != nil {
		return made{}
	}
	return m
}

func (m made) forLinux() bool {
	return len(m.OS) == 0 || slices.Contains(m.OS, "linux") || slices.ContainsFunc(m.OS, func(s string) bool {
		return strings.HasPrefix(s, "!") && s != "!linux"
	})
}

// ForOtherSystems reports whether a package says that it is not for Linux, as
// fsevents does, which is for macOS.
func ForOtherSystems(root *os.Root, folder string) bool { return !madeFor(root, folder).forLinux() }

// Foreign are the packages whose executables or shared libraries are for other
// processors or systems only, with those, sorted. Whether they are used is unknown.
func (n *Native) Foreign(platform string) []string {
	elsewhere := maps.Clone(n.elsewhere)
	maps.DeleteFunc(elsewhere, func(family string, _ map[string]bool) bool { return n.families[family] != nil })
	return append(lacking(n.programs, platform), lacking(elsewhere, platform)...)
}

// Foreigners are [Native.Foreign] and the packages that [Native.Refuse] refuses.
func (n *Native) Foreigners(platform string) []string {
	return append(lacking(n.modules, platform), n.Foreign(platform)...)
}

// lacking are the packages without code for a platform.
func lacking(packages map[string]map[string]bool, platform string) (missing []string) {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil // the options were checked
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if !packages[name][p.OS+"/"+p.Architecture] {
			has := strings.Join(slices.Sorted(maps.Keys(packages[name])), ", ")
			missing = append(missing, fmt.Sprintf("%s has code for %s only", name, has))
		}
	}
	return missing
}

// Refuse tells which packages have no code for a platform.
func (n *Native) Refuse(platform string) error {
	missing := lacking(n.modules, platform)
	if len(missing) == 0 {
		return nil
	}
	const shown = 5
	if len(missing) > shown {
		missing = append(missing[:shown], fmt.Sprintf("and %d more", len(missing)-shown))
	}
	return record.BadInput("build/native-modules",
		"checking the dependencies for %s: %s: install them on a machine of that platform and give the folder as the platform's tree (--dependency-tree)",
		platform, strings.Join(missing, "; "))
}
