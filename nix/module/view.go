package module

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
)

// A view is a type as Nix sees it: a set with name, description, check, merge
// and so on. Types of Go have one, and types declared in Nix are one; either
// way a type can be used where the other is expected.

// viewOf returns the view of a type, always the same one for the same type, so that
// typeOf finds the type again.
func (s *System) viewOf(typ *typeInfo) *eval.Attrs {
	typ = typ.real()
	if typ.view != nil {
		return typ.view
	}
	if f := s.views[typ]; f != nil {
		return f
	}
	fn := func(name string, arity int, f func(m *merging, args []eval.Value) eval.Value) eval.Value {
		return eval.Func(typ.name+"."+name, arity, func(t *eval.Thread, args []eval.Value) eval.Value {
			return f(&merging{t: t, sys: s}, args)
		})
	}
	b := eval.NewAttrs(18).
		Set("_type", eval.Str("option-type")).
		Set("name", eval.Str(typ.nixName())).
		Set("description", eval.Lazy(func(t *eval.Thread) eval.Value {
			d := shown{depth: maxShown}
			d.of = func(sub *typeInfo) string {
				if d.depth == 0 {
					return ""
				}
				d.depth-- // for all of the description
				if free := s.freeOf(t, sub); free != nil {
					return "open submodule of " + free.inner(d)
				}
				return ""
			}
			return eval.Str(typ.text(d))
		})).
		Set("descriptionClass", classValue(typ.descriptionClass())).
		Set("deprecationMessage", eval.Null{}).
		Set("check", fn("check", 1, func(m *merging, args []eval.Value) eval.Value {
			return eval.Bool(typ.check(m, m.t.Force(args[0])))
		})).
		Set("merge", eval.NewAttrs(2).
			Set("__functor", fn("merge", 3, func(m *merging, args []eval.Value) eval.Value {
				return typ.merge(m, m.locOf(args[1]), m.defsOf(args[2])).val
			})).
			Set("v2", fn("merge.v2", 1, func(m *merging, args []eval.Value) eval.Value {
				set := m.t.Attrs(args[0])
				r := typ.merge(m, m.locOf(m.attr(set, "loc", def{})), m.defsOf(m.attr(set, "defs", def{})))
				return eval.NewAttrs(3).Set("headError", eval.Null{}).Set("value", r.val).Set("valueMeta", s.valueMeta(m.t, r)).Done()
			})).Done()).
		Set("getSubOptions", fn("getSubOptions", 1, func(m *merging, args []eval.Value) eval.Value {
			return typ.subOptions(m, m.locOf(args[0]))
		})).
		Set("getSubModules", eval.Lazy(func(t *eval.Thread) eval.Value {
			if typ.name == "deferredModule" {
				return eval.NewList(typ.static...)
			}
			if sub := typ.findSub(); sub != nil {
				return s.moduleValues(sub)
			}
			return eval.Null{}
		})).
		Set("substSubModules", fn("substSubModules", 1, func(m *merging, args []eval.Value) eval.Value {
			if typ.name == "deferredModule" {
				return s.viewOf(deferredModule(m.t.List(args[0]).Elems()))
			}
			if typ.findSub() == nil {
				return eval.Null{}
			}
			return s.viewOf(typ.substitute(m.t.List(args[0]).Elems()))
		})).
		Set("typeMerge", fn("typeMerge", 1, func(m *merging, args []eval.Value) eval.Value {
			other, ok := m.t.Lookup(args[0], "__native")
			if !ok {
				return eval.Null{}
			}
			if joined := s.join(m.t, typ, other.(*eval.Opaque).Go.(*typeInfo)); joined != nil {
				return s.viewOf(joined)
			}
			return eval.Null{}
		}))
	b.Set("emptyValue", eval.Lazy(func(t *eval.Thread) eval.Value {
		empty := eval.NewAttrs(1)
		if v := s.emptyValue(typ); v != nil {
			empty.Set("value", v)
		}
		return empty.Done()
	}))
	native := &eval.Opaque{Kind: "type", Go: typ}
	b.Set("__native", native)
	nested := eval.NewAttrs(2)
	switch {
	case len(typ.elems) == 1:
		nested.Set("elemType", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[0]) }))
	case typ.name == "coercedTo":
		nested.Set("coercedType", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[0]) }))
		nested.Set("finalType", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[1]) }))
	case len(typ.elems) > 1:
		nested.Set("left", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[0]) }))
		nested.Set("right", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[1]) }))
	}
	b.Set("nestedTypes", nested.Done())
	if typ.sub != nil {
		b.Set("nestedTypes", eval.Lazy(func(t *eval.Thread) eval.Value {
			set := eval.NewAttrs(1)
			if free := s.freeOf(t, typ); free != nil {
				set.Set("freeformType", s.viewOf(free))
			}
			return set.Done()
		}))
	}
	functor := eval.NewAttrs(6).Set("name", eval.Str(typ.name)).Set("__native", native).
		Set("type", eval.Null{}).Set("binOp", eval.Func("binOp", 2, func(*eval.Thread, []eval.Value) eval.Value { return eval.Null{} })).
		Set("payload", eval.Null{}).Set("wrapped", eval.Null{})
	if len(typ.elems) == 1 {
		functor.Set("wrapped", eval.Lazy(func(*eval.Thread) eval.Value { return s.viewOf(typ.elems[0]) }))
	}
	if typ.enum != nil {
		functor.Set("payload", eval.NewAttrs(1).Set("values", eval.NewList(typ.enum...)).Done())
	}
	b.Set("functor", functor.Done())
	f := b.Done()
	s.views[typ], s.natives[f] = f, typ
	return f
}

