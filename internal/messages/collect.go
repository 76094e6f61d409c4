package messages

import (
	"cmp"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"nix2gpu/control"
)

// A Message is one thing that the program says when something is wrong.
type Message struct {
	Text string // with placeholders: `port <port> is in use by <holder>`
	Cure string // what the program says to do about it; "" for nothing
	Pos  token.Position
	Code int  // its exit code, where the code says it; 0 else
	Note bool // nothing fails
}

// The fields of the types of errors that hold a message, and its cure.
var (
	messageFields = []string{"Msg", "Why", "Detail", "Text"}
	cureFields    = []string{"Hint", "Cure"}
)

// Collect returns the messages of the package in the folder name below root.
func Collect(root, name string) ([]Message, error) {
	r, err := parse(root, name)
	if err != nil {
		return nil, err
	}
	c := &collector{pkg: r, taken: map[ast.Node]bool{}, codes: map[ast.Node]int{}}
	for _, f := range r.files {
		for _, d := range f.Decls {
			c.scope = r.scope(d)
			ast.Inspect(d, c.visit)
		}
	}
	return c.found, nil
}

type collector struct {
	*pkg
	scope *scope
	taken map[ast.Node]bool // calls whose message is part of another
	codes map[ast.Node]int  // exit codes of the errors that these calls make
	found []Message
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BlockStmt:
		c.steps(n.List)
	case *ast.CaseClause:
		c.steps(n.Body)
	case *ast.CallExpr:
		c.call(n)
	case *ast.CompositeLit:
		c.literal(n)
	case *ast.AssignStmt:
		c.assign(n)
	}
	return true
}

func (c *collector) call(call *ast.CallExpr) {
	of, name := callee(call)
	if c.taken[call] {
		return
	}
	if name == "hint" && of == "" && len(call.Args) > 1 { // for an error that its arguments make, or that was made before
		cures := c.scope.formatted(call.Args[1:])
		if lit := literalOf(call.Args[0]); lit != nil && nameOf(lit.Type) != "exitError" {
			c.taken[lit] = true
			texts, _, code := c.fields(lit)
			for _, text := range texts {
				c.add(call, text, cures, code)
			}
			return
		}
		for _, inner := range c.behind(call.Args[0]) {
			for _, text := range c.said(inner) {
				c.add(call, text, cures, c.code(inner))
			}
		}
		return
	}
	if texts := c.said(call); texts != nil {
		var cures []string
		if m, ok := c.maker(of, name); ok && m.cure >= 0 && m.cure < len(call.Args) {
			cures = c.scope.texts(call.Args[m.cure])
		}
		for _, text := range texts {
			before := len(c.found)
			c.add(call, text, cures, c.code(call))
			if lower := strings.ToLower(name); len(c.found) > before && (strings.Contains(lower, "warn") || strings.Contains(lower, "note")) {
				c.found[len(c.found)-1].Note = true
			}
		}
	}
}

// maker returns how a function takes its message. It may be a method of another
// package.
func (c *collector) maker(of, name string) (maker, bool) {
	if m, ok := c.makers[name]; ok {
		return m, true
	}
	if of != "" && of != "fmt" && (name == "Errorf" || name == "errorf") {
		return maker{0, -1}, true
	}
	return maker{}, false
}

// said returns the messages that a call makes from its arguments; nil if it makes none.
func (c *collector) said(call *ast.CallExpr) []string {
	of, name := callee(call)
	if of == "fmt" && name == "Errorf" || of == "errors" && name == "New" {
		return c.scope.formatted(call.Args)
	}
	m, ok := c.maker(of, name)
	if !ok || m.format >= len(call.Args) {
		return nil
	}
	if texts := c.scope.formatted(call.Args[m.format:]); strings.Contains(texts[0], " ") {
		return texts
	}
	return nil
}

