package module

import (
	"math"

	"nix2gpu/nix/eval"
)

// plainTypes are the types without parameters, by their names in lib.types.
var plainTypes = map[string]Type{
	"unspecified": Unspecified, "anything": anything(false), "raw": Raw,
	"bool": Bool, "int": Int, "float": Float, "number": Number, "port": Port,
	"str": String, "nonEmptyStr": NonEmptyString, "singleLineStr": SingleLineString,
	"lines": Lines, "commas": Commas, "envVar": EnvVar,
	"path": Path, "externalPath": pathWith(new(false), new(true)), "pathInStore": pathWith(new(true), nil),
	"package": Package, "shellPackage": ShellPkg, "attrs": Attrs,
	"boolByOr": boolByOr(), "json": JSON, "toml": jsonType(false),
	"optionType": OptionType, "deferredModule": DeferredModule,
}

// intTypes are lib.types.ints.
var intTypes = map[string]Type{
	"unsigned": UnsignedInt, "positive": PositiveInt, "u8": U8, "u16": U16, "u32": U32, "s8": S8, "s16": S16, "s32": S32,
}

// typeLib returns lib.types.
func (s *System) typeLib(*eval.Thread) eval.Value {
	b := eval.NewAttrs(64)
	for _, name := range sortedKeys(plainTypes) {
		b.Set(name, s.viewOf(plainTypes[name].info()))
	}
	fn := func(name string, arity int, f func(m *merging, args []eval.Value) *typeInfo) eval.Value {
		v := eval.Func(name, arity, func(t *eval.Thread, args []eval.Value) eval.Value {
			return s.viewOf(f(&merging{t: t, sys: s}, args))
		})
		b.Set(name, v)
		return v
	}
	typ := func(m *merging, v eval.Value) *typeInfo { return m.sys.typeLater(m.t, v) }
	unary := func(name string, make func(e *typeInfo) *typeInfo) {
		fn(name, 1, func(m *merging, args []eval.Value) *typeInfo { return make(typ(m, args[0])) })
	}
	unary("nullOr", nullOr)
	unary("listOf", listOf)
	unary("nonEmptyListOf", nonEmptyListOf)
	unary("attrsOf", func(e *typeInfo) *typeInfo { return attrsOf(e, false) })
	unary("lazyAttrsOf", func(e *typeInfo) *typeInfo { return attrsOf(e, true) })
	unary("functionTo", functionTo)
	unary("uniq", func(e *typeInfo) *typeInfo { return uniq(e, "") })
	fn("unique", 2, func(m *merging, args []eval.Value) *typeInfo {
		return uniq(typ(m, args[1]), m.t.Text(m.t.Select(args[0], "message")))
	})
	fn("attrsWith", 1, func(m *merging, args []eval.Value) *typeInfo {
		lazy := false
		if v, ok := m.t.Lookup(args[0], "lazy"); ok {
			lazy = m.t.Bool(v)
		}
		t := attrsOf(typ(m, m.attr(m.t.Attrs(args[0]), "elemType", def{})), lazy)
		if v, ok := m.t.Lookup(args[0], "placeholder"); ok {
			if t.placeholder = m.t.Text(v); t.placeholder == "name" {
				t.placeholder = "" // as attrsOf
			}
		}
		return t
	})
	fn("either", 2, func(m *merging, args []eval.Value) *typeInfo {
		return oneOf([]*typeInfo{typ(m, args[0]), typ(m, args[1])})
	})
	fn("oneOf", 1, func(m *merging, args []eval.Value) *typeInfo {
		var all []*typeInfo
		for _, e := range m.t.List(args[0]).Elems() {
			all = append(all, typ(m, e))
		}
		if len(all) == 0 {
			m.t.Throw("types.oneOf needs at least one type")
		}
		return oneOf(all)
	})
	fn("enum", 1, func(m *merging, args []eval.Value) *typeInfo {
		return m.sys.enumOf(m.t, m.t.List(args[0]).Elems())
	})
	fn("separatedString", 1, func(m *merging, args []eval.Value) *typeInfo {
		return Separated(m.t.Text(args[0]), "").info()
	})
	fn("strMatching", 1, func(m *merging, args []eval.Value) *typeInfo {
		t, err := matching(m.t.Text(args[0]), "")
		if err != nil {
			m.t.Throw("types.strMatching: %v", err)
		}
		return t
	})
	fn("pathWith", 1, func(m *merging, args []eval.Value) *typeInfo {
		flag := func(name string) *bool {
			v, ok := m.t.Lookup(args[0], name)
			if !ok || v.Type() == eval.TypeNull {
				return nil
			}
			return new(m.t.Bool(v))
		}
		inStore, absolute := flag("inStore"), flag("absolute")
		switch {
		case inStore != nil && absolute != nil && *inStore && !*absolute:
			m.fail(&Error{Msg: "types.pathWith: a path in the store is never relative", Hint: "leave out absolute = false"})
		case inStore == nil && absolute != nil && *absolute:
			return Path.info() // which options of ours have
		}
		return pathWith(inStore, absolute)
	})
	fn("coercedTo", 3, func(m *merging, args []eval.Value) *typeInfo {
		convert := args[1]
		if typ(m, args[0]).findSub() != nil {
			m.fail(&Error{Msg: "types.coercedTo: what is converted must not be a submodule", Hint: "write types.either, or give the option an apply"})
		}
		return coerced(typ(m, args[0]), typ(m, args[2]), func(m *merging, _ []string, d def) eval.Value {
			return m.t.Call(convert, d.val)
		})
	})
	fn("addCheck", 2, func(m *merging, args []eval.Value) *typeInfo {
		inner, more := typ(m, args[0]).real(), callCheck(args[1])
		out := *inner
		out.view = nil
		out.check = func(m *merging, v eval.Value) bool { return inner.check(m, v) && more(m, v) }
		return &out
	})
	fn("submodule", 1, func(m *merging, args []eval.Value) *typeInfo {
		return submoduleType(&submodule{modules: modulesOf(m, args[0]), onlyConfig: true, desc: "submodule"})
	})
	fn("submoduleWith", 1, func(m *merging, args []eval.Value) *typeInfo {
		set := m.t.Attrs(args[0])
		sub := &submodule{desc: "submodule", args: m.sys.specialArgs(m.t, set)}
		if v, ok := set.Get("modules"); ok {
			sub.modules = modulesOf(m, v)
		}
		if v, ok := set.Get("shorthandOnlyDefinesConfig"); ok {
			if b, ok := m.t.Force(v).(eval.Bool); ok {
				sub.onlyConfig = bool(b)
			}
		}
		if v, ok := m.t.Lookup(set, "class"); ok && v.Type() == eval.TypeString {
			sub.class = m.t.Text(v)
		}
		if v, ok := set.Get("description"); ok {
			if d, ok := m.t.Force(v).(*eval.String); ok {
				sub.desc = d.Text()
			}
		}
		return submoduleType(sub)
	})
	fn("deferredModuleWith", 1, func(m *merging, args []eval.Value) *typeInfo {
		var static []eval.Value
		if v, ok := m.t.Lookup(args[0], "staticModules"); ok {
			static = m.t.List(v).Elems()
		}
		return deferredModule(static)
	})

	ints := eval.NewAttrs(12)
	for _, name := range sortedKeys(intTypes) {
		ints.Set(name, s.viewOf(intTypes[name].info()))
	}
	ints.Set("between", eval.Func("between", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
		return s.viewOf(IntRange("", t.Int(args[0]), t.Int(args[1])).info())
	}))
	b.Set("ints", ints.Done())
	bound := func(t *eval.Thread, v eval.Value) float64 {
		switch v := t.Force(v).(type) {
		case eval.Int:
			return float64(v)
		case eval.Float:
			return float64(v)
		}
		t.Throw("types.numbers.between needs two numbers")
		return math.NaN()
	}
	b.Set("numbers", eval.NewAttrs(3).
		Set("nonnegative", s.viewOf(NonNegative.info())).
		Set("positive", s.viewOf(PositiveNumber.info())).
		Set("between", eval.Func("between", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
			return s.viewOf(NumberRange(bound(t, args[0]), bound(t, args[1])).info())
		})).Done())
	return b.Done()
}

// modulesOf returns the modules of a submodule, given as one or as a list.
func modulesOf(m *merging, v eval.Value) []Module {
	list, ok := m.t.Force(v).(*eval.List)
	if !ok {
		return []Module{FromValue(v, "")}
	}
	all := make([]Module, list.Len())
	for i, e := range list.Elems() {
		all[i] = FromValue(e, "")
	}
	return all
}
