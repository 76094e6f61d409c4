package module

import (
	"context"
	"fmt"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/lib"
	"nix2gpu/nix/syntax"
)

// A System is the module system of one evaluator: the library with its types, and the
// evaluation of modules.
type System struct {
	ev *eval.Evaluator
	// Import evaluates the file of a module, whose path is absolute; nil: as
	// builtins.import.
	Import func(t *eval.Thread, path string) eval.Value

	lib         *eval.Thunk
	internal    Options                   // of every evaluation
	internalTop Options                   // of one that is no submodule
	views       map[*typeInfo]*eval.Attrs // the view of each type
	natives     map[*eval.Attrs]*typeInfo // by view, so that each is taken apart once
	plans       map[*submodule]*plan      // of submodules that only Go declares
}

// NewSystem returns the module system of an evaluator.
func NewSystem(ev *eval.Evaluator) *System {
	s := &System{ev: ev, internal: internalOptions(false), internalTop: internalOptions(true), views: map[*typeInfo]*eval.Attrs{}, natives: map[*eval.Attrs]*typeInfo{}, plans: map[*submodule]*plan{}}
	s.lib = eval.Lazy(s.loadLib)
	return s
}

// Lib returns what definitions know as lib. It is evaluated when it is first used.
func (s *System) Lib() eval.Value { return s.lib }

// libPrefix begins the names of the library's texts in messages.
const libPrefix = "<lib/"

// InLib reports whether a position is in a text that is part of this program, such as
// <lib/lists.nix>: users did not write it.
func InLib(pos syntax.Pos) bool {
	file := pos.File()
	return strings.HasPrefix(file, "<") && strings.HasSuffix(file, ".nix>")
}

// loadLib puts the library together from its texts.
func (s *System) loadLib(t *eval.Thread) eval.Value {
	load := func(t *eval.Thread, topic string) eval.Value {
		text, ok := lib.Source(topic)
		if !ok {
			t.Throw("the library has no topic %q", topic)
		}
		return t.EvalText(libPrefix+topic+".nix>", text, "/", nil)
	}
	arg := eval.NewAttrs(2).
		Set("prim", s.primitives()).
		Set("load", eval.Func("load", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			return load(t, t.Text(args[0]))
		})).Done()
	return t.Call(load(t, "default"), arg)
}

// A Spec says what to evaluate.
type Spec struct {
	Modules []Module
	// Args are arguments of modules in addition to config, options and lib, such as
	// pkgs. Submodules declared in Go get them too.
	Args map[string]eval.Value
	// Prefix is put before the paths in messages.
	Prefix []string
}

// Evaluate returns an evaluation. Nothing is evaluated before it is read, so that
// errors come up in what is read, or all at once in [Evaluation.Check]. ctx ends
// everything that is read later.
func (s *System) Evaluate(ctx context.Context, spec Spec) *Evaluation {
	tr := s.newTree(spec.Prefix, spec.Args)
	tr.sources = append(tr.sources, spec.Modules...)
	return &Evaluation{sys: s, tree: tr, ctx: ctx}
}

// An Evaluation is a configuration: merged modules, as far as they have been read.
type Evaluation struct {
	sys    *System
	tree   *tree
	ctx    context.Context
	errs   errorList
	thread *eval.Thread // while an evaluation is running
}

// Config returns the root of the configuration.
func (e *Evaluation) Config() *Config { return &Config{rootNode{e}, &e.errs} }

// Err returns everything found wrong so far, as [Errors], sorted; nil if there is
// nothing.
func (e *Evaluation) Err() error { return e.errs.sorted() }

// Broken returns the paths of the options that could not be read so far, some more than
// once.
func (e *Evaluation) Broken() [][]string { return e.errs.broken }

// Value returns the configuration for use in Nix. Forcing it fails if something is
// assigned that is not declared.
func (e *Evaluation) Value() eval.Value { return &e.tree.checked }

// Options returns the set of all declarations for use in Nix.
func (e *Evaluation) Options() eval.Value { return &e.tree.optionsValue }

// do calls f within an evaluation: the running one, if there is one.
func (e *Evaluation) do(f func(t *eval.Thread)) error {
	if e.thread != nil {
		return e.thread.Try(func() { f(e.thread) })
	}
	ctx := e.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	return e.sys.ev.Do(ctx, func(t *eval.Thread) {
		e.thread = t
		defer func() { e.thread = nil }()
		f(t)
	})
}

// Within lets f read e inside a running evaluation, which a builtin needs.
func (e *Evaluation) Within(t *eval.Thread, f func()) {
	old := e.thread
	e.thread = t
	defer func() { e.thread = old }()
	f()
}

