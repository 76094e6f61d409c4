package debian

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A Table is the content of one Packages file in a single string: a record for each
// package, then their offsets sorted by name, then those by provided name. Records
// are decoded on demand, so a table of 60,000 packages is ready as soon as its bytes
// are read. It is immutable.
type Table struct {
	text      string // the whole encoding
	records   int    // number of records
	byName    int    // offset of 4 bytes for each record
	provided  int    // offset of 12 bytes for each provided name
	nProvided int
	archive   string
}

// tableMagic is the beginning of a table. Its number is the version of the format.
const tableMagic = "nix2gpu packages 1\n"

// The flags of a record: two bits for Multi-Arch, one for Essential, three for
// Priority.
const (
	flagSame      = 1
	flagForeign   = 2
	flagAllowed   = 3
	flagEssential = 4
	flagPriority  = 8
)

// maxStanza bounds the entry of a package, in bytes.
const maxStanza = 4 << 20

// ReadPackages makes a table from a Packages file. archive becomes [Locked.Archive].
func ReadPackages(r io.Reader, archive string) (*Table, error) {
	b := builder{out: append([]byte(tableMagic), 0, 0, 0, 0)}
	b.string(archive)
	var buf []byte
	for n := 0; ; {
		if cap(buf)-n < 1<<16 {
			buf = append(make([]byte, 0, max(1<<20, 2*cap(buf))), buf[:n]...)
		}
		got, err := r.Read(buf[n:cap(buf)])
		n += got
		buf = buf[:n]
		end := n
		if err == nil {
			if n < cap(buf)/2 {
				continue
			}
			if end = bytes.LastIndex(buf, []byte("\n\n")) + 1; end == 0 {
				if n > maxStanza {
					return nil, fmt.Errorf("package %d of the index is larger than %d bytes", b.count()+1, maxStanza)
				}
				continue
			}
		} else if err != io.EOF {
			return nil, err
		}
		for s := range Stanzas(buf[:end]) {
			if err := b.add(s); err != nil {
				return nil, err
			}
		}
		n = copy(buf, buf[end:])
		buf = buf[:n]
		if err == io.EOF {
			return b.table()
		}
	}
}

// A builder writes the records of a table.
type builder struct {
	out      []byte
	places   []place    // one for each record
	provided []provides // one for each provided name
}

// place and provides have the same fields, so that one sort serves both.
type (
	place    struct{ name, record, nameLen uint32 }
	provides struct{ name, record, nameLen uint32 }
)

func (b *builder) count() int { return len(b.places) }

func (b *builder) string(s string) {
	b.out = binary.AppendUvarint(b.out, uint64(len(s)))
	b.out = append(b.out, s...)
}

func (b *builder) bytes(s []byte) {
	b.out = binary.AppendUvarint(b.out, uint64(len(s)))
	b.out = append(b.out, s...)
}

