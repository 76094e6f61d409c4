package module

import (
	"slices"
	"strconv"

	"nix2gpu/nix/eval"
)

// within computes something inside the evaluation. Each method of a node enters the
// evaluation on its own, so that an error in one place leaves the others readable.
func within[T any](e *Evaluation, f func(t *eval.Thread) T) (out T, err error) {
	err = e.do(func(t *eval.Thread) { out = f(t) })
	return out, err
}

// read returns what o computes. What is known already needs no evaluation.
func read[T any](e *Evaluation, o *once[T]) (T, error) {
	if o.done {
		return o.val, nil
	}
	return within(e, o.get)
}

// entry returns what is declared at an index of the names of l.
func (e *Evaluation) entry(l *level, i int) (*entry, error) {
	if l.entries[i].ours {
		return l.entry(nil, i), nil
	}
	return within(e, func(t *eval.Thread) *entry { return l.entry(t, i) })
}

// isConstant reports whether nothing is assigned to an entry of l and all of it is a constant. If
// that cannot be told, the error comes up where the entry is read.
func (e *Evaluation) isConstant(l *level, i int) bool {
	yes, err := within(e, func(t *eval.Thread) bool { return l.isConstant(t, i) })
	return err == nil && yes
}

// isUnset reports whether an option is a constant to which nothing is assigned.
func (e *Evaluation) isUnset(l *level, i int) bool {
	if l.entries[i].option() == nil {
		return false
	}
	if known := l.entries[i].fixed; known != nil && (!known.constant || l.assigned.done) {
		return l.unset(nil, i) != nil
	}
	f, err := within(e, func(t *eval.Thread) *fixed { return l.unset(t, i) })
	return err == nil && f != nil // an error comes up where the option is read
}

// A rootNode is the whole configuration.
type rootNode struct{ e *Evaluation }

func (n rootNode) level() (levelNode, error) {
	l, err := read(n.e, &n.e.tree.root)
	return levelNode{n.e, l}, err
}

func (n rootNode) in() *Evaluation { return n.e }
func (n rootNode) path() []string  { return n.e.tree.loc }

func (n rootNode) step(name string) node {
	l, err := n.level()
	if err != nil {
		return failed{absent{append(slices.Clone(n.path()), name)}, err}
	}
	return l.step(name)
}

func (n rootNode) kind() (Kind, error) {
	_, err := n.level()
	return KindAttrs, err
}

func (n rootNode) keys() ([]string, error) {
	l, err := n.level()
	if err != nil {
		return nil, err
	}
	return l.keys()
}

func (n rootNode) items() ([]node, error)   { return nil, nil }
func (n rootNode) scalar() (any, error)     { return nil, nil }
func (n rootNode) call([]any) (node, error) { return absent{}, nil }
func (n rootNode) origin() Origin           { return Origin{} }
func (n rootNode) value() eval.Value        { return &n.e.tree.checked }
func (n rootNode) arg(name string) node     { return n.e.argNode(n.e.tree, name) }

// A failed node is a place that cannot be reached because of an error.
type failed struct {
	absent
	err error
}

func (f failed) kind() (Kind, error)     { return Missing, f.err }
func (f failed) step(name string) node   { return failed{f.absent.step(name).(absent), f.err} }
func (f failed) keys() ([]string, error) { return nil, f.err }
func (f failed) items() ([]node, error)  { return nil, f.err }
func (f failed) scalar() (any, error)    { return nil, f.err }

// A levelNode is a set of options.
type levelNode struct {
	e *Evaluation
	l *level
}

func (n levelNode) in() *Evaluation { return n.e }
func (n levelNode) path() []string  { return n.l.loc }

func (n levelNode) step(name string) node {
	i, ok := n.l.index[name]
	if !ok {
		return n.e.freeNode(n.l, name)
	}
	if n.e.isUnset(n.l, i) {
		return constantNode{n.e, n.l, i}
	}
	e, err := n.e.entry(n.l, i)
	if err != nil {
		return failed{absent{append(slices.Clone(n.path()), name)}, err}
	}
	if e.slot != nil {
		return slotNode{n.e, e.slot}
	}
	return levelNode{n.e, e.level}
}

func (n levelNode) kind() (Kind, error) { return KindAttrs, nil }

// undeclared returns what is assigned to names that are no options.
func (n levelNode) undeclared(t *eval.Thread) map[string][]eval.Value {
	found := map[string][]eval.Value{}
	for name, defs := range n.l.assigned.get(t).byName {
		if !n.l.declares(name) {
			for _, d := range defs {
				found[name] = append(found[name], d.val)
			}
		}
	}
	return found
}

