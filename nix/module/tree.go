package module

import (
	"fmt"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
)

// A tree is one evaluation of modules: the whole configuration, or a submodule. All of
// it is lazy: reading the attribute names of its config collects the modules, and
// reading an option merges that option.
type tree struct {
	sys     *System
	loc     []string
	args    map[string]eval.Value // the special arguments
	sources []Module
	sub     *submodule  // of a submodule
	class   string      // of modules, "" for any
	name    string      // of a submodule, the attribute that it is assigned to; else ""
	place   Pos         // of a submodule, where it is assigned
	common  *eval.Attrs // see commonArgs

	mods         once[[]*mod]
	root         once[*level]
	freeform     once[*freeform]
	config       eval.Thunk // the values, as modules see them
	checked      eval.Thunk // the values for others: without _module, after the check for unknown options
	optionsValue eval.Thunk // the declarations, as modules see them
}

func (s *System) newTree(loc []string, args map[string]eval.Value) *tree {
	tr := &tree{sys: s, loc: loc, args: args}
	tr.mods.init(tr.collect)
	tr.root.init(func(t *eval.Thread) *level {
		var decls []declSet
		var defs []def
		for _, x := range tr.mods.get(t) {
			decls = append(decls, x.options...)
			defs = append(defs, x.config...)
		}
		return tr.newLevel(loc, tr.plan(decls), func(*eval.Thread) []def { return defs })
	})
	tr.freeform.init(tr.mergeFreeform)
	tr.config.Init(func(t *eval.Thread) eval.Value {
		return tr.root.get(t).value(t, tr.freeform.get(t).at(nil))
	})
	tr.checked.Init(func(t *eval.Thread) eval.Value {
		if errs := tr.unknown(t); len(errs) > 0 {
			tr.merging(t).fail(errs...)
		}
		set := t.Attrs(&tr.config)
		b := eval.NewAttrs(set.Len())
		for i := range set.Len() {
			if name, v, pos := set.At(i); name != "_module" {
				b.SetAt(name, v, pos)
			}
		}
		return b.Done()
	})
	tr.optionsValue.Init(func(t *eval.Thread) eval.Value { return tr.root.get(t).options(t) })
	return tr
}

func (tr *tree) merging(t *eval.Thread) *merging { return &merging{t, tr.sys, tr.args} }

// A declSet is the options that one module declares, or some of them.
type declSet struct {
	file      string
	pos       Pos // of options below another option
	goOptions Options
	nix       *eval.Attrs
}

// A decl is one declaration of one option.
type decl struct {
	file  string
	pos   Pos
	goOpt *Option
	nix   *eval.Attrs
}

// A level is a set of options, with what is assigned below it. At first only the names
// are known: a declaration is evaluated when its option is, so that it may be computed
// from other options.
type level struct {
	*plan
	tree     *tree
	loc      []string
	known    []*entry              // parallel to names; nil until they are needed
	open     map[int]*once[*entry] // those that take an evaluation
	assigned once[*assignments]
}

// A rawDecl is what one module declares at one place: an option or a group.
type rawDecl struct {
	file  string
	pos   Pos
	goOpt *Option
	val   eval.Value
}

// An entry is an option or a further level.
type entry struct {
	slot  *slot
	level *level
}

// assignments are the definitions of a level, by attribute.
type assignments struct {
	byName map[string][]def
	names  []string // in the order of the definitions
}

// plan returns the plan of the tree's root. Submodules that only Go declares share theirs.
func (tr *tree) plan(sets []declSet) *plan {
	if tr.sub == nil || slices.ContainsFunc(sets, func(s declSet) bool { return s.nix != nil }) {
		return newPlan(sets)
	}
	p := tr.sys.plans[tr.sub]
	if p == nil {
		p = newPlan(sets)
		tr.sys.plans[tr.sub] = p
	}
	return p
}

// newLevel returns a level of which defs returns the assignments.
func (tr *tree) newLevel(loc []string, p *plan, defs func(t *eval.Thread) []def) *level {
	l := &level{plan: p, tree: tr, loc: loc, known: make([]*entry, len(p.names))}
	l.assigned.init(func(t *eval.Thread) *assignments { return l.distribute(t, defs(t)) })
	return l
}

