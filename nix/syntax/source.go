package syntax

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// A Source is a text and its name in messages.
type Source struct {
	Name string // usually a path; "(string)" for an expression on the command line
	Text string

	lines []int // offset of the first byte of each line
}

// NewSource returns a Source, with the offsets of its lines.
func NewSource(name, text string) *Source {
	s := &Source{Name: name, Text: text, lines: make([]int, 1, 1+strings.Count(text, "\n"))}
	for len(s.lines) < cap(s.lines) {
		last := s.lines[len(s.lines)-1]
		s.lines = append(s.lines, last+strings.IndexByte(text[last:], '\n')+1)
	}
	return s
}

// Line returns line n, counted from 1, without its end; "" if there is none.
func (s *Source) Line(n int) string {
	if s == nil || n < 1 || n > len(s.lines) {
		return ""
	}
	text := s.Text[s.lines[n-1]:]
	if n < len(s.lines) {
		text = s.Text[s.lines[n-1] : s.lines[n]-1]
	}
	return strings.TrimSuffix(text, "\r")
}

// At returns the position of a line and column, both counted from 1, the column in
// characters. If there is no such place, it returns the nearest one.
func (s *Source) At(line, col int) Pos {
	if line < 1 || line > len(s.lines) {
		return Pos{s, len(s.Text)}
	}
	offset, text := s.lines[line-1], s.Line(line)
	for i := range text {
		if col <= 1 {
			return Pos{s, offset + i}
		}
		col--
	}
	return Pos{s, offset + len(text)}
}

// AtByte is [Source.At] with the column in bytes, as [Pos.LineCol] returns it.
func (s *Source) AtByte(line, col int) Pos {
	if line < 1 || line > len(s.lines) {
		return Pos{s, len(s.Text)}
	}
	return Pos{s, min(s.lines[line-1]+max(col-1, 0), len(s.Text))}
}

// A Pos is a position in a source. The zero Pos means no position.
type Pos struct {
	Source *Source
	Offset int // in bytes
}

// IsValid reports whether p is a position.
func (p Pos) IsValid() bool { return p.Source != nil }

// File returns the name of the source; "" for the zero Pos.
func (p Pos) File() string {
	if p.Source == nil {
		return ""
	}
	return p.Source.Name
}

// LineCol returns line and column, both counted from 1, the column in bytes, as Nix
// counts it. The zero Pos has 0, 0.
func (p Pos) LineCol() (line, col int) {
	if p.Source == nil {
		return 0, 0
	}
	line = sort.SearchInts(p.Source.lines, p.Offset+1)
	return line, p.Offset - p.Source.lines[line-1] + 1
}

// Line returns the line, counted from 1; 0 for the zero Pos.
func (p Pos) Line() int { line, _ := p.LineCol(); return line }

// Col returns the column, counted from 1 in bytes; 0 for the zero Pos.
func (p Pos) Col() int { _, col := p.LineCol(); return col }

// String returns "file:line:col", or "(no position)".
func (p Pos) String() string {
	if p.Source == nil {
		return "(no position)"
	}
	line, col := p.LineCol()
	return fmt.Sprintf("%s:%d:%d", p.Source.Name, line, col)
}

// An Error says why source text was rejected, and where.
type Error struct {
	Pos Pos
	Msg string // lower case, no position, no trailing period
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Errors is several errors of one text, in its order.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As look at each error, the first one first.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// Excerpt returns the source line of p with a caret below the column:
//
//	3 |   port = prot;
//	  |          ^
//
// It ends with a newline. For the zero Pos it is "". Long lines are cut around the
// caret.
func Excerpt(p Pos) string {
	if p.Source == nil {
		return ""
	}
	line, col := p.LineCol()
	return ExcerptLine(p.Source.Line(line), line, col)
}

// excerptWidth is how many characters of a line an excerpt shows.
const excerptWidth = 100

// ExcerptLine is [Excerpt] for a text that is no Source: the text of the line, its
// number, and the column in bytes, both counted from 1.
func ExcerptLine(text string, line, col int) string {
	return ExcerptWithin(text, line, col, excerptWidth)
}

// ExcerptWithin is [ExcerptLine] with at most width characters of the line.
func ExcerptWithin(text string, line, col, width int) string {
	before := min(max(col-1, 0), len(text))
	for before > 0 && before < len(text) && !utf8.RuneStart(text[before]) {
		before--
	}
	// What is further away than width characters is not looked at: a line may have megabytes.
	reach := utf8.UTFMax * (width + 2)
	from, to := max(0, before-reach), min(len(text), before+reach)
	for 0 < from && from < before && !utf8.RuneStart(text[from]) {
		from++
	}
	left, right := []rune(text[from:before]), []rune(text[before:to])
	if over := len(left) + len(right) - width; over > 0 {
		if cut := min(over, max(0, len(left)-width/2)); cut > 0 {
			left = append([]rune("…"), left[cut+1:]...)
		}
		if keep := width - len(left); len(right) > keep {
			right = append(right[:keep-1:keep-1], '…')
		}
	}
	number := fmt.Sprintf("%4d", line)
	var pad strings.Builder
	for _, r := range left {
		if r == '\t' { // a tab below a tab, so that the caret lines up
			pad.WriteByte('\t')
		} else {
			pad.WriteByte(' ')
		}
	}
	show := func(runes []rune) string {
		return strings.Map(func(r rune) rune {
			if r != '\t' && (r < ' ' || r == 0x7f) {
				return '\uFFFD' // a control character must not reach the terminal
			}
			return r
		}, string(runes))
	}
	return number + " | " + show(left) + show(right) + "\n" +
		strings.Repeat(" ", len(number)) + " | " + pad.String() + "^\n"
}
