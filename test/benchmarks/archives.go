package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// appended adds a text at the end of a file of a .tar.gz.
func appended(archive []byte, file, text string) ([]byte, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	from, to, found := tar.NewReader(unpacked), tar.NewWriter(packed), false
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		content := io.Reader(from)
		if header.Name == file {
			found, header.Size = true, header.Size+int64(len(text))
			content = io.MultiReader(from, bytes.NewReader([]byte(text)))
		}
		if err := to.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.Copy(to, content); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("there is no %s in it", file)
	}
	err = errors.Join(to.Close(), packed.Close())
	return out.Bytes(), err
}
