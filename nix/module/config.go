package module

import (
	"sort"
	"strings"

	"nix2gpu/nix/eval"
)

// A Config is a place in an evaluated configuration: a set of options, an option, or a
// part of an option's value. It is read lazily: reading one option merges no other.
//
// The accessors take the rest of a path, one name per step, and never fail. An error,
// such as a wrong type or a throw in the user's code, is kept in the [Evaluation],
// once, and the accessor returns the zero value. So a reader can go on, and in the end
// all errors are reported together.
type Config struct {
	n    node
	errs *errorList
}

// A node is what a Config reads.
type node interface {
	path() []string
	step(name string) node   // never nil: an unknown name gives a node of kind Missing
	kind() (Kind, error)     // forces the value
	keys() ([]string, error) // of KindAttrs, sorted
	items() ([]node, error)  // of KindList
	scalar() (any, error)    // nil, bool, int64, float64 or Str
	call(args []any) (node, error)
	origin() Origin
	arg(name string) node // a module argument, as pkgs
	value() eval.Value
	in() *Evaluation // nil if the place does not exist
}

// A Kind is the shape of a value.
type Kind int

// The kinds. Missing stands for a place that is neither declared nor assigned, and for
// a value that cannot be evaluated.
const (
	Missing Kind = iota
	KindNull
	KindBool
	KindInt
	KindFloat
	KindStr // also a path and a package: anything that Str can read
	KindList
	KindAttrs
	KindFunc
)

var kindNames = [...]string{"missing", "null", "bool", "int", "float", "string", "list", "set", "function"}

// String returns the name of the kind in messages.
func (k Kind) String() string { return kindNames[k] }

// An Origin says where the value of an option comes from.
type Origin struct {
	// Assignments are the positions of the assignments that made the value, only those
	// of the winning priority, in the order in which they were merged. It is empty if
	// the value is the declared default.
	Assignments []Pos
	// Overridden are the positions of the assignments that lost to a higher priority.
	Overridden []Pos
	// Declared are the positions of the declarations; empty for options declared in Go.
	Declared []Pos
	// Priority is the winning one: 1500 for a declared default, 1000 for mkDefault, 100
	// for a plain assignment, 50 for mkForce. A lower number wins.
	Priority int
	// IsOption says that the place is an option itself. Within an option's value it is
	// false, and the other fields are those of that option, unless the place has its
	// own.
	IsOption bool
}

// Pos returns the first position of o in the user's files, or the zero Pos: the text of a
// default is in none.
func (o Origin) Pos() Pos {
	for _, p := range o.Assignments {
		if !strings.HasPrefix(p.File(), ofDefault) {
			return p
		}
	}
	return Pos{}
}

// Get returns the place at the end of path. It never returns nil.
func (c *Config) Get(path ...string) *Config { return &Config{c.at(path), c.errs} }

func (c *Config) at(path []string) node {
	n := c.n
	for _, name := range path {
		n = n.step(name)
	}
	return n
}

// failed keeps the error that came up while n was read, and reports whether there is one.
func (c *Config) failed(n node, err error) bool {
	return err != nil && c.errs.addAt(n.path(), err)
}

func (c *Config) kind(n node) Kind {
	k, err := n.kind()
	if c.failed(n, err) {
		return Missing
	}
	return k
}

// Path returns the whole path, for messages.
func (c *Config) Path() []string { return c.n.path() }

// Name returns the last step of the path, which is the instance within attrsOf; "" at
// the root.
func (c *Config) Name() string {
	if p := c.n.path(); len(p) > 0 {
		return p[len(p)-1]
	}
	return ""
}

// Kind evaluates the value at path and returns its kind.
func (c *Config) Kind(path ...string) Kind {
	return c.kind(c.at(path))
}

// Has reports whether there is a value at path that is not null.
func (c *Config) Has(path ...string) bool {
	k := c.Kind(path...)
	return k != Missing && k != KindNull
}

// IsSet reports whether something assigns a value with at least the priority of
// mkDefault, so that the value is more than the declared default.
func (c *Config) IsSet(path ...string) bool {
	o := c.Origin(path...)
	return len(o.Assignments) > 0 && o.Priority < defaultPriority
}

// Origin returns where the value at path comes from.
func (c *Config) Origin(path ...string) Origin { return c.at(path).origin() }

// Pos returns the position of the first assignment of the value at path, for messages.
func (c *Config) Pos(path ...string) Pos { return c.Origin(path...).Pos() }

// Bool returns the value at path; false if it is null or missing.
func (c *Config) Bool(path ...string) bool { return scalarAt[bool](c, path, KindBool) }

// Int returns the value at path; 0 if it is null or missing.
func (c *Config) Int(path ...string) int { return int(scalarAt[int64](c, path, KindInt)) }

