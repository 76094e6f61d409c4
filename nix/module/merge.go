package module

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
)

// Priorities, as lib.mkOverride takes them: the lowest number wins.
const (
	forcePriority   = 50
	plainPriority   = 100
	mildPriority    = 1000 // mkDefault
	defaultPriority = 1500 // a declared default
	plainOrder      = 1000
)

// A def is one assignment on its way to an option. Properties around a whole set of
// options, such as mkIf, are kept beside the value until the option is merged, so that
// their conditions may depend on other options of the set.
type def struct {
	val   eval.Value
	pos   Pos
	file  string       // for messages, if pos is not known
	conds []eval.Value // of mkIf, the outermost first; all must hold
	prio  int          // 0: none given
	order int          // 0: none given
}

func (d def) priority() int {
	if d.prio == 0 {
		return plainPriority
	}
	return d.prio
}

// place returns the position of d, as precisely as it is known.
func (d def) place() Pos {
	if d.pos.IsValid() || d.file == "" {
		return d.pos
	}
	return fileOnly(d.file)
}

// source returns the file of d for programs, which want the name that the module gives
// itself.
func (d def) source() string {
	switch {
	case d.file != "":
		return d.file
	case d.pos.IsValid():
		return d.pos.File()
	}
	return "<unknown-file>"
}

// A merging is what types need for their work: the evaluation, and the arguments that
// submodules inherit.
type merging struct {
	t    *eval.Thread
	sys  *System
	args map[string]eval.Value
}

// A once computes something in Go at most once. It uses the evaluator's own thunks, so
// that something that needs itself is an infinite recursion like any other, and what
// has failed can be tried again.
type once[T any] struct {
	thunk eval.Thunk
	done  bool // val is known
	val   T
}

func newOnce[T any](f func(t *eval.Thread) T) *once[T] {
	o := &once[T]{}
	o.init(f)
	return o
}

// init sets what o computes.
func (o *once[T]) init(f func(t *eval.Thread) T) {
	o.thunk.Init(func(t *eval.Thread) eval.Value {
		o.val = f(t)
		o.done = true
		return eval.Null{}
	})
}

func (o *once[T]) get(t *eval.Thread) T {
	if !o.done {
		t.Force(&o.thunk)
	}
	return o.val
}

// property returns the kind of property that a value is, such as "if", or "".
func property(t *eval.Thread, v eval.Value) string {
	set, ok := v.(*eval.Attrs)
	if !ok {
		return ""
	}
	kind, ok := set.Get("_type")
	if !ok {
		return ""
	}
	s, ok := t.Force(kind).(*eval.String)
	if !ok {
		return ""
	}
	return s.Text()
}

// peel takes the outer properties off d and appends the rest to out: several
// definitions for mkMerge, none for a mkIf that does not hold. If lazy is set, it does
// not evaluate conditions but keeps them in the definitions.
func (m *merging) peel(d def, lazy bool, out []def) []def {
	t := m.t
	if !lazy {
		for _, c := range d.conds {
			if !m.holds(c, d) {
				return out
			}
		}
		d.conds = nil
	}
	d.val = t.Force(d.val)
	switch property(t, d.val) {
	case "if":
		set := d.val.(*eval.Attrs)
		cond := m.attr(set, "condition", d)
		d.val = m.attr(set, "content", d)
		if lazy {
			d.conds = append(slices.Clip(d.conds), cond)
		} else if !m.holds(cond, d) {
			return out
		}
		return m.peel(d, lazy, out)
	case "merge":
		given := t.Force(m.attr(d.val.(*eval.Attrs), "contents", d))
		contents, ok := given.(*eval.List)
		if !ok {
			m.fail(&Error{Pos: d.place(), Msg: "mkMerge takes a list, not " + m.show(given), Hint: "lib.mkMerge [ { … } { … } ]"})
		}
		for _, e := range contents.Elems() {
			d.val = e
			out = m.peel(d, lazy, out)
		}
		return out
	case "override":
		set := d.val.(*eval.Attrs)
		if d.prio == 0 { // the outermost counts
			d.prio = int(t.Int(m.attr(set, "priority", d)))
		}
		d.val = m.attr(set, "content", d)
		return m.peel(d, lazy, out)
	case "order":
		set := d.val.(*eval.Attrs)
		if d.order == 0 {
			d.order = int(t.Int(m.attr(set, "priority", d)))
		}
		d.val = m.attr(set, "content", d)
		return m.peel(d, lazy, out)
	case "definition":
		set := d.val.(*eval.Attrs)
		if file, ok := set.Get("file"); ok {
			d.file = t.ToString(file).Text()
		}
		d.val = m.attr(set, "value", d)
		return m.peel(d, lazy, out)
	}
	return append(out, d)
}

