package eval

import (
	"nix2gpu/nix/syntax"
)

// A Thunk is a value that is computed when it is first needed, and then kept.
type Thunk struct {
	// val is the value once code is nil. Before that it is what code needs: its *env, the
	// argument of an elemNode, the *entry of an entryNode, or the goFunc of a goNode. While the value is being computed it is [busy].
	val  Value
	code *node
}

// busy stands in a thunk that is being computed: needing it now is an infinite recursion.
var busy Value = &env{}

// A pending thunk is being computed, from what its val was before.
type pending struct {
	thunk *Thunk
	was   Value
}

// Type implements Value.
func (*Thunk) Type() Type { return TypeThunk }

// Lazy returns a value that f computes when it is first needed. f may return a thunk.
// If f fails, it is called again the next time.
func Lazy(f func(t *Thread) Value) *Thunk { return &Thunk{code: callGo, val: goFunc(f)} }

// Init makes th, which must be zero, what [Lazy] returns: for a thunk that is part of
// something larger.
func (th *Thunk) Init(f func(t *Thread) Value) { th.code, th.val = callGo, goFunc(f) }

// LazyCall returns fn applied to args, computed when it is first needed.
func LazyCall(fn Value, args ...Value) *Thunk {
	switch len(args) {
	case 1:
		return &Thunk{code: elemCode(topSite, fn), val: args[0]}
	case 2:
		return &Thunk{code: applyAnywhere, val: newEnv3(nil, fn, args[0], args[1])}
	}
	return Lazy(func(t *Thread) Value { return t.Call(fn, args...) })
}

// maxForcing limits how deeply values may need each other without calls; see
// limitStack.
const maxForcing = 200_000

// maxNested limits how deep Go code walks into values, to print or compare them.
const maxNested = 10_000

// Force computes v if it is a thunk. The result is never a thunk.
func (t *Thread) Force(v Value) Value {
	if th, ok := v.(*Thunk); ok {
		return t.force(th)
	}
	return v
}

func (t *Thread) force(th *Thunk) Value {
	if th.code == nil {
		return th.val
	}
	if th.val == busy || len(t.forcing) >= t.ev.maxForcing {
		t.endless(th)
	}
	was := th.val
	th.val = busy
	t.forcing = append(t.forcing, pending{th, was})
	t.step()
	var v Value
	switch code := (*th.code).(type) {
	case *elemNode:
		v = code.apply(t, was)
	case *entryNode:
		v = code.apply(t, was.(*entry))
	case goNode:
		v = code.apply(t, was.(goFunc))
	default:
		v = code.eval(t, was.(*env))
	}
	if inner, ok := v.(*Thunk); ok {
		v = t.force(inner)
	}
	th.val, th.code = v, nil
	top := len(t.forcing) - 1
	t.forcing[top].was = nil // or the collector would keep it
	t.forcing = t.forcing[:top]
	return v
}

// endless ends the evaluation because a thunk needs itself, or too many others.
func (t *Thread) endless(th *Thunk) {
	pos := (*th.code).pos()
	if th.val == busy {
		t.raise(&Error{Pos: pos, Msg: "infinite recursion encountered", Kind: KindRecursion})
	}
	t.tooDeep(pos)
}

// Computed returns the value of a thunk that has one, and any other value as it is.
func Computed(v Value) Value {
	if th, ok := v.(*Thunk); ok && th.code == nil {
		return th.val
	}
	return v
}

func (t *Thread) tooDeep(pos syntax.Pos) {
	t.raise(&Error{Pos: pos, Msg: "stack overflow; max-call-depth exceeded", Kind: KindDepth})
}

// enter and leave limit how deep Go code walks into values.
func (t *Thread) enter() {
	if t.nested++; t.nested > maxNested {
		t.tooDeep(t.Pos())
	}
}

func (t *Thread) leave() { t.nested-- }

// Descend calls f, by which Go code looks into a value that may be endless or hold the
// same value many times. It counts a step and limits the depth.
func (t *Thread) Descend(f func()) {
	t.step()
	t.enter()
	f()
	t.leave()
}

// ForceDeep computes v and everything in it, but not functions and their environments.
func (t *Thread) ForceDeep(v Value) Value {
	return t.forceDeep(v, map[any]bool{})
}

func (t *Thread) forceDeep(v Value, seen map[any]bool) Value {
	v = t.Force(v)
	var elems []Value
	switch v := v.(type) {
	case *List:
		elems = v.elems
	case *Attrs:
		elems = v.vals()
	}
	if len(elems) == 0 || seen[v] {
		return v
	}
	seen[v] = true
	t.enter()
	var site *attrSite
	if set, ok := v.(*Attrs); ok {
		site = &attrSite{set: set}
	}
	for i, e := range elems {
		if site != nil {
			site.index = i
			t.frames = append(t.frames, frame{site: site})
			t.forceDeep(e, seen)
			t.frames = t.frames[:len(t.frames)-1]
			continue
		}
		t.forceDeep(e, seen)
	}
	t.leave()
	return v
}

// An attrSite stands in traces for an attribute that Go code looks into.
type attrSite struct {
	set   *Attrs
	index int
}

