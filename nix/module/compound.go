package module

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
)

// NullOr accepts null or a T.
func NullOr(t Type) Type { return nullOr(t.info()) }

func nullOr(elem *typeInfo) *typeInfo {
	return &typeInfo{
		name: "nullOr", describe: func(d shown) string { return "null or " + elem.phrase(d, classNoun, classConjunction) }, empty: eval.Null{},
		elems: []*typeInfo{elem}, with: func(e []*typeInfo) *typeInfo { return nullOr(e[0]) },
		check: func(m *merging, v eval.Value) bool {
			return v.Type() == eval.TypeNull || elem.real().check(m, v)
		},
		merge: func(m *merging, loc []string, defs []def) result {
			nulls := 0
			for _, d := range defs {
				if d.val.Type() == eval.TypeNull {
					nulls++
				}
			}
			switch nulls {
			case 0:
				return elem.real().merge(m, loc, defs)
			case len(defs):
				return result{val: eval.Null{}}
			}
			m.fail(m.conflict(loc, defs, "is defined both null and not null"))
			return result{}
		},
	}
}

// ListOf accepts a list of T. Several assignments are joined.
func ListOf(t Type) Type { return listOf(t.info()) }

func listOf(elem *typeInfo) *typeInfo {
	return &typeInfo{
		name: "listOf", describe: func(d shown) string { return "list of " + elem.inner(d) }, empty: eval.NewList(),
		elems: []*typeInfo{elem}, with: func(e []*typeInfo) *typeInfo { return listOf(e[0]) },
		check: isOf[*eval.List],
		merge: func(m *merging, loc []string, defs []def) result {
			r := result{isList: true}
			var vals []eval.Value
			for _, d := range defs {
				for _, e := range d.val.(*eval.List).Elems() {
					at := append(loc[:len(loc):len(loc)], "["+strconv.Itoa(len(vals))+"]")
					s := m.newElem(at, elem, []def{{val: e, pos: d.pos, file: d.file}})
					if !m.alive(s) {
						continue // switched off with mkIf
					}
					r.elems, vals = append(r.elems, s), append(vals, s.value())
				}
			}
			r.val = eval.NewList(vals...)
			return r
		},
	}
}

// NonEmptyListOf accepts a list of T with at least one element.
func NonEmptyListOf(t Type) Type { return nonEmptyListOf(t.info()) }

func nonEmptyListOf(elem *typeInfo) *typeInfo {
	t := listOf(elem)
	t.name, t.empty = "nonEmptyListOf", nil
	t.describe = func(d shown) string { return "non-empty (list of " + elem.inner(d) + ")" }
	t.with = func(e []*typeInfo) *typeInfo { return nonEmptyListOf(e[0]) }
	t.check = func(_ *merging, v eval.Value) bool {
		l, ok := v.(*eval.List)
		return ok && l.Len() > 0
	}
	return t
}

// AttrsOf accepts a set whose attributes are all T. Several assignments are merged
// attribute by attribute.
func AttrsOf(t Type) Type { return attrsOf(t.info(), false) }

// LazyAttrsOf is AttrsOf with attributes that may depend on each other. Reading an
// attribute that mkIf has switched off is then an error.
func LazyAttrsOf(t Type) Type { return attrsOf(t.info(), true) }

func attrsOf(elem *typeInfo, lazy bool) *typeInfo {
	t := &typeInfo{
		name: "attrsOf", describe: func(d shown) string { return "attribute set of " + elem.inner(d) }, empty: eval.NewAttrs(0).Done(),
		elems: []*typeInfo{elem}, with: func(e []*typeInfo) *typeInfo { return attrsOf(e[0], lazy) },
		check: isOf[*eval.Attrs],
	}
	if lazy {
		t.name = "lazyAttrsOf"
		t.describe = func(d shown) string { return "lazy attribute set of " + elem.inner(d) }
	}
	t.merge = func(m *merging, loc []string, defs []def) result {
		byName := map[string][]def{}
		for _, d := range defs {
			set := d.val.(*eval.Attrs)
			for i := range set.Len() {
				name, v, pos := set.At(i)
				if !pos.IsValid() {
					pos = d.pos
				}
				byName[name] = append(byName[name], def{val: v, pos: pos, file: d.file})
			}
		}
		var r result
		b := eval.NewAttrs(len(byName))
		for _, name := range sortedKeys(byName) {
			s := m.newElem(append(loc[:len(loc):len(loc)], name), elem, byName[name])
			if !lazy && !m.alive(s) {
				continue // switched off with mkIf
			}
			r.names, r.elems = append(r.names, name), append(r.elems, s)
			b.SetAt(name, s.value(), byName[name][0].pos)
		}
		r.val = b.Done()
		return r
	}
	return t
}

// OneOf accepts a value of any of the types. The first one that accepts it counts.
func OneOf(types ...Type) Type {
	infos := make([]*typeInfo, len(types))
	for i, t := range types {
		infos[i] = t.info()
	}
	return oneOf(infos)
}

