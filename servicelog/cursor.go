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
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// cursor walks through the files of one source, from old to new, and goes on
// when they grow or are rotated: it holds the file it reads, whatever that is
// called meanwhile.
type cursor struct {
	dir  string
	id   string
	name string

	files  []*os.File // oldest first; files[0] is read
	offset int64      // in files[0], of the end of buf
	buf    []byte     // read, not yet parsed
	pos    int        // in buf
	limit  int64      // where the last file ends for us; -1: where it ends
	gone   bool       // the file we read was rotated away: a gap is due
	when   time.Time  // of the last record: strangers take it

	head   Record
	peeked bool
}

const blockSize = 64 << 10

// begin opens what is there, and moves to where the query starts.
func (c *cursor) begin(q Query) error {
	if err := c.open(); err != nil {
		return err
	}
	if q.Previous {
		if err := c.previous(); err != nil {
			return err
		}
	}
	switch {
	case q.Tail < 0:
		return c.skipAll()
	case q.Tail > 0:
		return c.tail(q)
	case !q.Since.IsZero():
		c.skipOlder(q.Since)
	}
	return nil
}

// open opens the files that exist, from the current one upwards: a rotation
// meanwhile moves files ahead of us, never past us, so that none is missed.
func (c *cursor) open() error {
	found, err := openAll(c.dir, c.name, nil)
	if err != nil {
		return err
	}
	c.files = found
	return nil
}

// openAll opens a log's files that are newer than own, or all, oldest first.
// A file that turns up under two names because of a rotation is taken once.
func openAll(dir, name string, own os.FileInfo) ([]*os.File, error) {
	most, err := oldest(dir, name)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	var infos []os.FileInfo
	for i := 0; ; i++ {
		if i > most+1 { // files that are rotated as fast as we look are ahead of us
			before := most
			if most, err = oldest(dir, name); err != nil {
				closeAll(files)
				return nil, err
			}
			if most <= before {
				break
			}
		}
		path := filepath.Join(dir, name)
		if i > 0 {
			path += "." + strconv.Itoa(i)
		}
		f, err := safefile.Peek(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, err
		}
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			closeAll(files)
			return nil, err
		}
		if own != nil && os.SameFile(fi, own) {
			f.Close()
			break
		}
		if slices.ContainsFunc(infos, func(o os.FileInfo) bool { return os.SameFile(o, fi) }) {
			f.Close()
			continue
		}
		files, infos = append(files, f), append(infos, fi)
	}
	slices.Reverse(files)
	return files, nil
}

// oldest is the highest number that a file of the log has.
func oldest(dir, name string) (most int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), name+"."); ok {
			if n, err := strconv.Atoi(rest); err == nil {
				most = max(most, n)
			}
		}
	}
	return most, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func (c *cursor) close() {
	closeAll(c.files)
	c.files = nil
}

// peek makes head the next record that is wanted.
func (c *cursor) peek(q Query) (bool, error) {
	for !c.peeked {
		raw, ok, err := c.line()
		if err != nil || !ok {
			return false, err
		}
		rec := parseRecord(raw)
		rec.Source = c.id
		if rec.Time.IsZero() {
			rec.Time = c.when
		}
		c.when = rec.Time
		if q.wanted(rec) {
			c.head, c.peeked = rec, true
		}
	}
	return true, nil
}

