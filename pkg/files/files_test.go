package files

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsNoFileIsSaidAtOnce(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("ten bytes"), []byte("0123456789"), 0o600))
	require.NoError(t, os.WriteFile(at("eleven bytes"), []byte("0123456789a"), 0o600))
	require.NoError(t, os.WriteFile(at("empty"), nil, 0o600))
	require.NoError(t, os.Symlink("ten bytes", at("a link")))
	require.NoError(t, os.Mkdir(at("a folder"), 0o700))
	require.NoError(t, syscall.Mkfifo(at("a pipe"), 0o600))
	socket, err := net.Listen("unix", at("a socket"))
	require.NoError(t, err)
	defer func() { _ = socket.Close() }()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { _ = root.Close() }()
	for name, want := range map[string]string{
		"ten bytes": "", "a link": "", "empty": "",
		"eleven bytes": "it is larger than 10 bytes",
		"a folder":     "it is no regular file",
		"a pipe":       "it is no regular file",
		"a socket":     "no such device or address",
		"nothing":      "no such file",
	} {
		t.Run(name, func(t *testing.T) {
			_, named := Read(at(name), 10)
			_, below := ReadIn(root, name, 10)
			for _, err := range []error{named, below} {
				if want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, want)
				var path *fs.PathError
				require.ErrorAs(t, err, &path)
				require.Equal(t, name, filepath.Base(path.Path))
			}
		})
	}
	if _, err := os.Stat("/dev/zero"); err == nil {
		_, err := Read("/dev/zero", 10)
		require.ErrorIs(t, err, ErrNoFile)
	}
}

// What bash makes of <(command) is a pipe, also while the command still runs.
func TestAPipeWithAWriterIsRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	// Both ends open: no side waits for the other.
	writer, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = writer.WriteString("012")
	require.NoError(t, err)
	time.AfterFunc(50*time.Millisecond, func() {
		_, _ = writer.WriteString("345")
		_ = writer.Close()
	})
	text, err := Read(name, 10)
	require.NoError(t, err)
	require.Equal(t, "012345", string(text))
	_, err = ReadRegular(name, 10)
	require.ErrorIs(t, err, ErrNoFile)
}

// `sops --decrypt values.yaml > pipe &` waits for a reader, and has written nothing yet
// when the pipe is opened.
func TestAPipeWhoseWriterWaitsForAReaderIsRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(name, []byte("012"), 0o600) }()
	text, err := Read(name, 10)
	require.NoError(t, err)
	require.Equal(t, "012", string(text))
	require.NoError(t, <-wrote)
}

func TestAReplacedFileIsWholeOrTheOldOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kept.json")
	require.NoError(t, Replace(path, []byte("first"), 0o600))
	require.NoError(t, Replace(path, []byte("second"), 0o644))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "second", string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())
	require.Error(t, Replace(dir, []byte("no file"), 0o600), "a folder is not replaced")
	require.Error(t, Replace(filepath.Join(dir, "none", "x"), nil, 0o600))
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing half written stays")
}

// A record that goes to /dev/null, as root, must not take its place.
func TestWrite_WhatIsNoFileStays(t *testing.T) {
	dir := t.TempDir()
	pipe, link, behind := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "behind.json")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.ErrorIs(t, Write(pipe, nil, 0o600), syscall.ENXIO, "nobody reads it, and nobody waits for ever")
	read, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer read.Close()
	require.NoError(t, Write(pipe, []byte(`"command": "deploy"`), 0o600))
	text := make([]byte, 1<<16)
	n, err := read.Read(text)
	require.NoError(t, err)
	require.Contains(t, string(text[:n]), `"command": "deploy"`)

	require.NoError(t, os.WriteFile(behind, nil, 0o600))
	require.NoError(t, os.Symlink(behind, link))
	require.NoError(t, Write(link, []byte(`"command": "deploy"`), 0o600))
	written, err := os.ReadFile(behind)
	require.NoError(t, err)
	require.Contains(t, string(written), `"command": "deploy"`, "the link stays a link")
}

func TestWrite_TheFileIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record.json")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.NoError(t, Write(path, []byte(`"verdict": "good"`), 0o600))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), `"verdict": "good"`)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
	require.Error(t, Write(filepath.Join(dir, "no", "record.json"), nil, 0o600))
}

// A name may have 255 bytes, and what is temporary beside it needs some.
func TestReplace_ALongNameIsAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("a", 255))
	require.NoError(t, Write(path, []byte("x"), 0o600))
	require.True(t, IsRegular(path))
}

func TestWrite_ALinkThatLeadsNowhereYetIsFollowed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "kept"), 0o700))
	require.NoError(t, os.Symlink("second", filepath.Join(dir, "first")))
	require.NoError(t, os.Symlink(filepath.Join("kept", "record.json"), filepath.Join(dir, "second")))
	require.NoError(t, Write(filepath.Join(dir, "first"), []byte("x"), 0o600))
	text, err := os.ReadFile(filepath.Join(dir, "kept", "record.json"))
	require.NoError(t, err)
	require.Equal(t, "x", string(text))
	require.NoError(t, os.Symlink("no/where", filepath.Join(dir, "third")))
	require.Error(t, Write(filepath.Join(dir, "third"), []byte("x"), 0o600), "and the link stays")
	require.NoError(t, os.Symlink("round", filepath.Join(dir, "round")))
	require.NotEmpty(t, Behind(filepath.Join(dir, "round")))
}