// holds evaluates the condition of a mkIf around d.
func (m *merging) holds(cond eval.Value, d def) bool {
	v := m.t.Force(cond)
	b, ok := v.(eval.Bool)
	if !ok {
		m.fail(&Error{Pos: d.place(), Msg: "the condition of mkIf must be a boolean, not " + m.show(v)})
	}
	return bool(b)
}

// attr returns an attribute that a property must have.
func (m *merging) attr(set *eval.Attrs, name string, d def) eval.Value {
	v, ok := set.Get(name)
	if !ok {
		m.fail(&Error{Pos: d.place(), Msg: "a property (" + property(m.t, set) + ") must have the attribute " + name})
	}
	return v
}

// winners are the definitions that decide the value of an option.
type winners struct {
	defs []def
	prio int // of defs
	lost []def
}

// pick returns the definitions of the best priority, in order.
func pick(defs []def) winners {
	w := winners{prio: 1 << 30}
	ordered := false
	for _, d := range defs {
		w.prio = min(w.prio, d.priority())
	}
	for _, d := range defs {
		if d.priority() != w.prio {
			w.lost = append(w.lost, d)
			continue
		}
		w.defs = append(w.defs, d)
		ordered = ordered || d.order != 0
	}
	if ordered {
		rank := func(d def) int {
			if d.order == 0 {
				return plainOrder
			}
			return d.order
		}
		sort.SliceStable(w.defs, func(i, j int) bool { return rank(w.defs[i]) < rank(w.defs[j]) })
	}
	return w
}

// fail ends the evaluation with errors of ours, which tryEval catches, as in Nix.
func (m *merging) fail(errs ...*Error) {
	pos, msg := errs[0].Pos, errs[0].Msg
	if len(errs) > 1 {
		pos, msg = Pos{}, Errors(errs).Error()
	}
	m.t.RaiseAs(eval.KindThrow, pos, msg, Errors(errs))
}

// A result is a merged value. For types that contain others it also has what the value
// consists of, so that each part can be read, checked and traced to its origin on its
// own.
type result struct {
	val     eval.Value // may be a thunk
	tree    *tree      // of a submodule
	elems   []*slot    // of a list or a set
	names   []string   // of a set: parallel to elems, sorted
	isList  bool
	applied bool       // val is what the option's apply made of it
	meta    eval.Value // what a type of Nix says of the value; nil: nothing
}

func (r *result) elem(name string) *slot {
	if i, ok := slices.BinarySearch(r.names, name); ok {
		return r.elems[i]
	}
	return nil
}

// A slot is a place that has a type and definitions: an option, or an element of a list
// or a set.
type slot struct {
	loc  []string
	sys  *System
	args map[string]eval.Value
	opt  *option   // nil for an element
	typ  *typeInfo // of an element; an option's is in opt

	won   once[winners]
	res   once[result]
	thunk eval.Thunk // the value
}

func newSlot(sys *System, args map[string]eval.Value, loc []string) *slot {
	s := &slot{loc: loc, sys: sys, args: args}
	s.thunk.Init(func(t *eval.Thread) eval.Value { return s.res.get(t).val })
	return s
}

// value returns the slot's value, which may be a thunk.
func (s *slot) value() eval.Value { return &s.thunk }

// newElem returns the slot of an element with definitions of its own.
func (m *merging) newElem(loc []string, typ *typeInfo, defs []def) *slot {
	s := newSlot(m.sys, m.args, loc)
	s.typ = typ
	s.won.init(func(t *eval.Thread) winners {
		return pick(s.merging(t).peelAll(defs))
	})
	s.res.init(func(t *eval.Thread) result {
		w := s.won.get(t)
		if len(w.defs) == 0 {
			if r, ok := s.merging(t).nothing(typ, loc); ok {
				return r
			}
			s.merging(t).fail(errorf(loc, firstPlace(defs), "%s has no value", quotePath(loc)))
		}
		return s.merging(t).mergeChecked(typ, loc, w.defs)
	})
	return s
}

func (s *slot) merging(t *eval.Thread) *merging { return &merging{t, s.sys, s.args} }

// peelAll takes the properties off all definitions.
func (m *merging) peelAll(defs []def) []def {
	out := make([]def, 0, len(defs))
	for _, d := range defs {
		out = m.peel(d, false, out)
	}
	return out
}

// mergeChecked merges definitions after it has checked that each is of the type.
func (m *merging) mergeChecked(typ *typeInfo, loc []string, defs []def) result {
	typ = typ.real()
	var wrong []*Error
	for _, d := range defs {
		if !typ.check(m, d.val) {
			wrong = append(wrong, m.wrongType(typ, loc, d))
		}
	}
	if wrong != nil {
		m.fail(wrong...)
	}
	return typ.merge(m, loc, defs)
}

