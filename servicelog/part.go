package servicelog

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A part is one of the files of a log, opened for reading. Where a reader has many, some are
// closed between two reads: then a part that is removed meanwhile is gone.
type part struct {
	dir, log string
	number   int      // what it was found by; rotation makes it larger
	file     *os.File // nil: it is closed at the moment
	head     []byte   // of the file, by which it is known again: numbers of inodes are used again
	shared   *unpacker

	id   fileID
	zip  *packed  // nil: it is not packed
	late bool     // it was opened while the log was followed
	skip []extent // what has nothing of the period that is wanted
}

// A fileID identifies a file, whatever it is called.
type fileID struct{ dev, ino uint64 }

// mostOpen is how many parts a reader has open, if it needs no more at once.
const mostOpen = 512

// headLength is how much of a file tells it from others: the time of its first line.
const headLength = 40

// errGone says that a part was removed while it was closed.
var errGone error = &os.PathError{Op: "open", Path: "a part of the log", Err: os.ErrNotExist}

// raw reads the file of a packed part as it is.
type raw struct{ *part }

func (r raw) ReadAt(b []byte, at int64) (int, error) {
	if err := r.open(); err != nil {
		return 0, err
	}
	return r.file.ReadAt(b, at)
}

// ReadAt reads records.
func (p *part) ReadAt(b []byte, at int64) (int, error) {
	if err := p.open(); err != nil {
		return 0, err
	}
	defer p.rest()
	if p.zip == nil {
		return p.file.ReadAt(b, at)
	}
	n, err := p.zip.ReadAt(b, at)
	if err != nil && err != io.EOF && err != errGone {
		err = packedError(filepath.Join(p.dir, partName(p.log, p.number)+packSuffix), err)
	}
	return n, err
}

// Close closes it for good.
func (p *part) Close() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
		p.shared.open--
	}
}

// rest closes the part until it is read again, if too many are open.
func (p *part) rest() {
	if p.file == nil || p.shared.open <= p.shared.bound() {
		return
	}
	if len(p.head) < headLength {
		b := make([]byte, headLength)
		n, _ := p.file.ReadAt(b, 0)
		p.head = b[:n]
	}
	p.Close()
}

