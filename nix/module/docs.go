package module

import (
	"context"
	"slices"
	"sort"

	"nix2gpu/nix/eval"
)

// A Doc is what the reference says about one option.
type Doc struct {
	Path        []string // <name> stands for any attribute, * for any element
	Type        string
	Default     string // as Nix source; "" if there is none
	Example     string // as Nix source; "" when there is none
	Description string // Markdown
	ReadOnly    bool
	NoEffect    string // why it changes nothing, for an option that is only accepted
	Deprecated  string // what to use instead, if the option is deprecated
	AliasOf     string // the path of the option that this is an alias of
	Declared    []Pos  // empty for options declared in Go
}

// String returns the path as the reference shows it.
func (d Doc) String() string { return showPath(d.Path) }

// Describe documents options declared in Go, those of submodules included, sorted by
// path. It leaves out internal options.
func Describe(options Options) []Doc {
	sys := NewSystem(eval.New(eval.Options{}))
	return sys.Evaluate(context.Background(), Spec{Modules: []Module{Declare(options, nil)}}).Describe()
}

// Describe documents all options of e, also those that are declared in Nix.
func (e *Evaluation) Describe() []Doc {
	d := &describer{e: e}
	d.tree(e.tree)
	sort.SliceStable(d.docs, func(i, j int) bool {
		a, b := d.docs[i], d.docs[j]
		return slices.Compare(a.Path, b.Path) < 0
	})
	return d.docs
}

// maxDescribed limits the length of paths, because a submodule may contain itself.
const maxDescribed = 12

type describer struct {
	e    *Evaluation
	docs []Doc
}

func (d *describer) tree(tr *tree) {
	if root, err := read(d.e, &tr.root); err == nil {
		d.level(root)
	}
}

func (d *describer) level(l *level) {
	if len(l.loc) > maxDescribed {
		return
	}
	for i, name := range l.names {
		found, err := d.e.entry(l, i)
		switch {
		case err != nil || name == "_module":
		case found.level != nil:
			d.level(found.level)
		default:
			d.option(found.slot.opt)
		}
	}
}

// option describes one option and what is inside its type.
func (d *describer) option(o *option) {
	doc := Doc{Path: o.slot.loc}
	hidden := false
	var typ *typeInfo
	err := d.e.do(func(t *eval.Thread) {
		decl := o.merged.get(t)
		typ = decl.typ
		doc.Type, doc.ReadOnly = typ.String(), decl.readOnly
		for _, one := range o.decls {
			if one.goOpt != nil {
				doc.fromGo(one.goOpt, o)
				hidden = hidden || one.goOpt.Internal
				continue
			}
			if p := one.place(); p.IsValid() {
				doc.Declared = append(doc.Declared, p)
			}
			hidden = doc.fromNix(o.slot.merging(t), one.nix) || hidden
		}
	})
	if err != nil || hidden {
		return
	}
	d.docs = append(d.docs, doc)
	if doc.AliasOf == "" {
		d.inside(o.slot, typ, o.slot.loc)
	}
}

// inside describes the options of the submodules in a type.
func (d *describer) inside(s *slot, typ *typeInfo, loc []string) {
	var next []*typeInfo
	err := d.e.do(func(*eval.Thread) {
		if typ = typ.real(); typ.sub == nil {
			next = typ.elems
		}
		for _, e := range next {
			e.real()
		}
	})
	switch {
	case err != nil:
		return
	case typ.sub != nil:
		tr := typ.sub.evaluate(s.sys, s.args, loc, nil)
		tr.name = loc[len(loc)-1]
		d.tree(tr)
		return
	}
	switch typ.name {
	case "attrsOf", "lazyAttrsOf":
		loc = append(slices.Clone(loc), "<name>")
	case "listOf", "nonEmptyListOf":
		loc = append(slices.Clone(loc), "*")
	}
	if len(loc) > maxDescribed {
		return
	}
	for _, e := range next {
		d.inside(s, e, loc)
	}
}

func (doc *Doc) fromGo(g *Option, o *option) {
	doc.Description, doc.Deprecated, doc.NoEffect = g.Description, g.Deprecated, g.NoEffect
	if g.AliasOf != nil {
		target := append(slices.Clone(o.level.loc), g.AliasOf...)
		doc.AliasOf = showPath(target)
		doc.Type = "alias of " + doc.AliasOf
		return
	}
	switch {
	case g.DefaultText != "":
		doc.Default = g.DefaultText
	case g.Default != nil:
		doc.Default = show(g.Default)
	}
	if g.Example != nil {
		doc.Example = show(g.Example)
	}
}

// fromNix reads a declaration, and reports whether the option is hidden.
func (doc *Doc) fromNix(m *merging, set *eval.Attrs) (hidden bool) {
	text := func(name string) string {
		v, ok := set.Get(name)
		if !ok {
			return ""
		}
		if s, ok := m.t.Lookup(v, "text"); ok { // literalExpression
			return m.t.Text(s)
		}
		return m.show(v)
	}
	// A default may need arguments that documentation does not have.
	_ = m.t.Try(func() {
		doc.Default = text("defaultText")
		if doc.Default == "" {
			doc.Default = text("default")
		}
	})
	_ = m.t.Try(func() { doc.Example = text("example") })
	_ = m.t.Try(func() {
		if v, ok := set.Get("description"); ok {
			v = m.t.Force(v)
			if s, ok := m.t.Lookup(v, "text"); ok { // mdDoc
				v = s
			}
			if v.Type() == eval.TypeString {
				doc.Description = m.t.Text(v)
			}
		}
	})
	for name, hides := range map[string]bool{"internal": true, "visible": false} {
		if v, ok := set.Get(name); ok && m.t.Force(v) == eval.Value(eval.Bool(hides)) {
			return true
		}
	}
	return false
}
