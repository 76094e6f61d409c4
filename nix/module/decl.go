package module

import (
	"fmt"
	"slices"

	"nix2gpu/nix/eval"
)

// An option is what a slot has that an element has not: declarations.
type option struct {
	slot  *slot
	level *level
	name  string
	decls []decl
	below []declSet // options declared below it, which belong to its submodule

	merged once[*declaration]
	inner  once[result] // the value before apply
	view   eval.Thunk
}

// A declaration is the sum of all declarations of an option.
type declaration struct {
	typ        *typeInfo
	preset     *def // the default
	apply      eval.Value
	readOnly   bool
	alias      []string
	deprecated string
}

// newOption returns the slot of an option.
func (l *level) newOption(name string, decls []decl, below []declSet) *slot {
	s := newSlot(l.tree.sys, l.tree.args, append(l.loc[:len(l.loc):len(l.loc)], name))
	o := &option{slot: s, level: l, name: name, decls: decls, below: below}
	s.opt = o
	o.merged.init(o.mergeDecls)
	o.view.Init(o.makeView)
	s.won.init(func(t *eval.Thread) (w winners) {
		raw := o.raw(t)
		t.AnnotateLate(firstPlace(raw), s.frame, func() {
			w = pick(s.merging(t).peelAll(raw))
			// A default that is overridden is not evaluated.
			if preset := o.merged.get(t).preset; preset != nil && w.prio >= defaultPriority {
				w = pick(append(s.merging(t).peelAll([]def{*preset}), w.defs...))
			}
		})
		return w
	})
	o.inner.init(o.evaluate)
	s.res.init(func(t *eval.Thread) result {
		apply := o.merged.get(t).apply
		if apply == nil {
			return o.inner.get(t)
		}
		// The function may ignore the value.
		before := eval.Lazy(func(t *eval.Thread) eval.Value { return o.inner.get(t).val })
		return result{val: eval.LazyCall(apply, before), applied: true}
	})
	return s
}

// frame is what a trace says of the slot.
func (s *slot) frame() string { return optionFrame + quotePath(s.loc) }

// raw returns all assignments to the option, those by its aliases included.
func (o *option) raw(t *eval.Thread) []def {
	defs := o.level.assigned.get(t).byName[o.name]
	for _, alias := range o.level.aliases[o.name] {
		defs = append(slices.Clip(defs), o.level.assigned.get(t).byName[alias]...)
	}
	return defs
}

// evaluate merges the option's definitions.
func (o *option) evaluate(t *eval.Thread) (r result) {
	m := o.slot.merging(t)
	decl := o.merged.get(t)
	if decl.alias != nil {
		target := o.level.slot(t, decl.alias[0])
		if target == nil || target == o.slot {
			m.fail(errorf(o.slot.loc, Pos{}, "the option %s is an alias of an option that does not exist beside it", quotePath(o.slot.loc)))
		}
		return target.res.get(t)
	}
	w := o.slot.won.get(t)
	if len(w.defs) == 0 {
		r, ok := m.nothing(decl.typ, o.slot.loc)
		if !ok {
			e := o.noValue()
			if !e.Pos.IsValid() {
				e.Pos = t.Pos() // who asks for it
			}
			m.fail(e)
		}
		return r
	}
	if n := len(w.defs) + len(w.lost); decl.readOnly && (n > 1 || decl.preset != nil && w.prio < defaultPriority) {
		e := m.conflict(o.slot.loc, append(slices.Clone(w.defs), w.lost...), "is read-only and has a value already")
		e.Hint = "remove what is assigned to it"
		m.fail(e)
	}
	t.AnnotateLate(firstPlace(w.defs), o.slot.frame, func() {
		r = m.mergeChecked(decl.typ, o.slot.loc, w.defs)
	})
	return r
}

func (o *option) noValue() *Error {
	e := errorf(o.slot.loc, o.level.tree.place, "the option %s is used, but nothing is assigned to it", quotePath(o.slot.loc))
	e.unset, e.Hint = true, "it has no default: assign a value to it"
	return e
}

