package syntax

import (
	"strconv"
	"strings"
)

// Print returns e as canonical Nix on one line. Parsing that gives a tree that prints
// the same. Nested operators are in parentheses.
func Print(e Expr) string {
	var w printer
	w.expr(e)
	return w.String()
}

// IsName reports whether s can be an attribute name without quotes.
func IsName(s string) bool {
	if s == "" || !isIDStart(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isIDChar(s[i]) {
			return false
		}
	}
	_, keyword := keywords[s]
	return !keyword || s == "or"
}

// Quote returns s as a Nix string.
func Quote(s string) string {
	var w printer
	w.WriteByte('"')
	w.escaped(s, false)
	w.WriteByte('"')
	return w.String()
}

// QuoteName returns s as an attribute name, in quotes if it needs them.
func QuoteName(s string) string {
	if IsName(s) {
		return s
	}
	return Quote(s)
}

type printer struct{ strings.Builder }

// operand writes e so that it is one operand of an operator.
func (w *printer) operand(e Expr) {
	if _, ok := e.(*Apply); ok {
		w.expr(e)
		return
	}
	w.argument(e)
}

// argument writes e so that it is one argument, element or default.
func (w *printer) argument(e Expr) {
	if _, ok := e.(*Select); ok {
		w.expr(e)
		return
	}
	w.simple(e)
}

// simple writes e in parentheses unless it needs none anywhere.
func (w *printer) simple(e Expr) {
	switch e.(type) {
	case *Int, *Float, *String, *Path, *SearchPath, *URI, *Var, *List, *AttrSet:
		w.expr(e)
	default:
		w.WriteByte('(')
		w.expr(e)
		w.WriteByte(')')
	}
}

// base writes e so that a dot can follow it.
func (w *printer) base(e Expr) {
	switch e.(type) {
	case *Int, *Float, *Path, *URI: // the dot would become part of them
		w.WriteByte('(')
		w.expr(e)
		w.WriteByte(')')
	default:
		w.simple(e)
	}
}

func (w *printer) expr(e Expr) {
	switch e := e.(type) {
	case *Int:
		w.WriteString(strconv.FormatInt(e.Value, 10))
	case *Float:
		w.WriteString(formatFloat(e.Value))
	case *String:
		w.WriteByte('"')
		w.parts(e.Parts, true)
		w.WriteByte('"')
	case *Path:
		w.parts(e.Parts, false)
	case *SearchPath:
		w.WriteString("<" + e.Name + ">")
	case *URI:
		w.WriteString(e.Value)
	case *Var:
		w.WriteString(e.Name)
	case *List:
		w.WriteString("[ ")
		for _, elem := range e.Elems {
			w.argument(elem)
			w.WriteByte(' ')
		}
		w.WriteByte(']')
	case *AttrSet:
		if e.Recursive {
			w.WriteString("rec ")
		}
		w.WriteString("{ ")
		w.bindings(e)
		w.WriteByte('}')
	case *Let:
		w.WriteString("let ")
		w.bindings(e.Bindings)
		w.WriteString("in ")
		w.expr(e.Body)
	case *With:
		w.WriteString("with ")
		w.expr(e.Env)
		w.WriteString("; ")
		w.expr(e.Body)
	case *Assert:
		w.WriteString("assert ")
		w.expr(e.Cond)
		w.WriteString("; ")
		w.expr(e.Body)
	case *If:
		w.WriteString("if ")
		w.expr(e.Cond)
		w.WriteString(" then ")
		w.expr(e.Then)
		w.WriteString(" else ")
		w.expr(e.Else)
	case *Lambda:
		w.lambda(e)
	case *Apply:
		if or, ok := e.Args[0].(*Var); ok && or.Name == "or" {
			w.simple(e.Fn) // after a selection, "or" would begin its default
		} else {
			w.argument(e.Fn)
		}
		for _, arg := range e.Args {
			w.WriteByte(' ')
			w.argument(arg)
		}
	case *Select:
		w.base(e.Base)
		w.WriteByte('.')
		w.attrPath(e.Path)
		if e.Default != nil {
			w.WriteString(" or ")
			w.argument(e.Default)
		}
	case *HasAttr:
		w.operand(e.Base)
		w.WriteString(" ? ")
		w.attrPath(e.Path)
	case *Unary:
		w.WriteString(e.Op.String())
		if path, ok := leftmost(e.X).(*Path); ok && e.Op == OpNeg && path.Parts[0].Text[0] != '~' {
			w.WriteByte(' ') // "-./a" is a path
		}
		w.operand(e.X)
	case *Binary:
		w.operand(e.X)
		w.WriteString(" " + e.Op.String() + " ")
		w.operand(e.Y)
	}
}

