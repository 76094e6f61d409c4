package module

import (
	"fmt"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
)

// A Module declares options, assigns values to options, or both.
type Module struct {
	options  Options
	freeform Type

	path   string     // of a file
	value  eval.Value // of Nix
	assign map[string]any
	file   string // the origin of value or assign, for messages

	// of a module that is an assignment to a submodule
	def        *def
	onlyConfig bool
}

// Declare returns a module that declares options. freeform is the type of everything
// that is not declared; nil: that is an error.
func Declare(options Options, freeform Type) Module {
	return Module{options: options, freeform: freeform}
}

// Assign returns a module that assigns values from Go, in the types that [Option]
// accepts. file names their origin in messages.
func Assign(values map[string]any, file string) Module { return Module{assign: values, file: file} }

// FromFile returns the module in a file, which is read when the module is used.
func FromFile(path string) Module { return Module{path: path} }

// FromValue returns a module that is a value of Nix: a set, a function or a path. file
// is its name in messages where no position is known.
func FromValue(v eval.Value, file string) Module { return Module{value: v, file: file} }

// AsConfig returns a module of assignments. Unlike in FromValue, every attribute of the
// set is an assignment, whatever its name.
func AsConfig(v eval.Value, pos Pos, file string) Module {
	return Module{def: &def{val: v, pos: pos, file: file}, onlyConfig: true}
}

// A mod is a module taken apart.
type mod struct {
	key     string
	file    string
	options []declSet
	config  []def
	imports []Module
	loaded  []*mod // the imports
	disable []string
}

// place returns the position of x, as precisely as it is known.
func (x *mod) place() Pos {
	if x.file == "" {
		return Pos{}
	}
	return fileOnly(x.file)
}

// maxModules limits the number of modules, because a module may import itself as a
// value.
const maxModules = 10_000

// propertyKinds are the properties that may stand for a whole module's config.
var propertyKinds = map[string]bool{"if": true, "merge": true, "override": true, "order": true}

// moduleKeys are the attributes of a module that is written in full.
var moduleKeys = []string{"_class", "_file", "config", "disabledModules", "freeformType", "imports", "key", "meta", "options", "require"}

// collect loads all modules, imported ones included, each once. Their order is that of
// NixOS: breadth first, then reversed, so that a module comes after those that it
// imports.
func (tr *tree) collect(t *eval.Thread) []*mod {
	m := tr.merging(t)
	var all []*mod
	root := &mod{imports: append([]Module{tr.internalModule()}, tr.sources...)}
	seen := map[string]*mod{}
	disabled := map[string]bool{}
	type entry struct {
		src  *Module
		from *mod
	}
	queue := make([]entry, 0, len(root.imports))
	enqueue := func(x *mod) {
		for i := range x.imports {
			queue = append(queue, entry{&x.imports[i], x})
		}
	}
	enqueue(root)
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		x := tr.load(m, *next.src)
		if x.key != "" {
			if known := seen[x.key]; known != nil {
				next.from.loaded = append(next.from.loaded, known)
				continue
			}
			seen[x.key] = x
		}
		next.from.loaded = append(next.from.loaded, x)
		if all = append(all, x); len(all) > maxModules {
			m.fail(&Error{Pos: x.place(), Msg: "there are too many modules: does one import itself?", Hint: "give it a key, or import it as a file"})
		}
		enqueue(x)
		for _, d := range x.disable {
			disabled[d] = true
		}
	}
	if len(disabled) > 0 {
		all = root.reached(disabled)
	}
	slices.Reverse(all)
	return all
}

// reached returns the modules that x imports, and what those import, without the disabled
// ones: what only such a one imports does not count.
func (x *mod) reached(disabled map[string]bool) []*mod {
	var all []*mod
	seen := map[*mod]bool{}
	for queue := x.loaded; len(queue) > 0; queue = queue[1:] {
		if x := queue[0]; !seen[x] && (x.key == "" || !disabled[x.key]) {
			seen[x] = true
			all = append(all, x)
			queue = slices.Concat(queue, x.loaded)
		}
	}
	return all
}

// internalModule returns the module that declares _module, which each evaluation has.
func (tr *tree) internalModule() Module {
	assign := map[string]any{}
	if tr.name != "" {
		assign["_module"] = map[string]any{"args": map[string]any{
			"name": eval.NewAttrs(3).Set("_type", eval.Str("override")).Set("priority", eval.MakeInt(defaultPriority)).
				Set("content", eval.Str(tr.name)).Done(),
		}}
	} else {
		assign["_module"] = map[string]any{"args": map[string]any{}}
	}
	options := tr.sys.internal
	if len(tr.loc) == 0 {
		options = tr.sys.internalTop
	}
	return Module{options: options, assign: assign}
}

