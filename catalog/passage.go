package catalog

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// passage is where the user has written text, a value of that origin, whose first line is
// line first of the file that it becomes.
func (p Place) passage(of module.Origin, text string, first int) *project.Passage {
	var assigned []module.Pos
	for _, at := range of.Assignments {
		if at.IsValid() {
			assigned = append(assigned, at)
		}
	}
	if len(assigned) == 0 {
		return nil
	}
	s := &searcher{place: p, first: first, out: &project.Passage{Pos: p.pos(assigned[0])}}
	s.search(strings.Split(strings.TrimRight(text, "\n"), "\n"), assigned)
	return s.out
}

// A searcher finds the lines of a text in the files where it is assigned.
type searcher struct {
	place Place
	first int // the number of the text's first line
	out   *project.Passage

	// What was found last: line n of the text, in line at of the file src, from col on.
	src        module.Pos // none: nothing was found since the last assignment
	n, at, col int
}

// nearby is how many lines below an assignment its text begins at the latest: it may
// stand in the next line, behind quotes of its own.
const nearby = 3

// search goes through the lines and the assignments, both in their order. A line that
// is found makes those known that keep their distance to it: what stands for another
// text in them, or is escaped, may make them look different.
func (s *searcher) search(lines []string, assigned []module.Pos) {
	for i, line := range lines {
		n, line := i+1, strings.TrimSpace(line)
		if line == "" || s.below(n, line) || s.beside(n, line) {
			continue
		}
		for k, where := range assigned {
			if s.near(n, line, where) {
				assigned = assigned[k+1:]
				break
			}
		}
	}
	switch spans := s.out.Spans; {
	case len(spans) > 0:
		spans[len(spans)-1].Lines += len(lines) - s.n
	case len(assigned) > 0:
		s.elsewhere(lines, assigned[0])
	}
}

// below finds line n where it is when the text goes on as it stands in the file.
func (s *searcher) below(n int, line string) bool {
	if !s.src.IsValid() {
		return false
	}
	at := s.at + n - s.n
	col, ok := column(s.src.Source.Line(at), line)
	if ok {
		s.out.Spans[len(s.out.Spans)-1].Lines += n - s.n
		s.n, s.at, s.col = n, at, col
	}
	return ok
}

// beside finds line n in the line of the last, whose end is escaped.
func (s *searcher) beside(n int, line string) bool {
	if !s.src.IsValid() || s.col >= len(s.src.Source.Line(s.at)) {
		return false
	}
	col, ok := column(s.src.Source.Line(s.at)[s.col+1:], line)
	if ok {
		s.begin(n, n, s.src, s.at, s.col+1+col)
	}
	return ok
}

// near finds line n behind an assignment. The lines before it that are not known
// stand above it.
func (s *searcher) near(n int, line string, where module.Pos) bool {
	top, before := where.LineCol()
	for at := top; at < top+nearby+n; at++ {
		source := where.Source.Line(at)
		if at == top {
			source = strings.Repeat(" ", before-1) + source[before-1:] // what comes first is something else
		}
		col, ok := column(source, line)
		if !ok {
			continue
		}
		from := n
		for from-1 > s.n && at-(n-from)-1 > top {
			from--
		}
		s.begin(from, n, where, at, col)
		return true
	}
	return false
}

// begin adds a span from line from on, of which line n was found.
func (s *searcher) begin(from, n int, src module.Pos, at, col int) {
	pos := s.place.pos(src.Source.AtByte(at, col+1))
	if from < n {
		pos.Line, pos.Col = pos.Line-(n-from), 0
	}
	s.out.Spans = append(s.out.Spans, project.Span{First: s.first + from - 1, Lines: n - from + 1, Pos: pos})
	s.src, s.n, s.at, s.col = src, n, at, col
}

// elsewhere finds a text that is assigned by a name, in the same file: by its first
// line that stands there once.
func (s *searcher) elsewhere(lines []string, where module.Pos) {
	const telling = 8 // bytes; shorter lines are like others
	all := strings.Split(where.Source.Text, "\n")
	for i, line := range lines {
		if line = strings.TrimSpace(line); len(line) < telling {
			continue
		}
		at, col, times := 0, 0, 0
		for n, l := range all {
			if c, ok := column(l, line); ok {
				at, col, times = n+1, c, times+1
			}
		}
		if times == 1 {
			s.begin(i+1, i+1, where, at, col)
			s.out.Spans[0].Lines = len(lines) - i
			return
		}
	}
}

// column is where a line of a text stands in the line of a file, which may have it
// with escapes.
func column(source, line string) (col int, ok bool) {
	if col = strings.Index(source, line); col >= 0 {
		return col, true
	}
	plain := strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\$`, `$`, `''$`, `$`, `'''`, `''`).Replace(source)
	return len(source) - len(strings.TrimLeft(source, " \t")), plain != source && strings.Contains(plain, line)
}