// mergeDecls makes one declaration of all.
func (o *option) mergeDecls(t *eval.Thread) *declaration {
	m := o.slot.merging(t)
	out := &declaration{}
	for _, d := range o.decls {
		var typ *typeInfo
		if d.goOpt != nil {
			typ = o.fromGo(d.goOpt, out)
		} else {
			typ = o.fromNix(m, d, out)
		}
		if out.typ == nil {
			out.typ = typ
			continue
		}
		if typ == nil {
			continue
		}
		joined := o.slot.sys.join(t, out.typ, typ)
		if joined == nil {
			e := errorf(o.slot.loc, d.pos, "the option %s is declared several times with types that do not fit together: `%s' and `%s'",
				quotePath(o.slot.loc), out.typ, typ)
			for _, d := range o.decls {
				e.Also = append(e.Also, Note{d.place(), "declared here"})
			}
			m.fail(e)
		}
		out.typ = joined
	}
	if out.typ == nil {
		out.typ = Unspecified.info()
	}
	if o.below != nil {
		sub := out.typ.findSub()
		if sub == nil {
			m.fail(errorf(o.slot.loc, o.decls[0].pos, "the option %s cannot have options below it: it is of type `%s'", quotePath(o.slot.loc), out.typ))
		}
		extra := *sub
		extra.modules = slices.Clone(sub.modules)
		for _, set := range o.below {
			if set.goOptions != nil {
				extra.modules = append(extra.modules, Module{options: set.goOptions, file: set.file})
			} else {
				extra.modules = append(extra.modules, FromValue(eval.NewAttrs(2).
					Set("_file", eval.Str(set.file)).Set("options", set.nix).Done(), set.file))
			}
		}
		out.typ = submoduleType(&extra)
	}
	return out
}

// place returns the position of d, as precisely as it is known.
func (d decl) place() Pos {
	if d.pos.IsValid() || d.file == "" {
		return d.pos
	}
	return fileOnly(d.file)
}

func (o *option) fromGo(g *Option, out *declaration) *typeInfo {
	if g.AliasOf != nil {
		out.alias = g.AliasOf
	}
	out.readOnly = out.readOnly || g.ReadOnly
	if g.Deprecated != "" {
		out.deprecated = g.Deprecated
	}
	switch {
	case g.DefaultFrom != nil:
		out.preset = &def{prio: defaultPriority, val: eval.Lazy(func(t *eval.Thread) eval.Value {
			return o.defaultFrom(t, g)
		})}
	case g.Default != nil:
		if x, ok := g.Default.(Expr); ok {
			out.preset = &def{prio: defaultPriority, val: eval.Lazy(func(t *eval.Thread) eval.Value {
				return o.evalExpr(t, x)
			})}
			break
		}
		out.preset = &def{prio: defaultPriority, val: o.slot.sys.value(g.Default)}
	}
	if g.Type == nil {
		return nil
	}
	return g.Type.info()
}

// defaultFrom calls Go code for a default, inside the evaluation that asks for it.
func (o *option) defaultFrom(t *eval.Thread, g *Option) eval.Value {
	sys := o.slot.sys
	inner := &Evaluation{sys: sys, tree: o.level.tree, thread: t}
	c := &Config{levelNode{inner, o.level}, &inner.errs}
	v := g.DefaultFrom(c)
	if err := inner.errs.sorted(); err != nil {
		t.Raise(err)
	}
	return sys.value(v)
}

// ofDefault begins the name of the text of a default.
const ofDefault = "default of "

// evalExpr evaluates a default that is Nix source, with all module arguments in scope.
func (o *option) evalExpr(t *eval.Thread, x Expr) eval.Value {
	tr := o.level.tree
	scope := eval.Scope{"lib": tr.sys.Lib(), "config": &tr.config, "options": &tr.optionsValue}
	for name, v := range tr.args {
		scope[name] = v
	}
	if tr.name != "" {
		scope["name"] = eval.Str(tr.name)
	}
	return t.EvalText(ofDefault+showPath(o.slot.loc), string(x), "/", scope)
}

func (o *option) fromNix(m *merging, d decl, out *declaration) *typeInfo {
	t := m.t
	if v, ok := d.nix.Get("default"); ok {
		if out.preset != nil {
			m.fail(errorf(o.slot.loc, d.nix.Pos("default"), "the option %s has a default already", quotePath(o.slot.loc)))
		}
		out.preset = &def{val: v, pos: d.nix.Pos("default"), file: d.file, prio: defaultPriority}
	}
	if v, ok := d.nix.Get("apply"); ok {
		out.apply = v
	}
	if v, ok := d.nix.Get("readOnly"); ok {
		out.readOnly = out.readOnly || t.Bool(v)
	}
	v, ok := d.nix.Get("type")
	if !ok {
		return nil
	}
	v = t.Force(v)
	if v.Type() == eval.TypeNull {
		return nil
	}
	if property(t, v) != "option-type" {
		m.fail(errorf(o.slot.loc, d.nix.Pos("type"), "the type of option %s must be a type such as lib.types.str, not %s", quotePath(o.slot.loc), m.show(v)))
	}
	return o.slot.sys.typeOf(t, v).located(d.file)
}

