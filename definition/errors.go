package definition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
	"nix2gpu/project"
)

// An Error is one mistake in a definition.
type Error struct {
	Pos   syntax.Pos // the zero Pos if it is not known
	Msg   string     // lower case, no position, no trailing period
	Hint  string     // the cure, if there is one
	Notes []Note     // other places that are part of the mistake

	cause error // for hints that need more than the message
}

// A Note is a further position of an Error, or a warning.
type Note struct {
	Pos syntax.Pos
	Msg string
}

func (e *Error) Error() string { return place(e.Pos) + e.Msg }

func place(p syntax.Pos) string {
	if !p.IsValid() {
		return ""
	}
	return p.String() + ": "
}

// Report returns the error as people see it: position and message, the line with a
// caret, other positions, the hint. It ends with a newline.
func (e *Error) Report() string {
	var b strings.Builder
	b.WriteString(e.Error() + "\n")
	b.WriteString(syntax.Excerpt(e.Pos))
	for _, n := range e.Notes {
		b.WriteString("  " + place(n.Pos) + n.Msg + "\n")
		b.WriteString(syntax.Excerpt(n.Pos))
	}
	if e.Hint != "" {
		b.WriteString("  hint: " + e.Hint + "\n")
	}
	return b.String()
}

// Errors is everything that is wrong with a definition, sorted by position.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
		if e.Hint != "" {
			lines[i] += "\n  hint: " + e.Hint
		}
	}
	return strings.Join(lines, "\n")
}

// Report returns all errors as people see them.
func (es Errors) Report() string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(e.Report())
	}
	return b.String()
}

// sorted returns es in order and without repeats, or nil if it is empty.
func (es Errors) sorted() error {
	if len(es) == 0 {
		return nil
	}
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(
			strings.Compare(a.Pos.File(), b.Pos.File()),
			cmp.Compare(a.Pos.Offset, b.Pos.Offset),
			strings.Compare(a.Msg, b.Msg))
	})
	// Each evaluation of a file has positions of its own, so that they can't be compared as such.
	return slices.CompactFunc(es, func(a, b *Error) bool {
		return a.Pos.File() == b.Pos.File() && a.Pos.Offset == b.Pos.Offset && a.Msg == b.Msg
	})
}

// asErrors turns any error of the language wing into Errors. sources finds the text
// that a project's position is in; it may be nil.
func asErrors(err error, sources func(project.Pos) syntax.Pos) Errors {
	if err == nil {
		return nil
	}
	if many, ok := errors.AsType[Errors](err); ok {
		return many
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return Errors{one}
	}
	if many, ok := errors.AsType[module.Errors](err); ok {
		var out Errors
		for _, e := range many {
			if several := fromSyntax(e.Cause); several != nil {
				out = append(out, several...)
				continue
			}
			out = append(out, fromModule(e))
		}
		return out
	}
	if e, ok := errors.AsType[*module.Error](err); ok {
		return Errors{fromModule(e)}
	}
	if many, ok := errors.AsType[project.Errors](err); ok {
		var out Errors
		for _, e := range many {
			found := &Error{Msg: e.Msg, Hint: e.Hint}
			if sources != nil {
				found.Pos = sources(e.Pos)
			}
			out = append(out, found)
		}
		return out
	}
	if many := fromSyntax(err); many != nil {
		return many
	}
	if e, ok := errors.AsType[*eval.Error](err); ok {
		return Errors{fromEval(e)}
	}
	return Errors{{Msg: err.Error()}}
}

// fromSyntax returns the errors of the parser that err wraps, or nil.
func fromSyntax(err error) Errors {
	var out Errors
	if many, ok := errors.AsType[syntax.Errors](err); ok {
		for _, e := range many {
			out = append(out, &Error{Pos: e.Pos, Msg: e.Msg})
		}
	} else if e, ok := errors.AsType[*syntax.Error](err); ok {
		out = Errors{{Pos: e.Pos, Msg: e.Msg}}
	}
	return out
}