// typeOf returns the type behind a view. If Nix has changed a view of ours, as in
// types.str // { check = …; }, it is our type with those parts replaced.
func (s *System) typeOf(t *eval.Thread, v eval.Value) *typeInfo {
	view := t.Attrs(v)
	if typ := s.natives[view]; typ != nil {
		return typ
	}
	var typ *typeInfo
	if n, ok := view.Get("__native"); ok {
		typ = s.changed(t, view, t.Force(n).(*eval.Opaque).Go.(*typeInfo))
	} else {
		typ = s.foreign(t, view)
	}
	s.natives[view] = typ
	return typ
}

// changed returns typ with the parts in which view differs.
func (s *System) changed(t *eval.Thread, view *eval.Attrs, typ *typeInfo) *typeInfo {
	own := s.viewOf(typ)
	out := *typ
	out.view = view
	differs := func(name string) (eval.Value, bool) {
		theirs, ok := view.Get(name)
		ours, _ := own.Get(name)
		return theirs, ok && theirs != ours
	}
	if v, ok := differs("check"); ok {
		out.check = callCheck(v)
	}
	if v, ok := differs("merge"); ok {
		out.merge = callMerge(v)
	}
	if v, ok := differs("description"); ok {
		out.desc, out.describe = t.Text(v), nil
	}
	if v, ok := differs("descriptionClass"); ok {
		out.class = classOf(t, v)
	}
	if v, ok := differs("emptyValue"); ok {
		out.empty, _ = t.Attrs(v).Get("value")
	}
	return &out
}

// foreign returns a type that was declared with mkOptionType, or by hand.
func (s *System) foreign(t *eval.Thread, view *eval.Attrs) *typeInfo {
	out := &typeInfo{name: "unnamed", view: view, check: isAny, merge: mergeLoose}
	if v, ok := t.Lookup(view, "name"); ok {
		out.name = t.Text(v)
	}
	out.desc = out.name
	if v, ok := t.Lookup(view, "description"); ok && v.Type() == eval.TypeString {
		out.desc = t.Text(v)
	}
	class, _ := view.Get("descriptionClass")
	out.class = classOf(t, class)
	if v, ok := view.Get("check"); ok {
		out.check = callCheck(v)
	}
	if v, ok := view.Get("merge"); ok {
		out.merge = callMerge(v)
	}
	if v, ok := t.Lookup(view, "emptyValue", "value"); ok {
		out.empty = v
	}
	return out
}

