package build

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// lfsPointer begins the text that stands in the place of a file that Git LFS keeps
	// (git-lfs, docs/spec.md, which also says how long such a text may be).
	lfsPointer     = "version https://git-lfs.github.com/spec/"
	shortest       = 100
	longest        = 1023
	maxGitModules  = 1 << 20
	shownOfMissing = 5
)

// submodulePath is where a line of .gitmodules says that a submodule lies.
var submodulePath = regexp.MustCompile(`(?m)^\s*path\s*=\s*"?([^"\r\n]+?)"?\s*$`)

// tellCheckout warns of what a checkout has left out of the application: the content of
// files in Git LFS (docker/build-push-action#312, actions/checkout#2208), and submodules.
// A build takes what is there, and the application misses it in production.
func (b *layering) tellCheckout() {
	var pointers []string
	for _, e := range append(b.plan.entries(application), b.plan.entries(configuration)...) {
		if isPointer(e) {
			pointers = append(pointers, e.Path)
		}
	}
	b.warnMissing("of these files the image has what Git LFS puts in their place, and not their content; check them out with lfs: true (actions/checkout)", pointers)
	b.warnMissing("these submodules of Git are empty, and so are their folders in the image; check them out with submodules: true (actions/checkout)", b.emptySubmodules())
}

// warnMissing warns of the paths, if there are any.
func (b *layering) warnMissing(what string, paths []string) {
	if len(paths) == 0 {
		return
	}
	if more := len(paths) - shownOfMissing; more > 0 {
		paths = append(slices.Clip(paths[:shownOfMissing]), fmt.Sprintf("and %d more", more))
	}
	b.warn(what + ": " + text.Line(strings.Join(paths, ", "), maxWarning))
}

// isPointer reports whether a file is what Git LFS puts in the place of another one.
func isPointer(e tree.Entry) bool {
	if !e.Mode.IsRegular() || e.Size < shortest || e.Size > longest {
		return false
	}
	file, err := e.Root.Open(e.Path)
	if err != nil {
		return false // whoever packs it meets the same error
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, len(lfsPointer))
	_, err = io.ReadFull(file, head)
	return err == nil && bytes.Equal(head, []byte(lfsPointer))
}

// emptySubmodules are those below the folders that the image takes.
func (b *layering) emptySubmodules() (empty []string) {
	content, err := files.ReadIn(b.source.Root, ".gitmodules", maxGitModules)
	if err != nil {
		return nil
	}
	for _, m := range submodulePath.FindAllSubmatch(content, -1) {
		name := string(m[1])
		if b.isTaken(name) && isEmpty(b.source.Root, name) {
			empty = append(empty, name)
		}
	}
	return empty
}

// isTaken reports whether the image takes what lies at a path of the source.
func (b *layering) isTaken(name string) bool {
	return slices.ContainsFunc(b.tops, func(top string) bool { return name == top || strings.HasPrefix(name, top+"/") })
}

// isEmpty reports whether a folder has nothing in it.
func isEmpty(root *os.Root, name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	folder, err := root.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = folder.Close() }()
	_, err = folder.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
