package images

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// maxArchive bounds what an archive may unpack to, and maxArchiveFiles how many files it may have.
const (
	maxArchive      = 32 << 30
	maxArchiveFiles = 100_000
)

// fromArchive opens an image in an archive. The returned function frees what reading it took and must be called after use; it is never nil.
func fromArchive(file, reference string) (remote.Taggable, func(), error) {
	nothing := func() {}
	kind, err := archiveKind(file)
	if err != nil {
		return nil, nothing, err
	}
	if kind == "docker" {
		img, err := dockerImage(file, reference)
		return img, nothing, err
	}
	dir, err := os.MkdirTemp("", "sandbox-load-")
	if err != nil {
		return nil, nothing, fmt.Errorf("creating scratch directory: %w", err)
	}
	done := func() { _ = os.RemoveAll(dir) }
	if err := unpackArchive(file, dir); err != nil {
		return nil, done, err
	}
	one, err := only(dir, reference)
	return one, done, err
}

// dockerImage takes the image called reference from what docker save wrote, or the only one.
func dockerImage(file, reference string) (remote.Taggable, error) {
	open := func() (io.ReadCloser, error) { return openArchive(file) }
	img, err := tarball.Image(open, nil)
	if err == nil {
		return img, nil
	}
	tag, terr := name.NewTag(reference)
	if terr != nil {
		return nil, fmt.Errorf("reading image archive %q: %w", file, err)
	}
	img, err = tarball.Image(open, &tag)
	if err != nil {
		return nil, fmt.Errorf("reading image archive %q: %w", file, err)
	}
	return img, nil
}

// archive is an open archive, decompressed.
type archive struct {
	io.Reader
	closers []io.Closer
}

func (a archive) Close() error {
	var errs []error
	for _, c := range a.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func openArchive(file string) (io.ReadCloser, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening image archive: %w", err)
	}
	br := bufio.NewReaderSize(f, 1<<16)
	if magic, _ := br.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return archive{br, []io.Closer{f}}, nil
	}
	zr, err := gzip.NewReader(br)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("decompressing image archive %q: %w", file, err)
	}
	return archive{zr, []io.Closer{zr, f}}, nil
}

// archiveKind looks for the file that tells the format. An archive that is both is read as Docker's: docker save of
// recent versions writes both, and only Docker's part names its images in full.
func archiveKind(file string) (string, error) {
	kind := ""
	err := eachFile(file, func(hdr *tar.Header, _ io.Reader) error {
		switch path.Clean(hdr.Name) {
		case "manifest.json":
			kind = "docker"
		case "oci-layout":
			if kind == "" {
				kind = "oci"
			}
		}
		return nil
	})
	if err == nil && kind == "" {
		err = fmt.Errorf("reading image archive %q: it has neither manifest.json (docker save) nor oci-layout: not an image", file)
	}
	return kind, err
}

func eachFile(file string, visit func(*tar.Header, io.Reader) error) error {
	r, err := openArchive(file)
	if err != nil {
		return err
	}
	defer r.Close()
	tr := tar.NewReader(io.LimitReader(r, maxArchive))
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading image archive %q: %w", file, err)
		}
		if n >= maxArchiveFiles {
			return fmt.Errorf("reading image archive %q: more than %d files", file, maxArchiveFiles)
		}
		if err := visit(hdr, tr); err != nil {
			return fmt.Errorf("reading image archive %q: %w", file, err)
		}
	}
}

// unpackArchive writes the regular files of an archive below dir; os.Root keeps paths inside.
func unpackArchive(file, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening scratch directory: %w", err)
	}
	defer root.Close()
	return eachFile(file, func(hdr *tar.Header, body io.Reader) error {
		if hdr.Typeflag != tar.TypeReg {
			return nil
		}
		p := path.Clean(hdr.Name)
		if err := root.MkdirAll(path.Dir(p), 0o755); err != nil {
			return err
		}
		f, err := root.Create(p)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, body)
		return errors.Join(err, f.Close())
	})
}
