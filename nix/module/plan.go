package module

import (
	"maps"
	"slices"

	"nix2gpu/nix/eval"
)

// A plan is what declarations say of a set of options, whatever is assigned to it. All
// instances of a submodule that Go declares share one, and what it has found out about the
// options: most of them are set nowhere, and then an instance costs nothing for them.
type plan struct {
	names   []string // sorted
	index   map[string]int
	entries []planned           // parallel to names
	aliases map[string][]string // the other names of an option, see Option.AliasOf
}

// A planned entry is an option or a group.
type planned struct {
	decls []rawDecl
	ours  bool // only Go declares it

	group *plan  // of a group that only Go declares; made when it is first needed
	fixed *fixed // of an option; likewise
}

// fixed says what an option is to which nothing is assigned: the same everywhere, if its
// declaration gives it a value that depends on nothing.
type fixed struct {
	constant bool
	val      eval.Value // no thunk, and without parts that have types of their own
	prio     int        // of the default; 0: there is none, and val is the type's
}

func newPlan(sets []declSet) *plan {
	p := &plan{}
	decls := map[string][]rawDecl{}
	for _, set := range sets {
		for name, o := range set.goOptions {
			decls[name] = append(decls[name], rawDecl{file: set.file, goOpt: &o})
			if len(o.AliasOf) == 1 {
				if p.aliases == nil {
					p.aliases = map[string][]string{}
				}
				p.aliases[o.AliasOf[0]] = append(p.aliases[o.AliasOf[0]], name)
			}
		}
		if set.nix != nil {
			for i := range set.nix.Len() {
				name, v, pos := set.nix.At(i)
				decls[name] = append(decls[name], rawDecl{file: set.file, pos: pos, val: v})
			}
		}
	}
	for _, names := range p.aliases {
		slices.Sort(names)
	}
	p.names = slices.AppendSeq(make([]string, 0, len(decls)), maps.Keys(decls))
	slices.Sort(p.names)
	p.index = make(map[string]int, len(p.names))
	p.entries = make([]planned, len(p.names))
	for i, name := range p.names {
		p.index[name] = i
		p.entries[i] = planned{decls: decls[name], ours: !slices.ContainsFunc(decls[name], func(d rawDecl) bool { return d.goOpt == nil })}
	}
	return p
}

// option returns the declaration of an option that only Go declares, and only once; else
// nil.
func (p *planned) option() *Option {
	if p.ours && len(p.decls) == 1 && p.decls[0].goOpt.Set == nil {
		return p.decls[0].goOpt
	}
	return nil
}

// below returns the plan of a group that only Go declares; else nil.
func (p *planned) below() *plan {
	if p.group == nil && p.ours {
		var sets []declSet
		for _, d := range p.decls {
			if d.goOpt.Set == nil {
				return nil
			}
			sets = append(sets, declSet{file: d.file, goOptions: d.goOpt.Set})
		}
		p.group = newPlan(sets)
	}
	return p.group
}

// constant reports whether the options of a plan, and of the groups in it, are constants
// where nothing is assigned to them.
func (p *plan) constant(t *eval.Thread, sys *System) bool {
	for i := range p.entries {
		if below := p.entries[i].below(); below != nil {
			if !below.constant(t, sys) {
				return false
			}
		} else if !p.fixed(t, sys, i).constant {
			return false
		}
	}
	return true
}

// fixed returns what an option is to which nothing is assigned.
func (p *plan) fixed(t *eval.Thread, sys *System, i int) *fixed {
	e := &p.entries[i]
	if e.fixed == nil {
		e.fixed = &fixed{}
		g := e.option()
		if g == nil || g.AliasOf != nil || !isConstant(g) {
			return e.fixed
		}
		var found fixed
		if err := t.Try(func() { found = fixedOf(&merging{t: t, sys: sys}, p.names[i], g) }); err == nil {
			e.fixed = &found
		} // else the error comes up where the option is read
	}
	return e.fixed
}

// isConstant reports whether the default depends on nothing.
func isConstant(g *Option) bool {
	switch g.Default.(type) {
	case nil, null, bool, int, int64, float64, string, []string, []any, map[string]any:
		return g.DefaultFrom == nil
	}
	return false
}

func fixedOf(m *merging, name string, g *Option) fixed {
	typ, loc := Unspecified.info(), []string{name}
	if g.Type != nil {
		typ = g.Type.info()
	}
	f := fixed{prio: defaultPriority}
	var r result
	if g.Default == nil {
		if typ = typ.real(); typ.sub != nil || typ.empty == nil {
			return fixed{}
		}
		f.prio, r.val = 0, typ.empty
	} else {
		r = m.mergeChecked(typ, loc, []def{{val: m.t.Force(m.sys.value(g.Default)), prio: defaultPriority}})
	}
	if r.tree != nil || r.elems != nil || r.names != nil {
		return fixed{}
	}
	f.val = m.t.Force(r.val)
	f.constant = !eval.IsFunction(f.val) && f.val.Type() != eval.TypeOpaque
	return f
}