// add writes a package's record.
func (b *builder) add(s Stanza) error {
	var name, version, arch, source, path, size, sum, multi, essential, priority, preDepends, depends, provided, conflicts, breaks []byte
	for n, value := range s.Fields() {
		switch string(n) {
		case "Package":
			name = value
		case "Version":
			version = value
		case "Architecture":
			arch = value
		case "Source":
			source = value
		case "Filename":
			path = bytes.TrimPrefix(value, []byte("./"))
		case "Size":
			size = value
		case "SHA256":
			sum = value
		case "Multi-Arch":
			multi = value
		case "Essential":
			essential = value
		case "Priority":
			priority = value
		case "Pre-Depends":
			preDepends = value
		case "Depends":
			depends = value
		case "Provides":
			provided = value
		case "Conflicts":
			conflicts = value
		case "Breaks":
			breaks = value
		}
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("package %d of the index, %q: %s", b.count()+1, name, fmt.Sprintf(format, args...))
	}
	if !isName(string(name)) {
		return bad("not the name of a package")
	}
	if err := CheckVersion(string(version)); err != nil {
		return bad("%v", err)
	}
	if !isName(string(arch)) {
		return bad("architecture %q", arch)
	}
	bytesOf, err := strconv.ParseInt(string(size), 10, 64)
	if err != nil || bytesOf < 0 {
		return bad("size %q", size)
	}
	if !isPath(string(path)) {
		return bad("file name %q", path)
	}
	digest, err := hex.AppendDecode(nil, sum)
	if err != nil || len(digest) != 32 && len(digest) != 0 {
		return bad("SHA256 %q", sum)
	}
	if len(b.out) > math.MaxUint32-maxStanza {
		return errors.New("the index is too large")
	}
	record := uint32(len(b.out))
	b.bytes(name)
	b.places = append(b.places, place{uint32(len(b.out) - len(name)), record, uint32(len(name))})
	flags := byte(slices.Index(multiArch(), string(multi)) + 1)
	if string(essential) == "yes" {
		flags |= flagEssential
	}
	flags |= flagPriority * byte(slices.Index(priorities(), string(priority))+1)
	b.out = append(b.out, flags)
	b.out = binary.AppendUvarint(b.out, uint64(bytesOf))
	b.bytes(digest)
	// "Source: name (version)". Each part defaults to the package's own.
	sourceName, sourceVersion, _ := bytes.Cut(source, []byte(" ("))
	for _, field := range [][]byte{version, arch, bytes.TrimSpace(sourceName), bytes.TrimSuffix(sourceVersion, []byte(")")), path, preDepends, depends, conflicts, breaks} {
		b.bytes(field)
	}
	b.bytes(provided)
	at := len(b.out) - len(provided)
	for rest := provided; len(rest) > 0; {
		start := len(provided) - len(rest)
		i := bytes.IndexByte(rest, ',')
		if i < 0 {
			i = len(rest)
		}
		group := rest[:i]
		rest = rest[min(i+1, len(rest)):]
		blank := len(group) - len(bytes.TrimLeft(group, " \t\n"))
		group = group[blank:]
		if end := bytes.IndexAny(group, " \t\n(:"); end >= 0 {
			group = group[:end]
		}
		if len(group) > 0 {
			b.provided = append(b.provided, provides{uint32(at + start + blank), record, uint32(len(group))})
		}
	}
	return nil
}

func multiArch() []string { return []string{"same", "foreign", "allowed"} }

// priorities returns the values of Priority, the most important last.
func priorities() []string { return []string{"extra", "optional", "standard", "important", "required"} }

// isPath reports whether s is a path below an archive's root that is safe in a URL.
func isPath(s string) bool {
	if s == "" || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r == '?' || r == '#' })
}

// CheckPath returns what is wrong with a path below an archive's root; nil if it is
// valid.
func CheckPath(s string) error {
	if !isPath(s) {
		return fmt.Errorf("%q is not a path below an archive's root", s)
	}
	return nil
}