func oneOf(types []*typeInfo) *typeInfo {
	if len(types) == 1 {
		return types[0]
	}
	return &typeInfo{
		name: "either",
		describe: func(d shown) string {
			first := types[0].real()
			text, clause := first.phrase(d, classNoun, classConjunction, classClause), first.descriptionClass() == classClause
			for _, t := range types[1:] {
				if clause {
					text += ", or " + t.phrase(d, classNoun, classConjunction)
				} else {
					text += " or " + t.phrase(d, classNoun, classConjunction, classComposite)
				}
				clause = false
			}
			return text
		},
		elems: types, with: oneOf,
		check: func(m *merging, v eval.Value) bool {
			for _, t := range types {
				if t.real().check(m, v) {
					return true
				}
			}
			return false
		},
		merge: func(m *merging, loc []string, defs []def) result {
			for _, t := range types {
				if t = t.real(); t.takesAll(m, defs) {
					return t.merge(m, loc, defs)
				}
			}
			return mergeOne(m, loc, defs)
		},
	}
}

func (t *typeInfo) takesAll(m *merging, defs []def) bool {
	for _, d := range defs {
		if !t.check(m, d.val) {
			return false
		}
	}
	return true
}

// FunctionTo accepts a function that returns a T. Several are called with the same
// argument, and their results are merged.
func FunctionTo(t Type) Type { return functionTo(t.info()) }

func functionTo(elem *typeInfo) *typeInfo {
	return &typeInfo{
		name: "functionTo", describe: func(d shown) string { return "function that evaluates to a(n) " + elem.inner(d) },
		elems: []*typeInfo{elem}, with: func(e []*typeInfo) *typeInfo { return functionTo(e[0]) },
		check: func(_ *merging, v eval.Value) bool { return eval.IsFunction(v) },
		merge: func(m *merging, loc []string, defs []def) result {
			at := append(loc[:len(loc):len(loc)], "<function body>")
			sys, args := m.sys, m.args
			call := eval.Func(showPath(loc), 1, func(t *eval.Thread, arg []eval.Value) eval.Value {
				m := &merging{t, sys, args}
				results := make([]def, len(defs))
				for i, d := range defs {
					results[i] = def{val: t.Call(d.val, arg[0]), pos: d.pos, file: d.file}
				}
				return m.newElem(at, elem, results).value()
			})
			return result{val: eval.NewAttrs(2).
				Set("__functor", eval.Func(showPath(loc), 1, func(*eval.Thread, []eval.Value) eval.Value { return call })).
				Set("__functionArgs", eval.Lazy(func(t *eval.Thread) eval.Value { return argsOfAll(t, defs) })).Done()}
		},
	}
}

// argsOfAll returns the arguments that functions take; one has a default if it has one
// in each that takes it.
func argsOfAll(t *eval.Thread, defs []def) eval.Value {
	all := map[string]bool{}
	for _, d := range defs {
		for _, arg := range t.FunctionArgs(d.val) {
			optional, known := all[arg.Name]
			all[arg.Name] = arg.HasDefault && (!known || optional)
		}
	}
	b := eval.NewAttrs(len(all))
	for _, name := range sortedKeys(all) {
		b.Set(name, eval.Bool(all[name]))
	}
	return b.Done()
}

// Uniq accepts a T that is assigned only once, even if T could merge.
func Uniq(t Type) Type { return uniq(t.info(), "") }

// uniq returns elem for a single assignment; why is the hint for several.
func uniq(elem *typeInfo, why string) *typeInfo {
	elem = elem.real()
	t := *elem
	t.name, t.elems, t.view, t.sub, t.enum = "unique", []*typeInfo{elem}, nil, nil, nil
	t.with = func(e []*typeInfo) *typeInfo { return uniq(e[0], why) }
	t.merge = func(m *merging, loc []string, defs []def) result {
		if len(defs) > 1 {
			e := m.conflict(loc, defs, "is defined more than once")
			if why != "" {
				e.Hint = why
			}
			m.fail(e)
		}
		return elem.real().merge(m, loc, defs)
	}
	return &t
}

// Coerced accepts a value of type from or to, and converts the former: convert gets the
// value as [Config.Any] returns it, and returns one in the types that [Option] accepts,
// or an error.
func Coerced(from Type, convert func(v any) (any, error), to Type) Type {
	return coerced(from.info(), to.info(), func(m *merging, loc []string, d def) eval.Value {
		v, err := convert(m.goValue(d.val))
		if err != nil {
			m.fail(errorf(loc, d.place(), "%s: %v", quotePath(loc), err))
		}
		return m.sys.value(v)
	})
}

