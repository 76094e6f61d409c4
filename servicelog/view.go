package servicelog

import (
	"encoding/binary"
	"strconv"
	"time"
	"unicode/utf8"
)

// A Format says how lines are shown.
type Format int

// The formats.
const (
	Text Format = iota // [label] line
	JSON               // one object a line
)

// Color says which colours are shown.
type Color int

// The values of Color.
const (
	ColorPass   Color = iota // those of the services themselves
	ColorLabels              // also those of labels
	ColorNever               // none
)

// Self is the label of our own lines.
const Self = "nix2gpu"

// appendPrefix appends "[label] ".
func appendPrefix(dst []byte, label string, s style) []byte {
	if s.color == ColorLabels {
		dst = append(dst, "\x1b["+s.labels.color(label)+"m"...)
	}
	dst = append(dst, '[')
	dst = appendSafe(dst, []byte(label), ColorNever)
	dst = append(dst, ']')
	if s.color == ColorLabels {
		dst = append(dst, "\x1b[0m"...)
	}
	for range s.labels.padding(label) {
		dst = append(dst, ' ')
	}
	return append(dst, ' ')
}

// A viewer formats the lines of one stream of one source. It remembers whether the last
// piece was the end of its line.
type viewer struct {
	label  string
	stream Stream
	style
	prefix  []byte
	object  object
	of      Process // what the lines are from
	process []byte  // the same as fields of JSON
	open    bool    // the last piece was cut: the next one continues its line
}

func newViewer(label string, stream Stream, s style) *viewer {
	v := &viewer{label: label, stream: stream, style: s, prefix: appendPrefix(nil, label, s)}
	if s.format == JSON {
		v.object.begin(label, stream)
	}
	return v
}

// tell says which process the lines that follow are from.
func (v *viewer) tell(p Process) {
	if v.of != p {
		v.of = p
		if v.format == JSON {
			v.process = p.appendJSON(v.process[:0])
		}
	}
}

// append appends lines as they are shown, and returns how many those are. It leaves out
// an empty line that ends in a carriage return, which only moved a cursor.
func (v *viewer) append(dst []byte, lines []line, at time.Time) ([]byte, int) {
	n := 0
	for _, l := range lines {
		if len(l.text) == 0 && l.end == EndReturn {
			v.open = false
			continue
		}
		n++
		if v.format == JSON {
			dst = v.object.append(dst, at, l.text, v.process, l.end == EndCut)
			continue
		}
		dst = append(dst, v.prefix...)
		if v.open {
			dst = append(dst, "…"...)
		}
		text := l.text
		if n := len(text); n > 0 && text[n-1] == '\r' && l.end == EndNewline {
			text = text[:n-1]
		}
		dst = appendSafe(dst, text, v.color)
		if v.open = l.end == EndCut; v.open {
			dst = append(dst, "…"...)
		}
		dst = append(dst, '\n')
	}
	return dst, n
}

// size returns about how many bytes lines take when they are shown.
func (v *viewer) size(lines []line) int {
	each := len(v.prefix) + 1
	if v.format == JSON {
		each += len(`{"time":"2026-11-22T23:57:00.123456789Z","service":"","stream":"stdout","message":""}`) + len(v.process)
	}
	n := each * len(lines)
	for _, l := range lines {
		n += len(l.text)
	}
	return n
}

// skip notes lines that another viewer, that of a backlog, will show.
func (v *viewer) skip(lines []line) {
	if len(lines) > 0 && v.format == Text {
		v.open = lines[len(lines)-1].end == EndCut
	}
}

// plain reports whether b can be shown as it is: printable ASCII and tabs. Nearly all that
// services print is, so it looks at eight bytes at a time.
func plain(b []byte) bool {
	// A byte of w below 0x20, or above 0x9f, sets the high bit of the difference, and one
	// from 0x7f to 0xfe that of the sum. What it borrows from or carries to its neighbours
	// changes nothing: it has been found.
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var odd uint64
	rest := b
	for ; len(rest) >= 8; rest = rest[8:] {
		w := binary.LittleEndian.Uint64(rest)
		odd |= (w - ones*0x20) | (w + ones)
	}
	if odd&highs != 0 {
		rest = b // a tab is odd, but fine
	}
	return plainBytes(rest)
}

func plainBytes(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

// Safe returns the text of a program in a form that is safe on a terminal, without its
// colours.
func Safe(text string) string { return string(appendSafe(nil, []byte(text), ColorNever)) }

// appendSafe appends text in a form that changes nothing on a terminal but its own line.
// Colours pass if allowed, and end with the line. ESC is shown as ␛, and other control
// characters, invalid UTF-8 and characters that reorder or break lines as escapes.
func appendSafe(dst, text []byte, c Color) []byte {
	if plain(text) {
		return append(dst, text...)
	}
	colored := false
	for len(text) > 0 {
		b := text[0]
		switch {
		case b >= 0x20 && b < 0x7f || b == '\t':
			n := 1
			for n < len(text) && text[n] >= 0x20 && text[n] < 0x7f {
				n++
			}
			dst = append(dst, text[:n]...)
			text = text[n:]
		case b == 0x1b:
			if n := sgr(text); n > 0 {
				if c != ColorNever {
					dst = append(dst, text[:n]...)
					colored = true
				}
				text = text[n:]
				continue
			}
			dst = append(dst, "␛"...)
			text = text[1:]
		case b < utf8.RuneSelf:
			dst = appendHex(dst, b)
			text = text[1:]
		default:
			r, n := utf8.DecodeRune(text)
			switch {
			case r == utf8.RuneError && n == 1:
				dst = appendHex(dst, b)
			case hostile(r):
				dst = append(dst, `\u`...)
				if r < 0x1000 {
					dst = append(dst, '0')
					if r < 0x100 {
						dst = append(dst, '0')
					}
				}
				dst = strconv.AppendInt(dst, int64(r), 16)
			default:
				dst = append(dst, text[:n]...)
			}
			text = text[n:]
		}
	}
	if colored {
		dst = append(dst, "\x1b[0m"...)
	}
	return dst
}

func appendHex(dst []byte, b byte) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'x', digits[b>>4], digits[b&15])
}

// sgr returns the length of the colour sequence at the start of b, or 0.
func sgr(b []byte) int {
	if len(b) < 3 || b[1] != '[' {
		return 0
	}
	for i := 2; i < len(b) && i < 64; i++ {
		switch c := b[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}

// hostile reports whether a character acts on a terminal or reorders a line.
func hostile(r rune) bool {
	switch {
	case r >= 0x80 && r < 0xa0, // C1 controls
		r == 0x061c, r == 0x200e, r == 0x200f, // bidirectional marks
		r >= 0x2028 && r <= 0x202e, // separators, embeddings and overrides
		r >= 0x2066 && r <= 0x2069: // isolates
		return true
	}
	return false
}
