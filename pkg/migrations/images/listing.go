package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxUnpacked bounds what a layer is unpacked to, in bytes; nothing of it is kept.
	maxUnpacked = 16 << 30
	// maxEntries and maxNoted bound the entries of a layer, and those of them that are
	// kept.
	maxEntries, maxNoted = 5_000_000, 200_000
	// maxWindow bounds the memory of a zstd reader, in bytes.
	maxWindow = 128 << 20
)

// layer is what there is to know of one, by the headers of its archive.
type layer struct {
	// Files are the migrations, by their path without a leading slash.
	Files []string `json:"files"`
	// Hidden are paths of layers below that are gone, with all below them, and Closed are
	// folders of which nothing of those layers is left.
	Hidden []string `json:"hidden,omitempty"`
	Closed []string `json:"closed,omitempty"`

	entries int
}

// errEnough ends the reading of a layer of which enough is known.
var errEnough = errors.New("enough is known")

// list reads the headers of an archive, compressed or not.
func list(ctx context.Context, packed io.Reader, wanted func(string) bool, enough func(*layer) bool) (*layer, error) {
	plain, end, err := unpacked(packed)
	if err != nil {
		return nil, err
	}
	defer end()
	whole := io.LimitReader(plain, maxUnpacked)
	l, reader := &layer{}, tar.NewReader(whole)
	for {
		h, err := reader.Next()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, io.EOF):
			// The digest is checked at the end, which is behind that of the archive.
			_, err = io.Copy(io.Discard, io.MultiReader(whole, packed))
			return l, err
		case err != nil:
			return nil, err
		}
		if err := l.note(h, wanted); err != nil {
			return nil, err
		}
		if enough(l) {
			return l, errEnough
		}
	}
}

// note keeps what counts of an entry. An entry with the prefix .wh. takes away what the
// layers below have, and .wh..wh..opq all of a folder (image-spec, layer.md).
func (l *layer) note(h *tar.Header, wanted func(string) bool) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	gone, isWhiteout := strings.CutPrefix(path.Base(name), ".wh.")
	switch {
	case isWhiteout && gone == ".wh..opq":
		l.Closed = append(l.Closed, path.Dir(name))
	case isWhiteout && !strings.HasPrefix(gone, ".wh."):
		l.Hidden = append(l.Hidden, path.Join(path.Dir(name), gone))
	case isWhiteout, h.Typeflag == tar.TypeDir:
	case wanted(name):
		l.Files = append(l.Files, name)
	}
	if l.entries++; l.entries > maxEntries || len(l.Files)+len(l.Hidden)+len(l.Closed) > maxNoted {
		return fmt.Errorf("it has more than %d entries, or %d of interest", maxEntries, maxNoted)
	}
	return nil
}

// unpacked reads what a stream holds, whatever its media type says.
func unpacked(packed io.Reader) (plain io.Reader, end func(), err error) {
	buffered := bufio.NewReaderSize(packed, 64<<10)
	magic, _ := buffered.Peek(4) // fewer are an archive of nothing
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zipped, err := gzip.NewReader(buffered)
		return zipped, func() {}, err
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}):
		zipped, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return zipped, zipped.Close, nil
	}
	return buffered, func() {}, nil
}

// merge gives the files that are there when the layers lie on each other, the lowest
// first.
func merge(layers []*layer) []string {
	there := map[string]bool{}
	for _, l := range layers {
		l.hide(there)
		for _, file := range l.Files {
			there[file] = true
		}
	}
	files := make([]string, 0, len(there))
	for file := range there {
		files = append(files, file)
	}
	return files
}

// hide takes away what the layer hides of those below it.
func (l *layer) hide(there map[string]bool) {
	if len(l.Hidden)+len(l.Closed) == 0 {
		return
	}
	hidden, closed := set(l.Hidden), set(l.Closed)
	for file := range there {
		for at := file; at != "."; at = path.Dir(at) {
			if hidden[at] || closed[path.Dir(at)] {
				delete(there, file)
				break
			}
		}
	}
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}
