package report

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"os"
	"path/filepath"
	"time"
)

// pngBegins is how each PNG begins.
var pngBegins = []byte("\x89PNG\r\n\x1a\n")

// WritePicture writes a PNG into the folder pictures of dir, both of which it makes, and
// gives its path.
func WritePicture(dir, name string, png []byte) (string, error) {
	dir = filepath.Join(dir, "pictures")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	path := filepath.Join(dir, time.Now().UTC().Format("20060102T150405.000Z")+"-"+notInName.ReplaceAllString(name, "_")+".png")
	return path, os.WriteFile(path, png, 0o600)
}

// shots makes addresses of pictures that hold the picture, nil for what is no PNG.
func shots(read func(path string) []byte) func(path string) any {
	return func(path string) any {
		if read == nil || path == "" {
			return nil
		}
		content := read(path)
		if !bytes.HasPrefix(content, pngBegins) {
			return nil
		}
		return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(content)) //nolint:gosec // base64 of a PNG is no markup
	}
}
