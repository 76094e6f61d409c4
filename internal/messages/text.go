package messages

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of what one expression is followed into.
const (
	maxDepth = 6
	maxTexts = 8 // alternatives
)

// texts returns what an expression of type string can be, as far as the source tells.
// The rest is a placeholder, "<name>".
func (s *scope) texts(e ast.Expr) []string {
	if s.depth >= maxDepth {
		return []string{placeholder(e)}
	}
	s.depth++
	defer func() { s.depth-- }()
	var out []string
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, ok := unquote(e); ok {
			return []string{text}
		}
	case *ast.ParenExpr:
		return s.texts(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			for _, x := range s.texts(e.X) {
				for _, y := range s.texts(e.Y) {
					out = append(out, x+y)
				}
			}
		}
	case *ast.Ident:
		for _, set := range s.locals[e.Name] {
			if s.inside[set] {
				continue // x = "a, or " + x: what x was before is another of them
			}
			s.inside[set] = true
			out = append(out, s.texts(set)...)
			delete(s.inside, set)
		}
		if set, ok := s.pkg.texts[e.Name]; ok && out == nil {
			outer := s.pkg.scope(nil)
			outer.depth = s.depth
			out = outer.texts(set)
		}
		// A variable that is also set by something unreadable has no text.
		out = slices.DeleteFunc(out, func(t string) bool { return !strings.ContainsAny(t, " ") && strings.Contains(t, "<") || t == "" })
	case *ast.CallExpr:
		out = s.called(e)
	}
	out = compact(out)
	if len(out) == 0 || len(out) > maxTexts {
		return []string{placeholder(e)}
	}
	return out
}

func compact(texts []string) []string {
	var out []string
	for _, t := range texts {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// called returns the texts that a call can return.
func (s *scope) called(call *ast.CallExpr) []string {
	of, name := callee(call)
	var out []string
	switch {
	case of == "fmt" && (name == "Sprintf" || name == "Errorf"), of == "errors" && name == "New":
		return s.formatted(call.Args)
	case of == "cmp" && name == "Or":
		for _, a := range call.Args {
			out = append(out, s.texts(a)...)
		}
	case of == "" && s.funcs[name] != nil:
		fn := s.funcs[name]
		if !returnsText(fn.Type) || fn.Body == nil {
			return nil
		}
		inner := s.pkg.scope(fn.Body)
		inner.depth = s.depth
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.ReturnStmt:
				if len(n.Results) > 0 {
					out = append(out, inner.texts(n.Results[0])...)
				}
			}
			return true
		})
		out = slices.DeleteFunc(out, func(t string) bool { return !strings.Contains(t, " ") })
	}
	return out
}

func returnsText(fn *ast.FuncType) bool {
	if fn.Results == nil {
		return false
	}
	id, ok := fn.Results.List[0].Type.(*ast.Ident)
	return ok && id.Name == "string"
}

// formatted returns the texts that a format and its arguments can make.
func (s *scope) formatted(args []ast.Expr) []string {
	if len(args) == 0 {
		return nil
	}
	var out []string
	for _, format := range s.texts(args[0]) {
		out = append(out, s.expand(format, args[1:]))
	}
	return out
}

// expand replaces the verbs of a format by the names of its arguments.
func (s *scope) expand(format string, args []ast.Expr) string {
	var b strings.Builder
	next := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		for ; i < len(format) && strings.IndexByte("+-# 0123456789.", format[i]) >= 0; i++ {
		}
		if i < len(format) && format[i] == '[' {
			end := strings.IndexByte(format[i:], ']')
			if end < 0 {
				break
			}
			if n, err := strconv.Atoi(format[i+1 : i+end]); err == nil {
				next = n - 1
			}
			i += end + 1
		}
		if i >= len(format) {
			break
		}
		if format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		text := "<…>"
		if next < len(args) {
			text = s.argument(args[next])
		}
		next++
		if format[i] == 'q' {
			text = strconv.Quote(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// argument returns the only text that an argument can be, or its placeholder.
func (s *scope) argument(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok {
		if text, ok := unquote(lit); ok {
			return text
		}
		return lit.Value
	}
	if call, ok := e.(*ast.CallExpr); ok {
		if _, name := callee(call); name == "count" && len(call.Args) == 2 {
			if noun, ok := call.Args[1].(*ast.BasicLit); ok {
				text, _ := unquote(noun)
				return "<number> " + text + "s"
			}
		}
	}
	if id, ok := e.(*ast.Ident); ok {
		if set, known := s.pkg.texts[id.Name]; known && s.locals[id.Name] == nil {
			if texts := s.texts(set); len(texts) == 1 {
				return texts[0]
			}
		}
	}
	return placeholder(e)
}

// placeholder names what stands for an expression in a message.
func placeholder(e ast.Expr) string {
	name := nameOf(e)
	switch name {
	case "err", "Err", "cause", "why", "reason", "Error":
		return "<reason>"
	case "pos", "Pos":
		return "<place>"
	case "n", "num", "number", "N":
		return "<number>"
	case "msg", "Msg", "text", "what", "Text":
		return "<…>"
	}
	if len(name) < 3 {
		return "<…>"
	}
	var b strings.Builder
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 && i+1 < len(name) && !unicode.IsUpper(rune(name[i+1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return "<" + b.String() + ">"
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if slices.Contains([]string{"Name", "Value", "Text", "Path", "String", "S"}, e.Sel.Name) {
			if of := nameOf(e.X); len(of) > 2 {
				return of
			}
		}
		return e.Sel.Name
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && len(e.Args) == 0 {
			return nameOf(sel)
		}
		if len(e.Args) > 0 {
			return nameOf(e.Args[0])
		}
		return nameOf(e.Fun)
	case *ast.IndexExpr:
		return nameOf(e.X)
	case *ast.SliceExpr:
		return nameOf(e.X)
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.UnaryExpr:
		return nameOf(e.X)
	case *ast.ParenExpr:
		return nameOf(e.X)
	}
	return ""
}