// line returns the next line of the files, without its end.
func (c *cursor) line() ([]byte, bool, error) {
	for {
		if c.gone {
			c.gone = false
			return appendLines(nil, []line{{text: []byte(markGap + " 0 older lines were rotated away")}}, c.when, Marks), true, nil
		}
		if i := bytes.IndexByte(c.buf[c.pos:], '\n'); i >= 0 {
			l := c.buf[c.pos : c.pos+i]
			c.pos += i + 1
			return l, true, nil
		}
		if rest := len(c.buf) - c.pos; rest >= blockSize { // no record is that long
			l := c.buf[c.pos:]
			c.pos = len(c.buf)
			return l, true, nil
		}
		more, err := c.fill()
		if err != nil {
			return nil, false, err
		}
		if more {
			continue
		}
		if !c.over() {
			return nil, false, nil
		}
		// Once more: the last lines may have come between reading and looking.
		if more, err = c.fill(); err != nil {
			return nil, false, err
		}
		if more {
			continue
		}
		if rest := c.buf[c.pos:]; len(rest) > 0 { // a file that a crash cut off
			l := bytes.Clone(rest)
			c.buf, c.pos = c.buf[:0], 0
			return l, true, nil
		}
		if moved, err := c.advance(); err != nil || !moved {
			return nil, false, err
		}
	}
}

// fill reads more of the file.
func (c *cursor) fill() (bool, error) {
	if len(c.files) == 0 {
		if c.limit >= 0 {
			return false, nil
		}
		if err := c.open(); err != nil || len(c.files) == 0 {
			return false, err
		}
	}
	rest := copy(c.buf, c.buf[c.pos:])
	if cap(c.buf) < 2*blockSize {
		c.buf = append(make([]byte, 0, 2*blockSize), c.buf[:rest]...)
	}
	c.buf, c.pos = c.buf[:rest], 0
	space := c.buf[rest : rest+blockSize]
	if c.limit >= 0 && len(c.files) == 1 {
		space = space[:max(0, min(int64(len(space)), c.limit-c.offset))]
	}
	n, err := c.files[0].ReadAt(space, c.offset)
	if err != nil && err != io.EOF {
		return false, err
	}
	c.buf = c.buf[:rest+n]
	c.offset += int64(n)
	if n == 0 && rest == 0 {
		c.buf, c.pos = nil, 0 // nothing is kept while waiting
	}
	return n > 0, nil
}

// over reports whether nothing will be added to files[0] any more.
func (c *cursor) over() bool {
	switch {
	case len(c.files) == 0:
		return false
	case len(c.files) > 1:
		return true
	case c.limit >= 0:
		return false
	}
	now, err := os.Lstat(filepath.Join(c.dir, c.name))
	if err != nil {
		return false // in the middle of a rotation, or removed: wait for the new one
	}
	own, err := c.files[0].Stat()
	return err == nil && !os.SameFile(now, own)
}

// advance goes to the next file.
func (c *cursor) advance() (bool, error) {
	if len(c.files) == 1 {
		own, err := c.files[0].Stat()
		if err != nil {
			return false, err
		}
		newer, err := openAll(c.dir, c.name, own)
		if err != nil || len(newer) == 0 {
			return false, err
		}
		c.gone = links(c.files[0]) == 0 // whole files may have come and gone
		c.files = append(c.files, newer...)
	}
	c.files[0].Close()
	c.files = c.files[1:]
	c.offset = 0
	c.buf, c.pos = c.buf[:0], 0
	return true, nil
}

// links counts the names of a file.
func links(f *os.File) uint64 {
	var st unix.Stat_t
	conn, err := f.SyscallConn()
	if err != nil {
		return 1
	}
	st.Nlink = 1
	_ = conn.Control(func(fd uintptr) { _ = unix.Fstat(int(fd), &st) })
	return uint64(st.Nlink)
}

// place is where a record starts.
type place struct {
	file   int
	offset int64
}

// seek moves to a place, and lets go of the files before it.
func (c *cursor) seek(p place) {
	closeAll(c.files[:p.file])
	c.files = c.files[p.file:]
	c.offset = p.offset
	c.buf, c.pos = nil, 0
}

// end is the place behind everything.
func (c *cursor) end() (place, error) {
	last := len(c.files) - 1
	if c.limit >= 0 {
		return place{last, c.limit}, nil
	}
	fi, err := c.files[last].Stat()
	if err != nil {
		return place{}, err
	}
	return place{last, fi.Size()}, nil
}

