package scan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Local is a [v1.Image] or a [v1.ImageIndex] of go-containerregistry.
type Local interface {
	MediaType() (types.MediaType, error)
	Digest() (v1.Hash, error)
	RawManifest() ([]byte, error)
}

const (
	// maxImage is how many unpacked bytes an image may have.
	maxImage = 32 << 30
	// maxIndex is how large an index.json may be.
	maxIndex = 4 << 20
)

// blobPath is the path of a blob in an OCI image layout.
var blobPath = regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)

// OpenLayout gives an image out of an OCI image layout in dir, which must stay until
// the scan is done. Its errors have the code scan/image-unusable.
func OpenLayout(dir string, image record.Image) (Local, error) {
	found, err := fromLayout(dir, image)
	if err != nil {
		return nil, unusable(image.String(), fmt.Errorf("opening image layout %q: %w", dir, err))
	}
	return found, nil
}

func fromLayout(dir string, image record.Image) (Local, error) {
	want, err := v1.NewHash(image.Digest)
	if err != nil {
		return nil, err
	}
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, entry := range manifest.Manifests {
		switch {
		case entry.Digest == want && entry.MediaType.IsIndex():
			return root.ImageIndex(want)
		case entry.Digest == want:
			return root.Image(want)
		}
	}
	return nil, fmt.Errorf("no image %s is in its index.json", want)
}

// ReadArchive unpacks an OCI image layout from a tar stream into dir and opens it, as
// [OpenLayout] does: what docker buildx build --output type=oci,dest=- writes, for
// example. The stream is read to its end.
func ReadArchive(ctx context.Context, from io.Reader, dir string, image record.Image) (Local, error) {
	if err := unpackLayout(ctx, from, dir); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reading image archive: %w", context.Cause(ctx))
		}
		return nil, unusable(image.String(), fmt.Errorf("reading image archive: %w", err))
	}
	return OpenLayout(dir, image)
}

func unpackLayout(ctx context.Context, from io.Reader, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o750); err != nil {
		return err
	}
	archive, left := tar.NewReader(from), int64(maxImage)
	for ctx.Err() == nil {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, io.LimitReader(from, maxIndex))
			return err
		}
		if err != nil {
			return err
		}
		file, limit := strings.TrimPrefix(header.Name, "./"), left
		switch {
		case header.Typeflag != tar.TypeReg:
			continue
		case file == "index.json" || file == "oci-layout":
			limit = min(left, maxIndex)
		case !blobPath.MatchString(file):
			continue
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(file)), archive, limit); err != nil {
			return err
		}
		left -= header.Size
	}
	return ctx.Err()
}

// write writes a new file of at most limit bytes.
func write(path string, from io.Reader, limit int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	written, err := io.Copy(file, io.LimitReader(from, limit+1))
	if err == nil && written > limit {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), limit)
	}
	return errors.Join(err, file.Close())
}

func unusable(image string, err error) error {
	return record.Unavailable("scan/image-unusable", "reading image %q: %w", image, foreign(err))
}

// foreign shows an error of a library, which may hold text of the image.
func foreign(err error) error { return text.Error(err, 400) }
