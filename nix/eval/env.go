package eval

import (
	"reflect"
	"unsafe"

	"nix2gpu/nix/syntax"
)

// An env holds the variables of one scope: the argument of a function, the bindings of
// a let or rec, or the set of a with. Its slots follow it in the same allocation, which
// [newEnv] makes: half of what an evaluation allocates is envs, mostly of one slot, and a
// slice would double those. Who resolved the names knows how many slots there are, so
// nothing checks an index again.
type env struct {
	up *env
}

const (
	envHeader = unsafe.Sizeof(env{})
	slotSize  = unsafe.Sizeof(Value(nil))
)

// slot returns the slot with an index, which must be less than what newEnv was called with.
func (e *env) slot(i int) *Value {
	return (*Value)(unsafe.Add(unsafe.Pointer(e), envHeader+uintptr(i)*slotSize))
}

// slots returns n slots, from the first on.
func (e *env) slots(n int) []Value {
	if n == 0 {
		return nil // the first one would be behind the allocation
	}
	return unsafe.Slice(e.slot(0), n)
}

// Type implements [Value], so that a thunk can hold an env where its value will be. No
// program sees one.
func (*env) Type() Type { return TypeThunk }

// A sized is an env with its slots.
type sized[Slots any] struct {
	env
	slots Slots
}

// slabSize is the size of the pieces in which small objects that an evaluation makes by the
// hundred thousand are allocated, in bytes. One piece costs about as much as one such object
// does by itself, and the collector marks it once. It is kept as long as one of its objects
// is, with what the others refer to: those were made at the same time, and mostly end then.
const slabSize = 256

// slabs are what is left of the pieces.
type slabs struct {
	thunks  []Thunk
	lambdas []Lambda
	strings []String
	values  []Value
	lists1  []listOf[[1]Value]
	lists2  []listOf[[2]Value]
	ints    []Int
	envs1   []sized[[1]Value]
	envs2   []sized[[2]Value]
	envs3   []sized[[3]Value]
}

// next returns the next object of a piece, and begins a new piece where none is left.
func next[T any](piece *[]T) *T {
	if len(*piece) == 0 {
		*piece = make([]T, slabSize/unsafe.Sizeof(*new(T)))
	}
	p := &(*piece)[0]
	*piece = (*piece)[1:]
	return p
}

// newString is StrContext for strings that are made often.
func (s *slabs) newString(text string, ctx *Context) *String {
	if text == "" && ctx == nil {
		return emptyString
	}
	p := next(&s.strings)
	p.s, p.ctx = text, ctx
	return p
}

const (
	valueSlab = 32 // values, which are two words each
	fewValues = 8  // a slice of more is an allocation of its own
)

// newValues returns n values to be set.
func (s *slabs) newValues(n int) []Value {
	if n > fewValues {
		return make([]Value, n)
	}
	if len(s.values) < n {
		s.values = make([]Value, valueSlab)
	}
	vals := s.values[:n:n]
	s.values = s.values[n:]
	return vals
}

// newEnv returns an env with n empty slots.
func (t *Thread) newEnv(up *env, n int) *env {
	switch {
	case n == 0:
		return &env{up}
	case n == 1:
		e := next(&t.envs1)
		e.up = up
		return &e.env
	case n == 2:
		e := next(&t.envs2)
		e.up = up
		return &e.env
	case n == 3:
		e := next(&t.envs3)
		e.up = up
		return &e.env
	case n == 4:
		return &(&sized[[4]Value]{env: env{up}}).env
	case n <= 5:
		return &(&sized[[5]Value]{env: env{up}}).env
	case n <= 6:
		return &(&sized[[6]Value]{env: env{up}}).env
	case n <= 7:
		return &(&sized[[7]Value]{env: env{up}}).env
	case n <= 9:
		return &(&sized[[9]Value]{env: env{up}}).env
	case n <= 12:
		return &(&sized[[12]Value]{env: env{up}}).env
	case n <= 16:
		return &(&sized[[16]Value]{env: env{up}}).env
	case n <= 24:
		return &(&sized[[24]Value]{env: env{up}}).env
	case n <= 40:
		return &(&sized[[40]Value]{env: env{up}}).env
	}
	// The layout of a slot of two pointers and of an env is the same for any number.
	typ := reflect.StructOf([]reflect.StructField{
		{Name: "Up", Type: reflect.TypeFor[*env]()},
		{Name: "Slots", Type: reflect.ArrayOf(n, reflect.TypeFor[Value]())},
	})
	e := (*env)(reflect.New(typ).UnsafePointer())
	e.up = up
	return e
}

func newEnv3(up *env, a, b, c Value) *env {
	return &(&sized[[3]Value]{env{up}, [3]Value{a, b, c}}).env
}

// A node is an expression with its variables resolved.
type node interface {
	// eval computes the value. It is a thunk only if a primitive has returned one in
	// tail position; Thread.value forces that.
	eval(t *Thread, e *env) Value
	// delay returns the value if that costs nothing, else a thunk.
	delay(t *Thread, e *env) Value
	pos() syntax.Pos
}

// value evaluates n to a value that is no thunk.
func (t *Thread) value(n node, e *env) Value {
	v := n.eval(t, e)
	if th, ok := v.(*Thunk); ok {
		return t.force(th)
	}
	return v
}

// at is what nodes have in common: their position, and themselves as the code of thunks,
// since a pointer to that is half as large as the node.
type at struct {
	place syntax.Pos
	code  node
}

func (a *at) pos() syntax.Pos { return a.place }

// later returns the thunk of the node n, which embeds a.
func (a *at) later(t *Thread, n node, e *env) *Thunk {
	if a.code == nil {
		a.code = n
	}
	th := next(&t.thunks)
	th.code, th.val = &a.code, e
	return th
}

// codeOf returns n as the code of thunks.
func codeOf(n node) *node { return &n }

// A goFunc is a Go function that a thunk holds where its value will be. No program sees one.
type goFunc func(t *Thread) Value

// Type implements [Value].
func (goFunc) Type() Type { return TypeThunk }

// A goNode is the code of thunks that hold a goFunc.
type goNode struct{}

func (goNode) apply(t *Thread, f goFunc) Value {
	old := t.site
	t.site = topSite // the builtin that runs now did not make this call
	v := t.Force(f(t))
	t.site = old
	return v
}

// eval is never called: Thread.force handles thunks with this code.
func (goNode) eval(*Thread, *env) Value  { return Null{} }
func (goNode) delay(*Thread, *env) Value { return Null{} }
func (goNode) pos() syntax.Pos           { return syntax.Pos{} }

var callGo = codeOf(goNode{})

// An applyNode is the code of a delayed application that a primitive makes. The
// function is in the first slot of the env, and its two arguments are in the others.
type applyNode struct{ site node }

const applyArgs = 2

func (n applyNode) eval(t *Thread, e *env) Value {
	all := e.slots(1 + applyArgs)
	return t.Force(t.call(t.Force(all[0]), all[1:], n.site))
}
func (n applyNode) delay(_ *Thread, e *env) Value { return &Thunk{code: applyAnywhere, val: e} }
func (n applyNode) pos() syntax.Pos               { return n.site.pos() }

// An elemNode is the code of the calls that map and the like delay: all elements have
// the same function. The argument is kept where the thunk's value will be, so that an
// element costs no more than its thunk.
type elemNode struct {
	code node // itself, see at
	site node
	fn   Value
}

// elemCode returns the code of calls of fn.
func elemCode(site node, fn Value) *node {
	n := &elemNode{site: site, fn: fn}
	n.code = n
	return &n.code
}

func (n *elemNode) apply(t *Thread, arg Value) Value {
	fn := t.Force(n.fn)
	n.fn = fn
	if f, ok := fn.(*Lambda); ok {
		return t.callLambda(f, arg, n.site)
	}
	return t.call(fn, []Value{arg}, n.site)
}

// eval is never called: Thread.force handles thunks with this code, which have no env.
func (n *elemNode) eval(t *Thread, _ *env) Value { return t.Force(n.fn) }
func (n *elemNode) delay(*Thread, *env) Value    { return n.fn }
func (n *elemNode) pos() syntax.Pos              { return n.site.pos() }

// An entryNode is the code of the calls that mapAttrs and the like delay. The arguments are
// where the thunk's value will be.
type entryNode struct {
	code node // itself, see at
	site node
	fn   Value
}

// An entry is an attribute, as the arguments of a delayed call.
type entry struct {
	name string
	val  Value
}

// Type implements [Value], so that a thunk can hold an entry. No program sees one.
func (*entry) Type() Type { return TypeThunk }

func (n *entryNode) apply(t *Thread, arg *entry) Value {
	n.fn = t.Force(n.fn)
	return t.call2At(n.fn, t.newString(arg.name, nil), arg.val, n.site)
}

// eval is never called: Thread.force handles thunks with this code, which have no env.
func (n *entryNode) eval(t *Thread, _ *env) Value { return t.Force(n.fn) }
func (n *entryNode) delay(*Thread, *env) Value    { return n.fn }
func (n *entryNode) pos() syntax.Pos              { return n.site.pos() }

// topSite is the site of calls that no program makes.
var topSite node = constNode{}

var applyAnywhere = codeOf(applyNode{topSite})

// constNode is a literal, a builtin, or a variable given from outside.
type constNode struct {
	place syntax.Pos
	val   Value
}

func (n constNode) pos() syntax.Pos { return n.place }

func (n constNode) eval(t *Thread, _ *env) Value { return t.Force(n.val) }
func (n constNode) delay(*Thread, *env) Value    { return n.val }

// A localNode is a variable that is up scopes away.
type localNode struct {
	at
	up, slot int
	let      *letNode // which binds it; nil: its slot is filled before it is used
}

func (n *localNode) eval(t *Thread, e *env) Value {
	for up := n.up; up > 0; up-- {
		e = e.up
	}
	at := e.slot(n.slot)
	switch v := (*at).(type) {
	case *Thunk:
		*at = t.force(v)
	case nil:
		*at = t.forceBinding(n.let, e, n.slot)
	}
	return *at
}

func (n *localNode) delay(t *Thread, e *env) Value {
	at := e
	for up := n.up; up > 0; up-- {
		at = at.up
	}
	slot := at.slot(n.slot)
	switch v := (*slot).(type) {
	case nil:
		if n.let == nil { // a later binding of the same scope, not yet made
			return n.later(t, n, e)
		}
		*slot = t.delayBinding(n.let, at, n.slot)
		return *slot
	case *Thunk:
		if v.code == nil {
			return v.val
		}
	}
	return *slot
}

// ready returns the value of a literal or variable if it is known already, else nil.
func ready(n node, e *env) Value {
	switch n := n.(type) {
	case constNode:
		if v := Computed(n.val); v.Type() != TypeThunk {
			return v
		}
	case *localNode:
		for up := n.up; up > 0; up-- {
			e = e.up
		}
		if v := *e.slot(n.slot); v != nil {
			if v = Computed(v); v.Type() != TypeThunk {
				return v
			}
		}
	}
	return nil
}

// A withNode is a variable that an enclosing with may define; ups are the distances of
// their scopes, the innermost first.
type withNode struct {
	at
	name string
	ups  []int
}

func (n *withNode) eval(t *Thread, e *env) Value {
	inner := e
	depth := 0
	for _, up := range n.ups {
		for ; depth < up; depth++ {
			e = e.up
		}
		v := t.Force(*e.slot(0))
		*e.slot(0) = v
		set, ok := v.(*Attrs)
		if !ok {
			t.wrongType(n.place, v, "a set in a with")
		}
		if i := set.shape.find(n.name); i >= 0 {
			v := *set.slot(i)
			if th, ok := v.(*Thunk); ok {
				v = t.force(th)
				*set.slot(i) = v
			}
			return v
		}
	}
	return n.unlisted(t, inner)
}

// unlisted asks the open-ended sets for a name that none of them lists.
func (n *withNode) unlisted(t *Thread, e *env) Value {
	var known []string
	depth := 0
	for _, up := range n.ups {
		for ; depth < up; depth++ {
			e = e.up
		}
		set := (*e.slot(0)).(*Attrs) // eval has checked that
		if v := t.orMissing(set, n.name, n.place); v != nil {
			return t.Force(v)
		}
		known = append(known, set.Names()...)
	}
	t.raise(&Error{Pos: n.place, Msg: "undefined variable '" + n.name + "'", Hint: didYouMean(n.name, known)})
	return nil
}

func (n *withNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// An attrCache remembers where an attribute was in the last shape, since the next set
// mostly has the same one.
type attrCache struct {
	shape *shape
	index int
}

func (c *attrCache) find(s *shape, name string) int {
	if c.shape != s {
		c.shape, c.index = s, s.find(name)
	}
	return c.index
}