// declares reports whether there is an option or a level of that name.
func (l *level) declares(name string) bool {
	_, ok := l.index[name]
	return ok
}

// at returns what is declared by that name; nil if nothing is.
func (l *level) at(t *eval.Thread, name string) *entry {
	if i, ok := l.index[name]; ok {
		return l.entry(t, i)
	}
	return nil
}

// entry returns what is declared at an index of names.
func (l *level) entry(t *eval.Thread, i int) *entry {
	e := l.known[i]
	if e == nil {
		if l.entries[i].ours {
			e = l.resolve(nil, i)
		} else {
			if l.open == nil {
				l.open = map[int]*once[*entry]{}
			}
			if l.open[i] == nil {
				l.open[i] = newOnce(func(t *eval.Thread) *entry { return l.resolve(t, i) })
			}
			e = l.open[i].get(t)
		}
		l.known[i] = e
	}
	return e
}

// unset returns what an option is, if nothing is assigned to it and that is a constant; else
// nil.
func (l *level) unset(t *eval.Thread, i int) *fixed {
	f := l.fixed(t, l.tree.sys, i)
	if !f.constant {
		return nil
	}
	byName := l.assigned.get(t).byName
	if byName[l.names[i]] != nil {
		return nil
	}
	for _, alias := range l.aliases[l.names[i]] {
		if byName[alias] != nil {
			return nil
		}
	}
	return f
}

// isConstant reports whether nothing is assigned to an entry and all of it is a constant.
func (l *level) isConstant(t *eval.Thread, i int) bool {
	e := &l.entries[i]
	if below := e.below(); below != nil {
		return below.constant(t, l.tree.sys) && l.assigned.get(t).byName[l.names[i]] == nil
	}
	if g := e.option(); g != nil && len(g.AliasOf) == 1 {
		target, ok := l.index[g.AliasOf[0]]
		return ok && l.unset(t, target) != nil
	}
	return l.unset(t, i) != nil
}

// resolve finds out whether an entry is an option or a further level. It needs t only for
// what Nix declares.
func (l *level) resolve(t *eval.Thread, i int) *entry {
	name := l.names[i]
	loc := append(l.loc[:len(l.loc):len(l.loc)], name)
	var options []decl
	var groups []declSet
	for _, d := range l.entries[i].decls {
		switch {
		case d.goOpt != nil && d.goOpt.Set != nil:
			groups = append(groups, declSet{file: d.file, goOptions: d.goOpt.Set})
			continue
		case d.goOpt != nil:
			options = append(options, decl{file: d.file, goOpt: d.goOpt})
			continue
		}
		set, ok := t.Force(d.val).(*eval.Attrs)
		switch {
		case !ok:
			e := errorf(loc, d.pos, "the declaration of option %s must be made with mkOption, not %s",
				quotePath(loc), l.tree.merging(t).show(d.val))
			e.stray = t.Force(d.val).Type() == eval.TypeString
			l.tree.merging(t).fail(e)
		case property(t, set) == "option":
			options = append(options, decl{file: d.file, pos: d.pos, nix: set})
		default:
			groups = append(groups, declSet{file: d.file, pos: d.pos, nix: set})
		}
	}
	if options != nil { // groups belong to the option's submodule
		return &entry{slot: l.newOption(name, options, groups)}
	}
	below := l.entries[i].below()
	if below == nil {
		below = newPlan(groups)
	}
	return &entry{level: l.tree.newLevel(loc, below, func(t *eval.Thread) []def {
		return l.assigned.get(t).byName[name]
	})}
}

// slot returns the option of that name; nil if there is none.
func (l *level) slot(t *eval.Thread, name string) *slot {
	if e := l.at(t, name); e != nil {
		return e.slot
	}
	return nil
}

