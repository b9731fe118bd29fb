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

// Linked is a compiled module for amd64 that needs a library, such as libc.so.6.
func Linked(library string) string { return Compiled(library, "", "") }

// Compiled is a compiled module for amd64 that needs a library in a version, such as
// GLIBC_2.38, and has a function; "" for none: a head, the parts, and the list of them.
func Compiled(library, version, function string) string {
	put := func(values ...any) string {
		var b strings.Builder
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // into memory
		}
		return b.String()
	}
	names := "\x00" + library + "\x00" + version + "\x00" + function + "\x00"
	ofVersion := uint32(len(library) + 2)
	ofFunction := ofVersion + uint32(len(version)) + 1
	parts := []struct {
		kind       elf.SectionType
		link, info uint32
		each       uint64
		content    string
		absent     bool
	}{
		{kind: elf.SHT_NULL},
		{kind: elf.SHT_STRTAB, content: names + strings.Repeat("\x00", 8-len(names)%8)},
		{kind: elf.SHT_DYNAMIC, link: 1, each: 16, content: put(int64(elf.DT_NEEDED), uint64(1), int64(elf.DT_NULL), uint64(0))},
		{kind: elf.SHT_DYNSYM, link: 1, each: elf.Sym64Size, content: put(elf.Sym64{}, elf.Sym64{Name: ofFunction, Info: byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC), Shndx: 1})},
		{kind: elf.SHT_GNU_VERSYM, link: 3, each: 2, content: put(uint16(0), uint16(1), uint32(0)), absent: version == ""},
		{kind: elf.SHT_GNU_VERNEED, link: 1, info: 1, absent: version == "",
			content: put(uint16(1), uint16(1), uint32(1), uint32(16), uint32(0), uint32(0), uint16(0), uint16(2), ofVersion, uint32(0))},
	}
	const head = 64
	var content, list strings.Builder
	count := uint16(0)
	for _, p := range parts {
		if p.absent {
			continue
		}
		count++
		list.WriteString(put(elf.Section64{Type: uint32(p.kind), Off: uint64(head + content.Len()), Size: uint64(len(p.content)), Link: p.link, Info: p.info, Addralign: 1, Entsize: p.each}))
		content.WriteString(p.content)
	}
	first := []byte(Module(elf.EM_X86_64))
	first[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	binary.LittleEndian.PutUint16(first[16:], uint16(elf.ET_DYN))
	binary.LittleEndian.PutUint32(first[20:], uint32(elf.EV_CURRENT))
	binary.LittleEndian.PutUint64(first[40:], uint64(head+content.Len())) // where the parts are listed
	binary.LittleEndian.PutUint16(first[52:], head)
	binary.LittleEndian.PutUint16(first[58:], 64)
	binary.LittleEndian.PutUint16(first[60:], count)
	binary.LittleEndian.PutUint16(first[62:], 1) // the part with their names
	return string(first) + content.String() + list.String()
}

// AppleModule is one for macOS.
const AppleModule = "\xcf\xfa\xed\xfe\x07\x00\x00\x01 a module for macOS"
