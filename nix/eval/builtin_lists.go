package eval

import (
	"cmp"
	"slices"
	"strings"
)

// thunkSlab is how many delayed elements of a list are one allocation. It is kept as long as
// one of them is.
const thunkSlab = 32

// delayed fills elems with thunks.
func (t *Thread) delayed(elems []Value, thunk func(i int) Thunk) {
	if len(elems) < fewValues {
		for i := range elems {
			th := next(&t.thunks)
			*th = thunk(i)
			elems[i] = th
		}
		return
	}
	for from := 0; from < len(elems); from += thunkSlab {
		slab := make([]Thunk, min(thunkSlab, len(elems)-from))
		for i := range slab {
			slab[i] = thunk(from + i)
			elems[from+i] = &slab[i]
		}
	}
}

// delayedList returns a list of n thunks.
func (t *Thread) delayedList(n int, thunk func(i int) Thunk) *List {
	list := t.newList(n)
	t.delayed(list.elems, thunk)
	return list
}

// mapped returns a set with f name value for each i, as thunks that the running builtin makes.
func (t *Thread) mapped(f Value, sh *shape, at func(i int) (name string, val Value)) *Attrs {
	code := &entryNode{site: t.site, fn: Computed(f)}
	code.code = code
	all := make([]entry, len(sh.names))
	set := t.newSet(sh, len(all))
	t.delayed(set.vals(), func(i int) Thunk {
		all[i].name, all[i].val = at(i)
		return Thunk{code: &code.code, val: &all[i]}
	})
	return set
}

// call1 calls a forced function now, not lazily.
func (t *Thread) call1(fn, x Value) Value {
	if f, ok := fn.(*Lambda); ok {
		return t.callLambda(f, x, t.site)
	}
	return t.Force(t.call(fn, []Value{x}, t.site))
}

func (t *Thread) call2(fn, x, y Value) Value { return t.Force(t.call2At(fn, x, y, t.site)) }

func (t *Thread) call2At(fn, x, y Value, site node) Value {
	if f, ok := fn.(*Lambda); ok && len(f.code.params) == 2 && f.bound == nil {
		e := f.code.newEnv(t, f.env)
		*e.slot(0), *e.slot(1) = x, y
		return t.run(f.code, e, site)
	}
	return t.call(fn, []Value{x, y}, site)
}

// fnArg forces an argument that must be callable.
func (t *Thread) fnArg(v Value) Value {
	v = t.Force(v)
	if !IsFunction(v) {
		t.wrongType(t.Pos(), v, "a function")
	}
	return v
}

func (t *Thread) boolResult(v Value) bool {
	b, ok := v.(Bool)
	if !ok {
		t.wrongType(t.Pos(), v, "a Boolean from the function")
	}
	return bool(b)
}

// The memory of an element in builtins that make many, in bytes.
const (
	thunkBytes   = 96  // a delayed element of a list
	attrBytes    = 128 // an element of a set that is being built
	stringBytes  = 64  // a short string
	closureBytes = 128 // what genericClosure knows of an element
)

func listBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "length", Args: []string{"list"}, first: 1, Doc: "The number of elements of a list.",
			Fn: func(t *Thread, args []Value) Value { return MakeInt(int64(len(t.List(args[0]).elems))) }},
		{Name: "head", Args: []string{"list"}, first: 1, Doc: "The first element of a list, which must not be empty.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[0])
				if len(list.elems) == 0 {
					t.Throw("'builtins.head' called on an empty list")
				}
				return list.elems[0]
			}},
		{Name: "tail", Args: []string{"list"}, first: 1, Doc: "A list without its first element; the list must not be empty.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[0])
				if len(list.elems) == 0 {
					t.Throw("'builtins.tail' called on an empty list")
				}
				return NewList(list.elems[1:]...)
			}},
		{Name: "elemAt", Args: []string{"list", "n"}, first: 2, Doc: "The element with index n, counted from 0.",
			Fn: func(t *Thread, args []Value) Value {
				n := t.Int(args[1])
				list := t.List(args[0])
				if n < 0 || n >= int64(len(list.elems)) {
					t.Throw("'builtins.elemAt' called with index %d on a list of size %d", n, len(list.elems))
				}
				return list.elems[n]
			}},
		{Name: "map", Args: []string{"f", "list"}, first: 2, Global: true,
			Doc: "The list of f x for each element x. The calls are made when their results are needed.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[1])
				if len(list.elems) == 0 {
					return emptyList
				}
				t.spend(thunkBytes * len(list.elems))
				code := elemCode(t.site, args[0])
				return t.delayedList(len(list.elems), func(i int) Thunk { return Thunk{code: code, val: list.elems[i]} })
			}},
		{Name: "filter", Args: []string{"pred", "list"}, first: 2, Doc: "The elements x for which pred x is true.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[1])
				if len(list.elems) == 0 {
					return emptyList
				}
				pred := t.fnArg(args[0])
				right := make([]bool, len(list.elems))
				n := 0
				for i, e := range list.elems {
					if right[i] = t.boolResult(t.call1(pred, e)); right[i] {
						n++
					}
				}
				if n == len(list.elems) {
					return list
				}
				elems := make([]Value, 0, n) // growing it would take up to three times that
				for i, e := range list.elems {
					if right[i] {
						elems = append(elems, Computed(e)) // a thunk would keep its neighbours, see thunkSlab
					}
				}
				return NewList(elems...)
			}},
		{Name: "elem", Args: []string{"x", "list"}, first: 2, Doc: "Whether a list has an element that equals x.",
			Fn: func(t *Thread, args []Value) Value {
				for _, e := range t.List(args[1]).elems {
					if t.equalWithin(args[0], e, t.Pos()) {
						return Bool(true)
					}
				}
				return Bool(false)
			}},
		{Name: "all", Args: []string{"pred", "list"}, first: 1, Doc: "Whether pred is true of every element.",
			Fn: func(t *Thread, args []Value) Value { return Bool(!t.some(args, false)) }},
		{Name: "any", Args: []string{"pred", "list"}, first: 1, Doc: "Whether pred is true of some element.",
			Fn: func(t *Thread, args []Value) Value { return Bool(t.some(args, true)) }},
		{Name: "foldl'", Args: []string{"op", "nul", "list"}, first: 1,
			Doc: "Combines the elements from the left: op (op (op nul x0) x1) …. Each intermediate result is computed at once.",
			Fn: func(t *Thread, args []Value) Value {
				op, acc := t.fnArg(args[0]), args[1]
				for _, e := range t.List(args[2]).elems {
					acc = t.call2(op, acc, e)
				}
				return acc
			}},
		{Name: "genList", Args: []string{"f", "n"}, first: 2, Doc: "The list [ (f 0) (f 1) … (f (n - 1)) ], computed when needed.",
			Fn: func(t *Thread, args []Value) Value {
				n := t.Int(args[1])
				if n < 0 {
					t.Throw("cannot create a list of size %d", n)
				}
				t.checkList(int(n))
				t.charge(n)
				t.spend(thunkBytes * int(n))
				code := elemCode(t.site, args[0])
				numbers := make([]Int, n) // of which each would be an allocation
				return t.delayedList(int(n), func(i int) Thunk {
					numbers[i] = Int(i)
					return Thunk{code: code, val: boxed(&numbers[i])}
				})
			}},
		{Name: "concatLists", Args: []string{"lists"}, first: 1, Doc: "The lists in a list, one after the other.",
			Fn: func(t *Thread, args []Value) Value { return t.concatLists(t.List(args[0]).elems) }},
		{Name: "concatMap", Args: []string{"f", "list"}, first: 1, Doc: "The lists f x for each element x, one after the other.",
			Fn: func(t *Thread, args []Value) Value {
				fn, list := t.fnArg(args[0]), t.List(args[1])
				t.spend(16 * len(list.elems))
				lists := make([]Value, len(list.elems))
				for i, e := range list.elems {
					lists[i] = t.call1(fn, e)
				}
				return t.concatLists(lists)
			}},
		{Name: "partition", Args: []string{"pred", "list"},
			Doc: "Splits a list: { right = the elements for which pred is true; wrong = the others; }.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[1])
				pred := t.fnArg(args[0])
				var right, wrong []Value
				for _, e := range list.elems {
					if e = t.Force(e); t.boolResult(t.call1(pred, e)) {
						right = append(right, e)
					} else {
						wrong = append(wrong, e)
					}
				}
				return NewAttrs(2).Set("right", NewList(right...)).Set("wrong", NewList(wrong...)).Done()
			}},
		{Name: "groupBy", Args: []string{"f", "list"},
			Doc: "A set of lists: each element x is in the list whose name is f x, in its old order.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[1])
				fn := t.fnArg(args[0])
				groups := map[string][]Value{}
				for _, e := range list.elems {
					name := t.plainText(t.call1(fn, e))
					groups[name] = append(groups[name], e)
				}
				b := NewAttrs(len(groups))
				for name, elems := range groups {
					b.Set(name, NewList(elems...))
				}
				return b.Done()
			}},
		{Name: "sort", Args: []string{"less", "list"},
			Doc: "The elements in order; less x y says whether x comes before y. Elements of which neither comes first keep their order.",
			Fn:  sortList},
		{Name: "genericClosure", Args: []string{"set"},
			Doc: "Everything that can be reached from the list startSet with the function operator, which gives a list of successors. " +
				"Elements are sets with an attribute key; of equal keys the first element counts.",
			Fn: genericClosure},
		{Name: "listToAttrs", Args: []string{"list"}, first: 1,
			Doc: "A set made of a list of { name, value }. Of equal names the first counts.",
			Fn: func(t *Thread, args []Value) Value {
				list := t.List(args[0])
				t.spend(attrBytes * len(list.elems))
				b := NewAttrs(len(list.elems))
				for i := len(list.elems) - 1; i >= 0; i-- { // backwards, because the first of equal names wins and the last one set counts
					pair := t.Attrs(list.elems[i])
					name := t.plainText(t.need(pair, "name"))
					b.add(name, t.need(pair, "value"), pair.Pos("value"))
				}
				return b.Done()
			}},
	}
}

