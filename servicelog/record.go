package servicelog

import (
	"bytes"
	"strconv"
	"time"
)

// A Stream says where a record came from.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
	Marks  Stream = "nix2gpu" // our own marks: the start of a run, and missing lines
)

// A Record is one line of a log, or a piece of a long one.
type Record struct {
	Source  string // the file's name without ".log"
	Time    time.Time
	Stream  Stream
	Message []byte // raw; valid until the next record is asked for
	End     End
	Process Process // which has printed it, if the query asks for that
}

// Partial reports whether the line goes on in the next record.
func (r Record) Partial() bool { return r.End == EndCut }

// IsStart reports whether r marks the beginning of a run.
func (r Record) IsStart() bool {
	word, _, _ := bytes.Cut(r.Message, []byte(" "))
	return r.Stream == Marks && string(word) == markStart
}

// Gap returns how many lines are missing at this place, and why.
func (r Record) Gap() (lines int, why string, ok bool) {
	word, rest, _ := bytes.Cut(r.Message, []byte(" "))
	if w := string(word); r.Stream != Marks || w != markGap && w != markDrop {
		return 0, "", false
	}
	count, reason, _ := bytes.Cut(rest, []byte(" "))
	lines, err := strconv.Atoi(string(count))
	return lines, string(reason), err == nil
}

const (
	markStart = "start"
	markRun   = "run"  // the records that follow are of a process whose start is elsewhere
	markGap   = "gap"  // lines that could not be written
	markDrop  = "drop" // lines beyond the rate

	// timeLayout always has nine digits, so that times can be compared as text.
	timeLayout = "2006-01-02T15:04:05.000000000Z07:00"
)

var tags = [...]string{EndNewline: "F", EndReturn: "F:r", EndNone: "F:n", EndCut: "P"}

// appendHeader appends the fields before the tags.
func appendHeader(dst []byte, at time.Time, s Stream) []byte {
	dst = appendTime(dst, at)
	dst = append(dst, ' ')
	dst = append(dst, s...)
	return append(dst, ' ')
}

// appendLines appends lines as records of a file.
func appendLines(dst []byte, lines []line, at time.Time, s Stream) []byte {
	var store [64]byte
	header := appendHeader(store[:0], at, s)
	usual := append(header, tags[EndNewline]+" "...)
	for _, l := range lines {
		if l.end == EndNewline {
			dst = append(dst, usual...)
		} else {
			dst = append(dst, usual[:len(header)]...)
			dst = append(dst, tags[l.end]...)
			dst = append(dst, ' ')
		}
		dst = append(dst, l.text...)
		dst = append(dst, '\n')
	}
	return dst
}

// parseRecord parses a line of a file, without its newline. A line that is no record,
// because of a crash or because somebody else has written it, is a message without a
// time.
func parseRecord(b []byte) Record {
	var c timeCache
	return c.record(b)
}

// A timeCache remembers the time that was parsed last. What was read at once has one time,
// so most records of a log that is large repeat that of the one before. The zero value is
// ready to use.
type timeCache struct {
	text [len("2006-01-02T15:04:05.000000000Z")]byte
	at   time.Time // zero: none
}

// parse is parseTime.
func (c *timeCache) parse(b []byte) (time.Time, bool) {
	if !c.at.IsZero() && string(b) == string(c.text[:]) {
		return c.at, true
	}
	at, ok := parseTime(b)
	if ok && len(b) == len(c.text) {
		copy(c.text[:], b)
		c.at = at
	}
	return at, ok
}

// record is parseRecord.
func (c *timeCache) record(b []byte) Record {
	stranger := Record{Message: b}
	when, rest, ok := bytes.Cut(b, []byte(" "))
	if !ok || len(when) < len("2006-01-02T15:04:05Z") {
		return stranger
	}
	at, ok := c.parse(when)
	if !ok {
		return stranger
	}
	stream, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return stranger
	}
	tag, message, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return stranger
	}
	rec := Record{Time: at, Message: message}
	switch string(stream) {
	case string(Stdout):
		rec.Stream = Stdout
	case string(Stderr):
		rec.Stream = Stderr
	case string(Marks):
		rec.Stream = Marks
	default:
		return stranger
	}
	switch string(tag) {
	case "F":
	case "F:r":
		rec.End = EndReturn
	case "F:n":
		rec.End = EndNone
	case "P":
		rec.End = EndCut
	default:
		return stranger
	}
	return rec
}

// parseTime parses our own layout without the cost of time.Parse, which it uses for all
// others.
func parseTime(b []byte) (time.Time, bool) {
	const ours = len("2006-01-02T15:04:05.000000000Z")
	if len(b) == ours && b[4] == '-' && b[7] == '-' && b[10] == 'T' && b[13] == ':' && b[16] == ':' && b[19] == '.' && b[ours-1] == 'Z' {
		n := func(from, to int) int {
			v := 0
			for _, c := range b[from:to] {
				if c < '0' || c > '9' {
					return -1 << 40
				}
				v = v*10 + int(c-'0')
			}
			return v
		}
		year, month, day := n(0, 4), n(5, 7), n(8, 10)
		hour, minute, sec, nano := n(11, 13), n(14, 16), n(17, 19), n(20, 29)
		at := time.Date(year, time.Month(month), day, hour, minute, sec, nano, time.UTC)
		// Date would take a 32nd for the 1st of the next month.
		if at.Year() == year && at.Month() == time.Month(month) && at.Day() == day &&
			at.Hour() == hour && at.Minute() == minute && at.Second() == sec && at.Nanosecond() == nano {
			return at, true
		}
	}
	at, err := time.Parse(time.RFC3339Nano, string(b))
	return at, err == nil
}