// internalOptions returns the options that every evaluation declares. Manuals show those
// arguments that all modules get, at the top.
func internalOptions(top bool) Options {
	return Options{"_module": {Internal: true, Set: Options{
		"args":         {Type: LazyAttrsOf(Raw), Internal: !top, Description: "Further arguments of the modules."},
		"check":        {Type: Bool, Default: true, Internal: true, Description: "Whether an assignment to what is not declared is an error."},
		"freeformType": {Type: NullOr(OptionType), Default: Null, Internal: true, Description: "The type of everything that is not declared."},
	}}}
}

// load reads the parts of one module.
func (tr *tree) load(m *merging, src Module) *mod {
	x := &mod{file: src.file}
	if src.options != nil {
		x.options = []declSet{{file: src.file, goOptions: src.options}}
	}
	if src.freeform != nil {
		x.config = append(x.config, def{val: tr.sys.value(map[string]any{
			"_module": map[string]any{"freeformType": tr.sys.viewOf(src.freeform.info())},
		})})
	}
	if src.assign != nil {
		d := def{val: tr.sys.value(src.assign), file: src.file}
		if src.def != nil {
			d.prio = src.def.prio
		}
		x.config = append(x.config, d)
		return x
	}
	v, pos := src.value, Pos{}
	if src.def != nil {
		v, pos, x.file = src.def.val, src.def.pos, src.def.file
		if f := pos.File(); f != "" && x.file == "" {
			x.file = f
		}
		if src.onlyConfig {
			if set, ok := m.t.Force(v).(*eval.Attrs); ok && !eval.IsFunction(set) {
				x.config = append(x.config, def{val: set, pos: pos, file: src.def.file})
				return x
			}
		}
	}
	if src.path != "" {
		v = eval.Path(src.path)
	}
	if v != nil {
		tr.loadValue(m, x, v, pos)
	}
	return x
}

// loadValue takes apart what a module may be in Nix: a path, a function or a set.
func (tr *tree) loadValue(m *merging, x *mod, v eval.Value, pos Pos) {
	t := m.t
	v = t.Force(v)
	if isModulePath(v) {
		t.Annotate(pos, "while importing a module", func() {
			var path string
			if p, ok := v.(eval.Path); ok {
				path = string(p)
			} else {
				path = t.Interpolate(v).Text()
			}
			x.key, x.file = path, path
			v = tr.sys.importFile(t, path)
		})
	}
	if set, ok := v.(*eval.Attrs); ok && set.Has("_type") && property(t, set) == "flake" {
		m.fail(&Error{Pos: pos, Msg: "a flake is not a module", Hint: "import one of its modules: inputs.x.flakeModules.default"})
	}
	if eval.IsFunction(v) {
		if l, ok := v.(*eval.Lambda); ok && x.file == "" {
			x.file = l.Pos().File()
		}
		v = t.Force(tr.applyModule(m, v))
	}
	set, ok := v.(*eval.Attrs)
	if !ok {
		m.fail(&Error{Pos: pos, Msg: fmt.Sprintf("a module must be a set, a function or a path, not %s", m.show(v))})
	}
	if propertyKinds[property(t, set)] {
		x.config = append(x.config, def{val: set, pos: pos, file: x.file})
		return
	}
	tr.loadSet(m, x, set, pos)
}

func isModulePath(v eval.Value) bool {
	switch v := v.(type) {
	case eval.Path:
		return true
	case *eval.String:
		return len(v.Text()) > 0 && v.Text()[0] == '/'
	case *eval.Attrs:
		return v.Has("outPath") && !eval.IsFunction(v) && !v.Has("options") && !v.Has("config") && !v.Has("imports")
	}
	return false
}

