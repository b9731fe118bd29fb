// Package bomb keeps from a scanner what a few bytes of a layer blow up in memory or on
// disk.
package bomb

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// maxDocument bounds a file that Trivy reads into memory as a whole, and what an
	// archive among them holds; the largest package lists have a few megabytes.
	maxDocument = 32 << 20
	// maxDocuments bounds the files of this kind in a layer.
	maxDocuments = 300_000
	// maxNames bounds the records before an entry, in which long names are.
	maxNames = 1 << 20
	block    = 512
	// shownName is how much of a name an error shows.
	shownName = 120
)

// documents are the files that Trivy parses as a whole, by name or end; all else is
// read in pieces or not at all.
var documents = []string{
	"package.json", "METADATA", "PKG-INFO", "installed", "status", "Info.plist", "installed.json", ".deps.json", ".spdx.json", ".cdx.json", "status.json", "curated.json", "inventory.json", ".gemspec", ".egg", ".egg-info", ".yaml", ".yml", ".toml", ".lock", ".xml", ".txt",
	".list", ".md5sums", ".nuspec", ".spdx", ".cdx", "-release", "buildinfo",
}

// documentFolders are those in which any JSON is one.
var documentFolders = []string{"conda-meta/", "content_manifests/"}

// isDocument reports whether a file is one that Trivy parses as a whole. Other JSON,
// such as data of the application, may have any size.
func isDocument(name string) bool {
	return slices.ContainsFunc(documents, func(end string) bool { return strings.HasSuffix(path.Base(name), end) }) ||
		path.Ext(name) == ".json" && slices.ContainsFunc(documentFolders, func(folder string) bool { return strings.Contains(name, folder) })
}

// Gate looks at the headers of a layer's files before Trivy does, and refuses what a
// few bytes blow up in memory or on disk: files with holes, documents without end,
// and archives in archives. It is not the reader of the archive: what it does not
// understand it lets pass.
type Gate struct {
	head      []byte // a header that is not whole yet
	left      int64  // of the content that follows, with its padding
	size      int64  // of the content
	kind      byte   // of the entry: '0' for a file
	name      string
	kept      []byte // content of the entry, where it is needed
	keep      bool
	next      string // name of the next entry, from the records before it
	nextSize  int64  // its size, -1 when the header has it
	documents int
}

// NewGate gives a gate that nothing has passed.
func NewGate() *Gate { return &Gate{nextSize: -1} }

// Pass reads on. It must be called with all bytes in order.
func (g *Gate) Pass(p []byte) error {
	for len(p) > 0 {
		if g.left > 0 {
			n := min(int64(len(p)), g.left)
			if missing := g.size - int64(len(g.kept)); g.keep && missing > 0 {
				g.kept = append(g.kept, p[:min(n, missing)]...)
			}
			g.left -= n
			p = p[n:]
			if g.left == 0 {
				if err := g.end(); err != nil {
					return err
				}
			}
			continue
		}
		n := min(len(p), block-len(g.head))
		g.head = append(g.head, p[:n]...)
		p = p[n:]
		if len(g.head) < block {
			return nil
		}
		err := g.begin(g.head)
		g.head = g.head[:0]
		if err != nil {
			return err
		}
	}
	return nil
}

// begin reads a header.
func (g *Gate) begin(head []byte) error {
	if !slices.ContainsFunc(head, func(b byte) bool { return b != 0 }) {
		return nil // the end of the archive
	}
	g.kind, g.name, g.size = head[156], g.next, g.nextSize
	if g.name == "" {
		g.name = untilZero(head[:100])
		if prefix := untilZero(head[345:500]); prefix != "" && bytes.HasPrefix(head[257:], []byte("ustar\x00")) {
			g.name = prefix + "/" + g.name
		}
	}
	if g.size < 0 {
		g.size = number(head[124:136])
	}
	records := strings.IndexByte("xgLK", g.kind) >= 0
	if !records {
		g.next, g.nextSize = "", -1
	}
	switch {
	case g.kind == 'S':
		return fmt.Errorf("file %q has holes, which images do not need", text.Line(g.name, shownName))
	case strings.IndexByte("123456", g.kind) >= 0:
		g.size = 0 // links, devices and folders have no content
	case records && g.size > maxNames:
		return fmt.Errorf("the records before an entry have %d bytes", g.size)
	}
	if err := g.document(); err != nil {
		return err
	}
	g.keep = records || g.size <= maxDocument && path.Ext(g.name) == ".egg"
	g.kept = g.kept[:0]
	g.left = (g.size + block - 1) / block * block
	if g.left == 0 {
		return g.end()
	}
	return nil
}

// document counts and bounds what is read as a whole.
func (g *Gate) document() error {
	if g.kind != '0' && g.kind != 0 || !isDocument(g.name) {
		return nil
	}
	if g.documents++; g.documents > maxDocuments {
		return fmt.Errorf("one of its layers has more than %d package lists and documents", maxDocuments)
	}
	if g.size > maxDocument {
		return fmt.Errorf("file %q has %d bytes, the limit for such a file is %d", text.Line(g.name, shownName), g.size, maxDocument)
	}
	return nil
}

// end looks at what was kept of an entry.
func (g *Gate) end() error {
	switch g.kind {
	case 'L':
		g.next = untilZero(g.kept)
	case 'x', 'g':
		return g.records()
	case '0', 0:
		if path.Ext(g.name) == ".egg" {
			return g.archive()
		}
	}
	return nil
}

// records reads those of PAX: "LENGTH KEY=VALUE\n" each.
func (g *Gate) records() error {
	rest := string(g.kept)
	for rest != "" {
		digits, _, found := strings.Cut(rest, " ")
		length, err := strconv.Atoi(digits)
		if !found || err != nil || length <= len(digits)+1 || length > len(rest) {
			return nil //nolint:nilerr // the reader behind the gate will say it
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(rest[len(digits)+1:length], "\n"), "=")
		rest = rest[length:]
		switch {
		case strings.HasPrefix(key, "GNU.sparse."):
			return errors.New("it has a file with holes, which images do not need")
		case key == "path" && g.kind == 'x':
			g.next = value
		case key == "size" && g.kind == 'x':
			if size, err := strconv.ParseInt(value, 10, 64); err == nil && size >= 0 {
				g.nextSize = size
			}
		}
	}
	return nil
}

// archive bounds what a Python egg holds.
func (g *Gate) archive() error {
	egg, err := zip.NewReader(bytes.NewReader(g.kept), int64(len(g.kept)))
	if err != nil {
		return nil //nolint:nilerr // nor can Trivy read it
	}
	whole := uint64(0)
	for _, file := range egg.File {
		if whole += file.UncompressedSize64; whole > maxDocument || file.UncompressedSize64 > maxDocument {
			return fmt.Errorf("archive %q holds more than %d bytes", text.Line(g.name, shownName), maxDocument)
		}
	}
	return nil
}

// untilZero ends at its first zero.
func untilZero(field []byte) string {
	before, _, _ := bytes.Cut(field, []byte{0})
	return string(before)
}

// number is octal, or binary where the first bit is set.
func number(field []byte) int64 {
	if field[0]&0x80 != 0 {
		n := int64(field[0] & 0x7f)
		for _, b := range field[1:] {
			if n > 1<<54 {
				return 1 << 62 // larger than anything allowed
			}
			n = n<<8 | int64(b)
		}
		return n
	}
	n, err := strconv.ParseInt(strings.Trim(untilZero(field), " "), 8, 64)
	if err != nil {
		return 0
	}
	return n
}