// open opens the part again.
func (p *part) open() error {
	if p.file != nil {
		return nil
	}
	folder, err := safefile.OpenFolder(p.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	most := p.number
	for i := p.number; i <= most; i++ {
		q, err := openPart(folder, p.dir, p.log, i, p.shared)
		switch {
		case err == nil && p.was(q):
			p.file, p.id = q.file, q.id
			p.number = i
			if q.zip != nil {
				p.zip, p.head = q.zip, nil
				p.zip.file = raw{p}
			}
			return nil
		case err == nil:
			q.Close()
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
		if i == p.number { // it has another one by now
			if most, err = oldest(p.dir, p.log); err != nil {
				return err
			}
			most++ // by a rotation meanwhile
		}
	}
	return errGone
}

// was reports whether q, which is open, is p, which is not. It may have been packed.
func (p *part) was(q *part) bool {
	if p.zip == nil && q.zip != nil {
		return q.zip.origin.ino == p.id.ino && begins(q.zip, p.head)
	}
	return p.id == q.id && begins(q.file, p.head)
}

func begins(f io.ReaderAt, head []byte) bool {
	b := make([]byte, len(head))
	n, _ := f.ReadAt(b, 0)
	return bytes.Equal(b[:n], head)
}

// length returns how many bytes of records it has.
func (p *part) length() (int64, error) {
	st, err := p.stat() // it may have been packed
	if p.zip != nil {
		return p.zip.origin.size, nil
	}
	return st.Size, err
}

func (p *part) stat() (st unix.Stat_t, err error) {
	if err := p.open(); err != nil {
		return st, err
	}
	defer p.rest()
	return st, os.NewSyscallError("fstat", unix.Fstat(int(p.file.Fd()), &st))
}

// gone reports whether the part has been removed.
func (p *part) gone() bool {
	st, err := p.stat()
	return err == errGone || err == nil && st.Nlink == 0
}

// same reports whether both are the same part. One may have been packed since the other was
// opened.
func (p *part) same(o *part) bool {
	if o.file == nil {
		return p.open() == nil && o.was(p) // a comparison may have closed p
	}
	if p.zip == nil && o.zip == nil || p.id == o.id {
		return p.id == o.id
	}
	return p.origin() == o.origin()
}

// origin says which file it was before it was packed.
func (p *part) origin() origin {
	if p.zip != nil {
		return p.zip.origin
	}
	st, err := p.stat()
	if err != nil {
		return origin{}
	}
	return originOf(st)
}

func originOf(st unix.Stat_t) origin { return origin{st.Ino, st.Size, st.Mtim.Nano()} }

// leaveOut looks for what has nothing of a period.
func (p *part) leaveOut(want period) error {
	size, err := p.length()
	if err == nil {
		p.skip, err = p.unwanted(size, want)
	}
	return err
}

// unwanted returns what, before an end, has nothing of a period.
func (p *part) unwanted(end int64, want period) ([]extent, error) {
	if p.zip != nil && !want.all() {
		return p.zip.unwanted(end, want), nil
	}
	return unwanted(p, end, want)
}

// openAll opens the parts of a log that are newer than own, or all of them, and returns
// them oldest first. One that a rotation shows under two names is opened once. met reports
// whether own was found.
func openAll(dir, name string, own *part, zip *unpacker) (parts []*part, met bool, err error) {
	most, err := oldest(dir, name)
	if err != nil {
		return nil, false, err
	}
	folder, err := safefile.OpenFolder(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer folder.Close()
	// Rotation may add files beyond most while we look. They have consecutive numbers,
	// but for the one that is missing for a moment during a rotation.
	for i, missing := 0, 0; i <= most || missing < 2; i++ {
		p, err := openPart(folder, dir, name, i, zip)
		if errors.Is(err, os.ErrNotExist) {
			if i > most {
				missing++
			}
			continue
		}
		if err != nil {
			closeAll(parts)
			return nil, false, err
		}
		missing = 0
		if own != nil && p.same(own) {
			p.Close()
			met = true
			break
		}
		if slices.ContainsFunc(parts, p.same) {
			p.Close()
			continue
		}
		p.rest()
		parts = append(parts, p)
	}
	slices.Reverse(parts)
	return parts, met, nil
}

// openPart opens the i-th part of a log.
func openPart(folder *safefile.Folder, dir, name string, i int, zip *unpacker) (*part, error) {
	p := &part{dir: dir, log: name, number: i, shared: zip}
	f, st, err := folder.Peek(partName(name, i))
	if i > 0 && errors.Is(err, os.ErrNotExist) {
		if f, st, err = folder.Peek(partName(name, i) + packSuffix); err == nil {
			p.file = f
			if p.zip, err = openPacked(raw{p}, st.Size, zip); err != nil {
				f.Close()
				return nil, packedError(f.Name(), err)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	p.file, p.id = f, fileID{uint64(st.Dev), st.Ino}
	zip.open++
	return p, nil
}

// partName returns the name of the i-th file of a log. The current one is 0.
func partName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "." + strconv.Itoa(i)
}

// mostNumber is the highest number that a file of a log has. A copy that somebody has made,
// such as a.log.20261126, is none: all numbers below it would be looked for.
const mostNumber = 99_999

// partNumber returns the number of a file of a log, of which rest is what its name has
// beyond that of the log.
func partNumber(rest string) (int, bool) {
	if rest == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(rest, packSuffix), ".")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && n <= mostNumber
}

// found is what was found of a log.
type found struct {
	highest int  // the highest number of its files
	packing bool // one is left that was being packed
}

// findLogs returns the logs of a folder, by name; nil if it can't be read.
func findLogs(dir string) map[string]found {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	logs := map[string]found{}
	for _, e := range entries {
		if name, number, ok := logOf(e.Name()); ok {
			f := logs[name]
			f.highest, f.packing = max(f.highest, number), f.packing || number < 0
			logs[name] = f
		}
	}
	return logs
}

// oldest returns the highest number of a log's files.
func oldest(dir, name string) (most int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), name); ok {
			if n, ok := partNumber(rest); ok {
				most = max(most, n)
			}
		}
	}
	return most, nil
}

func closeAll(parts []*part) {
	for _, p := range parts {
		p.Close()
	}
}