func (n levelNode) keys() ([]string, error) {
	return within(n.e, func(t *eval.Thread) []string {
		names := slices.Clone(n.l.names)
		if free := n.l.tree.freeform.get(t).at(n.l.loc[len(n.l.tree.loc):]); free != nil {
			names = append(names, free.Names()...)
			slices.Sort(names)
			names = slices.Compact(names)
		}
		return slices.DeleteFunc(names, func(s string) bool { return s == "_module" })
	})
}

func (n levelNode) items() ([]node, error)   { return nil, nil }
func (n levelNode) scalar() (any, error)     { return nil, nil }
func (n levelNode) call([]any) (node, error) { return absent{n.path()}, nil }
func (n levelNode) arg(name string) node     { return n.e.argNode(n.l.tree, name) }

func (n levelNode) origin() Origin {
	o := Origin{Priority: plainPriority}
	if p := n.l.tree.place; p.IsValid() {
		o.Assignments = []Pos{p}
	}
	return o
}

func (n levelNode) value() eval.Value {
	return eval.Lazy(func(t *eval.Thread) eval.Value {
		return n.l.value(t, n.l.tree.freeform.get(t).at(n.l.loc[len(n.l.tree.loc):]))
	})
}

// freeNode returns an attribute of a level that is not declared.
func (e *Evaluation) freeNode(l *level, name string) node {
	path := append(slices.Clone(l.loc), name)
	n, err := within(e, func(t *eval.Thread) node {
		f := l.tree.freeform.get(t)
		if f.res == nil {
			return absent{path}
		}
		rel := append(slices.Clone(l.loc[len(l.tree.loc):]), name)
		var at node = resultNode{e, l.tree.loc, f.res, from{}}
		for _, step := range rel {
			at = at.step(step)
		}
		return at
	})
	if err != nil {
		return failed{absent{path}, err}
	}
	return n
}

// argNode returns a module argument.
func (e *Evaluation) argNode(tr *tree, name string) node {
	v := eval.Lazy(func(t *eval.Thread) eval.Value { return tr.moduleArg(t, name, Pos{}) })
	return valueNode{e, []string{name}, v, from{}}
}

// A constantNode is an option to which nothing is assigned and whose default is a constant.
type constantNode struct {
	e *Evaluation
	l *level
	i int // of the level's names
}

func (n constantNode) is() *fixed { return n.l.entries[n.i].fixed }
func (n constantNode) plain() valueNode {
	return valueNode{n.e, n.path(), n.is().val, from{slot: n.slot().s}}
}
func (n constantNode) in() *Evaluation               { return n.e }
func (n constantNode) path() []string                { return append(slices.Clip(n.l.loc), n.l.names[n.i]) }
func (n constantNode) value() eval.Value             { return n.is().val }
func (n constantNode) step(name string) node         { return n.plain().step(name) }
func (n constantNode) kind() (Kind, error)           { return kindOf(n.is().val), nil }
func (n constantNode) keys() ([]string, error)       { return namesOf(n.is().val), nil }
func (n constantNode) items() ([]node, error)        { return n.plain().items() }
func (n constantNode) scalar() (any, error)          { return scalarOf(n.e, n.is().val) }
func (n constantNode) call(args []any) (node, error) { return n.plain().call(args) }
func (n constantNode) origin() Origin                { return Origin{Priority: n.is().prio, IsOption: true} }
func (n constantNode) arg(name string) node          { return n.slot().arg(name) }
func (n constantNode) slot() slotNode                { return slotNode{n.e, n.l.entry(nil, n.i).slot} }

// A slotNode is an option, or an element of one.
type slotNode struct {
	e *Evaluation
	s *slot
}

func (n slotNode) in() *Evaluation   { return n.e }
func (n slotNode) path() []string    { return n.s.loc }
func (n slotNode) value() eval.Value { return n.s.value() }

// result returns the merged value.
func (n slotNode) result() (*result, error) {
	_, err := read(n.e, &n.s.res)
	return &n.s.res.val, err
}

// inside returns the node of the slot's value.
func (n slotNode) inside() (resultNode, error) {
	r, err := n.result()
	return resultNode{n.e, n.s.loc, r, from{slot: n.s}}, err
}

func (n slotNode) step(name string) node {
	in, err := n.inside()
	if err != nil {
		return failed{absent{append(slices.Clone(n.s.loc), name)}, err}
	}
	return in.step(name)
}

