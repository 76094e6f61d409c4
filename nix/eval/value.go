package eval

import (
	"slices"
	"strings"
	"unsafe"

	"nix2gpu/nix/syntax"
)

// A Value is a value of the language: [Null], [Bool], [Int], [Float], [*String],
// [Path], [*List], [*Attrs], a function ([*Lambda] or [*Primitive]), an [*Opaque], or a
// [*Thunk], which stands for one of the others until [Thread.Force] has computed it.
// Values are immutable.
type Value interface {
	// Type returns the type of the value. For a Thunk it is TypeThunk even after it was
	// computed; force first.
	Type() Type
}

// A Type is the type of a value.
type Type uint8

// The types of values.
const (
	TypeThunk Type = iota
	TypeNull
	TypeBool
	TypeInt
	TypeFloat
	TypeString
	TypePath
	TypeList
	TypeAttrs
	TypeFunction
	TypeOpaque
)

// String returns the name that builtins.typeOf has for the type.
func (k Type) String() string {
	return [...]string{"thunk", "null", "bool", "int", "float", "string", "path", "list", "set", "lambda", "external"}[k]
}

// withArticle returns the name of the type as error messages have it: "a string",
// "null".
func (k Type) withArticle() string {
	switch k {
	case TypeNull:
		return "null"
	case TypeBool:
		return "a Boolean"
	case TypeInt:
		return "an integer"
	case TypeFunction:
		return "a function"
	case TypeOpaque:
		return "an external value"
	}
	return "a " + k.String()
}

// WithArticle returns the name of a value's type as error messages have it.
func WithArticle(v Value) string { return v.Type().withArticle() }

// Null is null.
type Null struct{}

// Bool is true or false.
type Bool bool

// Int is an integer.
type Int int64

// Float is a floating-point number.
type Float float64

// Path is an absolute, lexically clean file path.
type Path string

// Type implements Value.
func (Null) Type() Type { return TypeNull }

// Type implements Value.
func (Bool) Type() Type { return TypeBool }

// Type implements Value.
func (Int) Type() Type { return TypeInt }

// Type implements Value.
func (Float) Type() Type { return TypeFloat }

// Type implements Value.
func (Path) Type() Type { return TypePath }

// A String is a string with its context.
type String struct {
	s   string
	ctx *Context
	// buf, if set, holds s. A concatenation may append to it as long as s reaches to
	// its end, which keeps a + "x" in a loop linear.
	buf *strings.Builder
}

// Type implements Value.
func (*String) Type() Type { return TypeString }

// Text returns the string without its context.
func (s *String) Text() string { return s.s }

// Context returns what the string refers to; nil if it refers to nothing.
func (s *String) Context() *Context { return s.ctx }

// Str makes a string without a context.
func Str(s string) *String {
	if s == "" {
		return emptyString
	}
	return &String{s: s}
}

// StrContext makes a string with a context, which may be nil.
func StrContext(s string, ctx *Context) *String { return &String{s: s, ctx: ctx} }

var emptyString = &String{}

// longString is the length, in bytes, from which concatenations keep a growing buffer.
const longString = 256

// concatStrings returns a and b as one string.
func concatStrings(a, b *String) *String {
	ctx := a.ctx.Union(b.ctx)
	switch {
	case b.s == "" && ctx == a.ctx:
		return a
	case a.s == "" && ctx == b.ctx:
		return b
	case a.buf != nil && a.buf.Len() == len(a.s):
		a.buf.WriteString(b.s)
		return &String{a.buf.String(), ctx, a.buf}
	case len(a.s)+len(b.s) < longString:
		return &String{s: a.s + b.s, ctx: ctx}
	}
	buf := new(strings.Builder)
	buf.Grow(2*len(a.s) + len(b.s))
	buf.WriteString(a.s)
	buf.WriteString(b.s)
	return &String{buf.String(), ctx, buf}
}

// A Context is an immutable, sorted set of what a string refers to, such as
// "package:python3" or "source:/home/me/site". A nil Context is empty.
type Context struct{ elems []string }

// NewContext returns a context of elems; nil if there are none.
func NewContext(elems ...string) *Context {
	if len(elems) == 0 {
		return nil
	}
	elems = slices.Clone(elems)
	slices.Sort(elems)
	return &Context{slices.Compact(elems)}
}

// Elems returns the elements, sorted. The caller must not change them.
func (c *Context) Elems() []string {
	if c == nil {
		return nil
	}
	return c.elems
}

// Union returns the elements of both contexts.
func (c *Context) Union(d *Context) *Context {
	switch {
	case d == nil || c == d:
		return c
	case c == nil:
		return d
	}
	if len(d.elems) <= len(c.elems) && isSubset(d.elems, c.elems) {
		return c
	}
	return NewContext(append(slices.Clone(c.elems), d.elems...)...)
}

func isSubset(small, big []string) bool {
	for _, e := range small {
		if _, found := slices.BinarySearch(big, e); !found {
			return false
		}
	}
	return true
}

// A List is a list. Its elements may be thunks.
type List struct{ elems []Value }

// Type implements Value.
func (*List) Type() Type { return TypeList }

// NewList returns a list that owns elems: the caller must not change them again.
func NewList(elems ...Value) *List {
	if len(elems) == 0 {
		return emptyList
	}
	return &List{slices.Clip(elems)} // what is behind them is the caller's, see concatElems
}

