package syntax

import (
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Normal returns e as nix-instantiate --parse of Nix 2.36 prints it: operators as calls
// of builtins where it has them so, attributes in order, paths absolute. dir is what
// relative paths are relative to, home the folder of ~. One thing differs: Nix prints an
// indented string with escapes as a sum of the pieces between them, and Normal as one text.
func Normal(e Expr, dir, home string) string {
	w := normalPrinter{dir: dir, home: home}
	w.expr(e)
	return w.String()
}

type normalPrinter struct {
	strings.Builder
	dir, home string
}

func (w *normalPrinter) words(words ...any) {
	for _, word := range words {
		switch word := word.(type) {
		case string:
			w.WriteString(word)
		case Expr:
			w.expr(word)
		}
	}
}

func (w *normalPrinter) expr(e Expr) {
	if words := call(e); words != nil {
		for i, word := range words {
			w.words([]string{"(", " "}[min(i, 1)], word)
		}
		w.WriteByte(')')
		return
	}
	switch e := e.(type) {
	case *Int:
		w.WriteString(strconv.FormatInt(e.Value, 10))
	case *Float:
		w.WriteString(strconv.FormatFloat(e.Value, 'g', 6, 64))
	case *String:
		w.text(e.Parts)
	case *URI:
		w.WriteString(Quote(e.Value))
	case *Path:
		w.path(e.Parts)
	case *Var:
		w.WriteString(e.Name)
	case *List:
		w.WriteString("[ ")
		for _, elem := range e.Elems {
			w.words("(", elem, ") ")
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
		w.WriteString("(let ")
		w.bindings(e.Bindings)
		w.words("in ", e.Body, ")")
	case *With:
		w.words("(with ", e.Env, "; ", e.Body, ")")
	case *Assert:
		w.words("assert ", e.Cond, "; ", e.Body)
	case *If:
		w.words("(if ", e.Cond, " then ", e.Then, " else ", e.Else, ")")
	case *Lambda:
		w.lambda(e)
	case *Select:
		w.words("(", e.Base, ").")
		w.attrPath(e.Path)
		if e.Default != nil {
			w.words(" or (", e.Default, ")")
		}
	case *HasAttr:
		w.words("((", e.Base, ") ? ")
		w.attrPath(e.Path)
		w.WriteByte(')')
	case *Unary: // any other is a call
		w.words("(! ", e.X, ")")
	case *Binary:
		switch e.Op {
		case OpLessEq:
			w.words("(! (__lessThan ", e.Y, " ", e.X, "))")
		case OpMoreEq:
			w.words("(! (__lessThan ", e.X, " ", e.Y, "))")
		default:
			w.words("(", e.X, " "+e.Op.String()+" ", e.Y, ")")
		}
	}
}

// call returns the function and the arguments of what Nix makes a call of, else nil. A call
// of what is itself a call only has more arguments: (f a) b is f a b, and (a - b) c too.
func call(e Expr) []any {
	switch e := e.(type) {
	case *SearchPath:
		return []any{"__findFile", "__nixPath", Quote(e.Name)}
	case *Apply:
		words := call(e.Fn)
		if words == nil {
			words = []any{e.Fn}
		}
		for _, arg := range e.Args {
			words = append(words, arg)
		}
		return words
	case *Unary:
		if e.Op == OpNeg {
			return []any{"__sub", "0", e.X}
		}
	case *Binary:
		switch e.Op {
		case OpSub:
			return []any{"__sub", e.X, e.Y}
		case OpMul:
			return []any{"__mul", e.X, e.Y}
		case OpDiv:
			return []any{"__div", e.X, e.Y}
		case OpLess:
			return []any{"__lessThan", e.X, e.Y}
		case OpMore:
			return []any{"__lessThan", e.Y, e.X}
		}
	}
	return nil
}

// text writes a string; one with interpolations is a sum.
func (w *normalPrinter) text(parts []Part) {
	switch {
	case len(parts) == 0:
		w.WriteString(`""`)
	case len(parts) == 1 && parts[0].Expr == nil:
		w.WriteString(Quote(parts[0].Text))
	default:
		w.WriteByte('(')
		w.sum(parts)
		w.WriteByte(')')
	}
}

func (w *normalPrinter) sum(parts []Part) {
	for i, p := range parts {
		if i > 0 {
			w.WriteString(" + ")
		}
		if p.Expr != nil {
			w.expr(p.Expr)
		} else {
			w.WriteString(Quote(p.Text))
		}
	}
}

func (w *normalPrinter) path(parts []Part) {
	first := parts[0].Text
	full := first
	if rest, ok := strings.CutPrefix(first, "~"); ok {
		full = w.home + rest
	} else if !path.IsAbs(first) {
		full = w.dir + "/" + first
	}
	full = path.Clean(full)
	if len(parts) == 1 {
		w.WriteString(full)
		return
	}
	if strings.HasSuffix(first, "/") && full != "/" {
		full += "/"
	}
	w.words("(", full, " + ")
	w.sum(parts[1:])
	w.WriteByte(')')
}

func (w *normalPrinter) lambda(e *Lambda) {
	w.WriteByte('(')
	if e.Formals != nil {
		w.WriteString("{ ")
		formals := slices.Clone(e.Formals.List)
		sort.SliceStable(formals, func(i, j int) bool { return formals[i].Name < formals[j].Name })
		for i, f := range formals {
			if i > 0 {
				w.WriteString(", ")
			}
			w.WriteString(f.Name)
			if f.Default != nil {
				w.words(" ? ", f.Default)
			}
		}
		if e.Formals.Ellipsis {
			if len(formals) > 0 {
				w.WriteString(", ")
			}
			w.WriteString("...")
		}
		w.WriteString(" }")
		if e.Arg != "" {
			w.WriteString(" @ ")
		}
	}
	w.words(e.Arg, ": ", e.Body, ")")
}

// bindings writes what is inherited first, then the others, each in the order of names.
func (w *normalPrinter) bindings(s *AttrSet) {
	attrs := slices.Clone(s.Attrs)
	sort.SliceStable(attrs, func(i, j int) bool { return attrs[i].Name < attrs[j].Name })
	inherit := func(begin string, has func(a *Attr) bool) {
		found := false
		for i := range attrs {
			if !has(&attrs[i]) {
				continue
			}
			if !found {
				w.WriteString("inherit" + begin)
				found = true
			}
			w.WriteString(" " + QuoteName(attrs[i].Name))
		}
		if found {
			w.WriteString("; ")
		}
	}
	inherit("", func(a *Attr) bool { return a.Kind == Inherited })
	for from, source := range s.Sources {
		inherit(" ("+Normal(source, w.dir, w.home)+")", func(a *Attr) bool { return a.Kind == InheritedFrom && a.From == from })
	}
	for _, a := range attrs {
		if a.Kind == Plain {
			w.words(QuoteName(a.Name), " = ", a.Value, "; ")
		}
	}
	for _, d := range s.Dynamic {
		w.words(`"${`, d.Name, `}" = `, d.Value, "; ")
	}
}

func (w *normalPrinter) attrPath(path AttrPath) {
	for i, n := range path {
		if i > 0 {
			w.WriteByte('.')
		}
		if n.Expr == nil {
			w.WriteString(QuoteName(n.Name))
		} else {
			w.words(`"${`, n.Expr, `}"`)
		}
	}
}
