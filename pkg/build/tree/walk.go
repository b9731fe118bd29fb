package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Walk visits a file or folder and all that is below it, folders before what is in
// them, in the order of the names, which may have any bytes ([fs.WalkDir] wants
// UTF-8). What it begins with is followed when it is a link. A visit of a folder that
// gives [fs.SkipDir] keeps it from being entered. What cannot be read is an error of
// kind input; what is not there gives [fs.ErrNotExist].
func Walk(root *os.Root, top string, visit func(name string, d fs.DirEntry) error) error {
	info, err := root.Stat(top)
	if err != nil {
		return Unreadable(top, err)
	}
	return walk(root, top, fs.FileInfoToDirEntry(info), visit)
}

func walk(root *os.Root, name string, d fs.DirEntry, visit func(string, fs.DirEntry) error) error {
	err := visit(name, d)
	if !d.IsDir() || err != nil {
		if d.IsDir() && errors.Is(err, fs.SkipDir) {
			return nil
		}
		return err
	}
	entries, err := readDir(root, name)
	if err != nil {
		return Unreadable(name, err)
	}
	for _, e := range entries {
		if err := walk(root, path.Join(name, e.Name()), e, visit); err != nil {
			return err
		}
	}
	return nil
}

func readDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Unreadable makes an error about a path that the system refuses to read one of kind
// input; others stay as they are.
func Unreadable(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return record.BadInput("build/unreadable", "reading %q: this process may not: %w; let the user of the build read it (chmod), or remove it", name, err)
	case errors.Is(err, syscall.ELOOP):
		return record.BadInput("build/unreadable", "reading %q: its symbolic links lead in a circle; remove them", name)
	}
	return err
}
