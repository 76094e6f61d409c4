package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"path"
	"strings"
)

// A library holds what the dynamic loader's cache needs to know of a shared object.
type library struct {
	Machine elf.Machine `json:"machine"`
	Class   elf.Class   `json:"class"`
	Soname  string      `json:"soname,omitempty"` // "" if it has none
}

// needs is what a file needs in order to be started or loaded.
type needs struct {
	Loader string   `json:"loader,omitempty"` // the loader of an ELF file, or the interpreter of a script
	Libs   []string `json:"libs,omitempty"`
	Dirs   []string `json:"dirs,omitempty"` // RUNPATH or RPATH; may begin with $ORIGIN
}

func (n *needs) empty() bool { return n.Loader == "" && len(n.Libs) == 0 }

// isLibraryName reports whether ldconfig would look at a file of that name.
func isLibraryName(base string) bool {
	return (strings.HasPrefix(base, "lib") || strings.HasPrefix(base, "ld-") || strings.HasPrefix(base, "ld64.") || strings.HasPrefix(base, "ld.so")) &&
		strings.Contains(base, ".so") && !strings.HasSuffix(base, "-gdb.py") && !strings.HasPrefix(base, ".#")
}

// elfHead is how many bytes of a file's beginning the scanner keeps. The string table
// of dynamic symbols is near it; in the largest libraries it ends before 5 MB.
const elfHead = 8 << 20

// An elfScanner extracts the facts of [library] and [needs] from a file that is written
// to it. It keeps the head of the file, and the parts further on that the headers point
// to, so memory does not grow with the file.
type elfScanner struct {
	head bytes.Buffer
	pos  int64
	bad  bool // it is not a 64-bit ELF program or library

	shared  bool
	lib     library
	loads   []elf.Prog64
	dynamic span
	loader  span
	names   []named
}

// A named is a string that the dynamic section refers to.
type named struct {
	tag elf.DynTag
	span
}

// A span is a part of a file to be kept, and what of it has arrived.
type span struct {
	off, size int64
	data      []byte
}

// take keeps the bytes of p, which are at the offset pos, that belong to s.
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

// reset prepares the scanner for another file.
func (s *elfScanner) reset() {
	s.head.Reset()
	*s = elfScanner{head: s.head}
}

// Write scans the next piece of the file. It never fails.
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
	s.loader.take(p, s.pos)
	for i := range s.names {
		s.names[i].take(p, s.pos)
	}
	s.pos += int64(n)
	if s.dynamic.complete() {
		s.findNames()
	}
	return n, nil
}

// start reads the headers, once they have arrived.
func (s *elfScanner) start() {
	h := s.head.Bytes()
	if string(h[:4]) != elf.ELFMAG || elf.Class(h[4]) != elf.ELFCLASS64 || elf.Data(h[5]) != elf.ELFDATA2LSB {
		s.bad = true
		return
	}
	var head elf.Header64
	if _, err := binary.Decode(h, binary.LittleEndian, &head); err != nil || head.Phentsize != 56 ||
		elf.Type(head.Type) != elf.ET_DYN && elf.Type(head.Type) != elf.ET_EXEC {
		s.bad = true
		return
	}
	end := head.Phoff + uint64(head.Phnum)*56
	if head.Phoff > elfHead || end > elfHead {
		s.bad = true
		return
	}
	if uint64(len(h)) < end {
		return // not all headers are here yet
	}
	s.shared = elf.Type(head.Type) == elf.ET_DYN
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
		case elf.PT_INTERP:
			s.loader = span{off: int64(p.Off), size: int64(min(p.Filesz, maxPath))}
			s.fromHead(&s.loader)
		}
	}
}

// fromHead fills a span with what of it is in the head.
func (s *elfScanner) fromHead(p *span) {
	if h := s.head.Bytes(); p.off < int64(len(h)) && p.off >= 0 {
		p.take(h, 0)
	}
}

// maxSoname bounds the name of a library; file names have 255 bytes at most.
// maxPath bounds a list of folders, and the name of a loader.
const (
	maxSoname = 256
	maxPath   = 4096
)

// findNames reads the dynamic section.
func (s *elfScanner) findNames() {
	var table, size uint64
	type entry struct {
		tag   elf.DynTag
		value uint64
	}
	var found []entry
	for d := s.dynamic.data; len(d) >= 16; d = d[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(d)), binary.LittleEndian.Uint64(d[8:])
		switch tag {
		case elf.DT_STRTAB:
			table = value
		case elf.DT_STRSZ:
			size = value
		case elf.DT_SONAME, elf.DT_NEEDED, elf.DT_RPATH, elf.DT_RUNPATH:
			found = append(found, entry{tag, value})
		case elf.DT_NULL:
			d = d[:16]
		}
	}
	s.dynamic.size = 0 // it is read
	for _, p := range s.loads {
		at := table - p.Vaddr
		if table < p.Vaddr || at >= p.Filesz {
			continue
		}
		for _, e := range found {
			if e.value >= size {
				continue
			}
			most := uint64(maxSoname)
			if e.tag == elf.DT_RPATH || e.tag == elf.DT_RUNPATH {
				most = maxPath
			}
			n := named{e.tag, span{off: int64(p.Off + at + e.value), size: int64(min(most, size-e.value))}}
			s.fromHead(&n.span)
			s.names = append(s.names, n)
		}
		return
	}
}

// library returns what was found, once the whole file was written; nil if it is not a
// shared object, or if its name is in a part that was not kept.
func (s *elfScanner) library() *library {
	if s.bad || s.loads == nil || !s.shared {
		return nil
	}
	for _, n := range s.names {
		if n.tag != elf.DT_SONAME {
			continue
		}
		name, ok := n.text()
		if !ok || name == "" || path.Base(name) != name {
			return nil
		}
		s.lib.Soname = name
		break
	}
	lib := s.lib
	return &lib
}

// text returns the string at the beginning of a span.
func (s *span) text() (string, bool) {
	text, _, ok := bytes.Cut(s.data, []byte{0})
	return string(text), ok
}

// needs returns what the file needs; nil if it is neither a program nor a library, or
// needs nothing.
func (s *elfScanner) needs() *needs {
	if s.bad || s.loads == nil {
		return nil
	}
	var n needs
	n.Loader, _ = s.loader.text()
	for i := range s.names {
		text, ok := s.names[i].text()
		switch tag := s.names[i].tag; {
		case !ok || text == "":
		case tag == elf.DT_NEEDED:
			n.Libs = append(n.Libs, text)
		case tag == elf.DT_RPATH || tag == elf.DT_RUNPATH:
			n.Dirs = append(n.Dirs, strings.Split(text, ":")...)
		}
	}
	if n.empty() {
		return nil
	}
	return &n
}

// interpreter returns the program that runs a script, from its first line.
func interpreter(head []byte) string {
	line, ok := strings.CutPrefix(string(head), "#!")
	if !ok {
		return ""
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
		return ""
	case path.Base(words[0]) != "env":
		return words[0]
	}
	for _, word := range words[1:] { // env -S python3 -u
		if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
			return word
		}
	}
	return words[0]
}
