package servicelog

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A part is one of the files of a log, opened for reading.
type part struct {
	*os.File
	id   fileID
	zip  *packed  // nil: it is not packed
	late bool     // it was opened while the log was followed
	skip []extent // what has nothing of the period that is wanted
}

// A fileID identifies a file, whatever it is called.
type fileID struct{ dev, ino uint64 }

func newPart(f *os.File, st unix.Stat_t) *part {
	return &part{File: f, id: fileID{uint64(st.Dev), st.Ino}}
}

// ReadAt reads records.
func (p *part) ReadAt(b []byte, at int64) (int, error) {
	if p.zip == nil {
		return p.File.ReadAt(b, at)
	}
	n, err := p.zip.ReadAt(b, at)
	if err != nil && err != io.EOF {
		err = packedError(p.File, err)
	}
	return n, err
}

// length returns how many bytes of records it has.
func (p *part) length() (int64, error) {
	if p.zip != nil {
		return p.zip.origin.size, nil
	}
	st, err := p.stat()
	return st.Size, err
}

func (p *part) stat() (st unix.Stat_t, err error) {
	return st, os.NewSyscallError("fstat", unix.Fstat(int(p.Fd()), &st))
}

// gone reports whether the part has been removed.
func (p *part) gone() bool {
	st, err := p.stat()
	return err == nil && st.Nlink == 0
}

// same reports whether both are the same part. One may have been packed since the other was
// opened.
func (p *part) same(o *part) bool {
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
		p, err := openPart(folder, name, i, zip)
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
		parts = append(parts, p)
	}
	slices.Reverse(parts)
	return parts, met, nil
}

// openPart opens the i-th part of a log.
func openPart(folder *safefile.Folder, name string, i int, zip *unpacker) (*part, error) {
	f, st, err := folder.Peek(partName(name, i))
	if err == nil {
		return newPart(f, st), nil
	}
	if i == 0 || !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if f, st, err = folder.Peek(partName(name, i) + packSuffix); err != nil {
		return nil, err
	}
	p := newPart(f, st)
	if p.zip, err = openPacked(f, st.Size, zip); err != nil {
		f.Close()
		return nil, packedError(f, err)
	}
	return p, nil
}

// partName returns the name of the i-th file of a log. The current one is 0.
func partName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "." + strconv.Itoa(i)
}

// partNumber returns the number of a file of a log, of which rest is what its name has
// beyond that of the log.
func partNumber(rest string) (int, bool) {
	if rest == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(rest, packSuffix), ".")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0
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
