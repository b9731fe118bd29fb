package build

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/sensitive"
)

// follow gives where a path leads when its links are followed, as long as they stay
// inside; a path that leads nowhere is given back as far as it could be followed.
func follow(root *os.Root, name string) string {
	const longest = 40
	for range longest {
		done, elements := "", strings.Split(name, "/")
		next := ""
		for i, element := range elements {
			at := path.Join(done, element)
			info, err := root.Lstat(at)
			if err == nil && info.Mode()&fs.ModeSymlink != 0 {
				if link, err := root.Readlink(at); err == nil && !path.IsAbs(link) {
					next = path.Join(append([]string{path.Dir(at), link}, elements[i+1:]...)...)
				}
				break
			}
			done = at
		}
		if next == "" {
			return name
		}
		name = next
	}
	return name
}

// omitted notes what was left out of an image.
type omitted struct {
	include []string
	paths   map[string]string // to the reason
}

// unwelcome reports whether an entry is to be left out. Of what a walk begins with,
// also where it leads counts, because a walk follows that.
func (o *omitted) unwelcome(root *os.Root, name string, top bool) bool {
	why := sensitive.Path(name, o.include)
	if why == "" && top && name != "." {
		if target := follow(root, name); target != name {
			why = sensitive.Path(target, o.include)
		}
	}
	if why == "" && sensitive.MayBeKey(name) && !slices.Contains(o.include, name) {
		why = keyAt(root, name)
	}
	if why == "" {
		return false
	}
	if partOf(name) != dependencies {
		if o.paths == nil {
			o.paths = map[string]string{}
		}
		o.paths[name] = why
	}
	return true
}

func keyAt(root *os.Root, name string) string {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if found, _ := sensitive.HoldsKey(file); found {
		return "private key"
	}
	return ""
}
