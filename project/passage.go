package project

// A Passage maps the lines of a generated text to the places where the user has written
// them. Pos is the place of the text as a whole. Lines whose place is not known, such
// as computed ones, are in no span. A nil Passage knows no place.
type Passage struct {
	Pos   Pos    `json:"pos,omitzero"`
	Spans []Span `json:"spans,omitempty"` // in the order of the text
}

// A Span is a run of lines of a text that stand one below the other in a file of the
// user's, from Pos on. First is the number of its first line, counted from 1.
type Span struct {
	First int `json:"first"`
	Lines int `json:"lines"`
	Pos   Pos `json:"pos"`
}

// At returns the place of line n of the text, counted from 1. If that is not known, it
// returns the place of the whole text, and exact is false.
func (p *Passage) At(n int) (pos Pos, exact bool) {
	if p == nil {
		return Pos{}, false
	}
	for _, s := range p.Spans {
		if n == s.First {
			return s.Pos, true
		}
		if s.First < n && n < s.First+s.Lines {
			return Pos{File: s.Pos.File, Line: s.Pos.Line + n - s.First}, true
		}
	}
	return p.Pos, false
}

// PassagesVar is the variable in which a one-shot gets the Passages of its files, as a
// JSON object by path.
const PassagesVar = "NIX2GPU_PASSAGES"
