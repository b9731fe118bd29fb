// Package files reads the files that settings, workspaces and other programs name: at
// most so many bytes, and without waiting for what is no file. What it writes is there as
// a whole or not at all.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var (
	// ErrNoFile is what a folder, a device or a socket gives in place of content, and a
	// named pipe without a writer.
	ErrNoFile = errors.New("it is no regular file")
	// ErrTooLarge is what a file of more bytes than the limit gives.
	ErrTooLarge = errors.New("it is larger than")
)

const (
	// patience is how long a pipe may be silent before it counts as one without an end.
	patience = 10 * time.Second
	// grace is how long a pipe may have no writer: one that waits for a reader, as
	// `sops … > pipe &` does, is woken when the pipe is opened, and takes a moment.
	grace = 500 * time.Millisecond
)

// Opening a named pipe would wait, deaf to signals, for a writer.
const reading = os.O_RDONLY | syscall.O_NONBLOCK

// Read gives the content of a file of at most limit bytes that a person named. A pipe
// with a writer counts as one, as shells make them of <(command); one that falls
// silent is given up. Errors are [fs.PathError]s.
func Read(name string, limit int64) ([]byte, error) {
	return read(name, limit, fs.ModeNamedPipe)
}

// ReadRegular is Read for what is read more than once, which a pipe cannot be.
func ReadRegular(name string, limit int64) ([]byte, error) {
	return read(name, limit, 0)
}

// IsRegular reports whether the name, or what it links to, is that of a regular file:
// one that can be read again.
func IsRegular(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func read(name string, limit int64, or fs.FileMode) ([]byte, error) {
	file, err := os.OpenFile(name, reading, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return content(file, name, limit, or)
}

// OpenRoot opens a folder. A named pipe would wait for a writer.
func OpenRoot(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

// ReadIn gives the content of a regular file of at most limit bytes below a folder.
// Errors are [fs.PathError]s.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := root.OpenFile(name, reading, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return content(file, name, limit, 0)
}

// content reads a file that is regular, or of the other kind.
func content(file *os.File, name string, limit int64, or fs.FileMode) ([]byte, error) {
	problem := func(err error) error { return &fs.PathError{Op: "read", Path: name, Err: err} }
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	kind := info.Mode().Type()
	if kind != 0 && kind != or {
		return nil, problem(ErrNoFile)
	}
	tooLarge := problem(fmt.Errorf("%w %d bytes", ErrTooLarge, limit))
	var text bytes.Buffer
	if kind == 0 { // what the kernel makes up has the size 0, and a content
		if info.Size() > limit {
			return nil, tooLarge
		}
		text.Grow(int(info.Size()) + bytes.MinRead)
	}
	_, err = text.ReadFrom(io.LimitReader(&patient{file: file, pipe: kind != 0, until: time.Now().Add(grace)}, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem(fmt.Errorf("it is a pipe, and nothing came through it for %s", patience))
	case err != nil:
		return nil, err
	case int64(text.Len()) > limit:
		return nil, tooLarge
	case text.Len() == 0 && kind != 0:
		return nil, problem(fmt.Errorf("%w, but a pipe that nobody writes to", ErrNoFile))
	}
	return text.Bytes(), nil
}

// patient does not wait without end for the next bytes of a pipe, and takes an end before
// its first byte for one only when the grace is over.
type patient struct {
	file  *os.File
	pipe  bool
	until time.Time // until when an end without a byte is none
	begun bool
}

func (p *patient) Read(b []byte) (int, error) {
	if !p.pipe {
		return p.file.Read(b)
	}
	for {
		if err := p.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
		n, err := p.file.Read(b)
		p.begun = p.begun || n > 0
		if !errors.Is(err, io.EOF) || p.begun || time.Now().After(p.until) {
			return n, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// maxStem leaves room for what a temporary name adds to a name, of which Linux takes 255
// bytes.
const maxStem = 100

// Replace puts a file in the place of what the path names, in one step: who reads it sees
// the old one or the new one. Its folder must be there.
func Replace(path string, content []byte, mode fs.FileMode) (err error) {
	base := filepath.Base(path)
	f, err := os.CreateTemp(filepath.Dir(path), "."+base[:min(len(base), maxStem)]+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(f.Name()); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = removeErr
		}
	}()
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Write is Replace for a path that a person named: behind a link the file that it leads
// to, and into what is no file, such as /dev/null, which must not be replaced by one. A
// pipe without a reader is an error.
func Write(path string, content []byte, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, content)
	}
	return Replace(Behind(path), content, mode)
}

// maxLinks is how many links may follow each other, as in Linux.
const maxLinks = 40

// Behind is the file that a path leads to through links, also where it is not there yet.
func Behind(path string) string {
	for range maxLinks {
		to, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path
}

func writeInto(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
