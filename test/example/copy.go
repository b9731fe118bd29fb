package example

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/test/node"
)

// Whole copies examples/backstage of the repository root, and fetches the programs that build it: tools are the
// variables by which they are found. Both stay beside the binaries: what a build installs there the next one finds.
func Whole(ctx context.Context, root string) (dir string, tools []string, err error) {
	kept := filepath.Join(root, "bin", "cache")
	if tools, err = node.Install(ctx, filepath.Join(kept, "node")); err != nil {
		return "", nil, err
	}
	dir = filepath.Join(kept, "backstage")
	return dir, tools, Overwrite(filepath.Join(root, "examples", "backstage"), dir)
}

// Overwrite copies a workspace over an earlier copy, without what was installed in it.
func Overwrite(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o755))
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return Replace(filepath.Join(to, name), content)
	})
}

// Replace writes a file anew: the old one may have another name in the copy that it was linked from.
func Replace(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