// distribute splits definitions by attribute.
func (l *level) distribute(t *eval.Thread, defs []def) *assignments {
	m := l.tree.merging(t)
	var sets []def
	for _, d := range defs {
		sets = m.peel(d, true, sets)
	}
	a := &assignments{byName: map[string][]def{}}
	for _, d := range sets {
		set, ok := d.val.(*eval.Attrs)
		if !ok {
			err := errorf(l.loc, d.place(), "a definition for %s must be a set, since there are options in it: %s", l.describe(), m.show(d.val))
			err.Hint = l.inside(d.val)
			m.fail(err)
		}
		for i := range set.Len() {
			name, v, pos := set.At(i)
			if !pos.IsValid() {
				pos = d.pos
			}
			if _, known := a.byName[name]; !known {
				a.names = append(a.names, name)
			}
			d := d
			d.val, d.pos = v, pos
			a.byName[name] = append(a.byName[name], d)
		}
	}
	return a
}

// inside is the hint for a value that stands where options are to be set.
func (l *level) inside(v eval.Value) string {
	names := slices.DeleteFunc(slices.Clone(l.names), func(name string) bool { return name == "_module" })
	if _, is := v.(eval.Bool); is && slices.Contains(names, "enable") {
		return fmt.Sprintf("write { enable = %v; }", v)
	}
	slices.Sort(names)
	more := ""
	if len(names) > maxShown {
		names, more = names[:maxShown], ", …"
	}
	return "write a set, { NAME = VALUE; }, of " + strings.Join(names, ", ") + more
}

func (l *level) describe() string {
	if len(l.loc) == 0 {
		return "the configuration"
	}
	return quotePath(l.loc)
}

// value returns the set of the level's options, and of its freeform attributes.
func (l *level) value(t *eval.Thread, free *eval.Attrs) eval.Value {
	n := len(l.names)
	if free != nil {
		n += free.Len()
	}
	b := eval.NewAttrs(n)
	if free != nil {
		for i := range free.Len() {
			name, v, pos := free.At(i)
			b.SetAt(name, v, pos)
		}
	}
	for i, name := range l.names {
		b.Set(name, l.child(i))
	}
	return b.Done()
}

// child returns the value of an entry.
func (l *level) child(i int) eval.Value {
	return eval.Lazy(func(t *eval.Thread) eval.Value {
		if f := l.unset(t, i); f != nil {
			return f.val
		}
		e := l.entry(t, i)
		if e.slot != nil {
			return e.slot.value()
		}
		return e.level.value(t, l.tree.freeform.get(t).at(e.level.loc[len(l.tree.loc):]))
	})
}

// options returns the set of declarations, as modules see it.
func (l *level) options(*eval.Thread) eval.Value {
	b := eval.NewAttrs(len(l.names))
	for i, name := range l.names {
		b.Set(name, eval.Lazy(func(t *eval.Thread) eval.Value {
			e := l.entry(t, i)
			if e.slot != nil {
				return &e.slot.opt.view
			}
			return e.level.options(t)
		}))
	}
	return b.Done()
}

// An undeclared is an assignment to something that is not declared.
type undeclared struct {
	path  []string // from the root of the tree
	level *level
	defs  []def
}

// notDeclared returns the assignments below l to what is not declared.
func (l *level) notDeclared(t *eval.Thread) []undeclared {
	var all []undeclared
	a := l.assigned.get(t)
	for _, name := range a.names {
		if !l.declares(name) {
			path := append(slices.Clone(l.loc[len(l.tree.loc):]), name)
			all = append(all, undeclared{path, l, a.byName[name]})
		}
	}
	for i, name := range l.names {
		// A level is built only if something is assigned to it.
		if a.byName[name] == nil || l.entries[i].option() != nil {
			continue
		}
		if e := l.entry(t, i); e.level != nil {
			all = append(all, e.level.notDeclared(t)...)
		}
	}
	return all
}

// unknown returns an error for each assignment to what is neither declared nor
// freeform, even if mkIf has switched it off, as in NixOS.
func (tr *tree) unknown(t *eval.Thread) []*Error {
	if tr.freeformType(t) != nil || !tr.checks(t) {
		return nil
	}
	var errs []*Error
	for _, s := range tr.root.get(t).notDeclared(t) {
		path := append(slices.Clone(tr.loc), s.path...)
		e := errorf(path, firstPlace(s.defs), "unknown option %s", quotePath(path))
		name := path[len(path)-1]
		known := slices.DeleteFunc(slices.Clone(s.level.names), func(n string) bool { return n == "_module" })
		e.unknown = true
		if e.Hint = didYouMean(name, known); e.Hint == "" {
			e.Hint = s.level.elsewhere(t, name)
		}
		for _, d := range s.defs[1:] {
			e.Also = append(e.Also, Note{d.place(), "also assigned here"})
		}
		errs = append(errs, e)
	}
	return errs
}

