package servicelog

import (
	"errors"
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
	late bool     // it was opened while the log was followed
	skip []extent // what has nothing of the period that is wanted
}

// A fileID identifies a file, whatever it is called.
type fileID struct{ dev, ino uint64 }

func newPart(f *os.File, st unix.Stat_t) *part {
	return &part{File: f, id: fileID{uint64(st.Dev), st.Ino}}
}

// length returns how many bytes of records it has.
func (p *part) length() (int64, error) {
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

// same reports whether both are the same part.
func (p *part) same(o *part) bool { return p.id == o.id }

// leaveOut looks for what has nothing of a period.
func (p *part) leaveOut(want period) error {
	size, err := p.length()
	if err != nil {
		return err
	}
	p.skip, err = unwanted(p, size, want)
	return err
}

// openAll opens the parts of a log that are newer than own, or all of them, and returns
// them oldest first. One that a rotation shows under two names is opened once. met reports
// whether own was found.
func openAll(dir, name string, own *part) (parts []*part, met bool, err error) {
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
		p, err := openPart(folder, name, i)
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
func openPart(folder *safefile.Folder, name string, i int) (*part, error) {
	f, st, err := folder.Peek(partName(name, i))
	if err != nil {
		return nil, err
	}
	return newPart(f, st), nil
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
	digits, ok := strings.CutPrefix(rest, ".")
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