// makeView returns the option as Nix sees it in `options`: its declaration, and what is
// assigned to it.
func (o *option) makeView(t *eval.Thread) eval.Value {
	if len(o.decls) > 1 {
		o.merged.get(t) // declarations that do not fit are an error as soon as somebody looks
	}
	b := eval.NewAttrs(24)
	for _, d := range o.decls {
		if d.goOpt != nil {
			b.Set("description", eval.Str(d.goOpt.Description)).Set("internal", eval.Bool(d.goOpt.Internal))
			if d.goOpt.Default != nil && d.goOpt.DefaultFrom == nil {
				if _, ok := d.goOpt.Default.(Expr); !ok {
					b.Set("default", o.slot.sys.value(d.goOpt.Default))
				}
			}
			continue
		}
		for i := range d.nix.Len() {
			name, v, pos := d.nix.At(i)
			b.SetAt(name, v, pos)
		}
	}
	lazy := func(name string, f func(t *eval.Thread) eval.Value) { b.Set(name, eval.Lazy(f)) }
	b.Set("_type", eval.Str("option"))
	b.Set("loc", eval.StringList(o.slot.loc...))
	b.Set("name", eval.Str(showPath(o.slot.loc)))
	b.Set("value", o.slot.value())
	lazy("valueMeta", func(t *eval.Thread) eval.Value {
		if len(o.slot.won.get(t).defs) == 0 {
			if _, ok := o.slot.merging(t).nothing(o.merged.get(t).typ, o.slot.loc); !ok {
				return eval.NewAttrs(0).Done()
			}
		}
		return o.slot.sys.valueMeta(t, o.inner.get(t))
	})
	lazy("type", func(t *eval.Thread) eval.Value { return o.slot.sys.viewOf(o.merged.get(t).typ) })
	lazy("isDefined", func(t *eval.Thread) eval.Value { return eval.Bool(len(o.slot.won.get(t).defs) > 0) })
	lazy("highestPrio", func(t *eval.Thread) eval.Value { return eval.MakeInt(int64(o.slot.won.get(t).prio)) })
	each := func(f func(d def) eval.Value) func(t *eval.Thread) eval.Value {
		return func(t *eval.Thread) eval.Value {
			var all []eval.Value
			for _, d := range o.slot.won.get(t).defs {
				all = append(all, f(d))
			}
			return eval.NewList(all...)
		}
	}
	file := func(d def) eval.Value { return eval.Str(d.source()) }
	lazy("definitions", each(func(d def) eval.Value { return d.val }))
	lazy("files", each(file))
	lazy("definitionsWithLocations", each(func(d def) eval.Value {
		return eval.NewAttrs(2).Set("file", file(d)).Set("value", d.val).Done()
	}))
	var files, places []eval.Value
	add := func(f string, pos Pos) {
		if f == "" {
			f = "<unknown-file>"
		}
		files = append(files, eval.Str(f))
		line, col := eval.Value(eval.Null{}), eval.Value(eval.Null{}) // of a computed declaration
		if pos.IsValid() {
			l, c := pos.LineCol()
			line, col = eval.MakeInt(int64(l)), eval.MakeInt(int64(c))
		}
		places = append(places, eval.NewAttrs(3).Set("file", eval.Str(f)).Set("line", line).Set("column", col).Done())
	}
	for _, d := range o.decls {
		add(d.file, d.pos)
	}
	for _, d := range o.below {
		add(d.file, d.pos)
	}
	b.Set("declarations", eval.NewList(files...))
	b.Set("declarationPositions", eval.NewList(places...))
	b.Set("__toString", eval.Func("showOption", 1, func(*eval.Thread, []eval.Value) eval.Value {
		return eval.Str(fmt.Sprint(showPath(o.slot.loc)))
	}))
	return b.Done()
}
