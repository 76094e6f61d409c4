package gputest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"runtime"
)

// Library makes a shared object without symbols, for this machine's architecture, that
// the loader opens and ldconfig puts into its cache.
func Library(soname string) []byte {
	const (
		head     = 64
		segments = 3
		dynstrAt = head + segments*56
	)
	dynstr := "\x00" + soname + "\x00"
	align := func(n int) int { return (n + 7) &^ 7 }
	symsAt := align(dynstrAt + len(dynstr))
	hashAt := symsAt + 24
	dynAt := align(hashAt + 16)
	dynamic := []elf.Dyn64{
		{Tag: int64(elf.DT_SONAME), Val: 1}, {Tag: int64(elf.DT_STRTAB), Val: dynstrAt}, {Tag: int64(elf.DT_STRSZ), Val: uint64(len(dynstr))},
		{Tag: int64(elf.DT_SYMTAB), Val: uint64(symsAt)}, {Tag: int64(elf.DT_SYMENT), Val: 24}, {Tag: int64(elf.DT_HASH), Val: uint64(hashAt)},
		{Tag: int64(elf.DT_NULL)},
	}
	names := "\x00.dynstr\x00.dynsym\x00.dynamic\x00.shstrtab\x00"
	name := func(s string) uint32 { return uint32(bytes.Index([]byte(names), []byte("\x00"+s+"\x00")) + 1) }
	namesAt := dynAt + len(dynamic)*16
	sectionsAt := align(namesAt + len(names))

	machine := elf.EM_X86_64
	if runtime.GOARCH == "arm64" {
		machine = elf.EM_AARCH64
	}
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1, Phoff: head, Shoff: uint64(sectionsAt),
		Ehsize: head, Phentsize: 56, Phnum: segments, Shentsize: 64, Shnum: 5, Shstrndx: 4,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	size := uint64(sectionsAt + 5*64)
	// The loader writes into the dynamic table, so all of it can be written to.
	rw := uint32(elf.PF_R | elf.PF_W)
	programs := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: rw, Filesz: size, Memsz: size, Align: 4096},
		{Type: uint32(elf.PT_DYNAMIC), Flags: rw, Off: uint64(dynAt), Vaddr: uint64(dynAt), Paddr: uint64(dynAt), Filesz: uint64(len(dynamic) * 16), Memsz: uint64(len(dynamic) * 16), Align: 8},
		{Type: uint32(elf.PT_GNU_STACK), Flags: rw},
	}
	sections := []elf.Section64{
		{},
		{Name: name(".dynstr"), Type: uint32(elf.SHT_STRTAB), Addr: dynstrAt, Off: dynstrAt, Size: uint64(len(dynstr))},
		{Name: name(".dynsym"), Type: uint32(elf.SHT_DYNSYM), Addr: uint64(symsAt), Off: uint64(symsAt), Size: 24, Link: 1, Entsize: 24},
		{Name: name(".dynamic"), Type: uint32(elf.SHT_DYNAMIC), Addr: uint64(dynAt), Off: uint64(dynAt), Size: uint64(len(dynamic) * 16), Link: 1, Entsize: 16},
		{Name: name(".shstrtab"), Type: uint32(elf.SHT_STRTAB), Off: uint64(namesAt), Size: uint64(len(names))},
	}

	var b bytes.Buffer
	to := func(at int, v any) {
		b.Write(make([]byte, at-b.Len()))
		_ = binary.Write(&b, binary.LittleEndian, v) // into memory, of fixed size
	}
	to(0, header)
	to(head, programs)
	to(dynstrAt, []byte(dynstr))
	to(symsAt, elf.Sym64{})
	to(hashAt, []uint32{1, 1, 0, 0})
	to(dynAt, dynamic)
	to(namesAt, []byte(names))
	to(sectionsAt, sections)
	return b.Bytes()
}
