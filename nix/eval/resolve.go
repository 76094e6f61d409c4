package eval

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"nix2gpu/nix/syntax"
)

// A scope is what the resolver knows of an env: its names and their slots.
type scope struct {
	up     *scope
	names  map[string]int
	let    *letNode // if it is one
	isWith bool
}

// A resolver turns the tree of one text into nodes.
type resolver struct {
	t      *Thread
	dir    string
	given  Scope
	depth  int // of the expression being resolved
	height int // the deepest so far
}

// compile resolves expr. It finds all undefined variables before anything is evaluated,
// except those that a with may define.
func (t *Thread) compile(expr syntax.Expr, dir string, given Scope) node {
	r := &resolver{t: t, dir: dir, given: given}
	n := r.expr(expr, nil)
	t.ev.limitStack(r.height)
	return n
}

// stackLevels is how many nested expressions may be evaluated at a time. Each takes a
// few hundred bytes of the Go stack, whose overflow can't be caught, so this keeps it
// below the limit that Do sets.
const stackLevels = 1_000_000

// limitStack adapts the limits of nesting to a text in which expressions are
// nested up to height deep.
func (ev *Evaluator) limitStack(height int) {
	if height <= ev.height {
		return
	}
	ev.height = height
	ev.maxForcing = min(maxForcing, stackLevels/height)
	ev.maxCalls = min(ev.opts.MaxDepth, stackLevels/height)
}

