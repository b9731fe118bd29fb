package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// maxDebFile bounds one file of a package; the largest that is used has a few MiB.
const maxDebFile = 64 << 20

// addDebs unpacks packages into the tree, in their order, and records them where dpkg would, so that scanners see what is
// installed. below are packages that lower layers hold: the record of a system is one file.
func (t *tree) addDebs(ctx context.Context, dir string, debs, below []deb) error {
	for _, d := range debs {
		files, err := t.addDeb(ctx, filepath.Join(dir, d.file()))
		if err != nil {
			return fmt.Errorf("unpacking Debian package %q: %w", d.Name, err)
		}
		t.file("var/lib/dpkg/info/"+d.listName(), 0o644, []byte(strings.Join(files, "\n")+"\n"))
	}
	// Without this mark dpkg looks for the lists under names without an architecture.
	t.file("var/lib/dpkg/info/format", 0o644, []byte("1\n"))
	all := append(append([]deb(nil), below...), debs...)
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	var status strings.Builder
	for _, d := range all {
		status.WriteString(d.Stanza + "\n")
	}
	t.file("var/lib/dpkg/status", 0o644, []byte(status.String()))
	return nil
}

// listName is how dpkg calls a package's list of files: packages that can be there for several architectures carry theirs.
func (d deb) listName() string {
	if strings.Contains(d.Stanza, "\nMulti-Arch: same\n") {
		return d.Name + ":" + d.Arch + ".list"
	}
	return d.Name + ".list"
}

// addDeb unpacks one package and lists its files as dpkg does.
func (t *tree) addDeb(ctx context.Context, file string) (list []string, err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("opening pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running dpkg-deb (install Debian's package dpkg): %w", err)
	}
	defer func() {
		// Wait only after the pipe is drained, or dpkg-deb dies of it.
		_, cerr := io.Copy(io.Discard, out)
		err = errors.Join(err, cerr, cmd.Wait())
	}()
	tr := tar.NewReader(out)
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading archive: %w", err)
		}
		name := path.Clean("/" + hdr.Name)
		if !wantedFile(name) {
			continue
		}
		if name == "/" {
			name = "/." // dpkg's own way to write the root
		}
		list = append(list, name)
		if err := t.addHeader(hdr, tr); err != nil {
			return nil, err
		}
	}
}

func (t *tree) addHeader(hdr *tar.Header, body io.Reader) error {
	e := entry{kind: hdr.Typeflag, mode: hdr.Mode & 0o7777, uid: hdr.Uid, gid: hdr.Gid, link: hdr.Linkname}
	switch hdr.Typeflag {
	case tar.TypeReg:
		if hdr.Size > maxDebFile {
			return fmt.Errorf("reading %q: %d bytes are more than a file of a package may have here (%d)", hdr.Name, hdr.Size, maxDebFile)
		}
		data, err := io.ReadAll(io.LimitReader(body, maxDebFile))
		if err != nil {
			return fmt.Errorf("reading %q: %w", hdr.Name, err)
		}
		e.data = data
	case tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	default:
		return fmt.Errorf("reading %q: unknown kind of file %q", hdr.Name, hdr.Typeflag)
	}
	t.put(hdr.Name, e)
	return nil
}

// unwanted are the parts of packages that the official slim images drop as well, and the tables that iconv alone reads.
var unwanted = []string{
	"/usr/share/man/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/lintian/", "/usr/share/doc-base/", "/usr/share/bug/",
	"/usr/share/i18n/", "/usr/share/bash-completion/", "/usr/share/menu/", "/usr/lib/x86_64-linux-gnu/gconv/", "/usr/share/postgresql/15/man/",
}

func wantedFile(name string) bool {
	if strings.HasPrefix(name, "/usr/share/doc/") {
		return path.Base(name) == "copyright"
	}
	for _, prefix := range unwanted {
		if strings.HasPrefix(name+"/", prefix) {
			return false
		}
	}
	return true
}