// typeLater is typeOf for a value that must not be evaluated yet, because a type may
// refer to itself.
func (s *System) typeLater(t *eval.Thread, v eval.Value) *typeInfo {
	if view, ok := v.(*eval.Attrs); ok {
		return s.typeOf(t, view)
	}
	var typ *typeInfo
	return &typeInfo{later: func() *typeInfo {
		if typ == nil {
			typ = s.typeOf(t, v)
		}
		return typ
	}}
}

func callCheck(fn eval.Value) func(m *merging, v eval.Value) bool {
	return func(m *merging, v eval.Value) bool { return m.t.Bool(m.t.Call(fn, v)) }
}

func callMerge(fn eval.Value) func(m *merging, loc []string, defs []def) result {
	return func(m *merging, loc []string, defs []def) result {
		all := make([]eval.Value, len(defs))
		for i, d := range defs {
			all[i] = eval.NewAttrs(2).SetAt("file", eval.Str(d.source()), d.pos).SetAt("value", d.val, d.pos).Done()
		}
		at, list := eval.StringList(loc...), eval.NewList(all...)
		v2, ok := m.t.Lookup(fn, "v2")
		if !ok {
			return result{val: m.t.Call(fn, at, list)}
		}
		merged := m.t.Call(v2, eval.NewAttrs(2).Set("loc", at).Set("defs", list).Done())
		if message, ok := m.t.Lookup(merged, "headError", "message"); ok {
			m.fail(errorf(loc, firstPlace(defs), "%s: %s", quotePath(loc), m.t.Text(message)))
		}
		r := result{val: m.t.Select(merged, "value")}
		r.meta, _ = m.t.Lookup(merged, "valueMeta")
		return r
	}
}

// locOf and defsOf read the arguments of a merge function in Nix.
func (m *merging) locOf(v eval.Value) []string {
	var loc []string
	for _, e := range m.t.List(v).Elems() {
		loc = append(loc, m.t.ToString(e).Text())
	}
	return loc
}

func (m *merging) defsOf(v eval.Value) []def {
	var defs []def
	for _, e := range m.t.List(v).Elems() {
		set := m.t.Attrs(e)
		d := def{pos: set.Pos("value")}
		if f, ok := set.Get("file"); ok {
			d.file = m.t.ToString(f).Text()
		}
		if v, ok := set.Get("value"); ok {
			d.val = m.t.Force(v)
		} else {
			m.t.Throw("a definition must have the attributes file and value")
		}
		defs = append(defs, d)
	}
	return defs
}

// join returns the type of an option that is declared with both types; nil if they do
// not fit together.
func (s *System) join(t *eval.Thread, a, b *typeInfo) *typeInfo {
	a, b = a.real(), b.real()
	switch {
	case a.name == "coercedTo": // what is converted could mean another thing for each
		return nil
	case a == b:
		return a
	case a.view != nil || b.view != nil:
		return s.joinViews(t, a, b)
	case a.name != b.name:
		return nil
	case a.sub != nil:
		joined := *a.sub
		joined.modules = append(append([]Module{}, a.sub.modules...), b.sub.modules...)
		joined.onlyConfig = a.sub.onlyConfig && b.sub.onlyConfig
		joined.inherit = a.sub.inherit || b.sub.inherit
		if a.sub.class != "" && b.sub.class != "" && a.sub.class != b.sub.class {
			(&merging{t: t, sys: s}).fail(&Error{
				Msg:  fmt.Sprintf("a submodule is declared as of class %q and as of class %q", a.sub.class, b.sub.class),
				Hint: "declare it as of one class"})
		}
		joined.class = cmp.Or(a.sub.class, b.sub.class)
		if b.sub.args != nil {
			joined.args = map[string]eval.Value{}
			for k, v := range a.sub.args {
				joined.args[k] = v
			}
			for k, v := range b.sub.args {
				joined.args[k] = v
			}
		}
		return submoduleType(&joined)
	case a.enum != nil:
		return s.joinEnums(t, a, b)
	case a.name == "deferredModule":
		return deferredModule(slices.Concat(a.static, b.static))
	case a.with != nil:
		if len(a.elems) != len(b.elems) {
			return nil
		}
		elems := make([]*typeInfo, len(a.elems))
		for i := range elems {
			if elems[i] = s.join(t, a.elems[i], b.elems[i]); elems[i] == nil {
				return nil
			}
		}
		joined := a.with(elems)
		joined.placeholder = cmp.Or(a.placeholder, b.placeholder)
		if b.placeholder != "" && joined.placeholder != b.placeholder {
			return nil
		}
		return joined
	case a.String() != b.String():
		return nil
	}
	return a
}

