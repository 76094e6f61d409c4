package servicelog

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The index by time is in the files themselves. A mark that tells the process, of which
// there is one every 256 KiB, also tells of the span of records before it, back to the mark
// before or to where their writer began: from which to which byte, and between which times.
//
//	run pid=N restart=N span=BYTE-BYTE from=TIME to=TIME
//
// A reader goes from mark to mark, from the end of a file to its beginning, and leaves out
// the spans that have nothing of the time that is wanted. What no mark tells of is read, and
// so is what a mark tells of that is not where it says: somebody has cut the file. The order
// of times does not matter, so a clock that was set back hides no line.

// A span is the records that no mark of the current segment tells of yet.
type span struct {
	at       int64 // where they begin
	from, to time.Time
}

// add notes the time of records that were written.
func (s *span) add(at time.Time) {
	if s.from.IsZero() || at.Before(s.from) {
		s.from = at
	}
	if at.After(s.to) {
		s.to = at
	}
}

// due reports whether the next mark, before n bytes, ends the span.
func (f *file) due(n int) bool {
	return f.fd >= 0 && !f.full(n) && f.size-f.span.at >= f.remind && !f.span.from.IsZero()
}

// appendSpan appends what a mark tells of the span that it ends.
func (f *file) appendSpan(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, " span="...), f.span.at, 10)
	dst = strconv.AppendInt(append(dst, '-'), f.size, 10)
	dst = appendTime(append(dst, " from="...), f.span.from)
	return appendTime(append(dst, " to="...), f.span.to)
}

// spanOf returns the span that a record at a place tells of, if it is a mark of one.
func spanOf(rec Record, at int64) (begin int64, from, to time.Time, ok bool) {
	if rec.Stream != Marks || !bytes.HasPrefix(rec.Message, []byte(markRun)) {
		return 0, from, to, false
	}
	begin, end := int64(-1), int64(-1)
	for field := range bytes.FieldsSeq(rec.Message) {
		name, value, _ := bytes.Cut(field, []byte("="))
		switch string(name) {
		case "span":
			first, last, _ := strings.Cut(string(value), "-")
			begin, _ = strconv.ParseInt(first, 10, 64)
			end, _ = strconv.ParseInt(last, 10, 64)
		case "from":
			from, _ = parseTime(value)
		case "to":
			to, _ = parseTime(value)
		}
	}
	return begin, from, to, end == at && 0 <= begin && begin < end && !from.IsZero() && !to.Before(from)
}

// A period is the time that is wanted of a log. A zero time is no bound.
type period struct{ since, until time.Time }

func (p period) all() bool { return p.since.IsZero() && p.until.IsZero() }

// misses reports whether no time from one to another is in p.
func (p period) misses(from, to time.Time) bool {
	return to.Before(p.since) || !p.until.IsZero() && from.After(p.until)
}

// An extent is a part of a file, between two records.
type extent struct{ from, to int64 }

// unwanted returns the parts of a file of a size that have nothing of a period, in their
// order. It need not find all.
func unwanted(f io.ReaderAt, size int64, want period) ([]extent, error) {
	if want.all() || size == 0 {
		return nil, nil
	}
	var skip []extent
	leave := func(from, to int64) {
		if n := len(skip); n > 0 && skip[n-1].from == to {
			skip[n-1].from = from
		} else {
			skip = append(skip, extent{from, to})
		}
	}
	var head [maxMark]byte
	for at := size; at > 0; {
		mark, scanned, err := lastMark(f, at)
		if err != nil {
			return nil, err
		}
		if mark < 0 {
			break
		}
		if scanned.known && want.misses(scanned.from, scanned.to) {
			leave(mark, at)
		}
		for at = mark; at > 0; { // from mark to mark
			rec, err := recordAt(f, at, head[:])
			if err != nil {
				return nil, err
			}
			begin, from, to, ok := spanOf(rec, at)
			if !ok {
				break
			}
			if want.misses(from, to) {
				leave(begin, at)
			}
			at = begin
		}
	}
	slices.Reverse(skip)
	return skip, nil
}

// maxMark is more than a mark that tells of a span takes.
const maxMark = 256

// recordAt returns the record that begins at a place, or its beginning if it is long. It
// uses the memory of buf.
func recordAt(f io.ReaderAt, at int64, buf []byte) (Record, error) {
	n, err := f.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return Record{}, err
	}
	raw, _, _ := bytes.Cut(buf[:n], []byte("\n"))
	return parseRecord(raw), nil
}

// scanned is what was found in records that no mark tells of.
type scanned struct {
	known    bool // all have a time
	from, to time.Time
}

// lastMark looks back from a place for a mark that tells of a span, and says of which time
// the records behind it are. It is -1 if none is near.
func lastMark(f io.ReaderAt, end int64) (mark int64, of scanned, err error) {
	mark = -1
	of.known = true
	next := end
	var s span
	_, err = linesBackward(f, end, func(raw []byte, start, after int64) bool {
		rec := parseRecord(raw)
		if rec.Time.IsZero() || after != next { // it counts as of the time of the record before it
			of.known = false
		} else {
			s.add(rec.Time)
		}
		next = start
		if _, _, _, ok := spanOf(rec, start); ok {
			mark = start
		}
		return mark < 0 && end-start < 4*remindEvery
	})
	of.from, of.to = s.from, s.to
	return mark, of, err
}