// behind returns the calls that made an error, and marks them as taken.
func (c *collector) behind(e ast.Expr) []*ast.CallExpr {
	if lit := literalOf(e); lit != nil && len(lit.Elts) == 2 { // an exitError
		call, ok := lit.Elts[1].(*ast.CallExpr)
		if !ok {
			return nil
		}
		c.codes[call] = exits(lit.Elts[0])
		e = call
	}
	switch e := e.(type) {
	case *ast.CallExpr:
		c.taken[e] = true
		return []*ast.CallExpr{e}
	case *ast.Ident:
		var out []*ast.CallExpr
		for _, set := range c.scope.locals[e.Name] {
			if call, ok := set.(*ast.CallExpr); ok && c.said(call) != nil {
				out = append(out, call) // not taken: it may also be said without the cure
			}
		}
		return out
	}
	return nil
}

// literalOf returns the literal that e is the address of; nil if it is not one.
func literalOf(e ast.Expr) *ast.CompositeLit {
	if address, ok := e.(*ast.UnaryExpr); ok {
		lit, _ := address.X.(*ast.CompositeLit)
		return lit
	}
	return nil
}

// code returns the exit code of an error, if its maker names it; 0 if not.
func (c *collector) code(call *ast.CallExpr) int {
	if _, name := callee(call); name == "usageError" {
		return 2
	}
	return c.codes[call]
}

// exits returns the value of an exit code's name, or of the kind of error that has one.
func exits(e ast.Expr) int {
	name := nameOf(e)
	switch name {
	case "exitFailed":
		return 1
	case "exitUsage":
		return 2
	case "exitNotRunning":
		return 3
	case "exitNoService":
		return 4
	case "exitTimeout":
		return 124
	}
	for _, k := range control.Kinds() {
		if "Code"+strings.ReplaceAll(string(k.Code), "_", "") == "Code"+strings.ToLower(strings.TrimPrefix(name, "Code")) && strings.HasPrefix(name, "Code") {
			return k.Exit
		}
	}
	return 0
}

// steps finds messages and cures that are set one after the other: e.Msg = …, then
// e.Hint = …, or by the closures say and hint.
func (c *collector) steps(list []ast.Stmt) {
	var texts, cures []string
	var at ast.Node
	flush := func() {
		for _, text := range texts {
			c.add(at, text, cures, 0)
		}
		texts, cures = nil, nil
	}
	for _, stmt := range list {
		if set, ok := stmt.(*ast.AssignStmt); ok && len(set.Lhs) == 1 && len(set.Rhs) == 1 {
			if sel, ok := set.Lhs[0].(*ast.SelectorExpr); ok && slices.Contains(messageFields, sel.Sel.Name) {
				flush()
				c.take(set.Rhs[0])
				c.taken[set] = true
				texts, at = c.scope.texts(set.Rhs[0]), set
				continue
			}
		}
		if x, ok := stmt.(*ast.ExprStmt); ok {
			if call, ok := x.X.(*ast.CallExpr); ok {
				if of, name := callee(call); of == "" && name == "say" && c.scope.locals[name] != nil {
					flush()
					texts, at = c.scope.formatted(call.Args), call
					continue
				}
			}
		}
		if texts == nil {
			continue
		}
		ast.Inspect(stmt, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.AssignStmt:
				for i, lhs := range n.Lhs {
					if sel, ok := lhs.(*ast.SelectorExpr); ok && i < len(n.Rhs) && slices.Contains(cureFields, sel.Sel.Name) {
						cures = append(cures, c.scope.texts(n.Rhs[i])...)
					}
				}
			case *ast.CallExpr:
				if of, name := callee(n); of == "" && name == "hint" && c.scope.locals[name] != nil {
					c.taken[n] = true
					cures = append(cures, c.scope.formatted(n.Args)...)
				}
			}
			return true
		})
	}
	flush()
}