// joinViews asks types of Nix whether they fit together.
func (s *System) joinViews(t *eval.Thread, a, b *typeInfo) *typeInfo {
	merge, ok := s.viewOf(a).Get("typeMerge")
	if !ok {
		return nil
	}
	functor, ok := s.viewOf(b).Get("functor")
	if !ok {
		return nil
	}
	joined := t.Call(merge, functor)
	if joined.Type() == eval.TypeNull {
		return nil
	}
	return s.typeOf(t, joined)
}

func (s *System) joinEnums(t *eval.Thread, a, b *typeInfo) *typeInfo {
	values := append([]eval.Value{}, a.enum...)
	for _, v := range b.enum {
		known := false
		for _, w := range a.enum {
			known = known || t.Equal(v, w)
		}
		if !known {
			values = append(values, v)
		}
	}
	return s.enumOf(t, values)
}

func (s *System) enumOf(t *eval.Thread, values []eval.Value) *typeInfo {
	m := &merging{t: t, sys: s}
	shown := make([]string, len(values))
	for i, v := range values {
		switch v := t.Force(v).(type) {
		case *eval.String, eval.Int, eval.Bool:
			shown[i] = m.show(v)
		default:
			shown[i] = "<" + v.Type().String() + ">"
		}
	}
	return enum(values, shown)
}

// located returns the type with a name for the modules in it that have none: the file of
// the option's declaration.
func (t *typeInfo) located(file string) *typeInfo {
	sub := t.findSub()
	if sub == nil || t.real().view != nil || file == "" || !slices.ContainsFunc(sub.modules, Module.isAnonymous) {
		return t
	}
	return t.withSub(func(sub submodule) *submodule {
		sub.modules = slices.Clone(sub.modules)
		for i := range sub.modules {
			if m := &sub.modules[i]; m.isAnonymous() {
				m.file = file
			}
		}
		return &sub
	})
}

// isAnonymous reports whether a module is a value of Nix that is in no file as far as known.
func (m Module) isAnonymous() bool { return m.value != nil && m.file == "" }

// withSub returns the type with another submodule, where findSub finds it.
func (t *typeInfo) withSub(change func(sub submodule) *submodule) *typeInfo {
	t = t.real()
	if t.sub != nil {
		return submoduleType(change(*t.sub))
	}
	out := t.with([]*typeInfo{t.elems[0].withSub(change)})
	out.placeholder = t.placeholder
	return out
}

// emptyValue returns the value without definitions, as Nix sees it; nil if there is none.
func (s *System) emptyValue(t *typeInfo) eval.Value {
	switch t = t.real(); {
	case t.name == "coercedTo":
		return s.emptyValue(t.elems[1])
	case t.sub != nil:
		return &t.sub.evaluate(s, nil, nil, nil).checked
	}
	return t.empty
}

// findSub returns the submodule that options below an option of this type belong to.
func (t *typeInfo) findSub() *submodule {
	t = t.real()
	if t.sub != nil {
		return t.sub
	}
	if t.name == "attrsOf" || t.name == "lazyAttrsOf" || t.name == "listOf" || t.name == "nullOr" {
		return t.elems[0].findSub()
	}
	return nil
}