// Float returns the value at path, which may be an integer; 0 if it is null or missing.
func (c *Config) Float(path ...string) float64 {
	if c.Kind(path...) == KindInt {
		return float64(scalarAt[int64](c, path, KindInt))
	}
	return scalarAt[float64](c, path, KindFloat)
}

// Str returns the string at path with its context. A path, a package, or anything else
// that Nix takes for a string is one too. It is empty if the value is null or missing.
func (c *Config) Str(path ...string) Str { return scalarAt[Str](c, path, KindStr) }

// Program returns the path of the main program of the package at path, as lib.getExe
// does; a package that is one generated file is that file. ok is false if there is no
// package but a string, a path or something else.
func (c *Config) Program(path ...string) (exe Str, ok bool) {
	at := c.Get(path...)
	e := at.n.in()
	if at.Kind() != KindStr || e == nil {
		return Str{}, false
	}
	var failed error
	exe, failed = within(e, func(t *eval.Thread) (exe Str) {
		var set *eval.Attrs
		if set, ok = t.Force(at.n.value()).(*eval.Attrs); !ok {
			return exe
		}
		if ok = set.Has("outPath"); ok {
			exe = mainProgram(t, set)
		}
		return exe
	})
	if at.failed(at.n, failed) {
		return Str{}, true
	}
	return exe, ok
}

// mainProgram returns the main program of a package.
func mainProgram(t *eval.Thread, pkg *eval.Attrs) Str {
	out := goStr(t, pkg)
	name, found := t.Lookup(pkg, "meta", "mainProgram")
	text, isText := name.(*eval.String)
	switch {
	case !found || !isText:
		return out
	case text.Text() == "":
		t.Throw("the package has no main program; name one: \"${…}/bin/NAME\"")
	}
	if bin, found := pkg.Get("bin"); found {
		out = goStr(t, bin)
	}
	return Str{out.S + "/bin/" + text.Text(), out.Context}
}

// String returns the text of Str, for values that cannot refer to packages: names,
// addresses, enums.
func (c *Config) String(path ...string) string { return c.Str(path...).S }

// scalarAt reads a T. Null and missing give the zero value; anything else that is not
// of kind want is an error, which is kept.
func scalarAt[T any](c *Config, path []string, want Kind) T {
	var zero T
	n := c.at(path)
	kind := c.kind(n)
	if kind == KindNull || kind == Missing {
		return zero
	}
	v, err := n.scalar()
	at := Config{n, c.errs}
	if err != nil {
		placed := asErrors(err) // a path to no file fails only here
		for _, e := range placed {
			if !e.Pos.IsValid() {
				e.Pos = at.Pos()
			}
		}
		at.errs.addAt(at.n.path(), placed)
		return zero
	}
	t, ok := v.(T)
	if !ok {
		at.errs.add(&Error{Path: at.Path(), Pos: at.Pos(),
			Msg: "value of " + quotePath(at.Path()) + " must be of kind " + want.String() + ", not " + kind.String()})
		return zero
	}
	return t
}

// Keys returns the names in the set at path, sorted; nil if there is no set.
func (c *Config) Keys(path ...string) []string {
	n := c.at(path)
	if c.kind(n) != KindAttrs {
		return nil
	}
	keys, err := n.keys()
	if c.failed(n, err) {
		return nil
	}
	return keys
}

// Undeclared returns the values that are assigned below c to names that are no options;
// nil where c is no set of options.
func (c *Config) Undeclared() (found map[string][]eval.Value) {
	if l, ok := c.n.(levelNode); ok {
		found, _ = within(l.e, l.undeclared) // an error comes up where the options are read
	}
	return found
}

// Each returns every attribute of the set at path, sorted by name.
func (c *Config) Each(path ...string) []*Config {
	at := c.Get(path...)
	keys := at.Keys()
	all := make([]*Config, len(keys))
	for i, k := range keys {
		all[i] = at.Get(k)
	}
	return all
}

// List returns the elements of the list at path; nil if there is no list.
func (c *Config) List(path ...string) []*Config {
	at := c.at(path)
	if c.kind(at) != KindList {
		return nil
	}
	items, err := at.items()
	if c.failed(at, err) {
		return nil
	}
	all := make([]*Config, len(items))
	for i, n := range items {
		all[i] = &Config{n, c.errs}
	}
	return all
}

// Strings returns the list of strings at path, without their contexts.
func (c *Config) Strings(path ...string) []string {
	var all []string
	for _, e := range c.List(path...) {
		all = append(all, e.String())
	}
	return all
}

// Strs returns the list of strings at path, with their contexts.
func (c *Config) Strs(path ...string) []Str {
	var all []Str
	for _, e := range c.List(path...) {
		all = append(all, e.Str())
	}
	return all
}

