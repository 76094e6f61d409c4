package eval

import (
	"strconv"
	"strings"
	"unsafe"

	"nix2gpu/nix/syntax"
)

// A lambdaNode is a function. It either destructures one argument (formals), or takes
// one or more plain arguments: x: y: … is a single node, so that a call with all
// arguments makes one env.
type lambdaNode struct {
	at
	name     string   // the name that it is bound to, for messages
	size     int      // slots of its env: the plain arguments, or the formals and the whole argument
	params   []string // names of the plain arguments; nil with formals
	argName  string   // of the whole argument, with formals, or ""
	argSlot  int      // its slot, or -1
	formals  []formal
	ellipsis bool
	body     node
	leaf     bool // its env can be used again, see captures
	late     bool // it is a thunk where it is not needed yet, see Options.Unforced
	spare    *env // of a leaf
}

// newEnv returns an env for a call.
func (n *lambdaNode) newEnv(t *Thread, up *env) *env {
	if e := n.spare; e != nil {
		n.spare, e.up = nil, up
		return e
	}
	return t.newEnv(up, n.size)
}

// reuse takes the env of a call that has ended, for the next one.
func (n *lambdaNode) reuse(e *env) {
	clear(e.slots(n.size))
	e.up = nil
	n.spare = e
}

type formal struct {
	name     string
	pos      syntax.Pos
	fallback node // nil: the argument must be given
	cache    attrCache
}

func (n *lambdaNode) eval(t *Thread, e *env) Value {
	f := next(&t.lambdas)
	f.code, f.env = n, e
	return f
}

func (n *lambdaNode) delay(t *Thread, e *env) Value {
	if n.late {
		return n.later(t, n, e)
	}
	return n.eval(t, e)
}

func (n *lambdaNode) describe() string {
	if n.name == "" {
		return "anonymous function"
	}
	return "function '" + n.name + "'"
}

func (n *lambdaNode) formalNames() []string {
	names := make([]string, len(n.formals))
	for i := range names {
		names[i] = n.formals[i].name
	}
	return names
}

// unknownTo returns the names in set that are not formals.
func (n *lambdaNode) unknownTo(set *Attrs) (unknown []string) {
next:
	for _, name := range set.Names() {
		for i := range n.formals {
			if n.formals[i].name == name {
				continue next
			}
		}
		unknown = append(unknown, name)
	}
	return unknown
}

// callNode is an application to one or more arguments.
type callNode struct {
	at
	fn   node
	args []node
}

// eval and what it calls on the way to the body of a function keep little on the stack, since
// recursion is what programs do in place of loops.
func (n *callNode) eval(t *Thread, e *env) Value {
	fn := t.value(n.fn, e)
	for i := 0; i < len(n.args); {
		switch f := fn.(type) {
		case *Lambda:
			if f.code.formals != nil {
				fn = t.callFormals(f, argument{code: n.args[i], env: e}, n)
				i++
				break
			}
			inner, next := n.bindPlain(t, e, f, i)
			if i = next; inner == nil {
				return n.partial(t, e, f, i)
			}
			fn = t.run(f.code, inner, n)
		case *Primitive:
			fn, i = n.applyPrimitive(t, e, f, i)
		default: // a set with __functor, or nothing that can be called
			fn = t.call(fn, []Value{n.args[i].delay(t, e)}, n)
			i++
		}
		if th, ok := fn.(*Thunk); ok {
			fn = t.force(th)
		}
	}
	return fn
}

// bindPlain returns the env in which a function of plain arguments is applied to the arguments
// from i on, and the index of the first one that it does not take; no env if it takes more.
func (n *callNode) bindPlain(t *Thread, e *env, f *Lambda, i int) (*env, int) {
	given := f.given()
	next := i + len(f.code.params) - len(given)
	if next > len(n.args) {
		return nil, i
	}
	inner := f.code.newEnv(t, f.env)
	copy(inner.slots(f.code.size), given)
	for k, arg := range n.args[i:next] {
		*inner.slot(len(given) + k) = arg.delay(t, e)
	}
	return inner, next
}

