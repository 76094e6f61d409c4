package eval

import (
	"slices"
	"strings"
)

func attrBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "attrNames", Args: []string{"set"}, first: 1, Doc: "The names of a set's attributes, sorted.",
			Fn: func(t *Thread, args []Value) Value {
				names := t.Attrs(args[0]).Names()
				t.spend(stringBytes * len(names))
				return StringList(names...)
			}},
		{Name: "attrValues", Args: []string{"set"}, first: 1, Doc: "The values of a set's attributes, in the order of their names.",
			Fn: func(t *Thread, args []Value) Value {
				set := t.Attrs(args[0])
				t.spend(16 * set.n)
				return NewList(slices.Clone(set.vals())...)
			}},
		{Name: "getAttr", Args: []string{"name", "set"}, first: 1, Doc: "The attribute of that name: set.${name}.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.plainText(args[0])
				return t.need(t.Attrs(args[1]), name)
			}},
		{Name: "hasAttr", Args: []string{"name", "set"}, first: 1, Doc: "Whether a set has an attribute of that name: set ? ${name}.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.plainText(args[0])
				return Bool(t.Attrs(args[1]).Has(name))
			}},
		{Name: "removeAttrs", Args: []string{"set", "names"}, first: 1, Global: true, Doc: "A set without the attributes whose names are in a list.",
			Fn: func(t *Thread, args []Value) Value {
				set, names := t.Attrs(args[0]), t.List(args[1]).elems
				drop := make([]bool, set.n)
				for _, n := range names {
					if i := set.shape.find(t.plainText(n)); i >= 0 {
						drop[i] = true
					}
				}
				if len(names) == 0 {
					return set
				}
				t.spend(attrBytes * set.n)
				return set.filter(func(i int) bool { return !drop[i] })
			}},
		{Name: "intersectAttrs", Args: []string{"x", "y"}, first: 1, Doc: "The attributes of y whose names are in x, too.",
			Fn: func(t *Thread, args []Value) Value {
				x, y := t.Attrs(args[0]), t.Attrs(args[1])
				if x.shape == y.shape {
					return y
				}
				t.spend(attrBytes * min(x.n, y.n))
				if x.n*8 < y.n { // a few names of a big set
					b := NewAttrs(x.n)
					for _, name := range x.shape.names {
						if i := y.shape.find(name); i >= 0 {
							b.add(name, y.vals()[i], y.shape.posAt(i))
						}
					}
					return b.Done()
				}
				return y.filter(func(i int) bool { return x.Has(y.shape.names[i]) })
			}},
		{Name: "mapAttrs", Args: []string{"f", "set"}, first: 2, Doc: "A set with f name value in place of each value, computed when needed.",
			Fn: func(t *Thread, args []Value) Value {
				set := t.Attrs(args[1])
				if set.n == 0 {
					return emptyAttrs
				}
				t.spend((thunkBytes + attrBytes) * set.n)
				return t.mapped(args[0], set.withoutPlaces(), func(i int) (string, Value) { return set.shape.names[i], *set.slot(i) })
			}},
		{Name: "catAttrs", Args: []string{"name", "list"}, first: 1, Doc: "The attributes of that name of those sets in a list that have it.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.plainText(args[0])
				var found []Value
				for _, e := range t.List(args[1]).elems {
					t.step()
					if v, ok := t.Attrs(e).Get(name); ok {
						found = append(found, v)
					}
				}
				return NewList(found...)
			}},
		{Name: "zipAttrsWith", Args: []string{"f", "list"},
			Doc: "Merges a list of sets: for each name f name values, where values is the list of the attributes of that name.",
			Fn: func(t *Thread, args []Value) Value {
				fn := t.fnArg(args[0])
				sets := t.List(args[1]).elems
				var all []entry
				for _, e := range sets {
					set := t.Attrs(e)
					t.spend((attrBytes + thunkBytes) * set.n)
					all = slices.Grow(all, set.n)
					for i, name := range set.shape.names {
						all = append(all, entry{name, *set.slot(i)})
					}
				}
				if len(all) == 0 {
					return emptyAttrs
				}
				slices.SortStableFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
				sh := &shape{names: make([]string, 0, len(all)/len(sets))}
				for i, a := range all {
					if i == 0 || a.name != all[i-1].name {
						sh.names = append(sh.names, a.name)
					}
				}
				next := 0
				return t.mapped(fn, sh, func(i int) (string, Value) {
					from := next
					for next < len(all) && all[next].name == sh.names[i] {
						next++
					}
					values := t.newList(next - from)
					for k := range values.elems {
						values.elems[k] = all[from+k].val
					}
					return sh.names[i], values
				})
			}},
		{Name: "functionArgs", Args: []string{"f"},
			Doc: "The names that a function takes out of its argument; each is true if it has a default.",
			Fn: func(t *Thread, args []Value) Value {
				f := t.Force(args[0])
				if f.Type() != TypeFunction {
					t.wrongType(t.Pos(), f, "a function")
				}
				lambda, ok := f.(*Lambda)
				if !ok {
					return emptyAttrs
				}
				formals := lambda.code.formalArgs()
				b := NewAttrs(len(formals))
				for _, a := range formals {
					b.SetAt(a.Name, Bool(a.HasDefault), a.Pos)
				}
				return b.Done()
			}},
		{Name: "unsafeGetAttrPos", Args: []string{"name", "set"},
			Doc: "Where an attribute is defined: { file, line, column }, or null if that is not known.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.plainText(args[0])
				return t.posValue(t.Attrs(args[1]).Pos(name))
			}},
	}
}

func typeBuiltins() []*Builtin {
	is := func(name, doc string, kind Type) *Builtin {
		return &Builtin{Name: name, Args: []string{"x"}, first: 1, Doc: doc, Global: name == "isNull",
			Fn: func(t *Thread, args []Value) Value { return Bool(t.Force(args[0]).Type() == kind) }}
	}
	return []*Builtin{
		{Name: "typeOf", Args: []string{"x"}, first: 1,
			Doc: "The name of a value's type: int, bool, string, path, null, set, list, lambda or float.",
			Fn:  func(t *Thread, args []Value) Value { return Str(t.Force(args[0]).Type().String()) }},
		is("isAttrs", "Whether a value is a set.", TypeAttrs),
		is("isBool", "Whether a value is true or false.", TypeBool),
		is("isFloat", "Whether a value is a floating-point number.", TypeFloat),
		is("isFunction", "Whether a value is a function; a set with __functor is none.", TypeFunction),
		is("isInt", "Whether a value is an integer.", TypeInt),
		is("isList", "Whether a value is a list.", TypeList),
		is("isNull", "Whether a value is null.", TypeNull),
		is("isPath", "Whether a value is a path.", TypePath),
		is("isString", "Whether a value is a string.", TypeString),
	}
}
