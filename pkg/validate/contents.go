package validate

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/sensitive"
)

// contents are the files of an image that tell something.
type contents struct {
	// Files after all layers, by path.
	compilers, privileged, guarded map[string]file
	// Secrets of all layers: who can pull an image can read what a later one removes
	// (product-os/jellyfish#6111).
	secrets []secret
	users   users
	files   int

	app string // the folder of the application, without the leading slash
}

// file is an entry of a layer.
type file struct {
	uid, gid int
	mode     int64
	isDir    bool
}

// secret is a file that does not belong into an image.
type secret struct {
	path, why string
	layer     int // from 1, the lowest
	gone      bool
}

// layered is what one layer adds to the contents, and what it takes away of those
// below it: entries of its own stay, whatever their order (image-spec, layer.md).
type layered struct {
	*contents
	number int
	added  contents
	hidden []string // paths that are gone, with all below them
	closed []string // folders of which everything below is gone
}

// readContents goes through the layers from the lowest to the highest.
func readContents(ctx context.Context, image v1.Image, config v1.Config) (*contents, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	c := newContents()
	if dir := strings.Trim(path.Clean("/"+config.WorkingDir), "/"); dir != "" {
		c.app = dir
	}
	for i, layer := range layers {
		l := &layered{contents: &c, number: i + 1, added: newContents()}
		if err := l.read(ctx, layer); err != nil {
			return nil, fmt.Errorf("reading layer %d: %w", l.number, err)
		}
		l.merge()
	}
	return &c, nil
}

func newContents() contents {
	return contents{compilers: map[string]file{}, privileged: map[string]file{}, guarded: map[string]file{}, app: backstage.WorkDir}
}

func (l *layered) read(ctx context.Context, layer v1.Layer) error {
	plain, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = plain.Close() }()
	whole := io.LimitReader(plain, registry.MaxBlob)
	reader := tar.NewReader(whole)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			// Runtimes and scanners read a layer to its end, behind that of the archive.
			_, err := io.Copy(io.Discard, whole)
			return err
		}
		if err != nil {
			return err
		}
		if err := l.add(h, reader); err != nil {
			return err
		}
	}
}

// add notes one entry. A layer takes away a file of those below it by an entry with
// the prefix .wh., and all of a folder by .wh..wh..opq in it.
func (l *layered) add(h *tar.Header, content io.Reader) error {
	l.files++
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
		switch {
		case gone == ".wh..opq":
			l.closed = append(l.closed, path.Dir(name))
		case !strings.HasPrefix(gone, ".wh."):
			l.hidden = append(l.hidden, path.Join(path.Dir(name), gone))
		}
		return nil
	}
	f := file{uid: h.Uid, gid: h.Gid, mode: h.Mode, isDir: h.Typeflag == tar.TypeDir}
	l.replace(name, f.isDir)
	if compilers.MatchString(name) {
		l.added.compilers[name] = f
	}
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeLink {
		if err := l.addSecret(name, h, content); err != nil {
			return err
		}
	}
	if name != l.app && !strings.HasPrefix(name, l.app+"/") {
		return nil
	}
	if h.Mode&0o6000 != 0 && h.Typeflag == tar.TypeReg {
		l.added.privileged[name] = f
	}
	if h.Typeflag != tar.TypeSymlink && !f.readable(0) {
		l.added.guarded[name] = f
	}
	return nil
}

func (l *layered) addSecret(name string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeLink {
		content = nil
	} else if done, err := l.users.read(name, content); done || err != nil {
		return err
	}
	why, err := sensitive.File(name, l.app, content)
	if why != "" {
		l.added.secrets = append(l.added.secrets, secret{path: name, why: why, layer: l.number})
	}
	return err
}

// replace notes that an entry stands for one of the layers below. A folder keeps what
// is in it.
func (l *layered) replace(name string, isDir bool) {
	if !isDir {
		l.hidden = append(l.hidden, name)
		return
	}
	for _, known := range l.maps() {
		delete(known, name)
	}
}

func (c *contents) maps() []map[string]file {
	return []map[string]file{c.compilers, c.privileged, c.guarded}
}

// merge takes away what the layer hides, and adds what it has.
func (l *layered) merge() {
	hidden, closed := set(l.hidden), set(l.closed)
	isGone := func(name string) bool {
		if hidden[name] {
			return true
		}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			if hidden[dir] || closed[dir] {
				return true
			}
			if dir == "." {
				return false
			}
		}
	}
	for i, known := range l.maps() {
		maps.DeleteFunc(known, func(name string, _ file) bool { return isGone(name) })
		maps.Copy(known, l.added.maps()[i])
	}
	for i := range l.secrets {
		l.secrets[i].gone = l.secrets[i].gone || isGone(l.secrets[i].path)
	}
	l.secrets = append(l.secrets, l.added.secrets...)
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// list says something about each file, sorted by path.
func list(files map[string]file, say func(name string, f file) string) (said []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := say(name, files[name]); text != "" {
			said = append(said, text)
		}
	}
	return said
}

func (c *contents) checks(config v1.Config, told []string) []record.Check {
	looked := fmt.Sprintf("none among %d files", c.files)
	who := c.users.of(config.User)
	return []record.Check{
		verdict("compilers", list(c.compilers, func(name string, _ file) string { return "/" + name }), looked),
		verdictOf("secrets", append(c.secretWords(), told...), looked, 2*shown, 2*maxDetail),
		verdict("privileges", list(c.privileged, func(name string, f file) string { return fmt.Sprintf("/%s has mode %o", name, f.mode) }), looked),
		verdict("ownership", list(c.guarded, func(name string, f file) string {
			if who.reads(f) {
				return ""
			}
			return fmt.Sprintf("/%s belongs to %d:%d with mode %o and cannot be read by %s", name, f.uid, f.gid, f.mode&0o777, who)
		}), "all files of the application can be read by the user"),
	}
}

// secretWords names the secrets; those that are there before those that were removed.
func (c *contents) secretWords() (words []string) {
	slices.SortStableFunc(c.secrets, func(a, b secret) int { return strings.Compare(a.path, b.path) })
	for _, gone := range []bool{false, true} {
		for _, s := range c.secrets {
			switch {
			case s.gone != gone:
			case gone:
				words = append(words, fmt.Sprintf("/%s (%s; removed or replaced later, but layer %d still has it)", s.path, s.why, s.layer))
			default:
				words = append(words, fmt.Sprintf("/%s (%s)", s.path, s.why))
			}
		}
	}
	return words
}
