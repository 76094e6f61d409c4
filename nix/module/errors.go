package module

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
)

// A Pos is a position in a definition, with its source, so that an excerpt can be
// shown. The zero Pos means that it is not known.
type Pos = syntax.Pos

// comparePos orders positions by file and offset.
func comparePos(p, q Pos) int {
	if c := strings.Compare(p.File(), q.File()); c != 0 {
		return c
	}
	return cmp.Compare(p.Offset, q.Offset)
}

// An Error is one mistake in a definition.
type Error struct {
	Pos  Pos      // where to mend it; the zero Pos if that is not known
	Path []string // the option that it is about, or nil
	Msg  string   // lower case, without position
	Hint string   // the cure, if there is one: `did you mean "port"?`
	// Also are further positions, such as the other side of a conflict.
	Also []Note
	// Wants and Got explain a value of the wrong type in plain words: what the option
	// accepts ("a whole number, 0 or more"), and the value as Nix source.
	Wants, Got string
	// Cause is the evaluator's error, which may have a trace, if the definition could
	// not be evaluated.
	Cause error

	unset   bool // the option is read, but nothing is assigned to it
	unknown bool // there is no such option
	stray   bool // text stands where an option is declared
}

// A Note is a further position of an Error.
type Note struct {
	Pos Pos
	Msg string // what is there: the value assigned
}

// Error returns position and message, and below them the notes and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Pos.IsValid() {
		b.WriteString(e.Pos.String() + ": ")
	}
	b.WriteString(e.Msg)
	for _, n := range e.Also {
		b.WriteString("\n  - ")
		if n.Pos.IsValid() {
			b.WriteString(n.Pos.String() + ": ")
		}
		b.WriteString(n.Msg)
	}
	if e.Hint != "" {
		b.WriteString("\n  hint: " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the evaluator's error, or nil.
func (e *Error) Unwrap() error { return e.Cause }

// Errors is everything that is wrong, sorted by position and without repeats.
type Errors []*Error

// Error returns the errors, one below the other.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// errorf returns an Error about an option.
func errorf(path []string, pos Pos, format string, args ...any) *Error {
	return &Error{Pos: pos, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// An errorList collects errors. The same error can come up in many ways, because every
// option that reads a broken one breaks too: the list keeps the first of them.
type errorList struct {
	all     Errors
	seen    map[string]bool
	broken  [][]string // options that could not be read
	endless bool       // a value is endless, or a limit was reached: nothing more is read deeply
}

// add keeps those errors in err that are new, and reports whether there is an error.
func (l *errorList) add(err error) bool {
	if err == nil {
		return false
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	for _, e := range asErrors(err) {
		l.endless = l.endless || isLimit(e.Cause)
		if e.unset && l.isTold(e) {
			continue
		}
		if key := e.Pos.String() + ": " + e.Msg; !l.seen[key] {
			l.seen[key] = true
			l.all = append(l.all, e)
		}
	}
	return true
}

// isTold reports whether an option without a value was reported already: each reader of it
// is a place to say so, and one of them, known, is enough.
func (l *errorList) isTold(e *Error) bool {
	for _, o := range l.all {
		if o.unset && slices.Equal(o.Path, e.Path) {
			if !o.Pos.IsValid() {
				o.Pos = e.Pos
			}
			return true
		}
	}
	return false
}

// isLimit reports whether the evaluation as a whole has to end.
func isLimit(err error) bool {
	e, ok := errors.AsType[*eval.Error](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case eval.KindSteps, eval.KindSize, eval.KindMemory, eval.KindCanceled:
		return true
	}
	return false
}

// addAt adds an error that came up while the option at path was read.
func (l *errorList) addAt(path []string, err error) bool {
	if err == nil {
		return false
	}
	errs := asErrors(err)
	for _, e := range errs {
		if e.Path == nil {
			e.Path = path
		}
	}
	l.broken = append(l.broken, path)
	for _, e := range errs { // an option breaks whoever reads it: its error is about itself
		l.broken = append(l.broken, e.Path)
	}
	return l.add(errs)
}

// isBroken reports whether an option at path, or in it, could not be read: what its
// readers say of it is no news then.
func (l *errorList) isBroken(path []string) bool {
	return slices.ContainsFunc(l.broken, func(at []string) bool {
		return len(at) >= len(path) && slices.Equal(at[:len(path)], path)
	})
}

func (l *errorList) addAll(errs Errors) {
	if len(errs) > 0 {
		l.add(errs)
	}
}

// sorted returns the collected errors, or nil if there are none.
func (l *errorList) sorted() error {
	if len(l.all) == 0 {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(l.all), l.isMisspelt)
	slices.SortStableFunc(all, func(a, b *Error) int {
		if c := comparePos(a.Pos, b.Pos); c != 0 {
			return c
		}
		return strings.Compare(a.Msg, b.Msg)
	})
	return all
}

// isMisspelt reports whether e is about an option without a value, and a misspelt name
// was assigned: the error about that name says it better.
func (l *errorList) isMisspelt(e *Error) bool {
	last := len(e.Path) - 1
	return e.unset && slices.ContainsFunc(l.all, func(o *Error) bool {
		return o.unknown && len(o.Path) == last+1 && slices.Equal(o.Path[:last], e.Path[:last]) &&
			strings.Contains(o.Hint, strconv.Quote(e.Path[last]))
	})
}

// asErrors turns any error into Errors.
func asErrors(err error) Errors {
	var many Errors
	if errors.As(err, &many) {
		return many
	}
	var one *Error
	if errors.As(err, &one) {
		return Errors{one}
	}
	var ev *eval.Error
	if !errors.As(err, &ev) {
		return Errors{{Msg: err.Error(), Cause: err}}
	}
	e := &Error{Pos: ev.Pos, Msg: ev.Msg, Hint: ev.Hint, Cause: ev}
	// A position in the library, or none, helps nobody; the call that led there does.
	for _, f := range ev.Trace {
		if e.Pos.IsValid() && !InLib(e.Pos) {
			break
		}
		if f.Pos.IsValid() {
			e.Pos = f.Pos
		}
	}
	if ev.Kind == eval.KindRecursion {
		e.Hint = cycleHint(ev)
	}
	return Errors{e}
}

// optionFrame begins the frames about options in the trace of an error.
const optionFrame = "while evaluating the option "

// cycleHint returns a hint at the options that take part in an infinite recursion.
func cycleHint(err *eval.Error) string {
	var options []string
	for _, f := range err.Trace {
		if name, ok := strings.CutPrefix(f.Msg, optionFrame); ok && !slices.Contains(options, name) {
			options = append(options, name)
		}
	}
	switch len(options) {
	case 0:
		return ""
	case 1:
		return "the value of " + options[0] + " depends on itself"
	}
	return "on the way: " + strings.Join(options, ", ") + "; one of them depends on itself"
}

// quotePath returns a path as one would write it in Nix, in quotes:
// `services.redis."x.y".port'.
func quotePath(path []string) string { return "`" + showPath(path) + "'" }

// ShowPath returns the path of an option, or of an element of one, as one would write it in Nix.
func ShowPath(path []string) string { return showPath(path) }

func showPath(path []string) string {
	var b strings.Builder
	for i, p := range path {
		switch {
		case strings.HasPrefix(p, "["): // an element of a list
			b.WriteString(p)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if isIdentifier(p) || p == "*" || strings.HasPrefix(p, "<") {
			b.WriteString(p)
		} else {
			b.WriteString(strconv.Quote(p))
		}
	}
	return b.String()
}

// isIdentifier reports whether a name needs no quotes in an attribute path.
func isIdentifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r != '-' && r != '\'' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}