// internals returns the options below _module.
func (tr *tree) internals(t *eval.Thread) *level { return tr.root.get(t).at(t, "_module").level }

func (tr *tree) internal(t *eval.Thread, name string) eval.Value {
	l := tr.internals(t)
	if f := l.unset(t, l.index[name]); f != nil {
		return f.val
	}
	return t.Force(l.slot(t, name).value())
}

// elsewhere suggests an option of that name one level below.
func (l *level) elsewhere(t *eval.Thread, name string) string {
	for i, group := range l.names {
		var e *entry
		if err := t.Try(func() { e = l.entry(t, i) }); err != nil || e.level == nil || group == "_module" {
			continue
		}
		if e.level.declares(name) {
			return fmt.Sprintf("did you mean %q?", showPath([]string{group, name}))
		}
	}
	return ""
}

func (tr *tree) checks(t *eval.Thread) bool { return t.Bool(tr.internal(t, "check")) }

// freeformType returns the type of what is not declared; nil if there is none.
func (tr *tree) freeformType(t *eval.Thread) *typeInfo {
	v := tr.internal(t, "freeformType")
	if v.Type() == eval.TypeNull {
		return nil
	}
	return tr.sys.typeOf(t, v)
}

// A freeform is the merged value of everything that is not declared, or nothing.
type freeform struct {
	t   *eval.Thread
	res *result
}

func (tr *tree) mergeFreeform(t *eval.Thread) *freeform {
	l := tr.root.get(t)
	notDeclared := []undeclared(nil)
	if typ := tr.freeformType(t); typ != nil {
		if notDeclared = l.notDeclared(t); len(notDeclared) == 0 && typ.empty == nil {
			return &freeform{t: t}
		}
		var defs []def
		for _, s := range notDeclared {
			for _, d := range s.defs {
				for i := len(s.path) - 1; i >= 0; i-- {
					d.val = eval.NewAttrs(1).SetAt(s.path[i], d.val, d.pos).Done()
				}
				defs = append(defs, d)
			}
		}
		m := tr.merging(t)
		w := pick(m.spread(defs))
		if len(w.defs) == 0 {
			return &freeform{t: t}
		}
		r := m.mergeChecked(typ, tr.loc, w.defs)
		return &freeform{t, &r}
	}
	return &freeform{t: t}
}

// spread moves the properties of freeform definitions, which are sets of one attribute
// each, to that attribute: they concern nothing else.
func (m *merging) spread(defs []def) []def {
	out := make([]def, len(defs))
	for i, d := range defs {
		set := d.val.(*eval.Attrs)
		name, v, pos := set.At(0)
		for j := len(d.conds) - 1; j >= 0; j-- {
			v = eval.NewAttrs(3).Set("_type", eval.Str("if")).Set("condition", d.conds[j]).Set("content", v).Done()
		}
		if d.order != 0 {
			v = eval.NewAttrs(3).Set("_type", eval.Str("order")).Set("priority", eval.MakeInt(int64(d.order))).Set("content", v).Done()
		}
		if d.prio != 0 {
			v = eval.NewAttrs(3).Set("_type", eval.Str("override")).Set("priority", eval.MakeInt(int64(d.prio))).Set("content", v).Done()
		}
		out[i] = def{val: eval.NewAttrs(1).SetAt(name, v, pos).Done(), pos: d.pos, file: d.file}
	}
	return out
}

// at returns the freeform set at a path; nil if there is none.
func (f *freeform) at(path []string) *eval.Attrs {
	if f.res == nil {
		return nil
	}
	v, ok := f.t.Lookup(f.res.val, path...)
	if !ok {
		return nil
	}
	set, _ := v.(*eval.Attrs)
	return set
}