// need returns an attribute that a set given to a builtin must have.
func (t *Thread) need(set *Attrs, name string) Value {
	v, found := set.Get(name)
	if !found {
		t.raise(&Error{Pos: t.Pos(), Msg: "attribute '" + name + "' missing", Hint: didYouMean(name, set.Names())})
	}
	return v
}

// some reports whether the predicate args[0] gives want for an element of the
// list args[1].
func (t *Thread) some(args []Value, want bool) bool {
	pred := t.fnArg(args[0])
	for _, e := range t.List(args[1]).elems {
		if t.boolResult(t.call1(pred, e)) == want {
			return true
		}
	}
	return false
}

func (t *Thread) concatLists(lists []Value) Value {
	n := 0
	for _, v := range lists {
		n += len(t.List(v).elems)
	}
	t.checkList(n)
	t.spend(16 * n)
	elems := make([]Value, 0, n)
	for _, v := range lists {
		l := Computed(v).(*List)
		if len(l.elems) == n {
			return l
		}
		elems = append(elems, l.elems...)
	}
	return NewList(elems...)
}

func sortList(t *Thread, args []Value) Value {
	list := t.List(args[1])
	if len(list.elems) == 0 {
		return list
	}
	less := t.fnArg(args[0])
	t.spend(32 * len(list.elems))
	elems := make([]Value, len(list.elems))
	for i, e := range list.elems {
		elems[i] = t.Force(e)
	}
	if p, ok := less.(*Primitive); ok && p.builtin.Name == "lessThan" && len(p.args) == 0 {
		mergeSort(elems, func(x, y Value) bool { return t.less(x, y, t.Pos()) })
		return &List{elems}
	}
	mergeSort(elems, func(x, y Value) bool { return t.boolResult(t.call2(less, x, y)) })
	return &List{elems}
}

