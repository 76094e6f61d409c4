package servicelog

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A folder is an open folder of our own. Files are opened relative to it, and never
// through symbolic links.
type folder struct {
	path string
	fd   int
}

// openFolder makes the folder if it is missing. It refuses one that is a link or belongs
// to somebody else, and closes one that others could write to.
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
		return nil, fmt.Errorf("log folder %q belongs to user %d, not to us (user %d)\nhint: remove it, or keep logs elsewhere with NIX2GPU_STATE", path, st.Uid, uid)
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

// create opens a file for appending. If a crash has left half a record, it ends that.
func (d *folder) create(name string) (fd int, st unix.Stat_t, err error) {
	fail := func(op string, err error) (int, unix.Stat_t, error) {
		return -1, st, &os.PathError{Op: op, Path: d.path + "/" + name, Err: err}
	}
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err = unix.Openat(d.fd, name, flags, 0o600)
	if err != nil {
		return fail("open", err)
	}
	if err = unix.Fstat(fd, &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 || int(st.Uid) != os.Geteuid()) {
		err = errors.New("not a plain file that we own") // a planted FIFO, device or hard link
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
	return fd, st, nil
}

// A segment is one of the files that a log consists of: the current one, or an older
// one, which rotation renames.
type segment struct {
	dev, ino uint64
	start    int64 // where the records of this run begin
	size     int64 // of an older one, which does not grow
	lines    int64 // how many lines the log had before it
}

// A spot is a position between two records, whatever the segment is called now.
type spot struct {
	segment int   // its number, counted from the first that was opened
	offset  int64 // in the segment
	lines   int64 // how many lines the log has before it, without marks
}

// A file is a log: the current segment and the older ones. It only ever waits for the
// disk. Lines that can't be written are counted, and the gap is marked once writing
// works again.
type file struct {
	dir  *folder
	name string // "<source>.log"

	max, own, maxTotal int64 // max is own, or less if all logs together are bounded: see part
	keep               int
	maxAge             time.Duration
	pack               bool
	count              *counter
	keeper             *keeper // nil: nobody tidies up
	bounder            *keeper
	part               int64 // how large one may be because of the bound of all; 0: there is none

	// mu is held from the stamp of a batch until it is queued for stdout, so that
	// stamps and queue have the order of the file.
	mu       sync.Mutex
	fd       int // -1: not open
	size     int64
	lines    int64     // written in this run, without marks
	current  int       // the number of the current segment
	first    int       // the number of segments[0]
	highest  int       // the highest number of an older file, as far as we know; -1: we have not looked
	packing  bool      // a run that was killed may have left one that it was packing
	segments []segment // those that are kept; the current one may not exist yet
	lost     int       // how many lines were lost since failure
	failure  error     // why the last write failed; nil: it did not
	told     Process   // of the last mark that tells one, which is in the segment toldIn, at toldAt
	toldIn   int
	toldAt   int64
	span     span // of the current segment
	remind   int64
	fresh    bool // nothing was written, nor there when the hub was opened
	ahead    mark // is written with the first line of a fresh one; its text is nil: there is none
	closed   bool // dir is closed, too, and its descriptor may be another file's by now
	scratch  []byte
}

func newFile(dir *folder, name string, max int64, keep int) *file {
	return &file{dir: dir, name: name, max: max, own: max, keep: keep, count: &counter{}, remind: remindEvery, fd: -1, highest: -1, packing: true}
}

// A batch is a number of whole records.
type batch struct {
	records []byte
	n       int
	mark    bool // it is a mark, which does not count as a line
	tells   bool // it is one that tells the process
	process Process
}

// A mark is one that has not been written yet. It tells a process.
type mark struct {
	text    []byte
	process Process
	at      time.Time
}

// met notes that the mark ahead was written.
func (f *file) met() {
	if f.ahead.text != nil {
		f.span.add(f.ahead.at)
		f.told, f.toldIn, f.toldAt = f.ahead.process, f.current, f.size
		f.ahead = mark{}
	}
}

// append writes a batch and returns where it is. The caller holds the lock.
func (f *file) append(b batch, at time.Time) (from, to spot, err error) {
	if f.failure != nil && f.lost > 0 {
		f.scratch = appendHeader(f.scratch[:0], at, Marks)
		f.scratch = fmt.Appendf(f.scratch, "F %s %d %v\n", markGap, f.lost, reasonOf(f.failure))
		if f.failure = f.write(f.ahead.text, f.scratch); f.failure == nil {
			f.lost = 0
			f.span.add(at)
			f.met()
		}
	}
	if b.n > 0 && (f.failure == nil || f.lost == 0) {
		f.fresh = false
		mark, told := f.ahead.text, b.tells
		if by := f.ahead; !b.mark && (by.text == nil || by.process != b.process) && f.untold(b.process, len(b.records)) {
			ends := f.due(len(b.records))
			f.scratch = f.tell(f.scratch[:0], b.process, len(b.records), at)
			mark, told = append(mark[:len(mark):len(mark)], f.scratch...), true
			if ends {
				f.span = span{at: f.size} // it begins with the mark
			}
		}
		if f.failure = f.write(mark, b.records); f.failure == nil {
			f.met()
			if f.span.add(at); told {
				f.told, f.toldIn, f.toldAt = b.process, f.current, f.size
			}
		}
	}
	if f.failure != nil {
		f.lost += b.n
		return spot{}, spot{}, f.failure
	}
	from = spot{f.current, f.size - int64(len(b.records)), f.lines}
	if !b.mark {
		f.lines += int64(b.n)
	}
	return from, spot{f.current, f.size, f.lines}, nil
}

// retry tries to mark the gap, so that we notice when the disk has space again although
// the source prints nothing.
func (f *file) retry(c *clock) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure == nil {
		return nil
	}
	_, _, err := f.append(batch{}, c.next().at)
	return err
}