// loadSet takes apart a module that is a set.
func (tr *tree) loadSet(m *merging, x *mod, set *eval.Attrs, pos Pos) {
	t := m.t
	if v, ok := set.Get("_file"); ok {
		x.file = t.ToString(v).Text()
	}
	if v, ok := t.Lookup(set, "_class"); ok && tr.class != "" && v.Type() == eval.TypeString && t.Text(v) != tr.class {
		m.fail(&Error{Pos: set.Pos("_class"), Msg: fmt.Sprintf("a module of class %q cannot be used where modules of class %q are evaluated", t.Text(v), tr.class)})
	}
	if v, ok := set.Get("key"); ok {
		x.key = t.ToString(v).Text()
	}
	for _, name := range [...]string{"require", "imports"} {
		v, ok := set.Get(name)
		if !ok {
			continue
		}
		at := set.Pos(name)
		list, ok := t.Force(v).(*eval.List)
		if !ok {
			m.fail(&Error{Pos: at, Msg: name + " must be a list of modules, not " + m.show(v)})
		}
		for _, e := range list.Elems() {
			x.imports = append(x.imports, Module{def: &def{val: e, pos: at, file: x.file}})
		}
	}
	if v, ok := set.Get("disabledModules"); ok {
		at := set.Pos("disabledModules")
		for _, e := range t.List(v).Elems() {
			e = t.Force(e)
			if k, ok := t.Lookup(e, "key"); ok {
				e = k
			} else if set, ok := e.(*eval.Attrs); ok && !set.Has("outPath") && !set.Has("__toString") {
				m.fail(&Error{Pos: at, Msg: "a module to disable must be a path, a text, or a set with a key, not " + m.show(e),
					Hint: "write { key = …; } with the key of that module"})
			}
			name := t.ToString(e).Text()
			if root, ok := tr.args["modulesPath"]; ok && !strings.HasPrefix(name, "/") && isOf[*eval.String](m, e) {
				name = t.ToString(root).Text() + "/" + name
			}
			x.disable = append(x.disable, name)
		}
	}
	if v, ok := set.Get("freeformType"); ok {
		x.config = append(x.config, def{file: x.file, pos: set.Pos("freeformType"), val: eval.NewAttrs(1).
			SetAt("_module", eval.NewAttrs(1).SetAt("freeformType", v, set.Pos("freeformType")).Done(), set.Pos("freeformType")).Done()})
	}
	full := set.Has("config") || set.Has("options")
	if !full { // all that is no key of a module is an assignment
		b := eval.NewAttrs(set.Len())
		for i := range set.Len() {
			name, v, at := set.At(i)
			if name == "meta" || !slices.Contains(moduleKeys, name) {
				b.SetAt(name, v, at)
			}
		}
		x.config = append(x.config, def{val: b.Done(), pos: pos, file: x.file})
		return
	}
	var wrong []*Error
	for i := range set.Len() {
		if name, _, at := set.At(i); !slices.Contains(moduleKeys, name) {
			wrong = append(wrong, &Error{Pos: at, Msg: fmt.Sprintf("a module with config or options cannot have the attribute `%s' beside them", name),
				Hint: fmt.Sprintf("write config.%s instead, or leave out config and options", showPath([]string{name}))})
		}
	}
	if wrong != nil {
		m.fail(wrong...)
	}
	if v, ok := set.Get("options"); ok {
		decls, ok := t.Force(v).(*eval.Attrs)
		if !ok {
			m.fail(&Error{Pos: set.Pos("options"), Msg: "options must be a set of declarations, not " + m.show(v)})
		}
		x.options = append(x.options, declSet{file: x.file, nix: decls})
	}
	if v, ok := set.Get("config"); ok {
		x.config = append(x.config, def{val: v, pos: set.Pos("config"), file: x.file})
	}
	if v, ok := set.Get("meta"); ok {
		x.config = append(x.config, def{val: eval.NewAttrs(1).SetAt("meta", v, set.Pos("meta")).Done(), pos: set.Pos("meta"), file: x.file})
	}
}

// applyModule calls a module that is a function with the arguments that it asks for.
// Those that are no special arguments come from _module.args, lazily, since they may
// depend on options.
func (tr *tree) applyModule(m *merging, fn eval.Value) eval.Value {
	args := tr.commonArgs()
	more := eval.NewAttrs(4)
	for _, f := range m.t.FunctionArgs(fn) {
		if !args.Has(f.Name) {
			more.Set(f.Name, eval.Lazy(func(t *eval.Thread) eval.Value { return tr.moduleArg(t, f.Name, f.Pos) }))
		}
	}
	if set := more.Done(); set.Len() > 0 {
		args = args.Update(set)
	}
	return m.t.Call(fn, args)
}

// moduleArg returns the value of _module.args for a name.
func (tr *tree) moduleArg(t *eval.Thread, name string, pos Pos) eval.Value {
	if v, ok := tr.args[name]; ok {
		return v
	}
	if name == "lib" {
		return tr.sys.Lib()
	}
	if v := tr.builtinArg(name); v != nil {
		return t.Force(v)
	}
	r := tr.internals(t).slot(t, "args").res.get(t)
	if e := r.elem(name); e != nil {
		return t.Force(e.value())
	}
	known := append([]string{"config", "lib", "options"}, r.names...)
	for n := range tr.args {
		known = append(known, n)
	}
	tr.merging(t).fail(&Error{Pos: pos, Msg: fmt.Sprintf("no module argument is called `%s'", name), Hint: didYouMean(name, known)})
	return nil
}
