package servicelog

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
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

	files  []*part // oldest first; files[0] is being read
	want   period
	zip    *unpacker
	offset int64     // in files[0], of the end of buf
	buf    []byte    // what has been read
	pos    int       // in buf, of what has not been parsed
	block  int       // how much to read next
	limit  int64     // where to end in the last file; -1: at its end
	gone   bool      // rotation has removed files that we have not read: a gap is due
	lost   bool      // files[0] was removed while it was closed
	when   time.Time // of the last record; lines that are no records get it

	known   timeCache
	tells   bool    // the process is wanted
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
	c.tells = q.Processes
	if err := c.find(q); err != nil || !c.tells {
		return err
	}
	return c.findProcess()
}

func (c *cursor) find(q Query) error {
	c.want = period{q.Since, q.Until}
	if q.Tail > 0 && !q.Previous {
		if done, err := c.tailOfNewest(q); err != nil {
			return err
		} else if done {
			return c.leaveOut()
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
		if _, err := c.tail(q); err != nil {
			return err
		}
	}
	return c.leaveOut()
}

// open opens all files. It begins with the current one: a rotation meanwhile gives files
// higher numbers, which are still to come, so that none is missed.
func (c *cursor) open() error {
	var err error
	c.files, _, err = openAll(c.dir, c.name, nil, c.zip)
	return err
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
		rec := c.known.record(raw)
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
			if c.lost && c.limit >= 0 { // it was the last one that is wanted
				closeAll(c.files)
				c.files, c.buf, c.pos = nil, nil, 0
				c.gone, c.lost = true, false
				continue
			}
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
	if skip := c.files[0].skip; len(skip) > 0 {
		if c.offset >= skip[0].from {
			if c.files[0].skip = skip[1:]; rest == 0 { // between two records, as it should be
				c.offset = skip[0].to
				if c.tells && c.files[0].zip != nil { // a frame may end without a mark
					return true, c.findProcess()
				}
			}
			return true, nil
		}
		space = space[:min(int64(len(space)), skip[0].from-c.offset)]
	}
	if c.limit >= 0 && len(c.files) == 1 {
		space = space[:max(0, min(int64(len(space)), c.limit-c.offset))]
	}
	n, err := c.files[0].ReadAt(space, c.offset)
	if err == errGone {
		c.lost, err = true, nil
	}
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
	var now unix.Stat_t
	if unix.Lstat(filepath.Join(c.dir, c.name), &now) != nil {
		return false // it is being rotated, or was removed: wait for the new one
	}
	own, err := c.files[0].stat()
	return c.files[0].zip != nil || err == errGone || err == nil && (now.Ino != own.Ino || now.Dev != own.Dev)
}

// advance goes on to the next file and reports whether there is one.
func (c *cursor) advance() (bool, error) {
	if len(c.files) == 1 {
		newer, met, err := openAll(c.dir, c.name, c.files[0], c.zip)
		if err != nil || len(newer) == 0 {
			return false, err
		}
		for _, p := range newer {
			p.late = true
		}
		c.gone = !met && c.files[0].gone() // rotation may have removed more than one file meanwhile
		c.files = append(c.files, newer...)
	}
	c.gone, c.lost = c.gone || c.lost, false
	c.files[0].Close()
	c.files = c.files[1:]
	c.offset = 0
	c.buf, c.pos = c.buf[:0], 0
	return true, c.leaveOut()
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
	size, err := c.files[last].length()
	return place{last, size}, err
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
	err = c.backward(p, period{}, func(_ []byte, _, after place) bool {
		p, found = after, true
		return false
	})
	if found {
		c.seek(p)
	}
	return err
}

// leaveOut prepares to leave out what files[0] has beyond the period that is wanted. One
// that was opened later has been written since.
func (c *cursor) leaveOut() error {
	if len(c.files) == 0 || c.files[0].late || c.want.all() {
		return nil
	}
	p := c.files[0]
	if err := p.leaveOut(c.want); err != nil && err != errGone {
		return err
	}
	for len(p.skip) > 0 && p.skip[0].to <= c.offset {
		p.skip = p.skip[1:]
	}
	if len(p.skip) > 0 && p.skip[0].from < c.offset {
		p.skip[0].from = c.offset
	}
	return nil
}

// tailOfNewest is open and tail for the usual case: the newest file has enough lines, so
// that older ones need not even be looked for. It reports whether that was so.
func (c *cursor) tailOfNewest(q Query) (done bool, err error) {
	folder, err := safefile.OpenFolder(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer folder.Close()
	newest, err := openPart(folder, c.dir, c.name, 0, c.zip)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.files = []*part{newest}
	if done, err = c.tail(q); !done {
		c.close()
		c.offset = 0
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
	take := func(start place, partial bool) bool {
		if !partial { // the end of a line, to which the pieces before it belong
			if count++; count > q.Tail {
				more = true
				return false
			}
		}
		at = start
		return true
	}
	whenever := q
	whenever.Since, whenever.Until = time.Time{}, time.Time{}
	var strangers []place // wanted lines that count as of the time of the record before
	err = c.backward(at, c.want, func(raw []byte, start, _ place) bool {
		if start.file == 0 && start.offset < c.offset { // it is before what is wanted
			return false
		}
		rec := parseRecord(raw)
		if rec.Time.IsZero() && !c.want.all() {
			if whenever.wanted(rec) {
				strangers = append(strangers, start)
			}
			return true
		}
		for _, start := range strangers {
			if !q.inTime(rec.Time) {
				break
			}
			if !take(start, false) {
				return false
			}
			c.when = rec.Time
		}
		strangers = strangers[:0]
		if rec.Stream == Marks && !q.Marks || !q.wanted(rec) {
			return true
		}
		return take(start, rec.Partial())
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
	err = c.backward(at, period{}, func(raw []byte, start, _ place) bool {
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
// visit returns false. It passes where the line begins and where the next one does. Lines
// beyond a period may be left out.
func (c *cursor) backward(from place, want period, visit func(raw []byte, start, after place) bool) (err error) {
	defer func() {
		if err == errGone { // and so is what is before it
			err = nil
		}
	}()
	for i := from.file; i >= 0; i-- {
		end := from.offset
		if i != from.file {
			var err error
			if end, err = c.files[i].length(); err != nil {
				return err
			}
		}
		skip, err := c.files[i].unwanted(end, want)
		if err != nil {
			return err
		}
		for {
			begin, next := int64(0), int64(-1)
			if n := len(skip); n > 0 {
				begin, next, skip = skip[n-1].to, skip[n-1].from, skip[:n-1]
			}
			more, err := linesBackward(io.NewSectionReader(c.files[i], begin, end-begin), end-begin, func(raw []byte, start, after int64) bool {
				return visit(raw, place{i, begin + start}, place{i, begin + after})
			})
			if err != nil || !more {
				return err
			}
			if end = next; end <= 0 {
				break
			}
		}
		if p := c.files[i]; p.zip != nil && i > 0 {
			p.zip.release()
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
