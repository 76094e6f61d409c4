package eval

import (
	"math"
	"path"
	"strings"

	"nix2gpu/nix/syntax"
)

// notNode is !x.
type notNode struct {
	at
	x node
}

func (n *notNode) eval(t *Thread, e *env) Value  { return Bool(!t.condition(n.x, e)) }
func (n *notNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// negNode is -x.
type negNode struct {
	at
	x node
}

func (n *negNode) eval(t *Thread, e *env) Value {
	v := t.value(n.x, e)
	if f, ok := v.(Float); ok {
		return 0 - f // -0.0 is 0.0, as in Nix
	}
	return t.arithmetic(n.place, syntax.OpSub, Int(0), v)
}
func (n *negNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// logicNode is x && y, x || y or x -> y.
type logicNode struct {
	at
	op   syntax.Op
	x, y node
}

func (n *logicNode) eval(t *Thread, e *env) Value {
	x := t.condition(n.x, e)
	switch n.op {
	case syntax.OpAnd:
		if !x {
			return Bool(false)
		}
	case syntax.OpOr:
		if x {
			return Bool(true)
		}
	default:
		if !x {
			return Bool(true)
		}
	}
	return Bool(t.condition(n.y, e))
}
func (n *logicNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// equalNode is x == y or x != y.
type equalNode struct {
	at
	not  bool
	x, y node
}

func (n *equalNode) eval(t *Thread, e *env) Value {
	x, y := t.value(n.x, e), t.value(n.y, e)
	return Bool(t.equal(x, y, n.place) != n.not)
}
func (n *equalNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// lessNode is x < y and, with the result negated, y <= x. As in Nix the right side of > and <=
// is computed first: the resolver swaps them.
type lessNode struct {
	at
	not  bool
	x, y node
}

func (n *lessNode) eval(t *Thread, e *env) Value {
	x, y := t.value(n.x, e), t.value(n.y, e)
	if a, ok := x.(Int); ok {
		if b, ok := y.(Int); ok {
			return Bool((a < b) != n.not)
		}
	}
	return Bool(t.less(x, y, n.place) != n.not)
}
func (n *lessNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

// arithNode is x - y, x * y or x / y.
type arithNode struct {
	at
	op   syntax.Op
	x, y node
}

func (n *arithNode) eval(t *Thread, e *env) Value {
	return t.arithmetic(n.place, n.op, t.value(n.x, e), t.value(n.y, e))
}

// delay computes n - 1 and the like at once if that cannot fail: a thunk costs more
// than the result.
func (n *arithNode) delay(t *Thread, e *env) Value {
	if n.op != syntax.OpDiv {
		if a, b, ok := smallInts2(n.x, n.y, e); ok {
			switch n.op {
			case syntax.OpSub:
				return t.makeInt(a - b)
			case syntax.OpMul:
				return t.makeInt(a * b)
			}
		}
	}
	return n.later(t, n, e)
}

// smallInts2 returns the values of two operands that are known already, and so small
// that nothing overflows.
func smallInts2(x, y node, e *env) (a, b int64, ok bool) {
	const limit = 1 << 30
	n, ok := ready(x, e).(Int)
	if !ok || n > limit || n < -limit {
		return 0, 0, false
	}
	m, ok := ready(y, e).(Int)
	return int64(n), int64(m), ok && m < limit && m > -limit
}

// addNode is x + y of numbers, strings and paths.
type addNode struct {
	at
	x, y node
}

func (n *addNode) eval(t *Thread, e *env) Value {
	x := t.value(n.x, e)
	switch x.(type) {
	case Int, Float:
		return n.add(t, x, t.value(n.y, e))
	case *String:
		return n.join(t, x, t.value(n.y, e), inAddition)
	}
	return n.append(t, e, x)
}

// add returns x + y for a number x.
func (n *addNode) add(t *Thread, x, y Value) Value {
	if a, ok := x.(Int); ok {
		if b, ok := y.(Int); ok {
			if r := a + b; (r > a) == (b > 0) {
				return t.makeInt(int64(r))
			}
		}
	}
	if k := y.Type(); k == TypeString || k == TypePath {
		t.raise(&Error{Pos: n.y.pos(), Msg: "cannot add " + k.withArticle() + " to a number: " + t.brief(y),
			Hint: "toString makes a string of the number"})
	}
	return t.arithmetic(n.place, syntax.OpAdd, x, y)
}

// append returns x + y for an x that is no number and no string.
func (n *addNode) append(t *Thread, e *env, x Value) Value {
	how := inAddition
	switch a := x.(type) {
	case Path:
		s := t.coerce(t.value(n.y, e), inPath, n.y.pos())
		if s.ctx != nil {
			t.Fail(n.place, "a string that refers to a package or file cannot be appended to a path")
		}
		t.grow(len(a)+len(s.s), len(a)+len(s.s))
		return cleanPath(string(a) + s.s)
	case *Attrs:
		how = inPath // only a string makes a source of a path that is added to it
	}
	a := t.coerce(x, how, n.x.pos()) // before y is evaluated
	return n.join(t, a, t.value(n.y, e), how)
}

// join returns x + y for a string x.
func (n *addNode) join(t *Thread, x, y Value, how coercion) Value {
	a, b := t.coerce(x, how, n.x.pos()), t.coerce(y, how, n.y.pos())
	t.grow(len(a.s)+len(b.s), len(a.s)+len(b.s))
	return concatStrings(a, b)
}

func (n *addNode) delay(t *Thread, e *env) Value {
	if a, b, ok := smallInts2(n.x, n.y, e); ok {
		return t.makeInt(a + b)
	}
	return n.later(t, n, e)
}

func cleanPath(p string) Path { return Path(path.Clean("/" + p)) }

// concatNode is x ++ y.
type concatNode struct {
	at
	x, y node
}

func (n *concatNode) eval(t *Thread, e *env) Value {
	x, y := t.listOf(n.x, e), t.listOf(n.y, e)
	switch {
	case len(x.elems) == 0:
		return y
	case len(y.elems) == 0:
		return x
	}
	t.checkList(len(x.elems) + len(y.elems))
	return &List{t.concatElems(x.elems, y.elems)}
}

// longList is how many elements a list has from which concatenations leave room for more.
const longList = 64

// concatElems returns x and y as one. What x ++ y has left free at its end is nil, so the
// first who appends to it finds that and takes it; whoever comes later copies. That keeps
// l ++ [ e ] in a loop linear.
func (t *Thread) concatElems(x, y []Value) []Value {
	n := len(x) + len(y)
	if n <= cap(x) && x[:len(x)+1][len(x)] == nil {
		return append(x, y...) // the room for it was counted
	}
	room := n
	if len(x) >= longList && len(y) < len(x) {
		room += n / 2
	}
	t.spend(16 * room)
	return append(append(make([]Value, 0, room), x...), y...)
}
func (n *concatNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

func (t *Thread) listOf(n node, e *env) *List {
	v := t.value(n, e)
	list, ok := v.(*List)
	if !ok {
		t.wrongType(n.pos(), v, "a list")
	}
	return list
}

// An updateNode is x // y. It remembers how the last two shapes were merged, since most
// evaluations of it merge the same two.
type updateNode struct {
	at
	x, y node
	last *merger
}

func (n *updateNode) eval(t *Thread, e *env) Value {
	x, y := t.attrsOf(n.x, e), t.attrsOf(n.y, e)
	switch {
	case y.n == 0:
		return x
	case x.n == 0:
		return y
	}
	t.spend(48 * (x.n + y.n))
	if n.last == nil || n.last.x != x.shape || n.last.y != y.shape {
		if x.n+y.n > maxMerged {
			return x.Update(y)
		}
		n.last = t.merger(x.shape, y.shape)
	}
	return n.last.merge(t, x, y)
}
func (n *updateNode) delay(t *Thread, e *env) Value { return n.later(t, n, e) }

func (t *Thread) attrsOf(n node, e *env) *Attrs {
	v := t.value(n, e)
	set, ok := v.(*Attrs)
	if !ok {
		t.wrongType(n.pos(), v, "a set")
	}
	return set
}

// arithmetic computes x op y for two numbers. An overflow of integers is an error.
func (t *Thread) arithmetic(pos syntax.Pos, op syntax.Op, x, y Value) Value {
	a, aIsInt := x.(Int)
	b, bIsInt := y.(Int)
	if !aIsInt || !bIsInt {
		fa, fb := t.number(pos, x), t.number(pos, y)
		switch op {
		case syntax.OpAdd:
			return Float(fa + fb)
		case syntax.OpSub:
			return Float(fa - fb)
		case syntax.OpMul:
			return Float(fa * fb)
		}
		if fb == 0 {
			t.Fail(pos, "division by zero")
		}
		return Float(fa / fb)
	}
	var r Int
	ok := true
	switch op {
	case syntax.OpAdd:
		r = a + b
		ok = (r > a) == (b > 0)
	case syntax.OpSub:
		r = a - b
		ok = (r < a) == (b > 0)
	case syntax.OpMul:
		r = a * b
		ok = a == 0 || r/a == b && !(a == -1 && b == math.MinInt64)
	default:
		if b == 0 {
			t.Fail(pos, "division by zero")
		}
		if ok = !(a == math.MinInt64 && b == -1); ok {
			r = a / b
		}
	}
	if !ok {
		verb := map[syntax.Op]string{syntax.OpAdd: "adding", syntax.OpSub: "subtracting", syntax.OpMul: "multiplying", syntax.OpDiv: "dividing"}[op]
		t.Fail(pos, "integer overflow in %s %d %s %d", verb, a, op, b)
	}
	return t.makeInt(int64(r))
}

// number returns a number as a float.
func (t *Thread) number(pos syntax.Pos, v Value) float64 {
	switch v := v.(type) {
	case Int:
		return float64(v)
	case Float:
		return float64(v)
	}
	t.wrongType(pos, v, "a number")
	return 0
}

// Equal compares two values as == does: functions are never equal, integers equal
// floats of the same value, and derivations are compared by outPath. It computes
// everything in them, even if both are the same object.
func (t *Thread) Equal(x, y Value) bool {
	return t.equal(t.Force(x), t.Force(y), t.Pos())
}

func (t *Thread) equal(x, y Value, pos syntax.Pos) bool {
	switch a := x.(type) {
	case Null:
		_, ok := y.(Null)
		return ok
	case Bool:
		b, ok := y.(Bool)
		return ok && a == b
	case Int:
		switch b := y.(type) {
		case Int:
			return a == b
		case Float:
			return Float(a) == b
		}
	case Float:
		switch b := y.(type) {
		case Int:
			return a == Float(b)
		case Float:
			return a == b
		}
	case *String:
		b, ok := y.(*String)
		return ok && a.s == b.s
	case Path:
		b, ok := y.(Path)
		return ok && a == b
	case *Opaque:
		b, ok := y.(*Opaque)
		return ok && a == b
	case *List:
		b, ok := y.(*List)
		if !ok || len(a.elems) != len(b.elems) {
			return false
		}
		return t.allEqual(a.elems, b.elems, pos)
	case *Attrs:
		b, ok := y.(*Attrs)
		if !ok {
			return false
		}
		if t.IsDerivation(a) && t.IsDerivation(b) {
			if p, found := a.Get("outPath"); found {
				if q, found := b.Get("outPath"); found {
					return t.equal(t.Force(p), t.Force(q), pos)
				}
			}
		}
		if a.n != b.n {
			return false
		}
		if a.shape != b.shape {
			for i, name := range a.shape.names {
				if b.shape.names[i] != name {
					return false
				}
			}
		}
		return t.allEqual(a.vals(), b.vals(), pos)
	}
	return false
}

// allEqual compares the contents of lists and sets. There the same object is equal to
// itself, even a function, as in Nix.
func (t *Thread) allEqual(a, b []Value, pos syntax.Pos) bool {
	if t.nested++; t.nested > maxNested {
		t.tooDeep(pos)
	}
	defer t.leave()
	for i := range a {
		if !t.equalWithin(a[i], b[i], pos) {
			return false
		}
	}
	return true
}

// equalWithin compares two elements of lists or sets.
func (t *Thread) equalWithin(x, y Value, pos syntax.Pos) bool {
	t.step() // a value that occurs twice is compared twice
	x, y = t.Force(x), t.Force(y)
	return same(x, y) || t.equal(x, y, pos)
}

// same reports whether two forced values are the same object.
func same(x, y Value) bool {
	switch x := x.(type) {
	case *Lambda, *Primitive, *Attrs, *List:
		return x == y
	}
	return false
}

// IsDerivation reports whether v is a set with type = "derivation".
func (t *Thread) IsDerivation(v Value) bool {
	set, ok := t.Force(v).(*Attrs)
	if !ok {
		return false
	}
	kind, found := set.Get("type")
	if !found {
		return false
	}
	s, ok := t.Force(kind).(*String)
	return ok && s.s == "derivation"
}

// Less orders two numbers, strings, paths or lists as < does.
func (t *Thread) Less(x, y Value) bool {
	return t.less(t.Force(x), t.Force(y), t.Pos())
}

func (t *Thread) less(x, y Value, pos syntax.Pos) bool {
	switch a := x.(type) {
	case Int:
		switch b := y.(type) {
		case Int:
			return a < b
		case Float:
			return Float(a) < b
		}
	case Float:
		switch b := y.(type) {
		case Int:
			return a < Float(b)
		case Float:
			return a < b
		}
	case *String:
		if b, ok := y.(*String); ok {
			return a.s < b.s
		}
	case Path:
		if b, ok := y.(Path); ok {
			return a < b
		}
	case *List:
		b, ok := y.(*List)
		if !ok {
			break
		}
		if t.nested++; t.nested > maxNested {
			t.tooDeep(pos)
		}
		defer t.leave()
		for i := range a.elems {
			if i >= len(b.elems) {
				return false
			}
			if p, q := a.elems[i], b.elems[i]; !t.equalWithin(p, q, pos) {
				return t.less(t.Force(p), t.Force(q), pos)
			}
		}
		return len(a.elems) < len(b.elems)
	}
	if x.Type() == y.Type() {
		t.Fail(pos, "cannot compare %s with %s; values of that type are incomparable", x.Type().withArticle(), y.Type().withArticle())
	}
	t.Fail(pos, "cannot compare %s with %s", x.Type().withArticle(), y.Type().withArticle())
	return false
}

// A coercion says what is accepted where a string is expected.
type coercion uint8

const (
	inInterpolation coercion = iota // "${x}": strings, packages, paths as sources
	inAddition                      // the same
	inPath                          // the same, but paths stay paths
	inToString                      // also numbers, Booleans, null and lists
	inEnvironment                   // like inToString, but paths become sources
)

// ToString converts v as builtins.toString does.
func (t *Thread) ToString(v Value) *String { return t.coerce(t.Force(v), inToString, t.Pos()) }

// Interpolate converts v as "${v}" does: a path becomes a source.
func (t *Thread) Interpolate(v Value) *String { return t.coerce(t.Force(v), inInterpolation, t.Pos()) }

func (t *Thread) coerce(v Value, how coercion, pos syntax.Pos) *String {
	switch x := v.(type) {
	case *String:
		return x
	case Path:
		if how == inPath || how == inToString {
			return &String{s: string(x)}
		}
		return t.sourceString(x, pos)
	case *Attrs:
		return t.coerceAttrs(x, how, pos)
	}
	if how < inToString {
		e := &Error{Pos: pos, Msg: "cannot coerce " + v.Type().withArticle() + " to a string: " + t.brief(v)}
		if k := v.Type(); isNumber(k) || k == TypeBool || k == TypeList {
			e.Hint = "toString makes a string of it"
		}
		t.raise(e)
	}
	switch x := v.(type) {
	case Null:
		return emptyString
	case Bool:
		if x {
			return &String{s: "1"}
		}
		return emptyString
	case Int:
		return t.newString(formatInt(x), nil)
	case Float:
		return &String{s: formatFloatFixed(x)}
	case *List:
		return t.coerceList(x, how, pos)
	}
	t.Fail(pos, "cannot coerce %s to a string: %s", v.Type().withArticle(), t.brief(v))
	return nil
}

func (t *Thread) coerceAttrs(set *Attrs, how coercion, pos syntax.Pos) *String {
	if t.nested++; t.nested > maxNested {
		t.tooDeep(pos)
	}
	defer t.leave()
	if f, found := set.Get("__toString"); found {
		return t.coerce(t.Call(f, set), how, pos)
	}
	if i := set.shape.find("outPath"); i >= 0 {
		v := t.Force(set.vals()[i])
		set.vals()[i] = v
		return t.coerce(v, how, pos)
	}
	t.raise(&Error{Pos: pos, Msg: "cannot coerce a set to a string: " + t.brief(set),
		Hint: "only sets with the attribute 'outPath' or '__toString' can be used as strings"})
	return nil
}

func (t *Thread) coerceList(list *List, how coercion, pos syntax.Pos) *String {
	if t.nested++; t.nested > maxNested {
		t.tooDeep(pos)
	}
	defer t.leave()
	var out strings.Builder
	var ctx *Context
	for i, e := range list.elems {
		t.step()
		v := t.Force(e)
		s := t.coerce(v, how, pos)
		t.grow(out.Len()+len(s.s), len(s.s))
		out.WriteString(s.s)
		ctx = ctx.Union(s.ctx)
		// No space after an empty list, nor after the last element: as Nix does it.
		if inner, isList := v.(*List); i < len(list.elems)-1 && (!isList || len(inner.elems) > 0) {
			out.WriteByte(' ')
		}
	}
	return &String{s: out.String(), ctx: ctx}
}

// sourceString returns the string that a path becomes inside of a string: the path,
// with a context that says that it is a source; with a store, its path there.
func (t *Thread) sourceString(p Path, pos syntax.Pos) *String {
	if t.ev.store != nil {
		old := t.site
		t.site = constNode{place: pos}
		s := t.addSource(p)
		t.site = old
		return s
	}
	if fs := t.ev.opts.FS; fs != nil {
		if _, err := fs.Lstat(string(p)); err != nil {
			old := t.site
			t.site = constNode{place: pos}
			defer func() { t.site = old }()
			t.FailFile(string(p), err)
		}
	}
	return &String{s: string(p), ctx: NewContext("source:" + string(p))}
}