func (m *merging) wrongType(typ *typeInfo, loc []string, d def) *Error {
	e := errorf(loc, d.place(), "a definition for option %s is not of type `%s': %s", quotePath(loc), typ, m.show(d.val))
	e.Wants, e.Got = typ.plain(maxShown), m.show(d.val)
	e.Hint = m.cure(typ, d.val)
	return e
}

// cure says how to write what was probably meant: the same value in a form that the
// type accepts.
func (m *merging) cure(typ *typeInfo, v eval.Value) string {
	bare := typ.real()
	for bare.sample == "" && bare.name == "nullOr" {
		bare = bare.elems[0].real()
	}
	if bare.sample != "" {
		return "write " + bare.sample
	}
	var try []eval.Value
	switch v := v.(type) {
	case *eval.String:
		text := strings.TrimSpace(v.Text())
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			try = append(try, eval.Int(n))
		}
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			try = append(try, eval.Bool(true))
		case "false", "no", "off":
			try = append(try, eval.Bool(false))
		}
		if hint := didYouMean(v.Text(), typ.words(maxShown)); hint != "" {
			return hint
		}
		switch name := bare.name; {
		case name == "package" && isIdentifier(text):
			return "write pkgs." + text
		case name == "path" && strings.HasPrefix(text, "."):
			return "write it without quotes: " + text
		}
	case eval.Int, eval.Float, eval.Bool:
		if _, whole := v.(eval.Int); whole && typ.takesNumbers(maxShown) {
			return "" // out of range, which quotes don't change
		}
		if _, yes := v.(eval.Bool); yes && bare.name == "either" {
			return "" // in quotes it would be a path, a user or the like
		}
		try = append(try, eval.Str(m.show(v)))
	}
	if bare.sub != nil {
		return bare.sub.example(m.show(v))
	}
	if k := v.Type(); k != eval.TypeList && k != eval.TypeAttrs && k != eval.TypeFunction {
		try = append(try, eval.NewList(v))
	}
	for _, other := range try {
		if typ.real().check(m, other) {
			return "write " + m.show(other)
		}
	}
	return ""
}

// takesNumbers reports whether the type accepts some whole numbers.
func (t *typeInfo) takesNumbers(depth int) bool {
	if t = t.real(); depth == 0 || t.name == "listOf" || t.name == "attrsOf" || t.name == "lazyAttrsOf" {
		return false
	}
	return t.name == "intBetween" || slices.ContainsFunc(t.elems, func(e *typeInfo) bool { return e.takesNumbers(depth - 1) })
}

// words returns the strings that an enum in the type accepts.
func (t *typeInfo) words(depth int) []string {
	var all []string
	if t = t.real(); depth == 0 || t.name == "listOf" || t.name == "attrsOf" || t.name == "lazyAttrsOf" {
		return nil
	}
	for _, v := range t.enum {
		if s, ok := v.(*eval.String); ok {
			all = append(all, s.Text())
		}
	}
	for _, e := range t.elems {
		all = append(all, e.words(depth-1)...)
	}
	return all
}

// conflict returns the error for definitions that cannot be one value.
func (m *merging) conflict(loc []string, defs []def, why string) *Error {
	e := errorf(loc, Pos{}, "the option %s %s", quotePath(loc), why)
	for _, d := range defs {
		e.Also = append(e.Also, Note{d.place(), m.show(d.val)})
	}
	sort.SliceStable(e.Also, func(i, j int) bool {
		a, b := e.Also[i], e.Also[j]
		return comparePos(a.Pos, b.Pos) < 0
	})
	for _, n := range e.Also {
		if n.Pos.IsValid() {
			e.Pos = n.Pos
			break
		}
	}
	e.Hint = "lib.mkForce gives one of them priority"
	return e
}

// nothing returns the value of an option without assignments, for the types that have
// one: an empty list or set, null, the defaults of a submodule.
func (m *merging) nothing(typ *typeInfo, loc []string) (result, bool) {
	if typ = typ.real(); typ.name == "coercedTo" {
		return m.nothing(typ.elems[1], loc)
	}
	if typ.sub != nil {
		return typ.merge(m, loc, nil), true
	}
	return result{val: typ.empty}, typ.empty != nil
}

// alive reports whether an element has any assignment; mkIf may have switched it off.
// If an error prevents the answer, the element stays, and the error comes up where it
// is read, so that one broken element does not hide the others.
func (m *merging) alive(s *slot) (alive bool) {
	err := m.t.Try(func() { alive = len(s.won.get(m.t).defs) > 0 })
	if e, ok := err.(*eval.Error); ok {
		switch e.Kind {
		case eval.KindEval, eval.KindThrow, eval.KindAssert:
			return true
		}
		m.t.Raise(err)
	}
	return alive
}

func firstPlace(defs []def) Pos {
	for _, d := range defs {
		if p := d.place(); p.IsValid() {
			return p
		}
	}
	return Pos{}
}
