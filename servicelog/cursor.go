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

// A cursor walks through the files of one source, from old to new. They may grow or be
// rotated meanwhile: it keeps open what it reads, whatever that is called by then.
type cursor struct {
	dir  string
	id   string
	name string

	files  []*os.File // oldest first; files[0] is being read
	offset int64      // in files[0], of the end of buf
	buf    []byte     // what has been read
	pos    int        // in buf, of what has not been parsed
	block  int        // how much to read next
	limit  int64      // where to end in the last file; -1: at its end
	gone   bool       // rotation has removed files that we have not read: a gap is due
	when   time.Time  // of the last record; lines that are no records get it

	process Process // of the next record, unless that tells another one
	head    Record
	peeked  bool
}

// How much is read at once: little at first, which is enough for the last ten lines.
const (
	firstBlock = 4 << 10
	blockSize  = 64 << 10
)

// begin opens the files and moves to where the query begins.
func (c *cursor) begin(q Query) error {
	if err := c.find(q); err != nil || !q.Processes {
		return err
	}
	return c.findProcess()
}

func (c *cursor) find(q Query) error {
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

// open opens all files. It begins with the current one: a rotation meanwhile gives files
// higher numbers, which are still to come, so that none is missed.
func (c *cursor) open() error {
	found, err := openAll(c.dir, c.name, fileID{})
	if err != nil {
		return err
	}
	c.files = found
	return nil
}

// A fileID identifies a file, whatever it is called. The zero value is no file's.
type fileID struct{ dev, ino uint64 }

// openAll opens the files of a log that are newer than own, or all of them, and returns
// them oldest first. A file that a rotation shows under two names is opened once.
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
	// Rotation may add files beyond most while we look. They have consecutive numbers,
	// but for the one that is missing for a moment during a rotation.
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

// oldest returns the highest number of a log's files.
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
		if p, ok := rec.tells(); ok {
			c.process = p
		}
		rec.Process = c.process
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
		if rest := len(c.buf) - c.pos; rest >= blockSize { // no record of ours is that long
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
		// Lines may have come after we read and before we found that it is over.
		if more, err = c.fill(); err != nil {
			return nil, false, err
		}
		if more {
			continue
		}
		if rest := c.buf[c.pos:]; len(rest) > 0 { // a crash has cut it off
			l := bytes.Clone(rest)
			c.buf, c.pos = c.buf[:0], 0
			return l, true, nil
		}
		if moved, err := c.advance(); err != nil || !moved {
			return nil, false, err
		}
	}
}

// fill reads more of the file and reports whether there was any.
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
		c.buf, c.pos = nil, 0 // a follower that waits takes no memory
	}
	return n > 0, nil
}

// over reports whether files[0] will not grow any more.
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
		return false // it is being rotated, or was removed: wait for the new one
	}
	own, err := c.files[0].Stat()
	return err == nil && !os.SameFile(now, own)
}

// advance goes on to the next file and reports whether there is one.
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
		var now unix.Stat_t // rotation may have removed more than one file meanwhile
		c.gone = unix.Fstat(int(c.files[0].Fd()), &now) == nil && now.Nlink == 0
		c.files = append(c.files, newer...)
	}
	c.files[0].Close()
	c.files = c.files[1:]
	c.offset = 0
	c.buf, c.pos = c.buf[:0], 0
	return true, nil
}

// A place is where a record begins.
type place struct {
	file   int
	offset int64
}

// seek moves to a place and closes the files before it.
func (c *cursor) seek(p place) {
	closeAll(c.files[:p.file])
	c.files = c.files[p.file:]
	c.offset = p.offset
	c.buf, c.pos = nil, 0
}

// end returns the place behind the last record.
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

// skipAll moves behind the last complete record.
func (c *cursor) skipAll() error {
	if len(c.files) == 0 {
		return nil
	}
	p, err := c.end()
	if err != nil {
		return err
	}
	// A record that is being written at this moment is wanted as a whole.
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

// skipOlder skips the files that were last written before a time.
func (c *cursor) skipOlder(since time.Time) {
	for len(c.files) > 1 {
		fi, err := c.files[0].Stat()
		if err != nil || !fi.ModTime().Before(since) {
			return
		}
		c.seek(place{1, 0})
	}
}

// tailOfNewest is open and tail for the usual case: the newest file has enough lines, so
// that older ones need not even be looked for. It reports whether that was so.
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

// tail moves to the first of the last q.Tail lines that are wanted. It reports whether
// there are older ones.
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
		if !rec.Partial() { // the end of a line, to which the pieces before it belong
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

// previous limits the cursor to the run before the last one.
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

// backward calls visit for each complete line before a place, the last one first, until
// visit returns false. It passes where the line begins and where the next one does.
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

// linesBackward visits the complete lines of f before end, the last one first. more is
// false if visit has ended it.
func linesBackward(f io.ReaderAt, end int64, visit func(raw []byte, start, after int64) bool) (more bool, err error) {
	var buf []byte // the bytes of f from base up to the last line that was visited
	base := end
	after := int64(-1) // the end of the line at the end of buf; -1: no newline was seen yet
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
		if len(buf) > 4*blockSize { // no record of ours is that long: ignore it
			buf, after = nil, -1
		}
	}
}
