package build

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/layer"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// keyFormat changes when the same inputs would give another layer.
const keyFormat = "stagecrew dependencies 1 " + layer.Format

// keyHash collects what determines a layer of dependencies. Names and lengths go
// in as well, so that no two sets of inputs look the same.
type keyHash struct{ hash.Hash }

func (k keyHash) add(name string, content []byte) {
	fmt.Fprintf(k, "%d %s %d\n", len(name), name, len(content))
	_, _ = k.Write(content)
}

// dependencyKey is what the dependencies of one platform are known by: everything
// that decides what the installer writes, or, for a tree that is there already, what
// it says about itself. It is "" when that cannot be known: the dependencies were
// installed by somebody else who left no list of them.
func (w *workspace) dependencyKey(platform string, base *baseImage, o Options, deps *installed) (string, error) {
	k := keyHash{sha256.New()}
	k.add("format", []byte(keyFormat))
	k.add("platform", []byte(platform))
	k.add("node", []byte(base.node))
	k.add("libc", []byte(base.libc))
	if deps == nil {
		k.add("command", []byte(strings.Join(slices.Concat([]string{w.manager.name}, w.manager.install, o.InstallFlags), " ")))
		k.add("install scripts", []byte(strings.Join(o.InstallScripts, " ")))
	} else if known, err := k.addInstalled(deps); !known || err != nil {
		return "", err
	}
	if err := k.addInputs(w, o.InstallInputs); err != nil {
		return "", err
	}
	return hex.EncodeToString(k.Sum(nil)), nil
}

func (k keyHash) addInputs(w *workspace, further []string) error {
	text, err := files.ReadIn(w.root, w.manager.lockfile, tree.MaxLockfile)
	if err != nil {
		return record.BadInput("build/no-lockfile", "reading %s: %w", w.manager.lockfile, err)
	}
	k.add(w.manager.lockfile, lockInputs(text))
	for _, name := range slices.Concat(installerFiles, further) {
		if err := k.addTree(w.root, name); err != nil {
			return err
		}
	}
	packages, err := packageFiles(w.root)
	if err != nil {
		return err
	}
	if w.packed {
		// The skeleton holds the packages that count.
		packages = []string{"package.json"}
		if err := k.addSkeleton(w.root); err != nil {
			return err
		}
	}
	for _, name := range packages {
		text, err := files.ReadIn(w.root, name, tree.MaxPackageJSON)
		if err != nil {
			return err
		}
		k.add(name, packageInputs(text))
	}
	return nil
}

// addTree adds a file, or each file of a folder.
func (k keyHash) addTree(root *os.Root, name string) error {
	err := fs.WalkDir(root.FS(), name, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadIn(root, name, tree.MaxLockfile)
		if err != nil {
			return err
		}
		switch path.Base(name) {
		case ".npmrc", ".yarnrc.yml":
			text = secretLine.ReplaceAll(text, nil)
		case "backstage.json":
			return nil // Yarn's plugin reads the versions that stand in the lockfile anyway
		}
		k.add(name, text)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// secretLine is a line of a configuration that says who installs, not what.
var secretLine = regexp.MustCompile(`(?im)^.*(_auth|_password|authtoken|authident).*$`)

func (k keyHash) addSkeleton(root *os.Root) error {
	files := map[string][]byte{}
	err := eachPacked(root, backstage.Skeleton, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(content, tree.MaxPackageJSON))
		files[h.Name] = text
		return err
	})
	if err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k.add("skeleton/"+name, packageInputs(files[name]))
	}
	return nil
}

// addInstalled adds what a finished node_modules says about itself: the installer's
// own list, and the names and sizes of its files, which tell of what somebody
// removed afterwards. The contents are not read.
func (k keyHash) addInstalled(deps *installed) (known bool, err error) {
	for _, name := range []string{backstage.Modules + "/.package-lock.json", backstage.Modules + "/.yarn-state.yml"} {
		text, err := files.ReadIn(deps.root, name, tree.MaxLockfile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		known = true
		k.add(name, lockInputs(text))
	}
	for _, e := range deps.entries {
		fmt.Fprintf(k, "%q %o %d %q\n", e.Path, e.Mode&(fs.ModeType|0o100), e.Size, e.Link)
	}
	return known, nil
}
