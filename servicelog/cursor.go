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
	block  int        // how much is read next
	limit  int64      // where the last file ends for us; -1: where it ends
	gone   bool       // the file we read was rotated away: a gap is due
	when   time.Time  // of the last record: strangers take it

	head   Record
	peeked bool
}

// What is read at once: little first, since the last ten lines need no more.
const (
	firstBlock = 4 << 10
	blockSize  = 64 << 10
)

// begin opens what is there, and moves to where the query starts.
func (c *cursor) begin(q Query) error {
	if q.Tail > 0 && !q.Previous {
		if done, err := c.tailOfNewest(q); done || err != nil {
			return err
		}
	}
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
		_, err := c.tail(q)
		return err
	case !q.Since.IsZero():
		c.skipOlder(q.Since)
	}
	return nil
}

// open opens the files that exist, from the current one upwards: a rotation
// meanwhile moves files ahead of us, never past us, so that none is missed.
func (c *cursor) open() error {
	found, err := openAll(c.dir, c.name, fileID{})
	if err != nil {
		return err
	}
	c.files = found
	return nil
}

// A fileID is a file, whatever it is called. The zero value is no file.
type fileID struct{ dev, ino uint64 }

// openAll opens a log's files that are newer than own, or all, oldest first.
// A file that turns up under two names because of a rotation is taken once.
func openAll(dir, name string, own fileID) ([]*os.File, error) {
	most, err := oldest(dir, name)
	if err != nil {
		return nil, err
	}
	folder, err := safefile.OpenFolder(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	var files []*os.File
	var taken []fileID
	// Files that are rotated as fast as we look are ahead of us, without a gap
	// but the one that a rotation has for a moment.
	for i, missing := 0, 0; i <= most || missing < 2; i++ {
		file := name
		if i > 0 {
			file += "." + strconv.Itoa(i)
		}
		f, st, err := folder.Peek(file)
		if errors.Is(err, os.ErrNotExist) {
			if i > most {
				missing++
			}
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, err
		}
		missing = 0
		id := fileID{uint64(st.Dev), st.Ino}
		if id == own {
			f.Close()
			break
		}
		if slices.Contains(taken, id) {
			f.Close()
			continue
		}
		files, taken = append(files, f), append(taken, id)
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
	c.block = max(c.block, firstBlock)
	if cap(c.buf) < rest+c.block {
		c.buf = append(make([]byte, 0, max(rest, c.block)+c.block), c.buf[:rest]...)
	}
	c.buf, c.pos = c.buf[:rest], 0
	space := c.buf[rest : rest+c.block]
	if c.limit >= 0 && len(c.files) == 1 {
		space = space[:max(0, min(int64(len(space)), c.limit-c.offset))]
	}
	n, err := c.files[0].ReadAt(space, c.offset)
	if err != nil && err != io.EOF {
		return false, err
	}
	c.buf = c.buf[:rest+n]
	c.offset += int64(n)
	if n == c.block {
		c.block = min(4*c.block, blockSize)
	}
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
		var own unix.Stat_t
		if err := unix.Fstat(int(c.files[0].Fd()), &own); err != nil {
			return false, err
		}
		newer, err := openAll(c.dir, c.name, fileID{uint64(own.Dev), own.Ino})
		if err != nil || len(newer) == 0 {
			return false, err
		}
		var now unix.Stat_t // whole files may have come and gone
		c.gone = unix.Fstat(int(c.files[0].Fd()), &now) == nil && now.Nlink == 0
		c.files = append(c.files, newer...)
	}
	c.files[0].Close()
	c.files = c.files[1:]
	c.offset = 0
	c.buf, c.pos = c.buf[:0], 0
	return true, nil
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

// tailOfNewest is open and tail where the newest file alone has enough lines:
// the usual case, in which the older ones need not even be looked for.
func (c *cursor) tailOfNewest(q Query) (done bool, err error) {
	f, err := safefile.Peek(filepath.Join(c.dir, c.name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.files = []*os.File{f}
	if done, err = c.tail(q); !done {
		c.close()
	}
	return done, err
}

// tail moves to the start of the last so many wanted lines. It reports whether
// there may be older ones, which are left out.
func (c *cursor) tail(q Query) (more bool, err error) {
	if len(c.files) == 0 {
		return false, nil
	}
	at, err := c.end()
	if err != nil {
		return false, err
	}
	count := 0
	err = c.backward(at, func(raw []byte, start, _ place) bool {
		rec := parseRecord(raw)
		if rec.Stream == Marks && !q.Marks || !q.wanted(rec) {
			more = !rec.Time.IsZero() && rec.Time.Before(q.Since)
			return !more
		}
		if !rec.Partial() { // the pieces before it belong to it
			if count++; count > q.Tail {
				more = true
				return false
			}
		}
		at = start
		return true
	})
	c.seek(at)
	return more, err
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
	for size := int64(firstBlock); ; size = min(4*size, blockSize) {
		if base == 0 {
			if after >= 0 {
				return visit(buf[:len(buf)-1], 0, after), nil
			}
			return true, nil
		}
		n := min(base, size)
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
