package project

// A Passage is where a user has written a text that became a file: where the text
// is given, and which lines of it stand where. Lines whose place is not known, such
// as those of a text that is computed, are in no span.
type Passage struct {
	Pos   Pos    `json:"pos,omitzero"`
	Spans []Span `json:"spans,omitempty"` // in the order of the text
}

// A Span is a run of lines of a text, from line First on, that stand one below the
// other in a file of the user's, from Pos on.
type Span struct {
	First int `json:"first"`
	Lines int `json:"lines"`
	Pos   Pos `json:"pos"`
}

// At is where line n of the text stands, counted from 1; exact is false where only
// the place of the whole text is known.
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

// PassagesVar is the variable in which a one-shot finds where the user has written
// the files that it is given: JSON, by their paths.
const PassagesVar = "NIX2GPU_PASSAGES"
