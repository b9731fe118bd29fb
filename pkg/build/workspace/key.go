package workspace

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

// Target is what dependencies are installed for: a platform, the version of Node (or
// what stands for it), the C library, and the version of glibc, "" where it is not known.
type Target struct{ Platform, Node, LibC, GlibC string }

// Installed are dependencies in a folder.
type Installed struct {
	Root    *os.Root
	Entries []tree.Entry
}

// Key is what the dependencies of one platform are known by: everything
// that decides what the installer writes, or, for a tree that is there already, what
// it says about itself. It is "" when that cannot be known: the dependencies were
// installed by another tool that left no list of them.
func (w *Workspace) Key(t Target, how Installing, deps *Installed) (string, error) {
	k := keyHash{sha256.New()}
	k.add("format", []byte(keyFormat))
	k.add("platform", []byte(t.Platform))
	k.add("node", []byte(t.Node))
	k.add("libc", []byte(t.LibC))
	if t.GlibC != "" {
		k.add("glibc", []byte(t.GlibC))
	}
	if deps == nil {
		k.add("command", []byte(strings.Join(slices.Concat([]string{w.manager.name}, w.manager.install, how.Flags), " ")))
		k.add("install scripts", []byte(strings.Join(how.Scripts, " ")))
	} else if known, err := k.addInstalled(deps); !known || err != nil {
		return "", err
	}
	if err := k.addInputs(w, how.Inputs); err != nil {
		return "", err
	}
	return hex.EncodeToString(k.Sum(nil)), nil
}

func (k keyHash) addInputs(w *Workspace, further []string) error {
	text, err := files.ReadIn(w.Root, w.manager.lockfile, tree.MaxLockfile)
	if err != nil {
		return record.BadInput("build/no-lockfile", "reading %s: %w", w.manager.lockfile, err)
	}
	k.add(w.manager.lockfile, lockInputs(text))
	packages, inputs, err := w.installInputs(further)
	if err != nil {
		return err
	}
	for _, name := range inputs {
		if err := k.addTree(w.Root, name); err != nil {
			return err
		}
	}
	if w.Packed {
		// The skeleton holds the packages that count.
		packages = []string{"package.json"}
		if err := k.addSkeleton(w.Root); err != nil {
			return err
		}
	}
	for _, name := range packages {
		text, err := files.ReadIn(w.Root, name, tree.MaxPackageJSON)
		if err != nil {
			return err
		}
		k.add(name, packageInputs(text))
	}
	return nil
}

// addTree adds what [eachInput] finds.
func (k keyHash) addTree(root *os.Root, name string) error {
	return eachInput(root, name, func(name string) error {
		text, err := files.ReadIn(root, name, tree.MaxLockfile)
		if err != nil {
			return err
		}
		switch path.Base(name) {
		case ".npmrc", ".yarnrc", ".yarnrc.yml":
			text = secretLine.ReplaceAll(text, nil)
		case backstage.Versions:
			return nil // Yarn's plugin reads the versions that stand in the lockfile anyway
		}
		k.add(name, text)
		return nil
	})
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
// own list, and the names and sizes of its files, which tell of what was removed
// afterwards. The contents are not read.
func (k keyHash) addInstalled(deps *Installed) (known bool, err error) {
	for _, name := range []string{backstage.Modules + "/.package-lock.json", backstage.Modules + "/.yarn-state.yml", backstage.Modules + "/.pnpm/lock.yaml"} {
		text, err := files.ReadIn(deps.Root, name, tree.MaxLockfile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		known = true
		k.add(name, lockInputs(text))
	}
	for _, e := range deps.Entries {
		fmt.Fprintf(k, "%q %o %d %q\n", e.Path, e.Mode&(fs.ModeType|0o100), e.Size, e.Link)
	}
	return known, nil
}
