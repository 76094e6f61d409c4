package module

import (
	"errors"
	"slices"

	"nix2gpu/nix/eval"
)

// Check reads every option, down to the elements of lists and sets and into submodules,
// and returns everything that is wrong, as [Errors], sorted. An option without a value
// is no error until it is needed. Options that modules in Nix declare and nobody
// assigns are left alone, as in Nix, since nobody may read them.
func (e *Evaluation) Check() error {
	e.checkTree(e.tree)
	return e.errs.sorted()
}

// try reads something and keeps the error, if there is one.
func (e *Evaluation) try(path []string, f func(t *eval.Thread)) bool {
	err := e.do(f)
	if err == nil {
		return true
	}
	e.errs.addAt(path, err)
	return false
}

func (e *Evaluation) checkTree(tr *tree) {
	var root *level
	if !e.try(tr.loc, func(t *eval.Thread) { root = tr.root.get(t) }) {
		return
	}
	e.try(tr.loc, func(t *eval.Thread) { e.errs.addAll(tr.unknown(t)) })
	e.checkLevel(root)
	var free *freeform
	if e.try(tr.loc, func(t *eval.Thread) { free = tr.freeform.get(t) }) && free.res != nil {
		e.checkResult(tr.loc, *free.res)
	}
	if tr == e.tree {
		e.checkAssertions(root)
	}
}

func (e *Evaluation) checkLevel(l *level) {
	// The assignments may be no set, or fail: that is found here, once.
	var a *assignments
	if !e.try(l.loc, func(t *eval.Thread) { a = l.assigned.get(t) }) {
		return
	}
	for i, name := range l.names {
		if e.isConstant(l, i) {
			continue
		}
		found, err := e.entry(l, i)
		if err != nil {
			if !isStray(err) || a.byName[name] != nil {
				e.errs.addAt(append(slices.Clone(l.loc), name), err)
			}
			continue
		}
		if found.slot != nil {
			e.checkSlot(found.slot)
		} else {
			e.checkLevel(found.level)
		}
	}
}

// isStray reports whether an error is about text among the declarations, as in
// options.description = "…", which some modules say of themselves. Nix never looks at it.
func isStray(err error) bool {
	all, ok := errors.AsType[Errors](err)
	return ok && len(all) == 1 && all[0].stray
}

// maxDepth limits how deep values are read, which may be endless: let x = { a = x; };
// in x.
const maxDepth = 200

// tooDeep reports whether a place is deeper than maxDepth, or another one was before.
// It keeps the error the first time.
func (l *errorList) tooDeep(loc []string, pos func() Pos) bool {
	if len(loc) <= maxDepth || l.endless {
		return l.endless
	}
	l.endless = true
	l.add(errorf(loc, pos(), "the value of %s is nested too deeply", quotePath(loc[:4])))
	return true
}

func (e *Evaluation) checkSlot(s *slot) {
	if e.errs.tooDeep(s.loc, func() Pos { return slotNode{e, s}.origin().Pos() }) {
		return
	}
	unset := false
	var r result
	ok := e.try(s.loc, func(t *eval.Thread) {
		if s.opt != nil && !s.opt.isOurs() && len(s.opt.raw(t)) == 0 {
			unset = true
			return
		}
		if s.opt != nil && s.opt.merged.get(t).alias == nil && len(s.won.get(t).defs) == 0 {
			_, ok := s.merging(t).nothing(s.opt.merged.get(t).typ, s.loc)
			if unset = !ok; unset {
				return
			}
		}
		if r = s.res.get(t); r.applied { // the assignment must be right too, not only what apply makes of it
			t.Force(r.val)
			r = s.opt.inner.get(t)
		}
	})
	if !ok || unset || s.opt != nil && isAlias(s.opt) {
		return
	}
	e.checkResult(s.loc, r)
}

// isOurs reports whether Go code declares the option, and so may read it.
func (o *option) isOurs() bool {
	return slices.ContainsFunc(o.decls, func(d decl) bool { return d.goOpt != nil })
}

func isAlias(o *option) bool { return o.decls[0].goOpt != nil && o.decls[0].goOpt.AliasOf != nil }

