// Package tree reads folders that become layers: their entries, and what native code
// they hold.
package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Limits of what is read whole.
const (
	MaxPackageJSON = 1 << 20
	MaxLockfile    = 64 << 20
)

// whiteout begins the names that mean the opposite in a layer (image-spec, layer.md;
// opencontainers/image-spec#1301).
const whiteout = ".wh."

// Entry is one file, folder or symbolic link of a tree.
type Entry struct {
	Root *os.Root
	Path string // relative to the root, slashes
	Mode fs.FileMode
	Size int64
	Link string // target of a symbolic link
}

// NewEntry reads what there is to know about a file, folder or symbolic link; anything
// else, and a link out of the root, is refused.
func NewEntry(root *os.Root, name string, d fs.DirEntry) (Entry, error) {
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	if strings.HasPrefix(path.Base(name), whiteout) {
		return Entry{}, record.BadInput("build/odd-file", "%q: in a layer of an image, a name that begins with %s removes a file of the layers below; rename or remove it", name, whiteout)
	}
	e := Entry{Root: root, Path: name, Mode: info.Mode()}
	switch e.Mode.Type() {
	case 0:
		e.Size = info.Size()
		return e, nil
	case fs.ModeDir:
		return e, nil
	case fs.ModeSymlink:
		e.Link, err = root.Readlink(name)
		if err != nil {
			return Entry{}, err
		}
		return e, checkLink(e)
	}
	return Entry{}, record.BadInput("build/odd-file",
		"%q is a %s: an image of an application holds files, folders and symbolic links only; remove it", name, kindName(e.Mode))
}

// checkLink refuses a link that leads out of the workspace: in the image it would
// lead to the base image's files, and it would tell about the build machine.
func checkLink(e Entry) error {
	target := path.Join(path.Dir(e.Path), e.Link)
	if !path.IsAbs(e.Link) && target != ".." && !strings.HasPrefix(target, "../") {
		// The system decides, because a link can lead through other links. A link
		// to nothing stays: npm leaves some behind.
		_, err := e.Root.Stat(e.Path)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ELOOP) {
			return Unreadable(e.Path, err)
		}
	}
	return record.BadInput("build/link-leaves-source",
		"symbolic link %q leads to %q, out of the workspace: replace it by its content or by a relative link", e.Path, e.Link)
}

func kindName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// Exists reports whether there is something at a path, links followed.
func Exists(root *os.Root, name string) bool {
	_, err := root.Stat(name)
	return err == nil
}
