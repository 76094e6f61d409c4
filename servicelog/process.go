package servicelog

import (
	"bytes"
	"strconv"
	"time"
)

// A Process is what has printed the lines of a run. The zero value is one that is not
// known.
type Process struct {
	PID     int
	Restart int // how often the service was started before in this session
}

// remindEvery is how many bytes a log has between two marks that tell the process, so that
// one who begins to read in the middle finds it close by.
const remindEvery = 256 << 10

// appendMark appends "<word> pid=N restart=N", or only the word if the process is not
// known.
func (p Process) appendMark(dst []byte, word string) []byte {
	dst = append(dst, word...)
	if p.PID == 0 {
		return dst
	}
	dst = append(dst, " pid="...)
	dst = strconv.AppendInt(dst, int64(p.PID), 10)
	dst = append(dst, " restart="...)
	return strconv.AppendInt(dst, int64(p.Restart), 10)
}

// appendJSON appends its fields of an object. They follow others.
func (p Process) appendJSON(dst []byte) []byte {
	if p.PID == 0 {
		return dst
	}
	dst = append(dst, `,"pid":`...)
	dst = strconv.AppendInt(dst, int64(p.PID), 10)
	dst = append(dst, `,"restart":`...)
	return strconv.AppendInt(dst, int64(p.Restart), 10)
}

// tells returns the process of the lines that follow, if r is a mark that tells it.
func (r Record) tells() (p Process, ok bool) {
	if r.Stream != Marks {
		return p, false
	}
	word, rest, _ := bytes.Cut(r.Message, []byte(" "))
	if w := string(word); w != markStart && w != markRun {
		return p, false
	}
	for field := range bytes.FieldsSeq(rest) {
		name, value, _ := bytes.Cut(field, []byte("="))
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 {
			continue
		}
		switch string(name) {
		case "pid":
			p.PID = n
		case "restart":
			p.Restart = n
		}
	}
	return p, true
}

// untold reports whether the segment does not tell, close enough to its end, that the
// n bytes that are written next come from p, or a mark should end its span.
func (f *file) untold(p Process, n int) bool {
	if f.told == p && p.PID == 0 {
		return f.due(n)
	}
	return f.told != p || f.fd < 0 || f.toldIn != f.current || f.full(n) || f.size-f.toldAt >= f.remind || f.due(n)
}

// tell appends a mark that the next records, of n bytes, come from p.
func (f *file) tell(dst []byte, p Process, n int, at time.Time) []byte {
	dst = append(appendHeader(dst, at, Marks), "F "...)
	dst = p.appendMark(dst, markRun)
	if f.due(n) {
		dst = f.appendSpan(dst)
	}
	return append(dst, '\n')
}

// findProcess looks back for the mark that tells the process of the next record.
func (c *cursor) findProcess() error {
	if len(c.files) == 0 {
		return nil
	}
	return c.backward(place{0, c.offset}, period{}, func(raw []byte, start, _ place) bool {
		p, ok := parseRecord(raw).tells()
		if ok {
			c.process = p
		}
		return !ok && c.offset-start.offset < 2*remindEvery // logs of others have no such marks
	})
}
