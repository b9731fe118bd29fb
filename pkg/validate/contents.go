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

// contents are the files of an image that tell something, after all its layers.
type contents struct {
	compilers, secrets, privileged, strangers found
	files                                     int
}

// found maps paths to what is to be said about them.
type found map[string]string

func (f found) list() []string {
	list := make([]string, 0, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, f[name])
	}
	return list
}

// readContents goes through the layers from the lowest to the highest.
func readContents(ctx context.Context, image v1.Image) (*contents, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	c := &contents{compilers: found{}, secrets: found{}, privileged: found{}, strangers: found{}}
	for _, layer := range layers {
		if err := c.read(ctx, layer); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *contents) read(ctx context.Context, layer v1.Layer) error {
	plain, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = plain.Close() }()
	reader := tar.NewReader(io.LimitReader(plain, registry.MaxBlob))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a layer: %w", err)
		}
		if err := c.add(h, reader); err != nil {
			return fmt.Errorf("reading a layer: %w", err)
		}
	}
}

// add notes one entry. A layer takes away a file of those below it by an entry with
// the prefix .wh., and all of a folder by .wh..wh..opq in it.
func (c *contents) add(h *tar.Header, content io.Reader) error {
	c.files++
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
		if gone == ".wh..opq" {
			c.remove(path.Dir(name) + "/")
		} else {
			c.remove(path.Join(path.Dir(name), gone))
		}
		return nil
	}
	c.forget(name)
	if compilers.MatchString(name) {
		c.compilers[name] = "/" + name
	}
	if why, err := secretAt(name, h, content); why != "" || err != nil {
		c.secrets[name] = "/" + name + " (" + why + ")"
		if err != nil {
			return err
		}
	}
	if name != backstage.WorkDir && !strings.HasPrefix(name, backstage.WorkDir+"/") {
		return nil
	}
	if h.Mode&0o6000 != 0 && h.Typeflag == tar.TypeReg {
		c.privileged[name] = fmt.Sprintf("/%s has mode %o", name, h.Mode)
	}
	if h.Uid != backstage.Owner && h.Mode&0o004 == 0 && h.Typeflag != tar.TypeSymlink {
		c.strangers[name] = fmt.Sprintf("/%s belongs to %d and cannot be read by others", name, h.Uid)
	}
	return nil
}

// secretAt says why a file of the application does not belong into an image, "" for
// one that does. What a published package brings along is nobody's secret.
func secretAt(name string, h *tar.Header, content io.Reader) (string, error) {
	inside, ours := strings.CutPrefix(name, backstage.WorkDir+"/")
	if !ours || sensitive.Published(inside) || h.Typeflag == tar.TypeDir {
		return "", nil
	}
	if why := sensitive.Path(inside, nil); why != "" {
		return why, nil
	}
	if h.Typeflag != tar.TypeReg || !sensitive.MayBeKey(inside) {
		return "", nil
	}
	found, err := sensitive.HoldsKey(content)
	if found {
		return "private key", err
	}
	return "", err
}

func (c *contents) all() []found {
	return []found{c.compilers, c.secrets, c.privileged, c.strangers}
}

func (c *contents) forget(name string) {
	for _, f := range c.all() {
		delete(f, name)
	}
}

func (c *contents) remove(name string) {
	for _, f := range c.all() {
		for known := range f {
			if known == name || strings.HasPrefix(known, strings.TrimSuffix(name, "/")+"/") {
				delete(f, known)
			}
		}
	}
}

func (c *contents) checks() []record.Check {
	looked := fmt.Sprintf("none among %d files", c.files)
	return []record.Check{
		verdict("compilers", c.compilers.list(), looked),
		verdict("secrets", c.secrets.list(), looked),
		verdict("privileges", c.privileged.list(), looked),
		verdict("ownership", c.strangers.list(), "all files of the application can be read by the user"),
	}
}