func (s *System) importFile(t *eval.Thread, path string) eval.Value {
	if s.Import != nil {
		return s.Import(t, path)
	}
	return t.Import(path)
}

// value returns a value from Go as one of the language; see [Option].
func (s *System) value(v any) eval.Value {
	switch v := v.(type) {
	case *Config:
		return v.n.value()
	case Expr:
		return eval.Lazy(func(t *eval.Thread) eval.Value {
			return t.EvalText("(expression)", string(v), "/", eval.Scope{"lib": s.Lib()})
		})
	case []any:
		all := make([]eval.Value, len(v))
		for i, e := range v {
			all[i] = s.value(e)
		}
		return eval.NewList(all...)
	case map[string]any:
		b := eval.NewAttrs(len(v))
		for _, k := range sortedKeys(v) {
			b.Set(k, s.value(v[k]))
		}
		return b.Done()
	}
	return plainValue(v)
}

// plainValue is value for what needs no evaluation.
func plainValue(v any) eval.Value {
	switch v := v.(type) {
	case nil, null:
		return eval.Null{}
	case eval.Value:
		return v
	case bool:
		return eval.Bool(v)
	case int:
		return eval.MakeInt(int64(v))
	case int64:
		return eval.MakeInt(v)
	case float64:
		return eval.Float(v)
	case string:
		return eval.Str(v)
	case Str:
		return eval.StrContext(v.S, eval.NewContext(v.Context...))
	case []string:
		return eval.StringList(v...)
	case []int:
		all := make([]eval.Value, len(v))
		for i, e := range v {
			all[i] = eval.MakeInt(int64(e))
		}
		return eval.NewList(all...)
	case map[string]string:
		b := eval.NewAttrs(len(v))
		for _, k := range sortedKeys(v) {
			b.Set(k, eval.Str(v[k]))
		}
		return b.Done()
	}
	panic(fmt.Sprintf("module: a %T cannot be a value of an option", v))
}

// goValue is the inverse of value: it returns nil, bool, int64, float64, Str, []any or
// map[string]any, evaluated deeply. Functions are an error.
func (m *merging) goValue(v eval.Value) (x any) {
	m.t.Descend(func() { x = m.goInner(m.t.Force(v)) })
	return x
}

func (m *merging) goInner(v eval.Value) any {
	switch v := v.(type) {
	case eval.Null:
		return nil
	case eval.Bool:
		return bool(v)
	case eval.Int:
		return int64(v)
	case eval.Float:
		return float64(v)
	case *eval.List:
		all := make([]any, v.Len())
		for i, e := range v.Elems() {
			all[i] = m.goValue(e)
		}
		return all
	case *eval.Attrs:
		if isText(v) {
			return goStr(m.t, v)
		}
		all := make(map[string]any, v.Len())
		for name, e := range v.All() {
			all[name] = m.goValue(e)
		}
		return all
	case *eval.String, eval.Path:
		return goStr(m.t, v)
	}
	m.t.Throw("a %s has no meaning here", v.Type())
	return nil
}

// isText reports whether a set stands for a string: a package, or a set with
// __toString.
func isText(set *eval.Attrs) bool { return set.Has("outPath") || set.Has("__toString") }

func goStr(t *eval.Thread, v eval.Value) Str {
	s := t.Interpolate(v)
	return Str{s.Text(), s.Context().Elems()}
}

// fileOnly returns a position of which only the file is known.
func fileOnly(file string) Pos { return Pos{Source: syntax.NewSource(file, "")} }

// primitives returns the functions that the library gets from here.
func (s *System) primitives() eval.Value {
	// Nothing here reads who maintains a package.
	anybody := eval.NewAttrs(0).Done().WithMissing(func(_ *eval.Thread, name string, _ Pos) eval.Value {
		return eval.NewAttrs(2).Set("name", eval.Str(name)).Set("github", eval.Str(name)).Done()
	})
	return eval.NewAttrs(3).
		Set("anybody", anybody).
		Set("types", eval.Lazy(s.typeLib)).
		Set("evalModules", eval.Func("evalModules", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			set := t.Attrs(args[0])
			return s.evalModules(t, set)
		})).Done()
}

// specialArgs returns the attribute specialArgs.
func (s *System) specialArgs(t *eval.Thread, set *eval.Attrs) map[string]eval.Value {
	args := map[string]eval.Value{}
	if v, ok := set.Get("specialArgs"); ok {
		for name, v := range t.Attrs(v).All() {
			args[name] = v
		}
	}
	return args
}