// partial returns a function applied to the last arguments, of which it takes still more.
func (n *callNode) partial(t *Thread, e *env, f *Lambda, i int) Value {
	args := make([]Value, len(n.args)-i)
	for k := range args {
		args[k] = n.args[i+k].delay(t, e)
	}
	return f.partial(args...)
}

// applyPrimitive applies a primitive to as many arguments as it takes, from i on, and returns
// the index of the next one.
func (n *callNode) applyPrimitive(t *Thread, e *env, f *Primitive, i int) (Value, int) {
	arity := len(f.builtin.Args)
	take := min(arity-len(f.args), len(n.args)-i)
	var args, room []Value
	if n := len(f.args) + take; n < arity {
		args = make([]Value, n)
	} else {
		args, room = t.arguments(n)
	}
	copy(args, f.args)
	now := f.builtin.first - 1 - len(f.args)
	for k := range take {
		if arg := n.args[i+k]; k == now && len(args) == arity {
			args[len(f.args)+k] = t.value(arg, e)
		} else {
			args[len(f.args)+k] = arg.delay(t, e)
		}
	}
	i += take
	if len(args) < arity {
		return &Primitive{f.builtin, args}, i
	}
	v := t.callPrimitive(f.builtin, args, n)
	t.release(args, room)
	return v, i
}