// skipAll moves behind the last complete record that is there.
func (c *cursor) skipAll() error {
	if len(c.files) == 0 {
		return nil
	}
	p, err := c.end()
	if err != nil {
		return err
	}
	// A record that is being written just now is wanted from its start.
	found := false
	err = c.backward(p, func(_ []byte, _, after place) bool {
		p, found = after, true
		return false
	})
	if found {
		c.seek(p)
	}
	return err
}

// skipOlder passes over files that were last written before that time.
func (c *cursor) skipOlder(since time.Time) {
	for len(c.files) > 1 {
		fi, err := c.files[0].Stat()
		if err != nil || !fi.ModTime().Before(since) {
			return
		}
		c.seek(place{1, 0})
	}
}

// tail moves to the start of the last so many wanted lines.
func (c *cursor) tail(q Query) error {
	if len(c.files) == 0 {
		return nil
	}
	at, err := c.end()
	if err != nil {
		return err
	}
	count := 0
	err = c.backward(at, func(raw []byte, start, _ place) bool {
		rec := parseRecord(raw)
		if rec.Stream == Marks && !q.Marks || !q.wanted(rec) {
			return rec.Time.IsZero() || !rec.Time.Before(q.Since)
		}
		if !rec.Partial() { // the pieces before it belong to it
			if count++; count > q.Tail {
				return false
			}
		}
		at = start
		return true
	})
	c.seek(at)
	return err
}

// previous narrows the cursor down to the run before the last one.
func (c *cursor) previous() error {
	if len(c.files) == 0 {
		return ErrNoPrevious
	}
	at, err := c.end()
	if err != nil {
		return err
	}
	var starts []place
	err = c.backward(at, func(raw []byte, start, _ place) bool {
		if parseRecord(raw).IsStart() {
			starts = append(starts, start)
		}
		return len(starts) < 2
	})
	if err != nil {
		return err
	}
	if len(starts) < 2 {
		return ErrNoPrevious
	}
	end := starts[0]
	closeAll(c.files[end.file+1:])
	c.files = c.files[:end.file+1]
	c.limit = end.offset
	c.seek(starts[1])
	return nil
}

// backward calls visit for each complete line before a place, the last one
// first, with where it starts and what is after it, until visit returns false.
func (c *cursor) backward(from place, visit func(raw []byte, start, after place) bool) error {
	for i := from.file; i >= 0; i-- {
		end := from.offset
		if i != from.file {
			fi, err := c.files[i].Stat()
			if err != nil {
				return err
			}
			end = fi.Size()
		}
		more, err := linesBackward(c.files[i], end, func(raw []byte, start, after int64) bool {
			return visit(raw, place{i, start}, place{i, after})
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// linesBackward visits the complete lines of f before end, the last first.
func linesBackward(f io.ReaderAt, end int64, visit func(raw []byte, start, after int64) bool) (more bool, err error) {
	var buf []byte // f's bytes from base on, up to the start of the last line visited
	base := end
	after := int64(-1) // behind the newline of the line that buf ends with; -1: none seen
	for {
		if base == 0 {
			if after >= 0 {
				return visit(buf[:len(buf)-1], 0, after), nil
			}
			return true, nil
		}
		n := min(base, blockSize)
		block := make([]byte, int(n)+len(buf))
		if _, err := f.ReadAt(block[:n], base-n); err != nil && err != io.EOF {
			return false, err
		}
		copy(block[n:], buf)
		buf = block
		base -= n
		for scan := int(n); ; {
			i := bytes.LastIndexByte(buf[:min(scan, len(buf))], '\n')
			if i < 0 {
				break
			}
			if after >= 0 {
				if !visit(buf[i+1:len(buf)-1], base+int64(i)+1, after) {
					return false, nil
				}
			}
			after = base + int64(i) + 1
			buf = buf[:i+1]
			scan = i
		}
		if len(buf) > 4*blockSize { // no record is that long: give it up
			buf, after = nil, -1
		}
	}
}