func (s *attrSite) eval(*Thread, *env) Value  { return s.set.vals()[s.index] }
func (s *attrSite) delay(*Thread, *env) Value { return s.set.vals()[s.index] }
func (s *attrSite) pos() syntax.Pos           { return s.set.shape.posAt(s.index) }
func (s *attrSite) describe() string {
	return "the attribute '" + s.set.shape.names[s.index] + "'"
}

// Call applies fn, which may be anything that can be called, to args. Without arguments
// it only forces fn. The result is no thunk.
func (t *Thread) Call(fn Value, args ...Value) Value {
	return t.Force(t.call(t.Force(fn), args, t.site))
}

// call applies a forced function to arguments. The result is a thunk only if a
// primitive has returned one as its last step.
func (t *Thread) call(fn Value, args []Value, site node) Value {
	for len(args) > 0 {
		fn = t.Force(fn)
		switch f := fn.(type) {
		case *Lambda:
			if need := len(f.code.params); f.bound == nil && 1 < need && need <= len(args) {
				e := f.code.newEnv(t, f.env)
				copy(e.slots(need), args)
				fn = t.run(f.code, e, site)
				args = args[need:]
				break
			}
			fn = t.callLambda(f, args[0], site)
			args = args[1:]
		case *Primitive:
			need := len(f.builtin.Args) - len(f.args)
			if len(args) < need {
				all := make([]Value, 0, len(f.args)+len(args))
				return &Primitive{f.builtin, append(append(all, f.args...), args...)}
			}
			given := args[:need:need]
			if len(f.args) > 0 {
				given = append(append(make([]Value, 0, len(f.builtin.Args)), f.args...), given...)
			}
			fn = t.callPrimitive(f.builtin, given, site)
			args = args[need:]
		case *Attrs:
			functor, found := f.Get("__functor")
			if !found {
				t.notCallable(f, site)
			}
			if t.depth >= t.ev.maxCalls {
				t.tooDeep(site.pos())
			}
			t.depth++
			fn = t.call(functor, []Value{f, args[0]}, site)
			t.depth--
			args = args[1:]
		default:
			t.notCallable(fn, site)
		}
	}
	return fn
}

func (t *Thread) notCallable(v Value, site node) {
	t.Fail(site.pos(), "attempt to call something which is not a function but %s: %s", v.Type().withArticle(), t.brief(v))
}

// arguments returns a slice for the arguments of a primitive, which does not keep it, and
// what to give to release when it has returned. They are a stack, in pieces.
func (t *Thread) arguments(n int) (args, room []Value) {
	if len(t.argRoom) < n {
		t.argRoom = make([]Value, 256)
	}
	room = t.argRoom
	t.argRoom = room[n:]
	return room[:n:n], room
}

// release takes back what arguments returned.
func (t *Thread) release(args, room []Value) {
	clear(args) // or the collector would keep them
	t.argRoom = room
}

func (t *Thread) callPrimitive(b *Builtin, args []Value, site node) Value {
	if t.depth >= t.ev.maxCalls {
		t.tooDeep(site.pos())
	}
	t.depth++
	t.step()
	old := t.site
	t.site = site
	v := b.Fn(t, args)
	t.site = old
	t.depth--
	return v
}

// callLambda applies a function to one argument.
func (t *Thread) callLambda(f *Lambda, arg Value, site node) Value {
	code := f.code
	if code.formals == nil {
		given := f.given()
		if len(given)+1 < len(code.params) {
			return f.partial(arg)
		}
		e := code.newEnv(t, f.env)
		copy(e.slots(code.size), given)
		*e.slot(len(given)) = arg
		return t.run(code, e, site)
	}
	return t.callFormals(f, argument{v: arg}, site)
}

// An argument is a value, or else an expression that is evaluated for a function that needs
// it at once.
type argument struct {
	v    Value
	code node
	env  *env
}

// callFormals applies a function that destructures its argument.
func (t *Thread) callFormals(f *Lambda, arg argument, site node) Value {
	code := f.code
	if t.depth >= t.ev.maxCalls {
		t.tooDeep(site.pos())
	}
	t.depth++
	t.frames = append(t.frames, frame{site: site, fn: code})
	v := arg.v
	if v == nil {
		v = arg.code.eval(t, arg.env)
	}
	e := code.newEnv(t, f.env)
	t.bindFormals(code, e, v)
	t.step()
	v = code.body.eval(t, e)
	if code.leaf {
		code.reuse(e)
	}
	t.frames = t.frames[:len(t.frames)-1]
	t.depth--
	return v
}

// run evaluates the body of a function whose arguments are in e.
func (t *Thread) run(code *lambdaNode, e *env, site node) Value {
	if t.depth >= t.ev.maxCalls {
		t.tooDeep(site.pos())
	}
	t.depth++
	t.frames = append(t.frames, frame{site: site, fn: code})
	t.step()
	v := code.body.eval(t, e)
	if code.leaf {
		code.reuse(e)
	}
	t.frames = t.frames[:len(t.frames)-1]
	t.depth--
	return v
}