// StrMap returns the set of strings at path. It converts no numbers and booleans: an
// option type such as Coerced does.
func (c *Config) StrMap(path ...string) map[string]Str {
	all := map[string]Str{}
	for _, e := range c.Each(path...) {
		all[e.Name()] = e.Str()
	}
	return all
}

// Any returns the whole value at path, evaluated deeply, as nil, bool, int64, float64,
// Str, []any or map[string]any, for settings that are rendered freely. A function in it
// is an error, which is kept.
func (c *Config) Any(path ...string) any {
	at := c.Get(path...)
	if at.errs.tooDeep(at.n.path(), func() Pos { return at.Pos() }) {
		return nil
	}
	if e := at.n.in(); e != nil { // a value that occurs twice is read twice
		at.errs.addAt(at.n.path(), e.do(func(t *eval.Thread) { t.Descend(func() {}) }))
	}
	switch kind := at.Kind(); kind {
	case Missing, KindNull:
		return nil
	case KindList:
		list := at.List()
		all := make([]any, len(list))
		for i, e := range list {
			all[i] = e.Any()
		}
		return all
	case KindAttrs:
		all := map[string]any{}
		for _, e := range at.Each() {
			all[e.Name()] = e.Any()
		}
		return all
	case KindFunc:
		at.errs.add(&Error{Path: at.Path(), Pos: at.Pos(), Msg: "value of " + quotePath(at.Path()) + " is a function, which has no meaning here"})
		return nil
	}
	v, err := at.n.scalar()
	if at.failed(at.n, err) {
		return nil
	}
	return v
}

// Show returns the value at path as one would write it in Nix, on one line, and cut if
// it is long. What cannot be evaluated is shown as «error».
func (c *Config) Show(path ...string) string {
	at := c.Get(path...)
	e := at.n.in()
	if e == nil {
		return "null"
	}
	s, err := within(e, func(t *eval.Thread) string {
		m := &merging{t: t, sys: e.sys}
		return m.show(at.n.value())
	})
	if err != nil {
		return "«error»"
	}
	return s
}

// Arg returns the module argument of that name: "pkgs", "lib".
func (c *Config) Arg(name string) *Config { return &Config{c.n.arg(name), c.errs} }

// Func returns the function at path, and whether there is one.
func (c *Config) Func(path ...string) (Func, bool) {
	at := c.Get(path...)
	return Func{at}, at.Kind() == KindFunc
}

// A Func is a function of the language.
type Func struct{ c *Config }

// Call applies f to its arguments, one after the other. These may have the types that
// [Option] accepts, above all *Config. The result is lazy and never nil.
func (f Func) Call(args ...any) *Config {
	n, err := f.c.n.call(args)
	if f.c.failed(f.c.n, err) {
		return &Config{absent{f.c.Path()}, f.c.errs}
	}
	return &Config{n, f.c.errs}
}

// Check reads everything at c, as [Evaluation.Check] does for the whole configuration,
// and keeps what is wrong. c must be the root, an option, or an element of an option's
// value.
func (c *Config) Check() {
	switch n := c.n.(type) {
	case slotNode:
		n.e.checkSlot(n.s)
	case constantNode: // nothing is wrong with it
	case rootNode:
		n.e.Check() // the errors are kept, and are asked for later
	}
}

// Errorf keeps an error about the value at c among those of the evaluation: what a
// reader finds wrong beyond types. It does nothing if the value, or a part of it, is
// wrong already, since this error then most likely follows from that one.
func (c *Config) Errorf(format string, args ...any) {
	path := c.Path()
	if c.errs.isBroken(path) {
		return
	}
	c.errs.add(errorf(path, c.Pos(), format, args...))
}

// LeftOut returns what filters leave out of the file or folder that a string names: paths
// below it, or "." for all of it.
func (c *Config) LeftOut() (left []string) {
	str := c.Str()
	if e := c.n.in(); e != nil && strings.HasPrefix(str.S, "/") {
		err := e.do(func(t *eval.Thread) {
			t.Annotate(c.Pos(), "while asking the filter of a source", func() { left = t.LeftOut(str.S, str.Context) })
		})
		c.errs.addAt(c.Path(), err)
	}
	return left
}

// An absent node is a place that does not exist.
type absent struct{ at []string }

func (a absent) path() []string           { return a.at }
func (a absent) step(name string) node    { return absent{append(a.at[:len(a.at):len(a.at)], name)} }
func (a absent) kind() (Kind, error)      { return Missing, nil }
func (a absent) keys() ([]string, error)  { return nil, nil }
func (a absent) items() ([]node, error)   { return nil, nil }
func (a absent) scalar() (any, error)     { return nil, nil }
func (a absent) origin() Origin           { return Origin{} }
func (a absent) arg(string) node          { return absent{} }
func (a absent) call([]any) (node, error) { return a, nil }

func (a absent) in() *Evaluation   { return nil }
func (a absent) value() eval.Value { return eval.Null{} }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
