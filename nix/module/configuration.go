package module

import (
	"maps"
	"slices"

	"nix2gpu/nix/eval"
)

// evalModules implements lib.evalModules.
func (s *System) evalModules(t *eval.Thread, set *eval.Attrs) eval.Value {
	var prefix []string
	if v, ok := set.Get("prefix"); ok {
		prefix = texts(t, v)
	}
	tr := s.newTree(prefix, s.specialArgs(t, set))
	if v, ok := t.Lookup(set, "class"); ok && v.Type() == eval.TypeString {
		tr.class = t.Text(v)
	}
	tr.addModules(t, set)
	if v, ok := set.Get("args"); ok { // the old name of _module.args
		tr.sources = append(tr.sources, AsConfig(eval.NewAttrs(1).Set("_module", eval.NewAttrs(1).Set("args", v).Done()).Done(), set.Pos("args"), ""))
	}
	return tr.configuration()
}

// texts returns the elements of a list of strings.
func texts(t *eval.Thread, v eval.Value) (all []string) {
	for _, e := range t.List(v).Elems() {
		all = append(all, t.Text(e))
	}
	return all
}

// addModules adds the modules of a set of arguments.
func (tr *tree) addModules(t *eval.Thread, set *eval.Attrs) {
	if v, ok := set.Get("modules"); ok {
		for _, e := range t.List(v).Elems() {
			tr.sources = append(tr.sources, Module{def: &def{val: e, pos: set.Pos("modules")}})
		}
	}
}

// configuration returns what lib.evalModules does: an evaluation, for use in Nix.
func (tr *tree) configuration() eval.Value {
	return eval.NewAttrs(8).
		Set("_type", eval.Str("configuration")).
		Set("config", &tr.checked).
		Set("options", &tr.optionsValue).
		Set("class", tr.classValue()).
		Set("_module", eval.Lazy(func(t *eval.Thread) eval.Value { return t.Select(&tr.config, "_module") })).
		Set("type", eval.Lazy(func(*eval.Thread) eval.Value { return tr.moduleType() })).
		Set("extendModules", tr.extendModules()).Done()
}

// classValue returns the class of modules in Nix.
func (tr *tree) classValue() eval.Value { return classValue(tr.class) }

// moduleType returns the type of submodules that have the modules of this evaluation.
func (tr *tree) moduleType() eval.Value {
	return tr.sys.viewOf(submoduleType(&submodule{modules: tr.sources, args: tr.args, desc: "submodule", class: tr.class}))
}

// extendModules returns a function that evaluates these modules together with others.
func (tr *tree) extendModules() eval.Value {
	return eval.Func("extendModules", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
		set := t.Attrs(args[0])
		loc := tr.loc
		if v, ok := set.Get("prefix"); ok {
			loc = texts(t, v)
		}
		special := maps.Clone(tr.args)
		if special == nil {
			special = map[string]eval.Value{}
		}
		maps.Copy(special, tr.sys.specialArgs(t, set))
		more := tr.sys.newTree(loc, special)
		more.class, more.name, more.place = tr.class, tr.name, tr.place
		more.sources = slices.Clone(tr.sources)
		more.addModules(t, set)
		return more.configuration()
	})
}

// commonArgs returns the arguments that every module gets that is a function.
func (tr *tree) commonArgs() *eval.Attrs {
	if tr.common == nil {
		all := map[string]eval.Value{"lib": tr.sys.Lib()}
		for _, name := range [...]string{"config", "options", "specialArgs", "_class", "_prefix"} {
			all[name] = tr.builtinArg(name)
		}
		maps.Copy(all, tr.args)
		tr.common = eval.AttrsOf(all)
	}
	return tr.common
}

// builtinArg returns a module argument that every evaluation has, beside lib; nil if the
// name is none of those.
func (tr *tree) builtinArg(name string) eval.Value {
	switch name {
	case "config":
		return &tr.config
	case "options":
		return &tr.optionsValue
	case "specialArgs":
		return eval.Lazy(func(*eval.Thread) eval.Value { return eval.AttrsOf(tr.args) })
	case "_class":
		return tr.classValue()
	case "_prefix":
		return eval.StringList(tr.loc...)
	case "extendModules":
		return tr.extendModules()
	case "moduleType":
		return eval.Lazy(func(*eval.Thread) eval.Value { return tr.moduleType() })
	}
	return nil
}

// valueMeta says what a value consists of: the elements of a list or a set, and the
// evaluation of a submodule.
func (s *System) valueMeta(t *eval.Thread, r result) eval.Value {
	b := eval.NewAttrs(1)
	elem := func(e *slot) eval.Value {
		return eval.Lazy(func(t *eval.Thread) eval.Value { return s.valueMeta(t, e.res.get(t)) })
	}
	switch {
	case r.meta != nil:
		return r.meta
	case r.tree != nil:
		b.Set("configuration", r.tree.configuration())
	case r.isList:
		all := make([]eval.Value, len(r.elems))
		for i, e := range r.elems {
			all[i] = elem(e)
		}
		b.Set("list", eval.NewList(all...))
	case r.names != nil:
		set := eval.NewAttrs(len(r.names))
		for i, name := range r.names {
			set.Set(name, elem(r.elems[i]))
		}
		b.Set("attrs", set.Done())
	}
	return b.Done()
}
