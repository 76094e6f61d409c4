package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"path"
	"strings"
)

// A library is what the dynamic loader's cache says of a shared object.
type library struct {
	Machine elf.Machine `json:"machine"`
	Class   elf.Class   `json:"class"`
	Soname  string      `json:"soname,omitempty"` // "" when it has none
}

// isLibraryName reports whether ldconfig would look at a file of that name.
func isLibraryName(base string) bool {
	return (strings.HasPrefix(base, "lib") || strings.HasPrefix(base, "ld-") || strings.HasPrefix(base, "ld64.") || strings.HasPrefix(base, "ld.so")) &&
		strings.Contains(base, ".so") && !strings.HasSuffix(base, "-gdb.py") && !strings.HasPrefix(base, ".#")
}

// elfHead is how much of a shared object the scanner keeps. The string table of
// its symbols lies near its beginning; in the largest ones it ends before 5 MB.
const elfHead = 8 << 20

// An elfScanner reads the few facts of [library] from a file that streams by. It
// keeps the head of the file, and the parts that it has learnt to wait for.
type elfScanner struct {
	head bytes.Buffer
	pos  int64
	bad  bool // it is no shared object of 64 bits

	lib     library
	loads   []elf.Prog64
	dynamic span
	name    span // where the soname is, when that lies ahead
}

// A span is a part of a file that is waited for, and what of it has come.
type span struct {
	off, size int64
	data      []byte
}

// take keeps what of p, which is at pos, belongs to s.
func (s *span) take(p []byte, pos int64) {
	if s.size == 0 || int64(len(s.data)) == s.size {
		return
	}
	want := s.off + int64(len(s.data))
	if want < pos || want >= pos+int64(len(p)) {
		return
	}
	p = p[want-pos:]
	s.data = append(s.data, p[:min(int64(len(p)), s.size-int64(len(s.data)))]...)
}

func (s *span) complete() bool { return s.size > 0 && int64(len(s.data)) == s.size }

// reset makes the scanner ready for another file.
func (s *elfScanner) reset() {
	s.head.Reset()
	*s = elfScanner{head: s.head}
}

// Write looks at the next piece of the file.
func (s *elfScanner) Write(p []byte) (int, error) {
	n := len(p)
	if s.bad {
		return n, nil
	}
	started := s.loads != nil
	if room := elfHead - s.head.Len(); room > 0 {
		s.head.Write(p[:min(room, n)])
	}
	if !started && s.head.Len() >= 64 {
		s.start()
	}
	s.dynamic.take(p, s.pos)
	s.name.take(p, s.pos)
	s.pos += int64(n)
	if s.dynamic.complete() && s.name.size == 0 && s.lib.Soname == "" {
		s.findName()
	}
	return n, nil
}

// start reads the headers, once they are there.
func (s *elfScanner) start() {
	h := s.head.Bytes()
	if string(h[:4]) != elf.ELFMAG || elf.Class(h[4]) != elf.ELFCLASS64 || elf.Data(h[5]) != elf.ELFDATA2LSB {
		s.bad = true
		return
	}
	var head elf.Header64
	if _, err := binary.Decode(h, binary.LittleEndian, &head); err != nil || elf.Type(head.Type) != elf.ET_DYN || head.Phentsize != 56 {
		s.bad = true
		return
	}
	end := head.Phoff + uint64(head.Phnum)*56
	if head.Phoff > elfHead || end > elfHead {
		s.bad = true
		return
	}
	if uint64(len(h)) < end {
		return // the next piece will have it
	}
	s.lib.Machine, s.lib.Class = elf.Machine(head.Machine), elf.ELFCLASS64
	s.loads = []elf.Prog64{}
	for at := head.Phoff; at < end; at += 56 {
		var p elf.Prog64
		if _, err := binary.Decode(h[at:], binary.LittleEndian, &p); err != nil {
			s.bad = true
			return
		}
		switch elf.ProgType(p.Type) {
		case elf.PT_LOAD:
			s.loads = append(s.loads, p)
		case elf.PT_DYNAMIC:
			if p.Filesz > 1<<20 {
				s.bad = true
				return
			}
			s.dynamic = span{off: int64(p.Off), size: int64(p.Filesz)}
			s.fromHead(&s.dynamic)
		}
	}
}

// fromHead gives a span what of it has gone by already.
func (s *elfScanner) fromHead(p *span) {
	if h := s.head.Bytes(); p.off < int64(len(h)) && p.off >= 0 {
		p.take(h, 0)
	}
}

// maxSoname bounds the name of a library; file names have 255 bytes at most.
const maxSoname = 256

// findName reads the dynamic section.
func (s *elfScanner) findName() {
	var table, name, size uint64
	found := false
	for d := s.dynamic.data; len(d) >= 16; d = d[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(d)), binary.LittleEndian.Uint64(d[8:])
		switch tag {
		case elf.DT_STRTAB:
			table = value
		case elf.DT_STRSZ:
			size = value
		case elf.DT_SONAME:
			name, found = value, true
		case elf.DT_NULL:
			d = d[:16]
		}
	}
	s.dynamic.size = 0 // it is read
	if !found || name >= size {
		return
	}
	for _, p := range s.loads {
		if at := table - p.Vaddr; table >= p.Vaddr && at < p.Filesz {
			s.name = span{off: int64(p.Off + at + name), size: int64(min(maxSoname, size-name))}
			s.fromHead(&s.name)
			return
		}
	}
}

// library is what was found once the whole file has gone by; nil when it is no
// shared object, or one whose name lies where nobody looked.
func (s *elfScanner) library() *library {
	if s.bad || s.loads == nil {
		return nil
	}
	if s.name.size > 0 {
		name, _, ok := bytes.Cut(s.name.data, []byte{0})
		if !ok || len(name) == 0 || path.Base(string(name)) != string(name) {
			return nil
		}
		s.lib.Soname = string(name)
	}
	lib := s.lib
	return &lib
}