// table sorts the offsets and writes them behind the records.
func (b *builder) table() (*Table, error) {
	text := b.out
	name := func(at, n uint32) []byte { return text[at : at+n] }
	slices.SortStableFunc(b.places, func(x, y place) int { return bytes.Compare(name(x.name, x.nameLen), name(y.name, y.nameLen)) })
	slices.SortStableFunc(b.provided, func(x, y provides) int { return bytes.Compare(name(x.name, x.nameLen), name(y.name, y.nameLen)) })
	for _, p := range b.places {
		b.out = binary.LittleEndian.AppendUint32(b.out, p.record)
	}
	for _, p := range b.provided {
		b.out = binary.LittleEndian.AppendUint32(b.out, p.name)
		b.out = binary.LittleEndian.AppendUint32(b.out, p.nameLen)
		b.out = binary.LittleEndian.AppendUint32(b.out, p.record)
	}
	b.out = binary.LittleEndian.AppendUint32(b.out, uint32(len(b.places)))
	b.out = binary.LittleEndian.AppendUint32(b.out, uint32(len(b.provided)))
	if uint64(len(b.out)) > math.MaxUint32 {
		return nil, errors.New("the index is too large")
	}
	sum := crc32.Checksum(b.out[len(tableMagic)+4:], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(b.out[len(tableMagic):], sum)
	return OpenTable(string(b.out))
}

// OpenTable opens the result of [Table.Encoded]. The error says that the text is
// damaged or of another format; then the table has to be made again.
func OpenTable(text string) (*Table, error) {
	body, ok := strings.CutPrefix(text, tableMagic)
	if !ok || len(body) < 4+1+8 {
		return nil, errors.New("not a table of packages")
	}
	// The checksum is against truncated and corrupt files. It need not stop an
	// attacker, who would have to write to the user's own cache.
	if crc32.Checksum([]byte(body[4:]), crc32.MakeTable(crc32.Castagnoli)) != read32(body, 0) {
		return nil, errors.New("table of packages is damaged")
	}
	t := &Table{text: text}
	n := len(text)
	t.records, t.nProvided = int(read32(text, n-8)), int(read32(text, n-4))
	t.provided = n - 8 - 12*t.nProvided
	t.byName = t.provided - 4*t.records
	if t.byName < len(tableMagic)+4 {
		return nil, errors.New("table of packages is damaged")
	}
	t.archive, _ = readString(text, len(tableMagic)+4)
	return t, nil
}

// Encoded returns the table in a form to keep, for [OpenTable].
func (t *Table) Encoded() string { return t.text }

// Len returns the number of packages.
func (t *Table) Len() int { return t.records }

// Archive returns the archive that [ReadPackages] was given.
func (t *Table) Archive() string { return t.archive }

func read32(s string, at int) uint32 {
	return uint32(s[at]) | uint32(s[at+1])<<8 | uint32(s[at+2])<<16 | uint32(s[at+3])<<24
}

func readUvarint(s string, at int) (uint64, int) {
	var x uint64
	for shift := 0; ; shift += 7 {
		c := s[at]
		at++
		x |= uint64(c&0x7f) << shift
		if c < 0x80 || shift > 63 {
			return x, at
		}
	}
}

func readString(s string, at int) (string, int) {
	n, at := readUvarint(s, at)
	return s[at : at+int(n)], at + int(n)
}

// named yields the packages of that name.
func (t *Table) named(name string) iter.Seq[*Package] {
	return func(yield func(*Package) bool) {
		at := func(i int) int { return int(read32(t.text, t.byName+4*i)) }
		nameOf := func(i int) string { s, _ := readString(t.text, at(i)); return s }
		for i := sort.Search(t.records, func(i int) bool { return nameOf(i) >= name }); i < t.records && nameOf(i) == name; i++ {
			if !yield(t.decode(at(i))) {
				return
			}
		}
	}
}

// providing yields the packages that provide that name.
func (t *Table) providing(name string) iter.Seq[*Package] {
	return func(yield func(*Package) bool) {
		nameOf := func(i int) string {
			at := t.provided + 12*i
			from := read32(t.text, at)
			return t.text[from : from+read32(t.text, at+4)]
		}
		for i := sort.Search(t.nProvided, func(i int) bool { return nameOf(i) >= name }); i < t.nProvided && nameOf(i) == name; i++ {
			if !yield(t.decode(int(read32(t.text, t.provided+12*i+8)))) {
				return
			}
		}
	}
}

// packages yields all packages, sorted by name.
func (t *Table) packages() iter.Seq[*Package] {
	return func(yield func(*Package) bool) {
		for i := range t.records {
			if !yield(t.decode(int(read32(t.text, t.byName+4*i)))) {
				return
			}
		}
	}
}

// decode decodes a record. Its strings share the table's memory.
func (t *Table) decode(at int) *Package {
	p := &Package{Locked: Locked{Archive: t.archive}}
	p.Name, at = readString(t.text, at)
	flags := t.text[at]
	size, at := readUvarint(t.text, at+1)
	digest, at := readString(t.text, at)
	p.Size, p.SHA256 = int64(size), hex.EncodeToString([]byte(digest))
	for _, field := range []*string{&p.Version, &p.Arch, &p.Source, &p.SourceVersion, &p.Path, &p.PreDepends, &p.Depends, &p.Conflicts, &p.Breaks, &p.Provides} {
		*field, at = readString(t.text, at)
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	if p.SourceVersion == "" {
		p.SourceVersion = p.Version
	}
	if m := flags & 3; m != 0 {
		p.MultiArch = multiArch()[m-1]
	}
	p.Essential = flags&flagEssential != 0
	p.priority = int(flags / flagPriority)
	return p
}