func (n slotNode) kind() (Kind, error) {
	in, err := n.inside()
	if err != nil {
		return Missing, err
	}
	return in.kind()
}

func (n slotNode) keys() ([]string, error) {
	in, err := n.inside()
	if err != nil {
		return nil, err
	}
	return in.keys()
}

func (n slotNode) items() ([]node, error) {
	in, err := n.inside()
	if err != nil {
		return nil, err
	}
	return in.items()
}

func (n slotNode) scalar() (any, error) {
	in, err := n.inside()
	if err != nil {
		return nil, err
	}
	return in.scalar()
}

func (n slotNode) call(args []any) (node, error) {
	in, err := n.inside()
	if err != nil {
		return nil, err
	}
	return in.call(args)
}

func (n slotNode) arg(name string) node {
	return valueNode{n.e, []string{name}, eval.Lazy(func(t *eval.Thread) eval.Value {
		if v, ok := n.s.args[name]; ok {
			return v
		}
		return n.e.tree.moduleArg(t, name, Pos{})
	}), from{}}
}

func (n slotNode) origin() Origin {
	o := Origin{IsOption: n.s.opt != nil}
	w, err := read(n.e, &n.s.won)
	if err != nil {
		return o
	}
	o.Priority = w.prio
	if len(w.defs) == 0 {
		o.Priority = 0
	}
	for _, d := range w.defs {
		if p := d.place(); p.IsValid() && w.prio < defaultPriority {
			o.Assignments = append(o.Assignments, p)
		}
	}
	for _, d := range w.lost {
		if p := d.place(); p.IsValid() && d.priority() < defaultPriority {
			o.Overridden = append(o.Overridden, p)
		}
	}
	if n.s.opt != nil {
		for _, d := range n.s.opt.decls {
			if p := d.place(); p.IsValid() {
				o.Declared = append(o.Declared, p)
			}
		}
	}
	return o
}

// from says where a value comes from.
type from struct {
	slot *slot // the option around it; nil: none
	part bool  // it is a part of the slot's value
	pos  Pos   // its own place, if it has one
}

// inside is where a part comes from that is at pos, if that is known.
func (f from) inside(pos Pos) from {
	f.part = true
	if pos.IsValid() {
		f.pos = pos
	}
	return f
}

func (f from) origin(e *Evaluation) Origin {
	var o Origin
	if f.slot != nil {
		o = slotNode{e, f.slot}.origin()
	}
	o.IsOption = o.IsOption && !f.part
	if f.pos.IsValid() {
		o.Assignments = []Pos{f.pos}
	}
	return o
}

// A resultNode is a merged value, with the parts that its type knows.
type resultNode struct {
	e    *Evaluation
	at   []string
	r    *result
	from from
}

func (n resultNode) plain() valueNode  { return valueNode{n.e, n.at, n.r.val, n.from} }
func (n resultNode) in() *Evaluation   { return n.e }
func (n resultNode) path() []string    { return n.at }
func (n resultNode) value() eval.Value { return n.r.val }
func (n resultNode) origin() Origin    { return n.from.origin(n.e) }
func (n resultNode) arg(name string) node {
	return n.e.argNode(n.e.tree, name)
}

// opaque reports whether the type knows no parts, so that only the value counts.
func (n resultNode) opaque() bool {
	return n.r.applied || n.r.tree == nil && n.r.elems == nil && n.r.names == nil
}

func (n resultNode) step(name string) node {
	switch {
	case n.opaque() || n.r.isList:
		return n.plain().step(name)
	case n.r.tree != nil:
		l, err := read(n.e, &n.r.tree.root)
		if err != nil {
			return failed{absent{append(slices.Clone(n.at), name)}, err}
		}
		return levelNode{n.e, l}.step(name)
	}
	if s := n.r.elem(name); s != nil {
		return slotNode{n.e, s}
	}
	return absent{append(slices.Clone(n.at), name)}
}

func (n resultNode) kind() (Kind, error) {
	switch {
	case n.opaque():
		return n.plain().kind()
	case n.r.isList:
		return KindList, nil
	}
	return KindAttrs, nil
}

func (n resultNode) keys() ([]string, error) {
	switch {
	case n.opaque() || n.r.isList:
		return n.plain().keys()
	case n.r.tree != nil:
		l, err := read(n.e, &n.r.tree.root)
		if err != nil {
			return nil, err
		}
		return levelNode{n.e, l}.keys()
	}
	return n.r.names, nil
}