func (c *collector) literal(lit *ast.CompositeLit) {
	typ := nameOf(lit.Type)
	if typ == "exitError" && len(lit.Elts) == 2 {
		if call, ok := lit.Elts[1].(*ast.CallExpr); ok {
			c.codes[call] = exits(lit.Elts[0])
		}
		return
	}
	if c.taken[lit] {
		return
	}
	texts, cures, code := c.fields(lit)
	for _, text := range texts {
		before := len(c.found)
		c.add(lit, text, cures, code) // which skips a message without words of its own
		if len(c.found) > before && (strings.Contains(typ, "Note") || strings.Contains(typ, "arning")) {
			c.found[len(c.found)-1].Note = true
		}
	}
}

// fields returns the messages, cures and exit code in a literal.
func (c *collector) fields(lit *ast.CompositeLit) (texts, cures []string, code int) {
	for _, el := range lit.Elts {
		kv, ok := el.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, ok := kv.Key.(*ast.Ident)
		if !ok {
			continue
		}
		switch {
		case slices.Contains(messageFields, key.Name):
			c.take(kv.Value)
			texts = c.scope.texts(kv.Value)
		case slices.Contains(cureFields, key.Name):
			cures = c.scope.texts(kv.Value)
		case key.Name == "Code":
			code = exits(kv.Value)
		}
	}
	return texts, cures, code
}

// take marks the calls in an expression as part of a message.
func (c *collector) take(e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			c.taken[call] = true
		}
		return true
	})
}

// assign finds messages that are set field by field: e.Detail, e.Hint = …, …
func (c *collector) assign(a *ast.AssignStmt) {
	if len(a.Lhs) != len(a.Rhs) || c.taken[a] {
		return
	}
	var texts, cures []string
	for i, lhs := range a.Lhs {
		sel, ok := lhs.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		switch {
		case slices.Contains(messageFields, sel.Sel.Name):
			c.take(a.Rhs[i])
			texts = c.scope.texts(a.Rhs[i])
		case slices.Contains(cureFields, sel.Sel.Name):
			cures = c.scope.texts(a.Rhs[i])
		}
	}
	for _, text := range texts {
		c.add(a, text, cures, 0)
	}
}

func (c *collector) add(at ast.Node, text string, cures []string, code int) {
	text = strings.ReplaceAll(text, "\n  hint: ", "\nhint: ")
	if msg, cure, ok := strings.Cut(text, "\nhint: "); ok {
		text, cures = msg, append([]string{cure}, cures...)
	}
	text, _, _ = strings.Cut(text, "\nusage: ")
	text = strings.Join(strings.Fields(text), " ")
	if words(text) < 2 {
		return
	}
	cures = slices.DeleteFunc(compact(cures), func(s string) bool { return words(s) == 0 })
	c.found = append(c.found, Message{Text: text, Cure: strings.Join(strings.Fields(strings.Join(cures, "; or ")), " "), Pos: c.fset.Position(at.Pos()), Code: code})
}

// words counts the words of a text beside its placeholders.
func words(text string) int {
	n := 0
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "<")
		for _, w := range strings.Fields(before) {
			if strings.ContainsFunc(w, func(r rune) bool { return r >= 'a' && r <= 'z' }) {
				n++
			}
		}
		if !found {
			return n
		}
		_, rest, _ = strings.Cut(after, ">")
	}
}

// sorted orders messages for a page, and drops those that are said twice.
func sorted(list []Message) []Message {
	slices.SortStableFunc(list, func(a, b Message) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.key()), strings.ToLower(b.key())), cmp.Compare(len(b.Cure), len(a.Cure)))
	})
	var out []Message
	for _, m := range list {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].Text != m.Text:
			out = append(out, m)
		case m.Cure != "" && !strings.Contains(out[last].Cure, m.Cure):
			out[last].Cure += "; or " + m.Cure
		}
	}
	return out
}

// key returns what a message is sorted by: its words, since readers have other values
// in the placeholders.
func (m Message) key() string { return strings.TrimLeft(m.Text, `<">… `) }
