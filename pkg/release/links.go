package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// maxLinked bounds the files behind the links of a chart that are looked at.
const maxLinked = 10_000

// checkLinks is an error where a link in a chart's folder leads out of the repository that
// the chart lies in, or into Git's own folder. Helm puts whatever is behind a link into the
// release and at the hands of the templates, such as a key on the runner
// (helm/helm#8540, fluxcd/source-controller#1931); links to what charts share are in use.
func checkLinks(chart string) error {
	root, err := filepath.EvalSymlinks(chart)
	if err != nil {
		return err
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	return (&links{within: repositoryOf(root), seen: map[string]bool{}}).check(root)
}

type links struct {
	within string
	seen   map[string]bool
}

// check looks at the links below a folder, and at those behind them.
func (l *links) check(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // Helm says it, where the file is one of the chart
		case entry.Type()&fs.ModeSymlink == 0:
			return nil
		}
		behind, err := filepath.EvalSymlinks(path)
		switch {
		case err != nil:
			return nil //nolint:nilerr // as above
		case !files.IsBelow(behind, l.within) || files.IsBelow(behind, filepath.Join(l.within, ".git")):
			return fmt.Errorf("%s is a link to %s, outside of %s: put the file into the repository", path, behind, l.within)
		case l.seen[behind]:
			return nil
		case len(l.seen) == maxLinked:
			return errors.New("it has too many links")
		}
		l.seen[behind] = true
		return l.check(behind)
	})
}

// repositoryOf is the root of the repository with a folder; without one the working
// directory, where that has the folder, or the folder itself.
func repositoryOf(folder string) string {
	if root, found := files.Checkout(folder); found {
		return root
	}
	if here, err := os.Getwd(); err == nil {
		if here, err = filepath.EvalSymlinks(here); err == nil && files.IsBelow(folder, here) {
			return here
		}
	}
	return folder
}
