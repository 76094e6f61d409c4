package cli

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"runtime/debug"
)

// readProgram reads what the Go linker has recorded in an ELF program. The library for
// that, debug/buildinfo, reads the formats of other systems too, which would make up a
// two-hundredth of our own program.
func readProgram(file string) (*debug.BuildInfo, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	none := errors.New("it is no program of Go")
	section := f.Section(".go.buildinfo")
	if section == nil {
		return nil, none
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	// The layout is that of package debug/buildinfo since Go 1.18: a header of 32 bytes,
	// with a flag for strings that follow it, then the version and the modules, each
	// with its length. 16 bytes of a mark stand on both sides of the modules.
	const header, flags, inline, mark = 32, 15, 2, 16
	if len(data) < header || !bytes.HasPrefix(data, []byte("\xff Go buildinf:")) || data[flags]&inline == 0 {
		return nil, none
	}
	rest := data[header:]
	var texts [2]string
	for i := range texts {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return nil, none
		}
		texts[i], rest = string(rest[size:size+int(n)]), rest[size+int(n):]
	}
	if len(texts[1]) < 2*mark {
		return nil, none
	}
	return debug.ParseBuildInfo(texts[1][mark : len(texts[1])-mark])
}