func fromModule(e *module.Error) *Error {
	if cause, ok := errors.AsType[*syntax.Error](e.Cause); ok {
		return &Error{Pos: cause.Pos, Msg: cause.Msg}
	}
	if cause, ok := errors.AsType[*eval.Error](e.Cause); ok && !isUser(e.Pos) {
		out := fromEval(cause)
		if out.Hint == "" {
			out.Hint = e.Hint
		}
		return out
	}
	out := &Error{Pos: e.Pos, Msg: e.Msg, Hint: e.Hint, cause: e}
	// A message that was made of another error contains its hint.
	if msg, hint, ok := strings.Cut(e.Msg, "\n  hint: "); ok && e.Hint == "" {
		out.Msg, out.Hint = msg, hint
	}
	if e.Wants != "" {
		out.Msg = mustBe(e)
		if cure := cureOf(e); cure != "" {
			out.Hint = cure
		}
	}
	if n := len(e.Path); n > 1 && e.Path[n-2] == "services" && strings.HasPrefix(e.Msg, "unknown option") && out.Hint == "" {
		out.Hint = "a program of your own is services.custom." + syntax.QuoteName(e.Path[n-1])
	}
	if n := len(e.Path); n > 2 && e.Path[n-3] == "services" && strings.Contains(e.Msg, "not of type `submodule'") && out.Hint == "" {
		out.Hint = "a service needs a name: services." + e.Path[n-2] + `."main".` + e.Path[n-1]
	}
	if strings.HasPrefix(e.Msg, "unknown option") {
		if cure := foreignOption(e.Path); cure != "" {
			out.Hint = cure
		}
	}
	if e.Msg == "no module argument is called `pkgs'" && out.Hint == "" {
		out.Hint = pkgsHint
	}
	if strings.HasPrefix(e.Msg, "unknown option") && out.Hint == "" {
		out.Hint = knownOptionsHint(e.Path)
	}
	for _, n := range e.Also {
		out.Notes = append(out.Notes, Note{n.Pos, n.Msg})
	}
	return out
}

// knownOptionsHint says which command lists the options that an unknown one may be.
func knownOptionsHint(path []string) string {
	chapter := "container"
	if i := slices.Index(path, "services"); i >= 0 {
		if len(path) < i+4 {
			return ""
		}
		t, ok := catalog.Find(path[i+1])
		if !ok { // a type of the definition's own
			return ""
		}
		chapter = t.Name
	}
	return fmt.Sprintf("\"nix2gpu options %s\" lists those that there are", chapter)
}

// fromEval turns an error of the evaluator into an Error. If the fault is in a library,
// its position becomes the innermost one in a file of the definition, where the user
// can mend it.
func fromEval(e *eval.Error) *Error {
	out := &Error{Pos: e.Pos, Msg: e.Msg, Hint: e.Hint, cause: e}
	if strings.Contains(e.Msg, "called with unexpected argument") && out.Hint == "" {
		out.Hint = `end its arguments with "...": { pkgs, ... }:`
	}
	if name, ok := strings.CutPrefix(e.Msg, "undefined variable '"); ok && isShellVariable(e.Pos, strings.TrimSuffix(name, "'")) {
		name = strings.TrimSuffix(name, "'")
		out.Hint = "a variable of the shell is written $" + name + `, or \${` + name + `} in double quotes and ''${` + name + `} in two single ones`
	}
	if e.Msg == "undefined variable 'pkgs'" && out.Hint == "" {
		out.Hint = pkgsHint
	}
	if isUser(e.Pos) {
		return out
	}
	for _, f := range e.Trace {
		if isUser(f.Pos) {
			out.Pos = f.Pos
			break
		}
	}
	return out
}

// isShellVariable reports whether ${NAME} at p was most likely meant for the
// shell.
func isShellVariable(p syntax.Pos, name string) bool {
	if !p.IsValid() || name != strings.ToUpper(name) {
		return false
	}
	before, after := p.Source.Text[:p.Offset], p.Source.Text[p.Offset:]
	return strings.HasSuffix(before, "${") && strings.HasPrefix(after, name+"}")
}

// isUser reports whether a position is in a file of the user's. The files that this
// program contains have names in angle brackets.
func isUser(p syntax.Pos) bool {
	return p.IsValid() && !strings.HasPrefix(p.File(), "<")
}
