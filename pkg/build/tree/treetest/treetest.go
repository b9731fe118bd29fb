// Package treetest makes folders for tests.
package treetest

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Write makes a folder: content by path, "-> x" is a link, "#!" makes a file
// executable.
func Write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			require.NoError(t, os.Symlink(target, path))
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	return dir
}

// Module is the head of a compiled module.
func Module(machine elf.Machine) string {
	head := make([]byte, 64)
	copy(head, elf.ELFMAG)
	head[elf.EI_CLASS], head[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	binary.LittleEndian.PutUint16(head[18:], uint16(machine))
	return string(head)
}

// Linked is a compiled module for amd64 that needs a library, such as libc.so.6: a head,
// a table of names, what it needs, and what these parts are.
func Linked(library string) string {
	const head, part = 64, 64
	names := "\x00" + library + "\x00"
	names += strings.Repeat("\x00", 8-len(names)%8)
	var needs, parts strings.Builder
	put := func(w *strings.Builder, values ...any) {
		for _, v := range values {
			_ = binary.Write(w, binary.LittleEndian, v) // into memory
		}
	}
	put(&needs, int64(elf.DT_NEEDED), uint64(1), int64(elf.DT_NULL), uint64(0))
	put(&parts, make([]byte, part))
	put(&parts, uint32(0), uint32(elf.SHT_STRTAB), uint64(0), uint64(0), uint64(head), uint64(len(names)), uint32(0), uint32(0), uint64(1), uint64(0))
	put(&parts, uint32(0), uint32(elf.SHT_DYNAMIC), uint64(0), uint64(0), uint64(head+len(names)), uint64(needs.Len()), uint32(1), uint32(0), uint64(8), uint64(16))
	first := []byte(Module(elf.EM_X86_64))
	first[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	binary.LittleEndian.PutUint16(first[16:], uint16(elf.ET_DYN))
	binary.LittleEndian.PutUint32(first[20:], uint32(elf.EV_CURRENT))
	binary.LittleEndian.PutUint64(first[40:], uint64(head+len(names)+needs.Len())) // where the parts are listed
	binary.LittleEndian.PutUint16(first[52:], head)
	binary.LittleEndian.PutUint16(first[58:], part)
	binary.LittleEndian.PutUint16(first[60:], 3)
	binary.LittleEndian.PutUint16(first[62:], 1) // the part with their names
	return string(first) + names + needs.String() + parts.String()
}

// AppleModule is one for macOS.
const AppleModule = "\xcf\xfa\xed\xfe\x07\x00\x00\x01 a module for macOS"
