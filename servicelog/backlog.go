package servicelog

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"
)

// A backlog is what came while stdout was behind: ranges of the files, and in memory, up
// to a limit, what is in no file. It is filled under the lock of the output. The writing
// goroutine takes it as a whole and then is the only one to use it.
type backlog struct {
	style  style
	ranges map[*file]*fileRange
	order  []*fileRange // the same, ordered by their beginnings
	memory []held       // ordered by stamps
	own    *viewer      // for our marks
}

// held is what is in no file: text to show, or a number of lines that are lost.
type held struct {
	stamp
	text []byte
	lost uint64
}

// size returns about how much memory it takes.
func (h held) size() int { return len(h.text) + 64 }

func newBacklog(s style) *backlog {
	return &backlog{style: s, ranges: map[*file]*fileRange{}, own: newViewer(Self, Marks, s)}
}

// extend adds a batch that is in a file.
func (b *backlog) extend(it item) {
	s := b.ranges[it.file]
	if s == nil {
		s = &fileRange{file: it.file, at: it.from, era: it.era, last: it.era, process: it.view.of}
		b.ranges[it.file] = s
		b.order = append(b.order, s)
	}
	s.end = it.to
	if it.era != s.last {
		s.eras, s.last = append(s.eras, eraStart{it.from, it.era}), it.era
	}
	if s.views[it.view.stream] == nil {
		v := newViewer(it.view.label, it.view.stream, b.style)
		v.open = it.continues
		if s.views == nil {
			s.views = map[Stream]*viewer{}
		}
		s.views[it.view.stream] = v
	}
}

// keep adds what is in no file and returns how much memory that takes.
func (b *backlog) keep(h held) int {
	n := len(b.memory)
	if h.lost > 0 && n > 0 && b.memory[n-1].lost > 0 {
		b.memory[n-1].lost += h.lost
		return 0
	}
	at := n
	for at > 0 && h.before(b.memory[at-1].stamp) {
		at--
	}
	b.memory = slices.Insert(b.memory, at, h)
	return h.size()
}

// left returns the number of lines that have not been read.
func (b *backlog) left() (n uint64) {
	for _, s := range b.order {
		n += uint64(max(0, s.end.lines-s.at.lines))
	}
	for _, h := range b.memory {
		n += h.lost + uint64(bytes.Count(h.text, []byte("\n")))
	}
	return n
}

// next appends about readSize bytes of what comes next, and returns how much memory that
// has freed. At the end it appends nothing. After an error it may be called again.
func (b *backlog) next(dst []byte) (_ []byte, freed int, err error) {
	for len(dst) < readSize {
		var first *fileRange // the one with the earliest head
		var limit stamp      // the earliest stamp of all others: up to it, first may go on
		limited := false
		for _, s := range b.order {
			ok, err := s.peek(len(b.order))
			if dst = b.rotated(dst, s); err != nil {
				return dst, freed, err
			}
			switch {
			case !ok:
			case first == nil:
				first = s
			case s.head.stamp.before(first.head.stamp):
				limit, limited, first = first.head.stamp, true, s
			case !limited || s.head.stamp.before(limit):
				limit, limited = s.head.stamp, true
			}
		}
		if len(b.memory) > 0 {
			if h := b.memory[0]; first == nil || h.before(first.head.stamp) {
				if dst = append(dst, h.text...); h.lost > 0 {
					dst = b.mark(dst, fmt.Sprintf("stdout is not read: %s not shown", count(uint64(h.lost), "line")))
				}
				freed += h.size()
				b.memory[0] = held{}
				b.memory = b.memory[1:]
				continue
			} else if !limited || h.before(limit) {
				limit, limited = h.stamp, true
			}
		}
		if first == nil {
			return dst, freed, nil
		}
		for len(dst) < readSize && first.ready && (!limited || first.head.stamp.before(limit)) {
			dst = first.show(dst)
			_, err := first.peek(len(b.order))
			if dst = b.rotated(dst, first); err != nil {
				return dst, freed, err
			}
		}
	}
	return dst, freed, nil
}

// rotated marks the lines that rotation has removed before they were read.
func (b *backlog) rotated(dst []byte, s *fileRange) []byte {
	if s.lost == 0 {
		return dst
	}
	lost := s.lost
	s.lost = 0
	label := ""
	for _, v := range s.views {
		label = v.label
	}
	return b.mark(dst, fmt.Sprintf("stdout is not read: %s of %s not shown, the log has rotated meanwhile", count(uint64(lost), "line"), label))
}