// newList returns a list of n elements to be set. A short one costs no allocation of its own.
func (s *slabs) newList(n int) *List {
	switch n {
	case 1:
		l := next(&s.lists1)
		l.elems = l.room[:]
		return &l.List
	case 2:
		l := next(&s.lists2)
		l.elems = l.room[:]
		return &l.List
	}
	if n == 0 {
		return emptyList
	}
	return &List{s.newValues(n)}
}

// A listOf is a list with its elements.
type listOf[Elems any] struct {
	List
	room Elems
}

// takeList returns the list whose parts are the last ones, from first on.
func (t *Thread) takeList(first int) *List {
	list := t.newList(len(t.parts) - first)
	copy(list.elems, t.parts[first:])
	t.dropParts(first)
	return list
}

// keptParts is how much room for parts is kept for the next list.
const keptParts = 4096

// dropParts ends the list whose parts are the last ones, from first on.
func (t *Thread) dropParts(first int) {
	clear(t.parts[first:]) // or the collector would keep them
	if t.parts = t.parts[:first]; first == 0 && cap(t.parts) > keptParts {
		t.parts = nil
	}
}

// StringList makes a list of strings.
func StringList(elems ...string) *List {
	values, texts := make([]Value, len(elems)), make([]String, len(elems))
	for i, s := range elems {
		texts[i].s = s
		values[i] = &texts[i]
	}
	return NewList(values...)
}

var emptyList = &List{}

// Len returns the number of elements.
func (l *List) Len() int { return len(l.elems) }

// At returns the element with index i, which may be a thunk.
func (l *List) At(i int) Value { return l.elems[i] }

// Elems returns all elements. The caller must not change them.
func (l *List) Elems() []Value { return l.elems }

// An Opaque carries a Go value through an evaluation. Programs can only pass it on and
// compare it; it equals only itself.
type Opaque struct {
	Kind string // printed in place of the value
	Go   any
}

// Type implements Value.
func (*Opaque) Type() Type { return TypeOpaque }

// A Lambda is a function written in the language. One that takes several arguments, x:
// y: …, may have been applied to the first of them.
type Lambda struct {
	code  *lambdaNode
	env   *env
	bound *[]Value // nil for nearly all
}

// given returns the arguments that the function has been applied to.
func (l *Lambda) given() []Value {
	if l.bound == nil {
		return nil
	}
	return *l.bound
}

// partial returns the function applied to further arguments, of which it takes still more.
func (l *Lambda) partial(args ...Value) *Lambda {
	bound := slices.Concat(l.given(), args)
	return &Lambda{l.code, l.env, &bound}
}

// Type implements Value.
func (*Lambda) Type() Type { return TypeFunction }

// Pos returns where the function is written.
func (l *Lambda) Pos() syntax.Pos { return l.code.place }

// Name returns the name that the function is bound to where it is written, or "".
func (l *Lambda) Name() string { return l.code.name }

// A Primitive is a [Builtin] as a value, possibly applied to its first arguments.
type Primitive struct {
	builtin *Builtin
	args    []Value // fewer than the builtin takes
}

// Type implements Value.
func (*Primitive) Type() Type { return TypeFunction }

// Builtin returns the description of the primitive.
func (p *Primitive) Builtin() *Builtin { return p.builtin }

// A Builtin is a primitive function. The reference page is generated from Args and Doc.
type Builtin struct {
	Name string
	Args []string // the names of its arguments; the number of them is its arity
	Doc  string   // the first sentence is the summary
	// Fn computes the result from exactly len(Args) arguments, which may be thunks. It
	// panics to report an error, see Thread.Throw. It may return a thunk, and must not
	// keep or change the slice args.
	Fn func(t *Thread, args []Value) Value
	// Global says that the name is also known without "builtins.".
	Global bool
	toText bool // it is toString
	// first says which argument Fn computes before it does anything else, counted from 1: calls
	// pass its value. 0: none.
	first int
}

// Value returns b as a function of the language.
func (b *Builtin) Value() *Primitive { return &Primitive{builtin: b} }

// Func returns a Go function as a function of the language. name is for error messages,
// and fn follows the rules of [Builtin].
func Func(name string, arity int, fn func(t *Thread, args []Value) Value) *Primitive {
	args := make([]string, arity)
	for i := range args {
		args[i] = "arg"
	}
	return (&Builtin{Name: name, Args: args, Fn: fn}).Value()
}

// smallInts are boxed once, because loop counters and indexes are everywhere.
var smallInts = func() (boxed [1280]Value) {
	for i := range boxed {
		boxed[i] = Int(i - 256)
	}
	return boxed
}()

// MakeInt returns Value(Int(n)), without an allocation for small numbers.
func MakeInt(n int64) Value {
	if i := n + 256; 0 <= i && i < int64(len(smallInts)) {
		return smallInts[i]
	}
	return Int(n)
}

// boxed returns Value(*n), without an allocation; *n must not change any more.
func boxed(n *Int) Value {
	v := smallInts[0]
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = unsafe.Pointer(n) // an interface of a type and a pointer to the value
	return v
}

// makeInt is MakeInt for numbers that are made often.
func (t *Thread) makeInt(n int64) Value {
	if i := n + 256; 0 <= i && i < int64(len(smallInts)) {
		return smallInts[i]
	}
	p := next(&t.ints)
	*p = Int(n)
	return boxed(p)
}
