package servicelog

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open directory of our own. Files in it are opened relative to
// it and never through a symbolic link.
type folder struct {
	path string
	fd   int
}

// openFolder makes the folder when it is missing, and refuses one that is a
// link or that others could write to.
func openFolder(path string, uid int) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_RDONLY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if int(st.Uid) != uid {
		unix.Close(fd)
		return nil, fmt.Errorf("log folder %q belongs to user %d, not to us (user %d)", path, st.Uid, uid)
	}
	if st.Mode&0o077 != 0 {
		if err := unix.Fchmod(fd, 0o700); err != nil {
			unix.Close(fd)
			return nil, &os.PathError{Op: "chmod", Path: path, Err: err}
		}
	}
	return &folder{path, fd}, nil
}

func (d *folder) close() { unix.Close(d.fd) }

// create opens a file for appending. Its end is made a record's end, should a
// crash have left half of one.
func (d *folder) create(name string) (fd int, size int64, err error) {
	fail := func(op string, err error) (int, int64, error) {
		return -1, 0, &os.PathError{Op: op, Path: d.path + "/" + name, Err: err}
	}
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err = unix.Openat(d.fd, name, flags, 0o600)
	if err != nil {
		return fail("open", err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1) {
		err = errors.New("not a plain file of its own") // a planted FIFO, device or hard link
	}
	if err != nil {
		unix.Close(fd)
		return fail("open", err)
	}
	var last [1]byte
	if st.Size > 0 {
		if n, _ := unix.Pread(fd, last[:], st.Size-1); n == 1 && last[0] != '\n' {
			if n, _ := unix.Write(fd, []byte{'\n'}); n == 1 {
				st.Size++
			}
		}
	}
	return fd, st.Size, nil
}

// file is a log file with its older siblings. It never blocks on anything but
// the disk itself: what cannot be written is counted, and the gap marked when
// writing works again.
type file struct {
	dir  *folder
	name string // "<source>.log"
	max  int64
	keep int

	mu      sync.Mutex
	fd      int // -1: not open
	size    int64
	lost    int   // lines since failure
	failure error // why the last write failed; nil when it worked
	scratch []byte
}

func newFile(dir *folder, name string, max int64, keep int) *file {
	return &file{dir: dir, name: name, max: max, keep: keep, fd: -1}
}

// append writes a batch of n whole records. An error is returned when the
// state changes: the first failure, and nil with changed when it has ended.
func (f *file) append(batch []byte, n int, at time.Time) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.failure
	if f.failure != nil && f.lost > 0 {
		f.scratch = appendHeader(f.scratch[:0], at, Marks)
		f.scratch = fmt.Appendf(f.scratch, "F %s %d %v\n", markGap, f.lost, reasonOf(f.failure))
		if f.failure = f.write(f.scratch); f.failure == nil {
			f.lost = 0
		}
	}
	if n > 0 && (f.failure == nil || f.lost == 0) {
		f.failure = f.write(batch)
	}
	if f.failure != nil {
		f.lost += n
	}
	return (before == nil) != (f.failure == nil), f.failure
}

// retry tries to mark the gap that there is, so that a disk with space again is
// noticed also when the source is silent.
func (f *file) retry(at time.Time) error {
	_, err := f.append(nil, 0, at)
	return err
}

// reasonOf is an error without the path, which the file's reader knows.
func reasonOf(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// write appends all of b, or nothing of it.
func (f *file) write(b []byte) error {
	if f.fd >= 0 && f.size > 0 && f.size+int64(len(b)) > f.max {
		f.rotate()
	}
	if f.fd < 0 {
		fd, size, err := f.dir.create(f.name)
		if err != nil {
			return err
		}
		f.fd, f.size = fd, size
		if size > 0 && size+int64(len(b)) > f.max {
			return f.write(b) // the file of an earlier run is full
		}
	}
	for written := 0; written < len(b); {
		n, err := unix.Write(f.fd, b[written:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			if written > 0 { // no half records
				if unix.Ftruncate(f.fd, f.size) != nil {
					f.shut()
				}
			}
			return &os.PathError{Op: "write", Path: f.dir.path + "/" + f.name, Err: err}
		}
		written += n
	}
	f.size += int64(len(b))
	return nil
}

// rotate renames the files by one; the next write makes a new one. When the
// current file cannot be renamed, it goes on.
func (f *file) rotate() {
	older := func(i int) string { return f.name + "." + strconv.Itoa(i) }
	for i := f.keep - 1; i >= 1; i-- {
		_ = unix.Renameat(f.dir.fd, older(i), f.dir.fd, older(i+1))
	}
	var err error
	if f.keep > 0 {
		err = unix.Renameat(f.dir.fd, f.name, f.dir.fd, older(1))
	} else {
		err = unix.Unlinkat(f.dir.fd, f.name, 0)
	}
	if err == nil {
		f.shut()
	}
}

func (f *file) shut() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
}

func (f *file) close() {
	f.mu.Lock()
	f.shut()
	f.mu.Unlock()
}

// fileName is the name of a source's file: any id is a good file name after it.
func fileName(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		switch {
		case c == '/' || c == '%' || c < 0x20 || c == 0x7f || i == 0 && (c == '.' || c == '-'):
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	name := b.String()
	if len(name) > 200 { // file systems end at 255
		name = name[:180] + fmt.Sprintf("%%%016x", hash(id))
	}
	return name + ".log"
}

func hash(s string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(s) {
		sum = (sum ^ uint64(s[i])) * 1099511628211
	}
	return sum
}