func (b *backlog) mark(dst []byte, text string) []byte {
	dst, _ = b.own.append(dst, []line{{text: []byte(text)}}, time.Now())
	return dst
}

// A fileRange is a range of records in a file, to be read back.
type fileRange struct {
	file    *file
	at, end spot
	era     int // of the record at at
	eras    []eraStart
	last    int // the era of the record before end
	views   map[Stream]*viewer
	process Process // of the records at at

	known timeCache
	buf   []byte // what has been read from at on
	room  []byte // the memory of buf
	lost  int64  // lines that rotation has removed, not reported yet

	ready bool // head holds the record before at
	head  struct {
		stamp
		stream Stream
		line   line
	}
}

// An eraStart is where a new era begins in a file, since the clock was set back.
type eraStart struct {
	at  spot
	era int
}

func (t eraStart) reached(s spot) bool {
	return s.segment > t.at.segment || s.segment == t.at.segment && s.offset >= t.at.offset
}

// backBudget bounds the memory for reading all files, in bytes, unless there are so many
// that not even a small block of each fits.
const backBudget = 4 << 20

// peek makes head the next line, if there is one. many is how many ranges are read
// at the same time.
func (s *fileRange) peek(many int) (bool, error) {
	for !s.ready {
		i := bytes.IndexByte(s.buf, '\n')
		if i < 0 {
			more, err := s.fill(many)
			if err != nil || !more {
				return false, err
			}
			continue
		}
		rec := s.known.record(s.buf[:i])
		for len(s.eras) > 0 && s.eras[0].reached(s.at) {
			s.era, s.eras = s.eras[0].era, s.eras[1:]
		}
		s.buf = s.buf[i+1:]
		s.at.offset += int64(i) + 1
		if p, ok := rec.tells(); ok {
			s.process = p
		}
		if rec.Time.IsZero() || rec.Stream == Marks {
			continue
		}
		s.at.lines++
		s.head.stamp = stamp{rec.Time, s.era}
		s.head.stream, s.head.line = rec.Stream, line{rec.Message, rec.End}
		s.ready = true
	}
	return true, nil
}

// show appends head as stdout shows it.
func (s *fileRange) show(dst []byte) []byte {
	s.ready = false
	if v := s.views[s.head.stream]; v != nil {
		v.tell(s.process)
		dst, _ = v.append(dst, []line{s.head.line}, s.head.at)
	}
	return dst
}

// fill reads more and reports whether there was any.
func (s *fileRange) fill(many int) (bool, error) {
	if s.at.segment == s.end.segment && s.at.offset >= s.end.offset || s.at.segment > s.end.segment {
		s.buf, s.room = nil, nil
		return false, nil
	}
	f, at, size, err := s.file.view(s.at)
	if err != nil {
		return false, err
	}
	if f != nil {
		defer f.Close()
	}
	if f == nil || at.segment > s.end.segment { // the rest has been removed
		at, f = s.end, nil
	}
	if at.segment != s.at.segment || at.offset != s.at.offset {
		s.skip(at)
	}
	if f == nil {
		return false, nil
	}
	if at.segment == s.end.segment {
		size = min(size, s.end.offset)
	}
	block := min(readSize, max(4<<10, backBudget/many))
	have := len(s.buf)
	want := have + int(max(0, min(int64(block), size-at.offset-int64(have))))
	if len(s.room) < want {
		s.room = append(make([]byte, 0, want), s.buf...)[:want]
	} else {
		copy(s.room, s.buf)
	}
	n, err := f.ReadAt(s.room[have:want], at.offset+int64(have))
	if n > 0 {
		s.buf = s.room[:have+n]
		return true, nil
	}
	if err == nil || err == io.EOF {
		// Somebody has truncated the file: go on where we know that a record
		// begins.
		s.skip(s.file.resume(at, s.end))
		return s.at != s.end, nil
	}
	s.skip(s.end)
	return false, nil
}

// skip goes on at a later spot. The lines in between are lost.
func (s *fileRange) skip(to spot) {
	s.lost += max(0, to.lines-s.at.lines)
	s.at, s.buf = to, nil
}
