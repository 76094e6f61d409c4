package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nix2gpu/project"
)

// Error says what is wrong with a file, and where.
type Error struct {
	Pos  project.Pos
	Msg  string // lower case, no position, no trailing period
	Hint string // the cure, if there is one
	Line string // the source line at Pos
}

func (e *Error) Error() string { return place(e.Pos) + e.Msg }

func place(p project.Pos) string {
	switch {
	case p.File == "" && p.Line == 0:
		return ""
	case p.Line == 0:
		return p.File + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Col)
}

// Errors is everything that is wrong, sorted by position.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns es in a stable order and without repeats; nil if there are none.
func (es Errors) sorted() error {
	if len(es) == 0 {
		return nil
	}
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.CompactFunc(es, func(a, b *Error) bool { return a.Pos == b.Pos && a.Msg == b.Msg })
}