func (n *callNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// A pathStep is one step of an attribute path: a name, or an expression of one.
type pathStep struct {
	at
	name  string
	expr  node
	cache attrCache
}

// find returns the index of the step's name in a shape, or -1.
func (s *pathStep) find(in *shape, name string) int {
	if s.expr != nil {
		return in.find(name) // each time it may be another
	}
	return s.cache.find(in, name)
}

// resolve returns the name of a step.
func (s *pathStep) resolve(t *Thread, e *env) string {
	if s.expr == nil {
		return s.name
	}
	v := t.value(s.expr, e)
	return t.attrName(s.place, v)
}

// attrName returns the computed name of an attribute.
func (t *Thread) attrName(pos syntax.Pos, v Value) string {
	s, ok := v.(*String)
	if !ok {
		t.wrongType(pos, v, "a string as the name of an attribute")
	}
	return t.withoutContext(pos, s)
}

// selectNode is base.path, or base.path or fallback.
type selectNode struct {
	at
	base     node
	path     []pathStep
	fallback node
}

func (n *selectNode) eval(t *Thread, e *env) Value {
	v := t.value(n.base, e)
	for i := range n.path {
		s := &n.path[i]
		name := s.name
		if s.expr != nil {
			name = s.resolve(t, e)
		}
		set, ok := v.(*Attrs)
		k := -1
		if ok {
			k = s.find(set.shape, name)
		}
		if k < 0 {
			if n.fallback != nil {
				return n.fallback.eval(t, e)
			}
			v = t.unlisted(s, v, name)
			continue
		}
		v = *set.slot(k)
		if th, ok := v.(*Thunk); ok {
			if th.code != nil {
				t.frames = append(t.frames, frame{site: n})
				v = t.force(th)
				t.frames = t.frames[:len(t.frames)-1]
			} else {
				v = th.val
			}
			*set.slot(k) = v
		}
	}
	return v
}

// unlisted returns an attribute that v does not list, or ends the evaluation.
func (t *Thread) unlisted(s *pathStep, v Value, name string) Value {
	set, ok := v.(*Attrs)
	if !ok {
		t.wrongType(s.place, v, "a set with the attribute '"+name+"'")
	}
	if v := t.orMissing(set, name, s.place); v != nil {
		return t.Force(v)
	}
	t.raise(&Error{Pos: s.place, Msg: "attribute '" + name + "' missing", Hint: didYouMean(name, set.Names())})
	return nil
}

// delay returns the attribute itself if nothing needs to be computed for that.
func (n *selectNode) delay(t *Thread, e *env) Value {
	if v := ready(n.base, e); v != nil {
		for i := range n.path {
			s := &n.path[i]
			set, ok := v.(*Attrs)
			if !ok || s.expr != nil {
				return n.later(t, n, e)
			}
			k := s.cache.find(set.shape, s.name)
			if k < 0 {
				return n.later(t, n, e)
			}
			v = Computed(*set.slot(k))
		}
		return v // it may be a thunk, but that of the attribute itself
	}
	return n.later(t, n, e)
}

func (n *selectNode) describe() string {
	names := make([]string, len(n.path))
	for i, s := range n.path {
		if names[i] = s.name; s.expr != nil {
			names[i] = "${…}"
		}
	}
	return "the attribute '" + strings.Join(names, ".") + "'"
}

// hasAttrNode is base ? path.
type hasAttrNode struct {
	at
	base node
	path []pathStep
}

func (n *hasAttrNode) eval(t *Thread, e *env) Value {
	v := t.value(n.base, e)
	for i := range n.path {
		name := n.path[i].resolve(t, e)
		set, ok := v.(*Attrs)
		if !ok {
			return Bool(false)
		}
		k := n.path[i].find(set.shape, name)
		if k < 0 {
			return Bool(false)
		}
		if i == len(n.path)-1 {
			break // the last value is not needed
		}
		v = t.Force(*set.slot(k))
	}
	return Bool(true)
}

func (n *hasAttrNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// listNode is [ a b ].
type listNode struct {
	at
	elems []node
	ready bool // see makeEarly
}

func (n *listNode) eval(t *Thread, e *env) Value {
	if len(n.elems) == 0 {
		return emptyList
	}
	list := t.newList(len(n.elems))
	for i, x := range n.elems {
		list.elems[i] = x.delay(t, e)
	}
	return list
}

func (n *listNode) delay(t *Thread, e *env) Value {
	if n.ready || len(n.elems) == 0 {
		return n.eval(t, e)
	}
	return n.later(t, n, e)
}

// An attrsNode is { … } or rec { … }. Its values are in the order of the sorted names.
// A recursive set has an env of its own, with the attributes and then the sources of
// inherit (e). Any other set has such an env only if it has sources, and only what it
// inherits from them uses it.
type attrsNode struct {
	at
	shape     *shape
	vals      []attrCode
	recursive bool
	ready     bool // see makeEarly
	sources   []node
	dynamic   []dynamicAttr
}

// makeEarly says that a list or set is made where n is delayed, if it is one: its elements
// are still delayed, and that costs no more than a thunk. For an argument or an
// element, that is: most bindings of a let are never needed.
func (r *resolver) makeEarly(n node) node {
	if r.t.ev.opts.Unforced {
		return n
	}
	switch n := n.(type) {
	case *listNode:
		n.ready = true
	case *attrsNode:
		n.ready = !n.recursive && len(n.dynamic) == 0
	}
	return n
}

// An attrCode is the value of an attribute; outer says that it is evaluated outside of
// the set's own env.
type attrCode struct {
	code  node
	outer bool
}

type dynamicAttr struct {
	place syntax.Pos
	name  node
	val   node
}

// bind fills the env of a recursive set.
func bind(t *Thread, outer, inner *env, vals []attrCode, sources []node) {
	for i, s := range sources {
		*inner.slot(len(vals) + i) = s.delay(t, inner)
	}
	for i, v := range vals {
		if v.outer {
			*inner.slot(i) = v.code.delay(t, outer)
		} else {
			*inner.slot(i) = v.code.delay(t, inner)
		}
	}
}

func (n *attrsNode) eval(t *Thread, e *env) Value {
	inner := e
	set := t.newSet(n.shape, len(n.vals))
	vals := set.vals()
	switch {
	case n.recursive:
		inner = t.newEnv(e, len(n.vals)+len(n.sources))
		bind(t, e, inner, n.vals, n.sources)
		copy(vals, inner.slots(len(n.vals)))
		if k := n.shape.find("__overrides"); k >= 0 {
			return n.withOverrides(t, vals, inner, k)
		}
	default:
		if len(n.sources) > 0 {
			inner = t.newEnv(e, len(n.sources))
			for i, s := range n.sources {
				*inner.slot(i) = s.delay(t, e)
			}
		}
		for i, v := range n.vals {
			if v.outer {
				vals[i] = v.code.delay(t, e)
			} else {
				vals[i] = v.code.delay(t, inner)
			}
		}
	}
	if len(n.dynamic) == 0 {
		return set
	}
	scope := e
	if n.recursive {
		scope = inner
	}
	return n.withDynamic(t, set, scope)
}

// withOverrides implements the old way to change a recursive set: the attributes in
// __overrides replace those of the set, and the others see them.
func (n *attrsNode) withOverrides(t *Thread, vals []Value, inner *env, k int) Value {
	v := t.Force(vals[k])
	overrides, ok := v.(*Attrs)
	if !ok {
		t.wrongType(n.shape.posAt(k), v, "a set as __overrides")
	}
	for i, name := range n.shape.names {
		if v, found := overrides.Get(name); found {
			*inner.slot(i) = v
		} else if i != k {
			*inner.slot(i) = nil
		}
	}
	for i, v := range n.vals { // again, because they may have captured what is replaced
		if *inner.slot(i) == nil && !v.outer {
			*inner.slot(i) = v.code.delay(t, inner)
		} else if *inner.slot(i) == nil {
			*inner.slot(i) = vals[i]
		}
		vals[i] = *inner.slot(i)
	}
	set := setOf(n.shape, vals).Update(overrides)
	if len(n.dynamic) > 0 {
		return n.withDynamic(t, set, inner)
	}
	return set
}

func (n *attrsNode) withDynamic(t *Thread, set *Attrs, e *env) Value {
	b := NewAttrs(set.n + len(n.dynamic))
	for i, name := range set.shape.names {
		b.add(name, set.vals()[i], set.shape.posAt(i))
	}
	seen := map[string]syntax.Pos{}
	for _, d := range n.dynamic {
		v := t.value(d.name, e)
		if _, isNull := v.(Null); isNull {
			continue // ${null} = … defines nothing
		}
		name := t.attrName(d.place, v)
		first, again := seen[name]
		if i := set.shape.find(name); i >= 0 {
			first, again = set.shape.posAt(i), true
		}
		if again {
			t.Fail(d.place, "dynamic attribute '%s' already defined at %s", syntax.QuoteName(name), first)
		}
		seen[name] = d.place
		b.add(name, d.val.delay(t, e), d.place)
	}
	return b.Done()
}

func (n *attrsNode) delay(t *Thread, e *env) Value {
	if n.ready {
		return n.eval(t, e)
	}
	return n.later(t, n, e)
}

// letNode is let … in body.
type letNode struct {
	at
	vals    []attrCode
	sources []node
	body    node
}

// eval leaves the slots empty: many bindings are never needed, and most of the others are
// needed at once when they are first used, so that they never become thunks.
func (n *letNode) eval(t *Thread, e *env) Value {
	return n.body.eval(t, t.newEnv(e, len(n.vals)+len(n.sources)))
}

// binding returns the code of a slot, and the scope in which it is evaluated.
func (n *letNode) binding(slot int, inner *env) (node, *env) {
	if slot >= len(n.vals) {
		return n.sources[slot-len(n.vals)], inner
	}
	if b := &n.vals[slot]; b.outer {
		return b.code, inner.up
	} else {
		return b.code, inner
	}
}

// delayBinding returns what belongs into a slot that is still empty. A variable stands for
// the same thunk as the one that it is bound to only if that comes before it by name, as if
// all slots were filled in this order: Nix prints a list as «repeated» by that. It also ends
// circles of variables.
func (t *Thread) delayBinding(n *letNode, inner *env, slot int) Value {
	code, scope := n.binding(slot, inner)
	if v, ok := code.(*localNode); ok && scope == inner && v.up == 0 && v.slot >= slot {
		return v.later(t, v, scope)
	}
	return code.delay(t, scope)
}

// forceBinding computes what a let binds to a slot that is still empty.
func (t *Thread) forceBinding(n *letNode, inner *env, slot int) Value {
	v := t.delayBinding(n, inner, slot)
	th, ok := v.(*Thunk)
	if !ok {
		return v
	}
	*inner.slot(slot) = th // what is computed may need it
	return t.force(th)
}

func (n *letNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// withScopeNode is with scope; body.
type withScopeNode struct {
	at
	scope, body node
}

func (n *withScopeNode) eval(t *Thread, e *env) Value {
	inner := t.newEnv(e, 1)
	*inner.slot(0) = n.scope.delay(t, e)
	return n.body.eval(t, inner)
}

func (n *withScopeNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// ifNode is if cond then yes else no.
type ifNode struct {
	at
	cond, yes, no node
}

func (n *ifNode) eval(t *Thread, e *env) Value {
	if t.condition(n.cond, e) {
		return n.yes.eval(t, e)
	}
	return n.no.eval(t, e)
}

func (n *ifNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// condition evaluates n, which must be a Boolean.
func (t *Thread) condition(n node, e *env) bool {
	v := t.value(n, e)
	b, ok := v.(Bool)
	if !ok {
		t.wrongType(n.pos(), v, "a Boolean")
	}
	return bool(b)
}

// assertNode is assert cond; body.
type assertNode struct {
	at
	cond, body node
	source     syntax.Expr // the condition, for the message
}

func (n *assertNode) eval(t *Thread, e *env) Value {
	if !t.condition(n.cond, e) {
		t.raise(&Error{Pos: n.place, Msg: "assertion '" + syntax.Print(n.source) + "' failed", Kind: KindAssert})
	}
	return n.body.eval(t, e)
}

func (n *assertNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// stringNode is a string with interpolations.
type stringNode struct {
	at
	parts []stringPart
}

type stringPart struct {
	text string
	expr node
	// toText, if set, is expr: toString x. What that makes of a number needs no value of its own.
	toText *callNode
}

func (n *stringNode) eval(t *Thread, e *env) Value {
	if len(n.parts) == 1 {
		return t.coerce(t.value(n.parts[0].expr, e), inInterpolation, n.parts[0].expr.pos())
	}
	var ctx *Context
	first, digits, size := len(t.texts), len(t.digits), 0
	for i := range n.parts {
		p := &n.parts[i]
		if p.expr == nil {
			size += len(p.text)
			t.texts = append(t.texts, p.text)
			continue
		}
		var v Value
		if p.toText == nil {
			v = t.value(p.expr, e)
		} else {
			v = t.value(p.toText.args[0], e)
			if x, ok := v.(Int); ok {
				from := len(t.digits)
				t.digits = strconv.AppendInt(t.digits, int64(x), 10)
				size += len(t.digits) - from
				t.texts = append(t.texts, unsafe.String(&t.digits[from], len(t.digits)-from))
				continue
			}
			v = t.call(t.value(p.toText.fn, e), []Value{v}, p.toText)
		}
		s := t.coerce(v, inInterpolation, p.expr.pos())
		size += len(s.s)
		t.grow(size, len(s.s))
		t.texts = append(t.texts, s.s)
		ctx = ctx.Union(s.ctx)
	}
	s := t.newString(strings.Join(t.texts[first:], ""), ctx)
	clear(t.texts[first:]) // or the collector would keep them
	t.texts, t.digits = t.texts[:first], t.digits[:digits]
	return s
}

func (n *stringNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// pathNode is a path with interpolations.
type pathNode struct {
	at
	base  string // the folder that the first part is relative to
	parts []stringPart
}

func (n *pathNode) eval(t *Thread, e *env) Value {
	text := n.base
	for _, p := range n.parts {
		if p.expr == nil {
			text += p.text
			continue
		}
		s := t.coerce(t.value(p.expr, e), inPath, p.expr.pos())
		if s.ctx != nil {
			t.Fail(p.expr.pos(), "a string that refers to a package or file cannot become part of a path")
		}
		t.grow(len(text)+len(s.s), len(text)+len(s.s))
		text += s.s
	}
	return cleanPath(text)
}

func (n *pathNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// searchPathNode is <name>.
type searchPathNode struct {
	at
	name string
}

func (n *searchPathNode) eval(t *Thread, _ *env) Value {
	return t.findInSearchPath(t.ev.opts.SearchPath, n.name, n.place)
}

func (n *searchPathNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }
