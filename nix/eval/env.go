package eval

import "nix2gpu/nix/syntax"

// An env holds the variables of one scope: the argument of a function, the bindings of
// a let or rec, or the set of a with.
type env struct {
	up    *env
	slots []Value
}

// newEnv returns an env. If n is small, as nearly always, its slots are in the same
// allocation.
func newEnv(up *env, n int) *env {
	switch n {
	case 0:
		return &env{up: up}
	case 1:
		e := &struct {
			env
			a [1]Value
		}{}
		e.up, e.slots = up, e.a[:]
		return &e.env
	case 2:
		return newEnv2(up, nil, nil)
	case 3:
		return newEnv3(up, nil, nil, nil)
	case 4:
		e := &struct {
			env
			a [4]Value
		}{}
		e.up, e.slots = up, e.a[:]
		return &e.env
	case 5, 6:
		e := &struct {
			env
			a [6]Value
		}{}
		e.up, e.slots = up, e.a[:n]
		return &e.env
	}
	return &env{up, make([]Value, n)}
}

func newEnv2(up *env, a, b Value) *env {
	e := &struct {
		env
		a [2]Value
	}{}
	e.a[0], e.a[1] = a, b
	e.up, e.slots = up, e.a[:]
	return &e.env
}

func newEnv3(up *env, a, b, c Value) *env {
	e := &struct {
		env
		a [3]Value
	}{}
	e.a[0], e.a[1], e.a[2] = a, b, c
	e.up, e.slots = up, e.a[:]
	return &e.env
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

// at is the position of a node.
type at struct{ place syntax.Pos }

func (a at) pos() syntax.Pos { return a.place }

// A goNode is a Go function as the code of a thunk.
type goNode func(t *Thread) Value

func (f goNode) eval(t *Thread, _ *env) Value {
	old := t.site
	t.site = topSite // the builtin that runs now did not make this call
	v := t.Force(f(t))
	t.site = old
	return v
}
func (f goNode) delay(*Thread, *env) Value { return &Thunk{code: f} }
func (goNode) pos() syntax.Pos             { return syntax.Pos{} }

// An applyNode is the code of a delayed application that a primitive makes. The
// function is in the first slot of the env, and its arguments are in the others.
type applyNode struct{ site node }

func (n applyNode) eval(t *Thread, e *env) Value {
	args := e.slots[1:len(e.slots):len(e.slots)]
	return t.Force(t.call(t.Force(e.slots[0]), args, n.site))
}
func (n applyNode) delay(_ *Thread, e *env) Value { return &Thunk{code: n, env: e} }
func (n applyNode) pos() syntax.Pos               { return n.site.pos() }

// An elemNode is the code of the calls that map and the like delay: all elements have
// the same function. The argument is kept where the thunk's value will be, so that an
// element costs no more than its thunk.
type elemNode struct {
	site node
	fn   Value
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

// topSite is the site of calls that no program makes.
var topSite node = constNode{}

var applyAnywhere node = applyNode{topSite}

// constNode is a literal, a builtin, or a variable given from outside.
type constNode struct {
	at
	val Value
}

func (n constNode) eval(t *Thread, _ *env) Value { return t.Force(n.val) }
func (n constNode) delay(*Thread, *env) Value    { return n.val }

// A localNode is a variable that is up scopes away.
type localNode struct {
	at
	up, slot int
}

func (n *localNode) eval(t *Thread, e *env) Value {
	for up := n.up; up > 0; up-- {
		e = e.up
	}
	v := e.slots[n.slot]
	if th, ok := v.(*Thunk); ok {
		v = t.force(th)
		e.slots[n.slot] = v
	}
	return v
}

func (n *localNode) delay(_ *Thread, e *env) Value {
	at := e
	for up := n.up; up > 0; up-- {
		at = at.up
	}
	v := at.slots[n.slot]
	if v == nil { // a later binding of the same scope, not yet made
		return &Thunk{code: n, env: e}
	}
	return Computed(v)
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
		if v := e.slots[n.slot]; v != nil {
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
		v := t.Force(e.slots[0])
		e.slots[0] = v
		set, ok := v.(*Attrs)
		if !ok {
			t.wrongType(n.place, v, "a set in a with")
		}
		if i := set.shape.find(n.name); i >= 0 {
			v := set.vals[i]
			if th, ok := v.(*Thunk); ok {
				v = t.force(th)
				set.vals[i] = v
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
		set := e.slots[0].(*Attrs) // eval has checked that
		if v := t.orMissing(set, n.name, n.place); v != nil {
			return t.Force(v)
		}
		known = append(known, set.Names()...)
	}
	t.raise(&Error{Pos: n.place, Msg: "undefined variable '" + n.name + "'", Hint: didYouMean(n.name, known)})
	return nil
}

func (n *withNode) delay(_ *Thread, e *env) Value { return &Thunk{code: n, env: e} }

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