func (r *resolver) fail(pos syntax.Pos, hint, format string, args ...any) {
	r.t.raise(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *resolver) expr(x syntax.Expr, s *scope) node {
	here := at{place: x.Pos()}
	r.depth++
	r.height = max(r.height, r.depth)
	defer func() { r.depth-- }()
	switch x := x.(type) {
	case *syntax.Int:
		return constNode{here.place, MakeInt(x.Value)}
	case *syntax.Float:
		return constNode{here.place, Float(x.Value)}
	case *syntax.URI:
		r.lintURL(x)
		return constNode{here.place, Str(x.Value)}
	case *syntax.String:
		return r.str(x, s)
	case *syntax.Path:
		r.lintPath(x)
		return r.path(x, s)
	case *syntax.SearchPath:
		return &searchPathNode{here, x.Name}
	case *syntax.Var:
		return r.variable(x, s)
	case *syntax.List:
		n := &listNode{at: here, elems: make([]node, len(x.Elems))}
		for i, e := range x.Elems {
			n.elems[i] = r.makeEarly(r.expr(e, s))
		}
		return n
	case *syntax.AttrSet:
		return r.attrs(x, s)
	case *syntax.Let:
		inner := bindingScope(x.Bindings, s)
		n := &letNode{at: here}
		inner.let = n
		_, n.vals = r.bindings(x.Bindings, s, inner, true)
		n.sources = r.all(x.Bindings.Sources, inner)
		n.body = r.expr(x.Body, inner)
		return n
	case *syntax.With:
		return &withScopeNode{here, r.expr(x.Env, s), r.expr(x.Body, &scope{up: s, isWith: true})}
	case *syntax.If:
		return &ifNode{here, r.expr(x.Cond, s), r.expr(x.Then, s), r.expr(x.Else, s)}
	case *syntax.Assert:
		return &assertNode{here, r.expr(x.Cond, s), r.expr(x.Body, s), x.Cond}
	case *syntax.Lambda:
		return r.lambda(x, s)
	case *syntax.Apply:
		n := &callNode{here, r.expr(x.Fn, s), r.all(x.Args, s)}
		for _, arg := range n.args {
			r.makeEarly(arg)
		}
		return n
	case *syntax.Select:
		n := &selectNode{at: here, base: r.expr(x.Base, s), path: r.attrPath(x.Path, s)}
		if x.Default != nil {
			n.fallback = r.expr(x.Default, s)
		}
		if p := n.primitive(); p != nil {
			return constNode{here.place, p}
		}
		return n
	case *syntax.HasAttr:
		return &hasAttrNode{here, r.expr(x.Base, s), r.attrPath(x.Path, s)}
	case *syntax.Unary:
		return r.unary(x, s)
	case *syntax.Binary:
		return r.binary(x, s)
	}
	panic(&Error{Pos: x.Pos(), Msg: fmt.Sprintf("internal error: unknown expression %T", x), Kind: KindInternal})
}

// primitive returns the primitive that n, such as builtins.length, always selects, or nil.
func (n *selectNode) primitive() *Primitive {
	from, ok := n.base.(constNode)
	if !ok || len(n.path) != 1 || n.path[0].expr != nil {
		return nil
	}
	set, ok := from.val.(*Attrs)
	if !ok {
		return nil
	}
	v, _ := set.Get(n.path[0].name)
	p, _ := v.(*Primitive)
	return p
}

func (r *resolver) all(xs []syntax.Expr, s *scope) []node {
	nodes := make([]node, len(xs))
	for i, x := range xs {
		nodes[i] = r.expr(x, s)
	}
	return nodes
}

// variable resolves a name: a binding around it, else a name given from outside, a name
// of the language, or what an enclosing with defines.
func (r *resolver) variable(x *syntax.Var, s *scope) node {
	here := at{place: x.Place}
	if x.Name == "__curPos" {
		return constNode{here.place, r.t.posValue(x.Place)}
	}
	up := 0
	var withs []int
	from := s
	for ; s != nil; s = s.up {
		if s.isWith {
			withs = append(withs, up)
		} else if slot, found := s.names[x.Name]; found {
			return &localNode{here, up, slot, s.let}
		}
		up++
	}
	if v, found := r.given[x.Name]; found {
		return constNode{here.place, v}
	}
	if v, found := r.t.ev.globals[x.Name]; found {
		return constNode{here.place, v}
	}
	if withs != nil {
		return &withNode{here, x.Name, withs}
	}
	r.fail(x.Place, didYouMean(x.Name, r.visible(from)), "undefined variable '%s'", x.Name)
	return nil
}

// visible lists the names that a misspelled variable may mean.
func (r *resolver) visible(s *scope) (names []string) {
	for ; s != nil; s = s.up {
		for name := range s.names {
			names = append(names, name)
		}
	}
	for name := range r.given {
		names = append(names, name)
	}
	for name := range r.t.ev.globals {
		if !strings.HasPrefix(name, "__") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (r *resolver) str(x *syntax.String, s *scope) node {
	if len(x.Parts) == 0 {
		return constNode{x.Place, emptyString}
	}
	if len(x.Parts) == 1 && x.Parts[0].Expr == nil {
		return constNode{x.Place, Str(x.Parts[0].Text)}
	}
	return &stringNode{at{place: x.Place}, r.parts(x.Parts, s)}
}

func (r *resolver) parts(parts []syntax.Part, s *scope) []stringPart {
	out := make([]stringPart, len(parts))
	for i, p := range parts {
		if out[i].text = p.Text; p.Expr != nil {
			out[i].expr = r.expr(p.Expr, s)
			out[i].toText = toText(out[i].expr)
		}
	}
	return out
}

// toText returns n if it is toString x, else nil.
func toText(n node) *callNode {
	call, ok := n.(*callNode)
	if !ok || len(call.args) != 1 {
		return nil
	}
	fn, ok := call.fn.(constNode)
	if !ok {
		return nil
	}
	if p, ok := fn.val.(*Primitive); !ok || !p.builtin.toText {
		return nil
	}
	return call
}

func (r *resolver) path(x *syntax.Path, s *scope) node {
	base, first := "", x.Parts[0].Text
	switch {
	case strings.HasPrefix(first, "~"):
		if base = r.t.ev.opts.Home; base == "" {
			r.fail(x.Place, "", "the path '%s' needs a home directory, and this evaluation has none", first)
		}
		first = first[1:]
	case !strings.HasPrefix(first, "/"):
		if r.dir == "" {
			r.fail(x.Place, "", "the path '%s' is relative to a file, and this text is in none", first)
		}
		base = r.dir + "/"
	}
	if len(x.Parts) == 1 {
		return constNode{x.Place, Path(path.Clean(base + first))}
	}
	parts := r.parts(x.Parts, s)
	parts[0].text = first
	return &pathNode{at{place: x.Place}, base, parts}
}

func (r *resolver) attrPath(p syntax.AttrPath, s *scope) []pathStep {
	steps := make([]pathStep, len(p))
	for i, name := range p {
		steps[i] = pathStep{at: at{place: name.Place}, name: name.Name}
		if name.Expr != nil {
			steps[i].expr = r.expr(name.Expr, s)
		}
	}
	return steps
}

// bindingScope returns the scope of a recursive set or a let. Its slots are in the
// order of the sorted names.
func bindingScope(set *syntax.AttrSet, up *scope) *scope {
	inner := &scope{up: up, names: make(map[string]int, len(set.Attrs))}
	for i, k := range sortedAttrs(set) {
		inner.names[set.Attrs[k].Name] = i
	}
	return inner
}

// sortedAttrs returns the indexes of the attributes in the order of their names.
func sortedAttrs(set *syntax.AttrSet) []int {
	order := make([]int, len(set.Attrs))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return set.Attrs[order[i]].Name < set.Attrs[order[j]].Name })
	return order
}

// bindings resolves the static attributes of a set or let. The scope inner is
// that of the set's own env; own says that plain values are evaluated in it.
func (r *resolver) bindings(set *syntax.AttrSet, outer, inner *scope, own bool) (*shape, []attrCode) {
	order := sortedAttrs(set)
	sh := &shape{names: make([]string, len(order)), pos: make([]syntax.Pos, len(order))}
	vals := make([]attrCode, len(order))
	for i, k := range order {
		a := &set.Attrs[k]
		sh.names[i], sh.pos[i] = a.Name, a.Place
		switch {
		case a.Kind == syntax.InheritedFrom:
			slot := a.From
			if own {
				slot += len(order)
			}
			vals[i].code = &selectNode{at: at{place: a.Place}, base: &localNode{at{place: a.Place}, 0, slot, inner.let},
				path: []pathStep{{at: at{place: a.Place}, name: a.Name}}}
		case a.Kind == syntax.Inherited || !own:
			if vals[i] = (attrCode{r.named(a, outer), true}); !own {
				r.makeEarly(vals[i].code)
			}
		default:
			vals[i] = attrCode{r.named(a, inner), false}
		}
	}
	return sh, vals
}

// named resolves the value of an attribute, and gives a function its name.
func (r *resolver) named(a *syntax.Attr, s *scope) node {
	n := r.expr(a.Value, s)
	for f, ok := n.(*lambdaNode); ok; f, ok = f.body.(*lambdaNode) {
		f.name = a.Name
	}
	return n
}

func (r *resolver) attrs(x *syntax.AttrSet, s *scope) node {
	n := &attrsNode{at: at{place: x.Place}, recursive: x.Recursive}
	inner, dynamicScope, sourceScope := s, s, s
	switch {
	case x.Recursive:
		inner = bindingScope(x, s)
		dynamicScope, sourceScope = inner, inner
	case len(x.Sources) > 0:
		inner = &scope{up: s}
	}
	n.shape, n.vals = r.bindings(x, s, inner, x.Recursive)
	n.sources = r.all(x.Sources, sourceScope)
	for _, d := range x.Dynamic {
		n.dynamic = append(n.dynamic, dynamicAttr{d.Place, r.expr(d.Name, dynamicScope), r.expr(d.Value, dynamicScope)})
	}
	if len(n.vals) == 0 && len(n.dynamic) == 0 {
		return constNode{x.Place, emptyAttrs}
	}
	return n
}

func (r *resolver) lambda(x *syntax.Lambda, s *scope) node {
	n := &lambdaNode{at: at{place: x.Place}, argSlot: -1, late: r.t.ev.opts.Unforced}
	inner := &scope{up: s, names: map[string]int{}}
	if x.Formals == nil {
		for {
			inner.names[x.Arg] = len(n.params) // of equal names the inner one counts
			n.params = append(n.params, x.Arg)
			next, ok := x.Body.(*syntax.Lambda)
			if !ok || next.Formals != nil {
				break
			}
			x = next
		}
		n.size = len(n.params)
		n.body = r.expr(x.Body, inner)
		n.leaf = !captures(n.body)
		return n
	}
	n.argName = x.Arg
	n.ellipsis = x.Formals.Ellipsis
	n.formals = make([]formal, len(x.Formals.List))
	for i, f := range x.Formals.List {
		inner.names[f.Name] = i
	}
	n.size = len(n.formals)
	if x.Arg != "" {
		n.argSlot = n.size
		inner.names[x.Arg] = n.size
		n.size++
	}
	for i, f := range x.Formals.List {
		n.formals[i] = formal{name: f.Name, pos: f.Place}
		if f.Default != nil {
			n.formals[i].fallback = r.expr(f.Default, inner)
		}
	}
	n.body = r.expr(x.Body, inner)
	n.leaf = !captures(n.body) && !slices.ContainsFunc(n.formals, func(f formal) bool { return f.fallback != nil })
	return n
}

// captures reports whether evaluating n may leave something that refers to the env: a delayed
// expression, a function, or an env inside of it. Where a function's body does not, which is
// so for most that are given to filter, all, foldl' and the like, its env serves again.
func captures(n node) bool {
	switch n := n.(type) {
	case constNode, *localNode, *withNode:
		return false
	case *notNode:
		return captures(n.x)
	case *negNode:
		return captures(n.x)
	case *logicNode:
		return captures(n.x) || captures(n.y)
	case *equalNode:
		return captures(n.x) || captures(n.y)
	case *lessNode:
		return captures(n.x) || captures(n.y)
	case *arithNode:
		return captures(n.x) || captures(n.y)
	case *addNode:
		return captures(n.x) || captures(n.y)
	case *concatNode:
		return captures(n.x) || captures(n.y)
	case *updateNode:
		return captures(n.x) || captures(n.y)
	case *ifNode:
		return captures(n.cond) || captures(n.yes) || captures(n.no)
	case *selectNode:
		return captures(n.base) || n.fallback != nil && captures(n.fallback) || capturesAny(n.path)
	case *hasAttrNode:
		return captures(n.base) || capturesAny(n.path)
	case *stringNode:
		return slices.ContainsFunc(n.parts, func(p stringPart) bool {
			if p.toText != nil {
				return captures(p.toText.args[0])
			}
			return p.expr != nil && captures(p.expr)
		})
	case *callNode:
		first := -1
		if fn, ok := n.fn.(constNode); ok {
			if p, ok := fn.val.(*Primitive); ok && len(p.args) == 0 && len(p.builtin.Args) == len(n.args) {
				first = p.builtin.first - 1 // which is not delayed
			}
		}
		for i, arg := range n.args {
			if i == first && captures(arg) || i != first && delayCaptures(arg) {
				return true
			}
		}
		return captures(n.fn)
	case *listNode:
		return slices.ContainsFunc(n.elems, delayCaptures)
	case *attrsNode:
		return n.recursive || len(n.sources)+len(n.dynamic) > 0 ||
			slices.ContainsFunc(n.vals, func(v attrCode) bool { return delayCaptures(v.code) })
	}
	return true
}

func capturesAny(path []pathStep) bool {
	return slices.ContainsFunc(path, func(s pathStep) bool { return s.expr != nil && captures(s.expr) })
}

// delayCaptures is captures for an expression that is delayed.
func delayCaptures(n node) bool {
	switch n := n.(type) {
	case constNode, *localNode: // a local one has its value, or its binding's delay
		return false
	case *listNode:
		return !n.ready || captures(n)
	case *attrsNode:
		return !n.ready || captures(n)
	}
	return true
}

// formalArgs returns the argument pattern, sorted by name; nil if there is none.
func (n *lambdaNode) formalArgs() []FormalArg {
	if n.formals == nil {
		return nil
	}
	args := make([]FormalArg, len(n.formals))
	for i, f := range n.formals {
		args[i] = FormalArg{f.name, f.fallback != nil, f.pos}
	}
	sort.Slice(args, func(i, j int) bool { return args[i].Name < args[j].Name })
	return args
}

func (r *resolver) unary(x *syntax.Unary, s *scope) node {
	operand := r.expr(x.X, s)
	if x.Op == syntax.OpNot {
		return &notNode{at{place: x.Place}, operand}
	}
	if c, ok := operand.(constNode); ok && !r.t.ev.opts.Unforced { // a negative number is a literal, too
		switch v := c.val.(type) {
		case Int:
			return constNode{c.place, MakeInt(-int64(v))}
		case Float:
			return constNode{c.place, 0 - v}
		}
	}
	return &negNode{at{place: x.Place}, operand}
}

func (r *resolver) binary(b *syntax.Binary, s *scope) node {
	x, y, here := r.expr(b.X, s), r.expr(b.Y, s), at{place: b.Place}
	switch b.Op {
	case syntax.OpOr, syntax.OpAnd, syntax.OpImpl:
		return &logicNode{here, b.Op, x, y}
	case syntax.OpEq, syntax.OpNeq:
		return &equalNode{here, b.Op == syntax.OpNeq, x, y}
	case syntax.OpLess:
		return &lessNode{here, false, x, y}
	case syntax.OpLessEq: // not y < x
		return &lessNode{here, true, y, x}
	case syntax.OpMore: // y < x
		return &lessNode{here, false, y, x}
	case syntax.OpMoreEq: // not x < y
		return &lessNode{here, true, x, y}
	case syntax.OpUpdate:
		return &updateNode{at: here, x: x, y: y}
	case syntax.OpConcat:
		return &concatNode{here, x, y}
	case syntax.OpAdd:
		return &addNode{here, x, y}
	}
	return &arithNode{here, b.Op, x, y}
}
