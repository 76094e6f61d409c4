package servicelog

import (
	"bytes"
	"unicode/utf8"
)

// maxLine bounds the memory that a line without an end can cost: what is
// longer is cut into pieces.
const maxLine = 16 << 10

// An End says how a line ended.
type End byte

// The ends of a line.
const (
	EndNewline End = iota // the usual
	EndReturn             // a carriage return, as progress bars do
	EndNone               // its writer ended
	EndCut                // it goes on in the next record: the line is too long
)

// line is one framed piece of output. It is valid until the next call of the
// framer that made it.
type line struct {
	text []byte
	end  End
}

// framer cuts a stream of bytes into lines. It is pure, and holds at most
// maxLine bytes. A carriage return before a newline stays in the line's text:
// files keep what was written.
type framer struct {
	held  []byte // the beginning of a line whose end has not come
	spare []byte // storage of the last held, in use by lines that were returned
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

// complete ends the held line with the beginning of chunk, and returns what
// chunk still has. Nothing is left of chunk when the line goes on.
func (f *framer) complete(chunk []byte, out []line) ([]byte, []line) {
	for len(f.held) > 0 && len(chunk) > 0 {
		if n := len(f.held); f.held[n-1] == '\r' && chunk[0] != '\n' {
			return chunk, append(out, line{f.release()[:n-1], EndReturn})
		}
		window := chunk[:min(len(chunk), max(0, maxLine-len(f.held)))]
		if len(window) == 0 && chunk[0] == '\n' {
			window = chunk[:1] // the line has just the length of a piece
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
		// The cut would split a character. What follows may end up in the
		// storage of this piece, so the piece gets its own.
		at := boundary(f.held, len(f.held)-1)
		whole := bytes.Clone(f.held)
		f.held = append(f.held[:0], whole[at:]...)
		out = append(out, line{whole[:at], EndCut})
	}
	return chunk, out
}

// next finds the first line of b. Its length n with its end is 0 when the end
// is not in b; a carriage return at the very end of b is undecided.
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

// release gives the held bytes away, and holds nothing.
func (f *framer) release() []byte {
	held := f.held
	f.held, f.spare = f.spare[:0], held
	return held
}

// cut moves pieces of maxLine bytes from text to out while it is longer.
func cut(out []line, text []byte) ([]line, []byte) {
	for len(text) > maxLine {
		at := boundary(text, maxLine)
		out = append(out, line{text[:at], EndCut})
		text = text[at:]
	}
	return out, text
}

// boundary moves at back to where a UTF-8 character begins, when b is UTF-8
// there.
func boundary(b []byte, at int) int {
	for i := at; i > at-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			return i
		}
	}
	return at
}

// shrink lets go of storage that a long line left behind.
func shrink(b []byte) []byte {
	if cap(b) > 1<<10 {
		return nil
	}
	return b[:0]
}
