package cells

import (
	"unicode"

	"golang.org/x/text/width"
)

// Of returns how many cells a text takes.
func Of(text string) (n int) {
	for _, r := range text {
		n += OfRune(r)
	}
	return n
}

// OfRune returns how many cells a character takes: 0, 1 or 2.
func OfRune(r rune) int {
	switch {
	case r < 0x300: // before the first mark
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Head returns the longest beginning of a text that takes at most so many cells, but one
// character at least, so that whoever cuts a text gets to its end.
func Head(text string, most int) string {
	n := 0
	for i, r := range text {
		if n += OfRune(r); n > most && i > 0 {
			return text[:i]
		}
	}
	return text
}

// Tail returns the longest end of a text that takes at most so many cells.
func Tail(text string, most int) string {
	n := Of(text)
	for i, r := range text {
		if n <= most {
			return text[i:]
		}
		n -= OfRune(r)
	}
	return ""
}
