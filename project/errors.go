package project

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// String returns "file:line:col" as far as it is known, "" for the zero value.
func (p Pos) String() string {
	switch {
	case p == Pos{}:
		return ""
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Compare orders places by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// An Error says what is wrong with a project, and where it was written.
type Error struct {
	Pos     Pos
	Service ID     // the service that it is about; empty: the project as a whole
	Msg     string // lower case, no position, no trailing period
	Hint    string // the cure, when there is one
}

func (e *Error) Error() string {
	text := e.Msg
	if pos := e.Pos.String(); pos != "" {
		text = pos + ": " + text
	}
	if e.Hint != "" {
		text += "\n  hint: " + e.Hint
	}
	return text
}

// Errors is everything that is wrong, sorted by position, then by text.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is look at each error.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, err := range e {
		list[i] = err
	}
	return list
}

// asError returns e sorted and without repeats, or nil if it is empty.
func (e Errors) asError() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(
			a.Pos.Compare(b.Pos), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.CompactFunc(e, func(a, b *Error) bool { return *a == *b })
}

func (e *Errors) add(pos Pos, service ID, hint, format string, args ...any) {
	*e = append(*e, &Error{pos, service, fmt.Sprintf(format, args...), hint})
}