// substitute returns the type with other modules in its submodule.
func (t *typeInfo) substitute(modules []eval.Value) *typeInfo {
	return t.withSub(func(sub submodule) *submodule {
		sub.modules = nil
		for _, v := range modules {
			sub.modules = append(sub.modules, FromValue(v, ""))
		}
		return &sub
	})
}

// moduleValues returns those modules of a submodule that are values.
func (s *System) moduleValues(sub *submodule) eval.Value {
	var all []eval.Value
	for _, m := range sub.modules {
		switch {
		case m.path != "":
			all = append(all, eval.Path(m.path))
		case m.value != nil:
			all = append(all, m.value)
		case m.def != nil && m.def.val != nil:
			all = append(all, m.def.val)
		}
	}
	return eval.NewList(all...)
}

// subOptions returns the set of declarations inside a type, for documentation.
func (t *typeInfo) subOptions(m *merging, loc []string) eval.Value {
	t = t.real()
	switch {
	case t.sub != nil:
		tr := t.sub.evaluate(m.sys, m.args, loc, nil)
		set := m.t.Attrs(&tr.optionsValue)
		if free := m.sys.freeOf(m.t, t); free != nil {
			set = set.Update(eval.NewAttrs(1).Set("_freeformOptions", eval.Lazy(func(t *eval.Thread) eval.Value {
				return free.subOptions(&merging{t, m.sys, m.args}, loc)
			})).Done())
		}
		return set
	case t.view != nil:
		if fn, ok := t.view.Get("getSubOptions"); ok {
			return m.t.Call(fn, eval.StringList(loc...))
		}
	case t.name == "attrsOf" || t.name == "lazyAttrsOf":
		return t.elems[0].subOptions(m, append(loc[:len(loc):len(loc)], "<"+cmp.Or(t.placeholder, "name")+">"))
	case t.name == "functionTo":
		return t.elems[0].subOptions(m, append(loc[:len(loc):len(loc)], "<function body>"))
	case t.name == "deferredModule":
		static := &submodule{}
		for _, v := range t.static {
			static.modules = append(static.modules, FromValue(v, ""))
		}
		return &static.evaluate(m.sys, m.args, loc, nil).optionsValue
	case t.name == "listOf":
		return t.elems[0].subOptions(m, append(loc[:len(loc):len(loc)], "*"))
	case len(t.elems) > 0:
		for _, e := range t.elems {
			if set := m.t.Attrs(e.subOptions(m, loc)); set.Len() > 0 {
				return set
			}
		}
	}
	return eval.NewAttrs(0).Done()
}

// nixName returns the name of the type that Nix sees. Ours say more, for messages.
func (t *typeInfo) nixName() string {
	for name, typ := range intTypes {
		if typ.info() != t {
			continue
		}
		switch bits, isSigned := strings.CutPrefix(name, "s"); {
		case isSigned:
			return "signedInt" + bits
		case name == "unsigned" || name == "positive":
			return name + "Int"
		}
		return "unsignedInt" + name[1:]
	}
	switch t.name {
	case "number":
		return "either"
	case "strMatching":
		return "strMatching " + strconv.Quote(t.pattern)
	case "nonEmptyListOf":
		return "listOf"
	case "numbersNonnegative", "numbersPositive", "numbersBetween":
		return strings.Replace(t.name, "numbers", "number", 1)
	}
	return t.name
}

// freeOf returns the type of what a submodule does not declare; nil if there is none, or
// if finding out takes arguments that only its use has.
func (s *System) freeOf(t *eval.Thread, typ *typeInfo) (free *typeInfo) {
	if typ.sub != nil {
		_ = t.Try(func() { free = typ.sub.evaluate(s, nil, nil, nil).freeformType(t) })
	}
	return free
}

// classValue is a class of descriptions in Nix, and classOf its inverse.
func classValue(class string) eval.Value {
	if class == "" {
		return eval.Null{}
	}
	return eval.Str(class)
}

func classOf(t *eval.Thread, v eval.Value) *string {
	if v == nil {
		return new("")
	}
	if s, ok := t.Force(v).(*eval.String); ok {
		return new(s.Text())
	}
	return new("")
}
