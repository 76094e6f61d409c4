package servicelog

import (
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"
)

// An object writes lines of one stream as JSON objects. What they share is made once, and
// the time once for all that have the same.
type object struct {
	at   time.Time
	head []byte // with the time, the service and the stream
	rest []byte // of head, what follows the time
	mark bool   // lines of this stream have no level
}

// begin sets what the objects share.
func (o *object) begin(service string, s Stream) {
	o.rest = appendString(append(o.rest[:0], `","service":`...), []byte(service))
	o.rest = appendString(append(o.rest, `,"stream":`...), []byte(s))
	o.mark, o.head = s == Marks, o.head[:0]
}

// append appends one object and a newline. process is fields that tell the process.
func (o *object) append(dst []byte, at time.Time, text, process []byte, partial bool) []byte {
	if len(o.head) == 0 || at != o.at {
		o.at = at
		o.head = append(o.head[:0], `{"time":"`...)
		o.head = append(appendTime(o.head, at), o.rest...)
	}
	dst = append(dst, o.head...)
	if !o.mark {
		if level := FindLevel(text); level > 0 {
			dst = append(dst, `,"level":"`...)
			dst = append(dst, level.String()...)
			dst = append(dst, '"')
		}
	}
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, text)
	dst = append(dst, process...)
	if partial {
		dst = append(dst, `,"partial":true`...)
	}
	return append(dst, '}', '\n')
}

// appendTime is Time.AppendFormat with timeLayout, in UTC, for a tenth of the cost.
func appendTime(dst []byte, at time.Time) []byte {
	at = at.UTC()
	year, month, day := at.Date()
	if year < 0 || year > 9999 {
		return at.AppendFormat(dst, timeLayout)
	}
	hour, minute, second := at.Clock()
	const layout = "0000-00-00T00:00:00.000000000Z"
	n := len(dst)
	dst = append(dst, layout...)
	b := dst[n:]
	digits := func(end, v int) {
		for i := end - 1; v > 0; i-- {
			b[i] = byte('0' + v%10)
			v /= 10
		}
	}
	digits(4, year)
	digits(7, int(month))
	digits(10, day)
	digits(13, hour)
	digits(16, minute)
	digits(19, second)
	digits(29, at.Nanosecond())
	return dst
}

// asItIs returns how many bytes at the beginning of b stand for themselves in a string of
// JSON: printable ASCII without quotes and backslashes.
func asItIs(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(b); n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
		// As in plain. A borrow may also mark bytes above one that is marked rightly, so
		// only the lowest mark counts.
		if bad := ((w - ones*0x20) | (quote - ones) | (slash - ones) | (del - ones) | w) & highs; bad != 0 {
			return n + bits.TrailingZeros64(bad)/8
		}
	}
	for n < len(b) && b[n] >= 0x20 && b[n] < 0x7f && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// appendString appends b as a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendString(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for {
		n := asItIs(b)
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			break
		}
		c := b[0]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(b)
			if hostile(r) { // JSON may have it, but people read it on terminals
				dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
			} else {
				dst = utf8.AppendRune(dst, r)
			}
			b = b[n:]
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		default: // another control character
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		b = b[1:]
	}
	return append(dst, '"')
}

// jsonFields are the fields that may tell the level of an object, the first one first.
var jsonFields = [...]string{"level", "severity", "lvl"}

// jsonLevel returns the level that an object tells in one of the usual fields. It does not
// read on once it has found it, and takes no heed of what is wrong elsewhere: a line that
// was cut tells its level, too.
func jsonLevel(line []byte) Level {
	var found [len(jsonFields)]Level
	depth := 0
	for i := 0; i < len(line); {
		switch line[i] {
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth--; depth == 0 {
				i = len(line)
			}
			i++
		case '"':
			end := stringEnd(line, i)
			if end < 0 {
				return firstLevel(found)
			}
			name := line[i+1 : end-1]
			i = end
			if depth != 1 || len(name) > len("severity") {
				continue
			}
			value := skipSpace(line, i)
			if value == len(line) || line[value] != ':' {
				continue // it was a value itself
			}
			i = skipSpace(line, value+1)
			for f, field := range jsonFields {
				if !equalFold(name, field) {
					continue
				}
				if found[f] = valueLevel(line[i:]); f == 0 && found[f] > 0 {
					return found[f]
				}
			}
			if i < len(line) && line[i] == '"' { // no name, whatever follows it
				if i = stringEnd(line, i); i < 0 {
					return firstLevel(found)
				}
			}
		default:
			i++
		}
	}
	return firstLevel(found)
}

func firstLevel(found [len(jsonFields)]Level) Level {
	for _, l := range found {
		if l > 0 {
			return l
		}
	}
	return 0
}

// valueLevel returns the level that a value at the beginning of b means: a word, or a
// number, in quotes or not.
func valueLevel(b []byte) Level {
	if len(b) > 0 && b[0] == '"' {
		end := stringEnd(b, 0)
		if end < 0 {
			return 0
		}
		b = b[1 : end-1]
	} else {
		end := 0
		for end < len(b) && b[end] >= '0' && b[end] <= '9' {
			end++
		}
		if end < len(b) && (b[end] == '.' || b[end]|0x20 == 'e') {
			return 0
		}
		b = b[:end]
	}
	if l := levelOf(b); l > 0 {
		return l
	}
	if len(b) == 0 {
		return 0
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		n = min(10*n+int(c-'0'), 1<<30)
	}
	switch {
	case n < len(levels):
		return Level(n + 1)
	case n >= 10: // by pino and bunyan: 10 trace, 20 debug, … 60 fatal
		return [...]Level{Debug, Debug, Info, 5, Err, Critical}[min(n/10, 6)-1]
	}
	return 0
}

// stringEnd returns where the string that begins at i ends; -1: it does not.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		i += asItIs(b[i:])
		switch {
		case i >= len(b):
		case b[i] == '"':
			return i + 1
		case b[i] == '\\':
			i++
		}
	}
	return -1
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// equalFold reports whether b is a word of lower-case letters, in whatever case.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