// mergeSort sorts stably. Unlike the library's sorting it ends, and returns some order,
// for any less.
func mergeSort(a []Value, less func(x, y Value) bool) {
	tmp := make([]Value, len(a))
	var sort func(a, tmp []Value)
	sort = func(a, tmp []Value) {
		if len(a) <= 6 {
			for i := 1; i < len(a); i++ {
				for j := i; j > 0 && less(a[j], a[j-1]); j-- {
					a[j], a[j-1] = a[j-1], a[j]
				}
			}
			return
		}
		m := len(a) / 2
		sort(a[:m], tmp[:m])
		sort(a[m:], tmp[m:])
		if !less(a[m], a[m-1]) {
			return // in order already
		}
		copy(tmp, a)
		i, j := 0, m
		for k := range a {
			if j >= len(a) || i < m && !less(tmp[j], tmp[i]) {
				a[k] = tmp[i]
				i++
			} else {
				a[k] = tmp[j]
				j++
			}
		}
	}
	sort(a, tmp)
}

// closureKeys finds keys that were seen before. Strings and integers, which nearly all
// keys are, are looked up; others are compared one by one.
type closureKeys struct {
	strings map[string]bool
	ints    map[Int]bool
	others  []Value
}

func (k *closureKeys) add(t *Thread, key Value) (isNew bool) {
	if f, ok := key.(Float); ok && Float(Int(f)) == f {
		key = Int(f) // 1 and 1.0 are the same key
	}
	switch key := key.(type) {
	case *String:
		if k.strings[key.s] {
			return false
		}
		k.strings[key.s] = true
		return true
	case Int:
		if k.ints[key] {
			return false
		}
		k.ints[key] = true
		return true
	}
	for _, o := range k.others {
		t.step()
		// Keys are compared with <, so values without an order are errors.
		if !t.less(o, key, t.Pos()) && !t.less(key, o, t.Pos()) {
			return false
		}
	}
	k.others = append(k.others, key)
	return true
}

func genericClosure(t *Thread, args []Value) Value {
	set := t.Attrs(args[0])
	// Of work, what was looked at makes room for what was found, which is never more.
	work := slices.Clone(t.List(t.need(set, "startSet")).elems)
	if len(work) == 0 {
		return emptyList
	}
	operator := t.fnArg(t.need(set, "operator"))
	keys := closureKeys{strings: map[string]bool{}, ints: map[Int]bool{}}
	var first Type
	found := work[:0]
	for i := 0; i < len(work); i++ {
		t.step()
		item := t.Attrs(work[i])
		key := t.Force(t.need(item, "key"))
		if kind := key.Type(); i > 0 && kind != first && !(isNumber(kind) && isNumber(first)) {
			t.Throw("cannot compare %s with %s", kind.withArticle(), first.withArticle())
		}
		first = cmp.Or(first, key.Type())
		if !keys.add(t, key) {
			continue
		}
		found = append(found, item)
		next := t.List(t.call1(operator, item)).elems
		t.checkList(len(work) + len(next))
		t.spend(closureBytes + 32*len(next))
		if len(work)+len(next) > cap(work) { // append would grow by a quarter, and copy as often
			work = slices.Grow(work, len(work)+len(next))
			found = work[:len(found)]
		}
		work = append(work, next...)
	}
	return NewList(slices.Clone(found)...)
}

func isNumber(k Type) bool { return k == TypeInt || k == TypeFloat }

// joinStrings returns what concatStringsSep does.
func (t *Thread) joinStrings(sep *String, list []Value) Value {
	ctx := sep.ctx
	texts, n := make([]string, len(list)), 0
	for i, e := range list {
		s := t.coerce(t.Force(e), inAddition, t.Pos())
		n += len(sep.s) + len(s.s)
		t.grow(n, len(sep.s)+len(s.s))
		texts[i] = s.s
		ctx = ctx.Union(s.ctx)
	}
	return StrContext(strings.Join(texts, sep.s), ctx)
}