func (e *Evaluation) checkResult(loc []string, r result) {
	switch {
	case r.tree != nil:
		e.checkTree(r.tree)
	case r.elems != nil:
		for _, s := range r.elems {
			e.checkSlot(s)
		}
	default:
		e.try(loc, func(t *eval.Thread) { t.Force(r.val) })
	}
}

// checkAssertions reads the option assertions, if there is one: a list of { assertion;
// message; }.
func (e *Evaluation) checkAssertions(root *level) {
	if !root.declares("assertions") {
		return
	}
	for _, a := range e.Config().List("assertions") {
		if a.Kind("assertion") == KindBool && !a.Bool("assertion") {
			e.errs.add(&Error{Path: []string{"assertions"}, Pos: a.Pos(), Msg: a.String("message")})
		}
	}
}

// Walk calls f for each option that has a value, in the order of the paths, and for
// those in submodules and in the elements of lists and sets. It leaves out options
// whose value cannot be evaluated; [Evaluation.Check] reports them.
func (e *Evaluation) Walk(f func(c *Config)) {
	walker{e, f, false}.tree(e.tree)
}

// A walker calls f for options that have a value.
type walker struct {
	e   *Evaluation
	f   func(c *Config)
	set bool // leave out constants, which are set nowhere
}

func (w walker) tree(tr *tree) {
	root, err := read(w.e, &tr.root)
	if err != nil {
		return
	}
	w.level(root)
	if free, err := read(w.e, &tr.freeform); err == nil && free.res != nil && len(free.res.names) > 0 {
		w.result(free.res)
	}
}

func (w walker) level(l *level) {
	for i, name := range l.names {
		if name == "_module" || w.set && w.e.isConstant(l, i) {
			continue
		}
		found, err := w.e.entry(l, i)
		switch {
		case err != nil:
		case found.slot == nil:
			w.level(found.level)
		case !isAlias(found.slot.opt):
			w.slot(found.slot)
		}
	}
}

func (w walker) slot(s *slot) {
	if w.e.errs.tooDeep(s.loc, func() Pos { return slotNode{w.e, s}.origin().Pos() }) {
		return
	}
	r, err := slotNode{w.e, s}.result()
	if err != nil {
		return
	}
	if r.tree == nil && (r.elems == nil || r.isList && !hasTrees(w.e, r)) {
		w.f(&Config{slotNode{w.e, s}, &w.e.errs})
		return
	}
	w.result(r)
}

func (w walker) result(r *result) {
	if r.tree != nil {
		w.tree(r.tree)
		return
	}
	for _, s := range r.elems {
		w.slot(s)
	}
}

// hasTrees reports whether the elements of a list are submodules.
func hasTrees(e *Evaluation, r *result) bool {
	for _, s := range r.elems {
		if in, err := (slotNode{e, s}).result(); err == nil && in.tree != nil {
			return true
		}
	}
	return false
}

// EachSet calls f for every option at or below c that is set, with its declaration. It
// leaves out options that are declared in Nix.
func (e *Evaluation) EachSet(c *Config, f func(o *Config, decl *Option)) {
	below := c.Path()
	walker{e, func(o *Config) {
		s, ok := o.n.(slotNode)
		if !ok || s.s.opt == nil {
			return
		}
		if path := o.Path(); len(path) < len(below) || !slices.Equal(path[:len(below)], below) {
			return
		}
		for _, d := range s.s.opt.decls {
			if d.goOpt != nil && o.IsSet() {
				f(o, d.goOpt)
			}
		}
	}, true}.tree(e.tree)
}

// Warnings returns remarks about assignments: those to deprecated options, and the
// elements of the option warnings, if there is one.
func (e *Evaluation) Warnings() []Note {
	var notes []Note
	walker{e, func(c *Config) {
		s, ok := c.n.(slotNode)
		if !ok || s.s.opt == nil {
			return
		}
		for _, d := range s.s.opt.decls {
			if d.goOpt != nil && d.goOpt.Deprecated != "" && c.IsSet() {
				notes = append(notes, Note{c.Pos(), "the option " + quotePath(s.s.loc) + " is deprecated: " + d.goOpt.Deprecated})
			}
		}
	}, true}.tree(e.tree)
	if root, err := read(e, &e.tree.root); err == nil && root.declares("warnings") {
		for _, w := range e.Config().List("warnings") {
			notes = append(notes, Note{w.Pos(), w.String()})
		}
	}
	return notes
}