// coerced applies convert to each definition of type from.
func coerced(from, to *typeInfo, convert func(m *merging, loc []string, d def) eval.Value) *typeInfo {
	return &typeInfo{
		name: "coercedTo", describe: func(d shown) string {
			return to.phrase(d, classNoun) + " or " + from.phrase(d, classNoun) + " convertible to it"
		},
		elems: []*typeInfo{from, to},
		check: func(m *merging, v eval.Value) bool { return from.real().check(m, v) || to.real().check(m, v) },
		merge: func(m *merging, loc []string, defs []def) result {
			all := make([]def, len(defs))
			for i, d := range defs {
				all[i] = d
				if from.real().check(m, d.val) {
					all[i].val = m.t.Force(convert(m, loc, d))
				}
			}
			return m.mergeChecked(to, loc, all)
		},
	}
}

// JSON accepts what JSON can express: null, booleans, numbers, strings, lists and sets.
// Paths and packages count as strings. It is the usual freeform type.
var JSON Type = jsonType(true)

// jsonType returns the type of JSON's values or, without null, of TOML's.
func jsonType(nullable bool) *typeInfo {
	t := &typeInfo{name: "json", desc: "JSON value"}
	if !nullable {
		t.name, t.desc = "toml", "TOML value"
	}
	t.check = func(m *merging, v eval.Value) bool {
		switch v.Type() {
		case eval.TypeNull:
			return nullable
		case eval.TypeBool, eval.TypeInt, eval.TypeFloat, eval.TypeString, eval.TypePath, eval.TypeList, eval.TypeAttrs:
			return !eval.IsFunction(v)
		}
		return false
	}
	t.merge = func(m *merging, loc []string, defs []def) result {
		switch {
		case allOf[*eval.List](defs):
			return listOf(t).merge(m, loc, defs)
		case allOf[*eval.Attrs](defs) && !defs[0].val.(*eval.Attrs).Has("outPath"):
			return attrsOf(t, true).merge(m, loc, defs)
		}
		return mergeEqual(m, loc, defs)
	}
	return t
}

// Submodule accepts a set of options of its own. Its assignments are modules, whose
// argument name is the attribute that the submodule is assigned to.
func Submodule(s Schema) Type {
	return submoduleType(&submodule{
		modules:    append([]Module{Declare(s.Options, s.Freeform)}, s.Modules...),
		onlyConfig: true,
		inherit:    true,
		desc:       "submodule",
	})
}

// A submodule is what a submodule type consists of.
type submodule struct {
	modules    []Module
	args       map[string]eval.Value // specialArgs
	onlyConfig bool                  // a set that is assigned is only config, never options or imports
	inherit    bool                  // module arguments come from the surrounding evaluation
	desc       string
	class      string // of modules, "" for any
}

func submoduleType(s *submodule) *typeInfo {
	return &typeInfo{
		name: "submodule", desc: s.desc, sub: s,
		check: func(m *merging, v eval.Value) bool {
			return v.Type() == eval.TypeAttrs || v.Type() == eval.TypeFunction || isPath(m, v)
		},
		merge: func(m *merging, loc []string, defs []def) result {
			tr := s.evaluate(m.sys, m.args, loc, defs)
			return result{val: &tr.checked, tree: tr}
		},
	}
}

// example says how to write a value that was given alone: as the name, if there is one, beside
// what else is needed. It is "" if that is not known.
func (s *submodule) example(value string) string {
	if len(s.modules) == 0 {
		return ""
	}
	options, form := s.modules[0].options, ""
	if _, ok := options["name"]; ok {
		form = " name = " + value + ";"
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if o := options[name]; o.Default == nil && o.DefaultFrom == nil && o.AliasOf == nil && o.Set == nil && name != "name" {
			form += " " + name + " = …;"
		}
	}
	if form == "" {
		return ""
	}
	return "write {" + form + " }"
}

// evaluate returns the tree of a submodule at loc.
func (s *submodule) evaluate(sys *System, around map[string]eval.Value, loc []string, defs []def) *tree {
	args := s.args
	if s.inherit {
		args = around
	}
	tr := sys.newTree(loc, args)
	tr.sub, tr.class = s, s.class
	tr.sources = append(tr.sources, s.modules...)
	for i := range defs {
		tr.sources = append(tr.sources, Module{def: &defs[i], onlyConfig: s.onlyConfig})
	}
	tr.place = firstPlace(defs)
	if n := len(loc); n > 0 && !strings.HasPrefix(loc[n-1], "[") {
		tr.name = loc[n-1]
	}
	return tr
}

// deferredModule returns a type that keeps modules, after the static ones.
func deferredModule(static []eval.Value) *typeInfo {
	return &typeInfo{
		name: "deferredModule", desc: "module", static: static,
		check: func(m *merging, v eval.Value) bool {
			return v.Type() == eval.TypeAttrs || v.Type() == eval.TypeFunction || isPath(m, v)
		},
		merge: func(m *merging, loc []string, defs []def) result {
			imports := append([]eval.Value{}, static...)
			for _, d := range defs {
				imports = append(imports, eval.NewAttrs(2).
					Set("_file", eval.Str(d.source()+", via option "+showPath(loc))).
					Set("imports", eval.NewList(d.val)).Done())
			}
			return result{val: eval.NewAttrs(1).Set("imports", eval.NewList(imports...)).Done()}
		},
	}
}
