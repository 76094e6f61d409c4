package debtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// Library makes a shared object for an architecture, without symbols, that a program can
// load: the least that the loader accepts.
func Library(soname string, machine elf.Machine) string {
	const (
		segments = 3
		dynamic  = 64 + segments*56 + 8 // aligned to 16
		entries  = 7
		hash     = dynamic + entries*16
		symbols  = hash + 16
		text     = symbols + 24
	)
	names := "\x00" + soname + "\x00"
	size := uint64(text + len(names))
	head := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: segments, Shentsize: 64,
	}
	copy(head.Ident[:], elf.ELFMAG)
	head.Ident[elf.EI_CLASS], head.Ident[elf.EI_DATA], head.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	writable := uint32(elf.PF_R | elf.PF_W)
	parts := []any{
		head,
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: writable, Filesz: size, Memsz: size, Align: 0x10000},
		elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Flags: writable, Off: dynamic, Vaddr: dynamic, Paddr: dynamic, Filesz: entries * 16, Memsz: entries * 16, Align: 8},
		elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: writable, Align: 16}, // without it the loader wants an executable stack
		make([]byte, 8),
		[entries]elf.Dyn64{
			{Tag: int64(elf.DT_SONAME), Val: 1}, {Tag: int64(elf.DT_STRTAB), Val: text}, {Tag: int64(elf.DT_STRSZ), Val: uint64(len(names))},
			{Tag: int64(elf.DT_SYMTAB), Val: symbols}, {Tag: int64(elf.DT_SYMENT), Val: 24}, {Tag: int64(elf.DT_HASH), Val: hash}, {Tag: int64(elf.DT_NULL)},
		},
		[4]uint32{1, 1, 0, 0}, // a bucket, a chain, both empty
		make([]byte, 24),
		[]byte(names),
	}
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			panic(err) // of fixed sizes
		}
	}
	return b.String()
}