func (n resultNode) items() ([]node, error) {
	if n.opaque() || !n.r.isList {
		return n.plain().items()
	}
	all := make([]node, len(n.r.elems))
	for i, s := range n.r.elems {
		all[i] = slotNode{n.e, s}
	}
	return all, nil
}

func (n resultNode) scalar() (any, error)          { return n.plain().scalar() }
func (n resultNode) call(args []any) (node, error) { return n.plain().call(args) }

// A valueNode is a plain value, whose parts have no types of their own.
type valueNode struct {
	e    *Evaluation
	at   []string
	val  eval.Value
	from from
}

func (n valueNode) in() *Evaluation      { return n.e }
func (n valueNode) path() []string       { return n.at }
func (n valueNode) value() eval.Value    { return n.val }
func (n valueNode) origin() Origin       { return n.from.origin(n.e) }
func (n valueNode) arg(name string) node { return n.e.argNode(n.e.tree, name) }

func (n valueNode) step(name string) node {
	at := append(slices.Clone(n.at), name)
	found, err := within(n.e, func(t *eval.Thread) node {
		set, ok := t.Force(n.val).(*eval.Attrs)
		if !ok {
			return absent{at}
		}
		v, ok := set.Get(name)
		if !ok {
			return absent{at}
		}
		return valueNode{n.e, at, v, n.from.inside(set.Pos(name))}
	})
	if err != nil {
		return failed{absent{at}, err}
	}
	return found
}

// forced returns the value, which is no thunk. What is known already needs no evaluation.
func (n valueNode) forced() (eval.Value, error) {
	if v := eval.Computed(n.val); v.Type() != eval.TypeThunk {
		return v, nil
	}
	return within(n.e, func(t *eval.Thread) eval.Value { return t.Force(n.val) })
}

func (n valueNode) kind() (Kind, error) {
	v, err := n.forced()
	if err != nil {
		return Missing, err
	}
	return kindOf(v), nil
}

func kindOf(v eval.Value) Kind {
	switch v := v.(type) {
	case eval.Null:
		return KindNull
	case eval.Bool:
		return KindBool
	case eval.Int:
		return KindInt
	case eval.Float:
		return KindFloat
	case *eval.String, eval.Path:
		return KindStr
	case *eval.List:
		return KindList
	case *eval.Attrs:
		switch {
		case isText(v):
			return KindStr
		case eval.IsFunction(v):
			return KindFunc
		}
		return KindAttrs
	}
	return KindFunc
}

func (n valueNode) keys() ([]string, error) {
	v, err := n.forced()
	if err != nil {
		return nil, err
	}
	return namesOf(v), nil
}

// namesOf returns the names of a set; nil of anything else.
func namesOf(v eval.Value) []string {
	if set, ok := v.(*eval.Attrs); ok {
		return set.Names()
	}
	return nil
}

func (n valueNode) items() ([]node, error) {
	return within(n.e, func(t *eval.Thread) []node {
		list, ok := t.Force(n.val).(*eval.List)
		if !ok {
			return nil
		}
		all := make([]node, list.Len())
		for i, v := range list.Elems() {
			at := append(slices.Clone(n.at), "["+strconv.Itoa(i)+"]")
			all[i] = valueNode{n.e, at, v, n.from.inside(Pos{})}
		}
		return all
	})
}

func (n valueNode) scalar() (any, error) {
	v, err := n.forced()
	if err != nil {
		return nil, err
	}
	return scalarOf(n.e, v)
}

func scalarOf(e *Evaluation, v eval.Value) (any, error) {
	switch v := v.(type) {
	case eval.Bool:
		return bool(v), nil
	case eval.Int:
		return int64(v), nil
	case eval.Float:
		return float64(v), nil
	case *eval.String:
		return Str{v.Text(), v.Context().Elems()}, nil
	case eval.Path:
	case *eval.Attrs:
		if !isText(v) {
			return nil, nil
		}
	default:
		return nil, nil
	}
	return within(e, func(t *eval.Thread) any { return goStr(t, v) })
}

func (n valueNode) call(args []any) (node, error) {
	return within(n.e, func(t *eval.Thread) node {
		vals := make([]eval.Value, len(args))
		for i, a := range args {
			vals[i] = n.e.sys.value(a)
		}
		return valueNode{n.e, n.at, t.Call(n.val, vals...), n.from.inside(Pos{})}
	})
}