// bindFormals destructures the argument of a function.
func (t *Thread) bindFormals(code *lambdaNode, e *env, arg Value) {
	arg = t.Force(arg)
	set, ok := arg.(*Attrs)
	if !ok {
		t.wrongType(code.place, arg, "a set as the argument of "+code.describe())
	}
	if code.argSlot >= 0 {
		*e.slot(code.argSlot) = arg
	}
	taken := 0
	for i := range code.formals {
		f := &code.formals[i]
		if k := f.cache.find(set.shape, f.name); k >= 0 {
			*e.slot(i) = *set.slot(k)
			taken++
		} else if f.fallback != nil {
			continue
		} else {
			err := &Error{Pos: code.place, Msg: code.describe() + " called without required argument '" + f.name + "'"}
			if !code.ellipsis {
				err.Hint = didYouMean(f.name, code.unknownTo(set))
			}
			t.raise(err)
		}
	}
	if !code.ellipsis && taken < set.n {
		name := code.unknownTo(set)[0]
		pos := set.Pos(name)
		if !pos.IsValid() {
			pos = code.place
		}
		t.raise(&Error{Pos: pos, Msg: code.describe() + " called with unexpected argument '" + syntax.QuoteName(name) + "'",
			Hint: didYouMean(name, code.formalNames())})
	}
	for i := range code.formals {
		if f := &code.formals[i]; f.fallback != nil && *e.slot(i) == nil {
			*e.slot(i) = f.fallback.delay(t, e)
		}
	}
}

// A FormalArg is one name of a function's argument pattern.
type FormalArg struct {
	Name       string
	HasDefault bool
	Pos        syntax.Pos
}

// FunctionArgs returns the argument pattern of a function, sorted by name; nil for a
// function without a pattern, and for a value that is no function. Like
// lib.functionArgs it honours __functionArgs.
func (t *Thread) FunctionArgs(fn Value) []FormalArg {
	t.enter() // a set may be its own __functor
	defer t.leave()
	switch f := t.Force(fn).(type) {
	case *Lambda:
		return f.code.formalArgs()
	case *Attrs:
		if args, found := f.Get("__functionArgs"); found {
			set := t.Attrs(args)
			out := make([]FormalArg, set.Len())
			for i := range out {
				name, v, pos := set.At(i)
				out[i] = FormalArg{name, t.Bool(v), pos}
			}
			return out
		}
		if functor, found := f.Get("__functor"); found {
			return t.FunctionArgs(t.Call(functor, f))
		}
	}
	return nil
}

// IsFunction reports whether a forced value can be called.
func IsFunction(v Value) bool {
	if set, ok := v.(*Attrs); ok {
		return set.Has("__functor")
	}
	return v.Type() == TypeFunction
}

// Attrs forces v, which must be a set.
func (t *Thread) Attrs(v Value) *Attrs {
	v = t.Force(v)
	set, ok := v.(*Attrs)
	if !ok {
		t.wrongType(t.Pos(), v, "a set")
	}
	return set
}

// List forces v, which must be a list.
func (t *Thread) List(v Value) *List {
	v = t.Force(v)
	list, ok := v.(*List)
	if !ok {
		t.wrongType(t.Pos(), v, "a list")
	}
	return list
}

// Str forces v, which must be a string.
func (t *Thread) Str(v Value) *String {
	v = t.Force(v)
	s, ok := v.(*String)
	if !ok {
		t.wrongType(t.Pos(), v, "a string")
	}
	return s
}

// Text returns the text of v, which must be a string, without its context.
func (t *Thread) Text(v Value) string { return t.Str(v).s }

// Int forces v, which must be an integer.
func (t *Thread) Int(v Value) int64 {
	v = t.Force(v)
	n, ok := v.(Int)
	if !ok {
		t.wrongType(t.Pos(), v, "an integer")
	}
	return int64(n)
}

// Bool forces v, which must be a Boolean.
func (t *Thread) Bool(v Value) bool {
	v = t.Force(v)
	b, ok := v.(Bool)
	if !ok {
		t.wrongType(t.Pos(), v, "a Boolean")
	}
	return bool(b)
}

// Select follows a path of attributes from v. If one is missing, it fails as v.a.b in a
// program does.
func (t *Thread) Select(v Value, path ...string) Value {
	v = t.Force(v)
	for _, name := range path {
		set := t.Attrs(v)
		i := set.shape.find(name)
		if i < 0 {
			t.raise(&Error{Pos: t.Pos(), Msg: "attribute '" + name + "' missing", Hint: didYouMean(name, set.Names())})
		}
		t.frames = append(t.frames, frame{site: &attrSite{set, i}})
		v = t.Force(set.vals()[i])
		t.frames = t.frames[:len(t.frames)-1]
	}
	return v
}

// Lookup is Select for attributes that may be missing, or whose parents may be no sets.
func (t *Thread) Lookup(v Value, path ...string) (Value, bool) {
	v = t.Force(v)
	for _, name := range path {
		set, ok := v.(*Attrs)
		if !ok {
			return nil, false
		}
		if v, ok = set.Get(name); !ok {
			return nil, false
		}
		v = t.Force(v)
	}
	return v, true
}
