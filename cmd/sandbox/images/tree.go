package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// epoch is the time of every file and of every image: what a build gives must not depend on when it ran.
var epoch = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// entry is one file of a tree. Its content is either data or the file src on this machine.
type entry struct {
	kind     byte // tar.TypeReg, TypeDir, TypeSymlink or TypeLink
	mode     int64
	uid, gid int
	link     string
	data     []byte
	src      string
}

// tree is the content of one image layer, by path without a leading slash.
type tree struct {
	entries map[string]entry
	// merged says that /bin, /sbin and /lib* are links into /usr, as Debian 12 has it: packages still name the old paths.
	merged bool
}

func newTree(merged bool) *tree {
	return &tree{entries: map[string]entry{}, merged: merged}
}

// usrMerged are the directories that a merged system keeps below /usr.
var usrMerged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// clean gives the path under which the tree keeps a name: relative, without "..", and below usr where the system is merged.
func (t *tree) clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if !t.merged {
		return name
	}
	first, _, _ := strings.Cut(name, "/")
	for _, dir := range usrMerged {
		if first == dir {
			return "usr/" + name
		}
	}
	return name
}

// put adds an entry. A directory that is there already keeps its mode, as with dpkg: the first package decides.
func (t *tree) put(name string, e entry) {
	name = t.clean(name)
	if name == "" {
		return
	}
	if old, ok := t.entries[name]; ok && old.kind == tar.TypeDir && e.kind == tar.TypeDir {
		return
	}
	if e.kind == tar.TypeLink {
		e.link = t.clean(e.link)
	}
	t.entries[name] = e
}

func (t *tree) file(name string, mode int64, body []byte) {
	t.put(name, entry{kind: tar.TypeReg, mode: mode, data: body})
}

func (t *tree) mkdir(name string, mode int64, uid, gid int) {
	delete(t.entries, t.clean(name))
	t.put(name, entry{kind: tar.TypeDir, mode: mode, uid: uid, gid: gid})
}

func (t *tree) symlink(name, target string) {
	t.put(name, entry{kind: tar.TypeSymlink, mode: 0o777, link: target})
}

// rootLinks adds the links at the root that make a merged system.
func (t *tree) rootLinks() {
	for _, dir := range usrMerged[:5] {
		t.entries[dir] = entry{kind: tar.TypeSymlink, mode: 0o777, link: "usr/" + dir}
		t.mkdir("usr/"+dir, 0o755, 0, 0)
	}
}

// read gives the content of a regular file, or nil if the tree has none of that name.
func (t *tree) read(name string) []byte {
	return t.entries[t.clean(name)].data
}

// addDir adds what lies below a directory of this machine, owned by root; keep says which paths (relative) are wanted.
func (t *tree) addDir(src, dst string, keep func(string) bool) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading %q: %w", p, err)
		}
		rel, err := filepath.Rel(src, p)
		if err != nil || rel == "." || !keep(rel) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("reading %q: %w", p, err)
		}
		name := path.Join(dst, filepath.ToSlash(rel))
		switch {
		case d.IsDir():
			t.put(name, entry{kind: tar.TypeDir, mode: 0o755})
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return fmt.Errorf("reading link %q: %w", p, err)
			}
			t.symlink(name, target)
		case d.Type().IsRegular():
			mode := int64(0o644)
			if info.Mode()&0o111 != 0 {
				mode = 0o755
			}
			t.put(name, entry{kind: tar.TypeReg, mode: mode, src: p})
		}
		return nil
	})
}

// order lists the paths as they have to stand in an archive: parents first, hard links after what they point to.
func (t *tree) order() []string {
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := t.entries[names[i]].kind == tar.TypeLink, t.entries[names[j]].kind == tar.TypeLink
		if a != b {
			return b
		}
		return names[i] < names[j]
	})
	return names
}

// writeTar writes the tree as an archive that is the same for the same tree.
func (t *tree) writeTar(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, name := range t.order() {
		if err := writeEntry(tw, name, t.entries[name]); err != nil {
			return fmt.Errorf("writing %q: %w", name, err)
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, name string, e entry) error {
	hdr := &tar.Header{Typeflag: e.kind, Name: name, Linkname: e.link, Mode: e.mode, Uid: e.uid, Gid: e.gid, ModTime: epoch}
	if e.kind == tar.TypeDir {
		hdr.Name += "/"
	}
	var body io.Reader = bytes.NewReader(e.data)
	if e.kind == tar.TypeReg {
		hdr.Size = int64(len(e.data))
	}
	if e.src != "" {
		f, err := os.Open(e.src)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		hdr.Size, body = info.Size(), f
	}
	if err := tw.WriteHeader(hdr); err != nil {
		return err
	}
	_, err := io.Copy(tw, io.LimitReader(body, hdr.Size))
	return err
}