// reasonOf returns an error without the path, which readers of the file know.
func reasonOf(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// write appends either all of a mark and what follows it, or nothing.
func (f *file) write(mark, b []byte) error {
	size := len(mark) + len(b)
	if f.full(size) {
		f.rotate()
	}
	if f.fd < 0 {
		if f.closed {
			return os.ErrClosed
		}
		fd, st, err := f.dir.create(f.name)
		if err != nil {
			return err
		}
		f.opened(fd, st)
		return f.write(mark, b) // the file of an earlier run may be full
	}
	for written := 0; written < size; {
		var n int
		var err error
		if written < len(mark) {
			n, err = unix.Writev(f.fd, [][]byte{mark[written:], b})
		} else {
			n, err = unix.Write(f.fd, b[written-len(mark):])
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			if written > 0 { // undo it: a record must be whole
				if unix.Ftruncate(f.fd, f.size) != nil {
					f.shut()
				}
			}
			return &os.PathError{Op: "write", Path: f.dir.path + "/" + f.name, Err: err}
		}
		written += n
	}
	f.size += int64(size)
	return nil
}

// full reports whether n more bytes belong into a new segment.
func (f *file) full(n int) bool { return f.fd >= 0 && f.size > 0 && f.size+int64(n) > f.max }

// rotate gives each segment the next number, and the next write makes a new one. If the
// current one can't be renamed, it just grows.
func (f *file) rotate() {
	// The oldest goes first. If a rename replaced it, ext4 would at once write to the disk
	// what it replaces it by (auto_da_alloc): of a flood every byte, most of which is
	// removed again before it would ever be written.
	all := f.within(f.olders(), f.keep-1, f.maxTotal-f.max-f.size)
	for i := len(all) - 1; i >= 0; i-- {
		next := partName(f.name, all[i].number+1)
		if all[i].packed {
			next += packSuffix
		}
		_ = unix.Renameat(f.dir.fd, all[i].name, f.dir.fd, next)
	}
	var err error
	if f.keep > 0 {
		if err = unix.Renameat(f.dir.fd, f.name, f.dir.fd, partName(f.name, 1)); err == nil {
			f.highest++
		}
	} else {
		var st unix.Stat_t
		f.stat(f.name, &st)
		if err = unix.Unlinkat(f.dir.fd, f.name, 0); err == nil {
			f.count.files.Add(1)
			f.count.removed.Add(uint64(st.Size))
		}
	}
	if err != nil {
		return
	}
	if f.pack {
		f.keeper.by(time.Now().Add(packAfter))
	}
	if f.part > 0 {
		f.bounder.by(time.Now())
	}
	f.shut()
	if f.first+len(f.segments) == f.current {
		return // it was of an earlier run
	}
	f.segments[len(f.segments)-1].size = f.size
	gone := max(0, len(f.segments)-f.keep)
	f.segments = slices.Delete(f.segments, 0, gone)
	f.first += gone
	f.current++
	f.size = 0
}

// opened notes the segment that is written from now on: a new one, or the same one as
// before, opened again.
func (f *file) opened(fd int, st unix.Stat_t) {
	f.fd, f.size = fd, st.Size
	f.span = span{at: st.Size}
	if f.maxAge > 0 {
		f.keeper.by(time.Now().Add(f.maxAge / ageParts))
	}
	seg := segment{dev: uint64(st.Dev), ino: st.Ino, start: st.Size, lines: f.lines}
	if n := len(f.segments); n > 0 && f.first+n > f.current {
		if old := &f.segments[n-1]; old.ino == seg.ino && old.dev == seg.dev {
			return
		}
		f.current++ // somebody has put another file in its place
	}
	f.segments = append(f.segments, seg)
}

// view opens the segment with the records from s on, or, if rotation has removed it, the
// oldest one that is left, and returns where to read: from at up to size, where whole
// records end. If s is the end of the log, r is nil.
func (f *file) view(s spot) (r *os.File, at spot, size int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.closed && s.segment < f.first+len(f.segments) {
		if s.segment < f.first {
			s.segment = f.first - 1
			s = f.after(s)
			continue
		}
		seg := f.segments[s.segment-f.first]
		fd, size := -1, seg.size
		if s.segment == f.current {
			if size = f.size; s.offset >= size {
				break
			}
			fd, err = unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
		} else if s.offset < size {
			name := f.name + "." + strconv.Itoa(f.current-s.segment)
			fd, err = unix.Openat(f.dir.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		}
		switch {
		case err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOMEM:
			return nil, s, 0, err
		case err == nil && fd >= 0:
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil && st.Ino == seg.ino && uint64(st.Dev) == seg.dev {
				return os.NewFile(uintptr(fd), f.name), s, size, nil
			}
			unix.Close(fd)
		}
		if s.segment == f.current { // it is the last
			break
		}
		err = nil
		s = f.after(s)
	}
	return nil, spot{f.current, f.size, f.lines}, 0, nil
}

// resume returns where to go on if the file ends at s, before the end that we know of,
// because somebody has truncated it. It is never beyond end.
func (f *file) resume(s, end spot) spot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.segment == f.current && f.fd >= 0 {
		var st unix.Stat_t
		if unix.Fstat(f.fd, &st) == nil {
			f.size = st.Size
			f.span = span{at: st.Size}
		}
	}
	if s.segment >= end.segment || s.segment < f.first {
		return end
	}
	return f.after(s)
}

// after returns the beginning of the next segment after s.
func (f *file) after(s spot) spot {
	i := s.segment + 1 - f.first
	if i == len(f.segments) { // it does not exist yet
		return spot{f.current, 0, f.lines}
	}
	return spot{s.segment + 1, f.segments[i].start, f.segments[i].lines}
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
	f.closed = true
	f.mu.Unlock()
}

// FileName returns the name of the current log file of the process id, in the folder of
// logs.
func FileName(id string) string { return fileName(id) }

const logSuffix = ".log"

// fileName returns the name of a source's file. It escapes what no file name should
// have.
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
	if len(name) > 200 { // most file systems allow 255 bytes, and rotation adds some
		name = name[:180] + fmt.Sprintf("%%%016x", hash(id))
	}
	return name + logSuffix
}

func hash(s string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(s) {
		sum = (sum ^ uint64(s[i])) * 1099511628211
	}
	return sum
}
