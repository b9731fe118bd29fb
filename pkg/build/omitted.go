package build

import (
	"cmp"
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

// omitted notes what was left out of an image, and what is there because it was
// named; each with the reason.
type omitted struct {
	include      []string
	paths, asked map[string]string
	ignores      *ignores
	ignoredPaths []string
}

// ignored reports whether the workspace's .dockerignore names an entry, and whether
// that holds for all below it.
func (o *omitted) ignored(root *os.Root, name string, kind part) (ignored, below bool) {
	ignored, below = o.ignores.match(root, name, kind)
	if ignored {
		o.ignoredPaths = append(o.ignoredPaths, name)
	}
	return ignored, below
}

// unwelcome reports whether an entry is to be left out. Of what a walk begins with,
// also where it leads counts, because a walk follows that.
func (o *omitted) unwelcome(root *os.Root, name string, top bool, kind part) bool {
	why := sensitive.Path(name, o.include)
	named := slices.Contains(o.include, name) && !sensitive.Never(name)
	// The configuration is what the image is made for: validation looks at it.
	if why == "" && kind != configuration && sensitive.MayHold(name) {
		why = contentOf(root, name)
	}
	if named {
		if reason := cmp.Or(why, sensitive.Path(name, nil)); reason != "" {
			note(&o.asked, name, reason)
			why = ""
		}
	}
	if why == "" && top && name != "." {
		if target := follow(root, name); target != name {
			why = sensitive.Path(target, o.include)
		}
	}
	if why != "" && kind != dependencies {
		note(&o.paths, name, why)
	}
	return why != ""
}

func note(notes *map[string]string, name, why string) {
	if *notes == nil {
		*notes = map[string]string{}
	}
	(*notes)[name] = why
}

func contentOf(root *os.Root, name string) string {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	why, err := sensitive.Content(name, file)
	if err != nil {
		return "" // whoever packs it meets the same error
	}
	return why
}