// leftmost returns what an operand begins with, unless that is a parenthesis.
func leftmost(e Expr) Expr {
	if call, ok := e.(*Apply); ok {
		return call.Fn
	}
	return e
}

func (w *printer) lambda(e *Lambda) {
	if e.Formals == nil {
		w.WriteString(e.Arg + ": ")
		w.expr(e.Body)
		return
	}
	w.WriteString("{ ")
	for i, f := range e.Formals.List {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(f.Name)
		if f.Default != nil {
			w.WriteString(" ? ")
			w.expr(f.Default)
		}
	}
	if e.Formals.Ellipsis {
		if len(e.Formals.List) > 0 {
			w.WriteString(", ")
		}
		w.WriteString("...")
	}
	w.WriteString(" }")
	if e.Arg != "" {
		w.WriteString(" @ " + e.Arg)
	}
	w.WriteString(": ")
	w.expr(e.Body)
}

func (w *printer) bindings(s *AttrSet) {
	for i := 0; i < len(s.Attrs); i++ {
		switch a := s.Attrs[i]; a.Kind {
		case Plain:
			w.WriteString(QuoteName(a.Name) + " = ")
			w.expr(a.Value)
		case Inherited:
			w.WriteString("inherit " + QuoteName(a.Name))
		case InheritedFrom:
			// Adjacent names share their source: with the source of each written out,
			// nested ones would multiply.
			w.WriteString("inherit (")
			w.expr(s.Sources[a.From])
			w.WriteString(") " + QuoteName(a.Name))
			for i+1 < len(s.Attrs) && s.Attrs[i+1].Kind == InheritedFrom && s.Attrs[i+1].From == a.From {
				i++
				w.WriteString(" " + QuoteName(s.Attrs[i].Name))
			}
		}
		w.WriteString("; ")
	}
	for _, d := range s.Dynamic {
		w.WriteString("${")
		w.expr(d.Name)
		w.WriteString("} = ")
		w.expr(d.Value)
		w.WriteString("; ")
	}
}

func (w *printer) attrPath(path AttrPath) {
	for i, n := range path {
		if i > 0 {
			w.WriteByte('.')
		}
		if n.Expr == nil {
			w.WriteString(QuoteName(n.Name))
			continue
		}
		w.WriteString("${")
		w.expr(n.Expr)
		w.WriteByte('}')
	}
}

func (w *printer) parts(parts []Part, escape bool) {
	for i, part := range parts {
		switch {
		case part.Expr != nil:
			w.WriteString("${")
			w.expr(part.Expr)
			w.WriteByte('}')
		case escape:
			w.escaped(part.Text, i+1 < len(parts))
		default:
			w.WriteString(part.Text)
		}
	}
}

// escaped writes text with escapes, as between quotes. more says that an interpolation
// follows, before which a dollar sign must be escaped.
func (w *printer) escaped(text string, more bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\\':
			w.WriteByte('\\')
			w.WriteByte(c)
		case '\n':
			w.WriteString(`\n`)
		case '\r':
			w.WriteString(`\r`)
		case '\t':
			w.WriteString(`\t`)
		case '$':
			if i+1 < len(text) && text[i+1] == '{' || i+1 == len(text) && more {
				w.WriteByte('\\')
			}
			w.WriteByte('$')
		default:
			w.WriteByte(c)
		}
	}
}

// formatFloat returns f so that it is read as a float: with a point.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.Contains(s, ".") {
		return s
	}
	mantissa, exponent, has := strings.Cut(s, "e")
	if has {
		return mantissa + ".0e" + exponent
	}
	return s + ".0"
}
