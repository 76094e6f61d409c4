package servicelog

import (
	"bytes"
	"unicode/utf8"
)

// maxLine bounds the memory for a line without an end, in bytes. Longer lines are cut
// into pieces.
const maxLine = 16 << 10

// An End says how a line ended.
type End byte

// The ends of a line.
const (
	EndNewline End = iota // in a newline
	EndReturn             // in a carriage return, as those of progress bars do
	EndNone               // not at all: its writer ended
	EndCut                // not yet: it is too long, and goes on in the next record
)

// A line is one framed piece of output. It is valid until the next call to its
// framer.
type line struct {
	text []byte
	end  End
}

// A framer splits a stream of bytes into lines. It is pure, and holds at most maxLine
// bytes. A carriage return before a newline stays in the text, because files keep what
// was written.
type framer struct {
	held  []byte // the beginning of a line whose end has not come
	spare []byte // the memory of the last held, which a returned line still uses
}

// split appends the lines that chunk completes to out, and holds the rest.
func (f *framer) split(chunk []byte, out []line) []line {
	f.spare = shrink(f.spare)
	chunk, out = f.complete(chunk, out)
	returns := bytes.IndexByte(chunk, '\r') >= 0
	for len(chunk) > 0 {
		var text []byte
		var end End
		n := 0
		if returns {
			text, end, n = next(chunk)
		} else if n = bytes.IndexByte(chunk, '\n') + 1; n > 0 {
			text = chunk[:n-1]
		}
		if n == 0 {
			out, chunk = cut(out, chunk)
			f.held = append(f.held, chunk...)
			break
		}
		if len(text) > maxLine {
			out, text = cut(out, text)
		}
		out = append(out, line{text, end})
		chunk = chunk[n:]
	}
	return out
}

// complete completes the held line from chunk and returns the rest of chunk, which is
// empty if the line does not end in it.
func (f *framer) complete(chunk []byte, out []line) ([]byte, []line) {
	for len(f.held) > 0 && len(chunk) > 0 {
		if n := len(f.held); f.held[n-1] == '\r' && chunk[0] != '\n' {
			return chunk, append(out, line{f.release()[:n-1], EndReturn})
		}
		window := chunk[:min(len(chunk), max(0, maxLine-len(f.held)))]
		if len(window) == 0 && chunk[0] == '\n' {
			window = chunk[:1] // the line is exactly as long as a piece may be
		}
		if text, end, n := next(window); n > 0 {
			f.held = append(f.held, text...)
			return chunk[n:], append(out, line{f.release(), end})
		}
		f.held = append(f.held, window...)
		chunk = chunk[len(window):]
		if len(f.held) < maxLine || len(chunk) == 0 || chunk[0] == '\n' || f.held[len(f.held)-1] == '\r' {
			continue
		}
		if utf8.RuneStart(chunk[0]) {
			return chunk, append(out, line{f.release(), EndCut})
		}
		// The cut would split a character, so the piece ends before that. It gets
		// memory of its own, because ours will hold what follows.
		at := boundary(f.held, len(f.held)-1)
		whole := bytes.Clone(f.held)
		f.held = append(f.held[:0], whole[at:]...)
		out = append(out, line{whole[:at], EndCut})
	}
	return chunk, out
}

// next finds the first line of b, which takes n bytes with its end. n is 0 if b does
// not have the end. A carriage return at the very end of b may belong to a newline
// that comes next, so it counts as no end.
func next(b []byte) (text []byte, end End, n int) {
	i := bytes.IndexAny(b, "\r\n")
	switch {
	case i < 0 || b[i] == '\r' && i+1 == len(b):
		return nil, 0, 0
	case b[i] == '\n':
		return b[:i], EndNewline, i + 1
	case b[i+1] == '\n':
		return b[:i+1], EndNewline, i + 2 // the return stays in the text
	}
	return b[:i], EndReturn, i + 1
}

// rest ends the held line, if there is one.
func (f *framer) rest(out []line) []line {
	if len(f.held) == 0 {
		return out
	}
	if n := len(f.held); f.held[n-1] == '\r' {
		return append(out, line{f.release()[:n-1], EndReturn})
	}
	return append(out, line{f.release(), EndNone})
}

// release returns the held bytes. The framer then holds nothing.
func (f *framer) release() []byte {
	held := f.held
	f.held, f.spare = f.spare[:0], held
	return held
}

// cut moves pieces of at most maxLine bytes from text to out, until text is no longer
// than that.
func cut(out []line, text []byte) ([]line, []byte) {
	for len(text) > maxLine {
		at := boundary(text, maxLine)
		out = append(out, line{text[:at], EndCut})
		text = text[at:]
	}
	return out, text
}

// boundary moves at back to the beginning of a character, if b is UTF-8 there.
func boundary(b []byte, at int) int {
	for i := at; i > at-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			return i
		}
	}
	return at
}

// shrink empties b, and gives up its memory if a long line has made it large.
func shrink(b []byte) []byte {
	if cap(b) > 1<<10 {
		return nil
	}
	return b[:0]
}
