package definition

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
	"nix2gpu/spelling"
)

// An evaluation is the evaluation of one definition. It belongs to one goroutine.
type evaluation struct {
	*source
	opts    Options
	ev      *eval.Evaluator
	sys     *module.System
	pkgSets map[string]*pkgSet // by system

	services map[string]string                  // files of serviceModules, by type
	replaced []string                           // of these, the aliases of our types, while only the names of services count
	known    map[string]map[string]knownProcess // which settings.processes names, by container; nil: it is not set
	modular  []string                           // names of services that are modules themselves, sorted
	imports  map[string]eval.Value              // by path; a module that is imported twice is evaluated once
}

func newEvaluation(src *source, opts Options) *evaluation {
	e := &evaluation{source: src, opts: opts, pkgSets: map[string]*pkgSet{}, imports: map[string]eval.Value{}}
	e.ev = eval.New(eval.Options{
		FS:            e.files,
		CurrentSystem: opts.System,
		Getenv:        opts.Getenv,
		Home:          opts.Home,
		TraceTo:       opts.Trace,
		MaxSteps:      opts.MaxSteps,
		MaxMemory:     opts.MaxMemory,
		SearchPath:    []eval.SearchEntry{{Prefix: "nixpkgs", Path: inputsDir + "/nixpkgs"}},
		Builtins: []*eval.Builtin{
			{Name: "nix2gpuPkgs", Args: []string{"system"}, Doc: "The package set of a system.",
				Fn: func(t *eval.Thread, args []eval.Value) eval.Value { return e.pkgSet(t.Text(args[0])).pkgs }},
			{Name: "getFlake", Args: []string{"ref"}, Doc: "A flake in a local folder.", Fn: e.getFlake},
		},
		ToFile: func(_ *eval.Thread, name string, content *eval.String) eval.Value {
			return e.pkgSet(opts.System).makeFile(name, "", "", content)
		},
	})
	e.sys = module.NewSystem(e.ev)
	e.sys.Import = e.importModule
	return e
}

// pkgSet returns the package set of a system.
func (e *evaluation) pkgSet(system string) *pkgSet {
	h, ok := e.pkgSets[system]
	if !ok {
		h = newPkgSet(system, e.sys.Lib())
		e.pkgSets[system] = h
	}
	return h
}

// containers are what a file defines: their names, and the configuration and the
// position of each. A container without a name is called "".
type containers struct {
	names []string
	at    func(name string) (*module.Evaluation, *module.Config)
	pos   func(name string) syntax.Pos
}

var none = &containers{}

// A shape is what a file defines, by the attributes that it has.
type shape int

const (
	shapeNone      shape = iota // nothing for us
	shapeContainer              // services, exposedPorts, …
	shapePerSystem              // nix2gpu.<name>
	shapeParts                  // perSystem.nix2gpu.<name>
	shapeFlake                  // outputs
)

// ofFlake reports whether an attribute belongs to a flake.nix and defines no container.
// nixConfig is also an option of containers.
func ofFlake(set *eval.Attrs, name string) bool {
	switch name {
	case "description", "inputs":
		return true
	case "nixConfig":
		return set.Has("perSystem") || set.Has("flake") || set.Has("nix2gpu")
	}
	return false
}

// open evaluates the file as far as the names of its containers.
func (e *evaluation) open(ctx context.Context) (*containers, error) {
	found, err := e.openOnce(ctx)
	if err != nil {
		return nil, err
	}
	// A type of service is an option, and options must be declared before the
	// evaluation. So a definition that declares types of its own is evaluated twice.
	// So is one with settings.processes, which need the names of its services, and one with
	// services that are modules themselves.
	if e.services, err = serviceModules(found); err != nil {
		return found, err
	}
	// A type by the name of an alias is none: so far, what is below services.postgres counted
	// as below services.postgresql.
	e.replaced = slices.DeleteFunc(slices.Collect(maps.Keys(e.services)), func(typ string) bool {
		ours, ok := catalog.Find(typ)
		return !ok || ours.Name == typ
	})
	if len(e.replaced) > 0 {
		if found, err = e.openOnce(ctx); err != nil {
			return nil, err
		}
		e.replaced = nil
	}
	if e.modular, err = e.modularServices(ctx, found); err != nil {
		return found, err
	}
	if e.known, err = e.knownProcesses(found); err != nil || len(e.services) == 0 && e.known == nil && e.modular == nil {
		return found, err
	}
	return e.openOnce(ctx)
}

func (e *evaluation) openOnce(ctx context.Context) (found *containers, err error) {
	err = e.ev.Do(ctx, func(t *eval.Thread) {
		v := e.evaluate(t)
		switch e.shapeOf(t, v, 0) {
		case shapeNone:
			found = none
		case shapeFlake:
			found = e.openFlake(t, v)
		case shapeParts:
			inputs := eval.AttrsOf(e.standIns())
			found = e.openParts(t, flake.NewParts(t, e.partsOptions(), inputs, eval.NewAttrs(0).Done(), v, nil))
		case shapePerSystem:
			found = e.openPerSystem(t, v)
		case shapeContainer:
			found = e.openContainer(t, v)
		}
	})
	return found, err
}

// importModule imports a file for a module. The file may have any form that the
// definition itself may have.
func (e *evaluation) importModule(t *eval.Thread, path string) eval.Value {
	if target, err := eval.FollowLinks(e.files, path); err == nil {
		path = target
	}
	if info, err := e.files.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "default.nix")
	}
	v, ok := e.imports[path]
	if !ok {
		v = e.read(t, path, filepath.Dir(path))
		e.imports[path] = v
	}
	return v
}

// evaluate evaluates the definition. It leaves out what belongs to a flake if there are
// no outputs: users put several blocks of the documentation into one file.
func (e *evaluation) evaluate(t *eval.Thread) eval.Value {
	target, err := eval.FollowLinks(e.files, e.file)
	if err != nil {
		t.FailFile(e.file, err)
	}
	v := e.read(t, e.file, filepath.Dir(target))
	set, ok := v.(*eval.Attrs)
	if !ok || set.Has("outputs") {
		return v
	}
	rest := eval.NewAttrs(set.Len())
	for i := range set.Len() {
		if name, v, pos := set.At(i); !ofFlake(set, name) {
			rest.SetAt(name, v, pos)
		}
	}
	return rest.Done()
}

// read evaluates a file: an expression, bindings without braces, or data. Paths in it
// are relative to dir, the folder in which the file really is, behind all links.
func (e *evaluation) read(t *eval.Thread, file, dir string) eval.Value {
	src, err := e.files.read(file)
	if err != nil {
		t.FailFile(file, err)
	}
	var expr syntax.Expr
	switch filepath.Ext(file) {
	case ".json", ".yaml", ".yml":
		expr, err = parseData(file, src.Text)
	default:
		expr, err = syntax.ParseFragment(file, src.Text)
	}
	if err == nil && strings.TrimSpace(src.Text) == "" {
		// An editor that saves it, or a full disk, may have left it so. A reload would end
		// all services.
		err = &syntax.Error{Pos: syntax.NewSource(file, src.Text).At(1, 1), Msg: "the file must not be empty; a definition without services is { }"}
	}
	if err != nil {
		t.Raise(err)
	}
	scope := eval.Scope{}
	if _, isFunction := expr.(*syntax.Lambda); !isFunction && !declaresOutputs(expr) {
		scope["pkgs"], scope["lib"] = e.pkgSet(e.opts.System).pkgs, e.sys.Lib()
	}
	v := t.Force(t.EvalExpr(expr, dir, scope))
	if _, ok := v.(*eval.Attrs); !ok && !eval.IsFunction(v) {
		t.Fail(expr.Pos(), "a definition must be a set or a function, not %s", article(v.Type()))
	}
	return v
}

// article returns the name of a type with its article.
func article(k eval.Type) string {
	switch name := k.String(); name {
	case "null":
		return name
	case "int":
		return "an integer"
	default:
		return "a " + name
	}
}

func declaresOutputs(e syntax.Expr) bool {
	set, ok := e.(*syntax.AttrSet)
	return ok && slices.ContainsFunc(set.Attrs, func(a syntax.Attr) bool { return a.Name == "outputs" })
}

// maxImports limits how deep imports are followed to find the shape of a file, which
// may import itself.
const maxImports = 8

// shapeOf returns the shape of a value. It calls a function, to see the names of the
// attributes that it returns: as in the module system, these must not depend on its
// arguments.
func (e *evaluation) shapeOf(t *eval.Thread, v eval.Value, depth int) shape {
	v = t.Force(v)
	switch path := v.(type) {
	case eval.Path:
		v = t.Force(e.importModule(t, string(path)))
	case *eval.String:
		if strings.HasPrefix(path.Text(), "/") {
			v = t.Force(e.importModule(t, path.Text()))
		}
	}
	if eval.IsFunction(v) {
		v = t.Force(t.Call(v, e.probeArgs(t, v)))
	}
	set, ok := v.(*eval.Attrs)
	if !ok {
		t.Throw("a module must be a set or a function, not %s", article(v.Type()))
	}
	if set.Has("_type") { // mkIf, mkMerge: of a container
		return shapeContainer
	}
	if f, ok := set.Get("outputs"); ok && depth == 0 && eval.IsFunction(t.Force(f)) {
		return shapeFlake
	}
	at := set
	if inner, ok := set.Get("config"); ok {
		if c, ok := t.Force(inner).(*eval.Attrs); ok {
			at = c
		}
	}
	switch {
	case at.Has("perSystem") || at.Has("flake"):
		return shapeParts
	case at.Has("nix2gpu"):
		return shapePerSystem
	}
	left := slices.DeleteFunc(slices.Clone(at.Names()), func(n string) bool {
		return slices.Contains([]string{"imports", "systems", "options", "config", "_file", "key", "_class", "_module"}, n)
	})
	if len(left) > 0 {
		return shapeContainer
	}
	if list, ok := set.Get("imports"); ok && depth < maxImports {
		found := shapeNone
		t.Annotate(set.Pos("imports"), "while importing a module", func() {
			for _, v := range t.List(list).Elems() {
				if found = e.shapeOf(t, v, depth+1); found != shapeNone {
					return
				}
			}
		})
		return found
	}
	return shapeNone
}

// probeArgs returns the arguments with which shapeOf calls a module.
func (e *evaluation) probeArgs(t *eval.Thread, fn eval.Value) *eval.Attrs {
	b := eval.NewAttrs(8)
	given := map[string]eval.Value{"pkgs": e.pkgSet(e.opts.System).pkgs, "lib": e.sys.Lib(), "system": eval.Str(e.opts.System)}
	for name, v := range given {
		b.Set(name, v)
	}
	for _, arg := range t.FunctionArgs(fn) {
		if _, ok := given[arg.Name]; !ok && !arg.HasDefault {
			b.Set(arg.Name, eval.Lazy(func(t *eval.Thread) eval.Value {
				t.Fail(arg.Pos, "the names of the attributes that a module sets must not depend on its argument %q", arg.Name)
				return nil
			}))
		}
	}
	return b.Done()
}

// openContainer opens a file that is one container without a name.
func (e *evaluation) openContainer(t *eval.Thread, v eval.Value) *containers {
	schema := e.schema()
	modules := []module.Module{module.Declare(schema.Options, nil), module.FromValue(v, e.file)}
	// The module's name is that of the project. As an argument of all modules it would be
	// the name of each submodule as well.
	one := func(name string, v eval.Value) *eval.Attrs { return eval.NewAttrs(1).Set(name, v).Done() }
	named := one("_module", one("args", one("name", eval.Str(filepath.Base(e.root)))))
	merged := e.sys.Evaluate(t.Context(), module.Spec{
		Modules: append(append(modules, module.FromValue(named, "")), schema.Modules...),
		Args:    e.moduleArgs(),
	})
	return &containers{
		names: []string{""},
		at:    func(string) (*module.Evaluation, *module.Config) { return merged, merged.Config() },
		pos:   func(string) syntax.Pos { return syntax.Pos{} },
	}
}

// moduleArgs returns the arguments of modules outside of a flake.
func (e *evaluation) moduleArgs() map[string]eval.Value {
	empty := eval.NewAttrs(0).Done()
	return map[string]eval.Value{
		"pkgs":    e.pkgSet(e.opts.System).pkgs,
		"system":  eval.Str(e.opts.System),
		"inputs":  eval.AttrsOf(e.standIns()),
		"inputs'": empty,
		"self":    empty,
		"self'":   empty,
	}
}

// openPerSystem opens a module of perSystem: { nix2gpu.<name> = …; }.
func (e *evaluation) openPerSystem(t *eval.Thread, v eval.Value) *containers {
	merged := e.sys.Evaluate(t.Context(), module.Spec{
		Modules: []module.Module{module.Declare(e.perSystemOptions(), module.LazyAttrsOf(module.Raw)), module.FromValue(v, e.file)},
		Args:    e.moduleArgs(),
	})
	return e.named(t, merged)
}

// openParts opens a configuration in the style of flake-parts.
func (e *evaluation) openParts(t *eval.Thread, p *flake.Parts) *containers {
	return e.named(t, p.System(t, e.opts.System))
}

// named returns the containers at nix2gpu.<name> of an evaluation.
func (e *evaluation) named(t *eval.Thread, merged *module.Evaluation) *containers {
	var names []string
	merged.Within(t, func() {
		if err := merged.Err(); err == nil {
			names = merged.Config().Keys("nix2gpu")
		}
	})
	if err := merged.Err(); err != nil {
		t.Raise(err)
	}
	e.checkPerSystem(t, merged)
	return &containers{
		names: names,
		at: func(name string) (*module.Evaluation, *module.Config) {
			return merged, merged.Config().Get("nix2gpu", name)
		},
		pos: func(name string) syntax.Pos { return merged.Config().Pos("nix2gpu", name) },
	}
}

// checkPerSystem reports a misspelt nix2gpu. perSystem accepts any other name, since
// modules of other flakes may declare it.
func (e *evaluation) checkPerSystem(t *eval.Thread, merged *module.Evaluation) {
	set, ok := t.Force(merged.Value()).(*eval.Attrs)
	if !ok {
		return
	}
	var wrong Errors
	for i := range set.Len() {
		name, _, pos := set.At(i)
		if name != "nix2gpu" && near(name, "nix2gpu") {
			wrong = append(wrong, &Error{Pos: pos, Msg: "perSystem has no option " + syntax.QuoteName(name), Hint: `did you mean "nix2gpu"?`})
		} else if slices.Contains([]string{"services", "exposedPorts", "cudaPackages", "tailscale"}, name) {
			wrong = append(wrong, &Error{Pos: pos, Msg: "perSystem has no option " + name, Hint: "options belong to a container: nix2gpu.<name>." + name})
		}
	}
	if wrong != nil {
		t.Raise(wrong)
	}
}

// near reports whether a is b with at most two letters wrong, or fewer if they are
// short.
func near(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	return spelling.Distance(a, b) <= min(2, len(a)/3+1, len(b)/3+1)
}

// openFlake opens a flake.nix.
func (e *evaluation) openFlake(t *eval.Thread, v eval.Value) *containers {
	f := flake.FromValue(t, v, e.root, flake.Options{FS: e.files, StandIns: e.standIns()})
	if p := flake.PartsOf(t, f.Self); p != nil {
		return e.openParts(t, p)
	}
	// Plain outputs: nix2gpu.<system>.<name>, or the perSystem attribute as it is.
	if v, ok := t.Lookup(f.Self, "nix2gpu", e.opts.System); ok {
		return e.openPerSystem(t, eval.NewAttrs(1).SetAt("nix2gpu", v, syntax.Pos{}).Done())
	}
	if v, ok := t.Lookup(f.Self, "perSystem"); ok {
		inputs := eval.AttrsOf(f.Inputs)
		mod := eval.NewAttrs(1).Set("perSystem", v).Done()
		return e.openParts(t, flake.NewParts(t, e.partsOptions(), inputs, f.Self, mod, nil))
	}
	return none
}

// getFlake is builtins.getFlake.
func (e *evaluation) getFlake(t *eval.Thread, args []eval.Value) eval.Value {
	ref := strings.TrimPrefix(t.Interpolate(args[0]).Text(), "path:")
	if !filepath.IsAbs(ref) {
		t.Unsupported("builtins.getFlake of %q, which is not an absolute path", ref)
	}
	return t.Force(flake.Load(t, filepath.Clean(ref), flake.Options{FS: e.files, StandIns: e.standIns()}).Self)
}

func (e *evaluation) partsOptions() flake.PartsOptions {
	return flake.PartsOptions{
		System:    e.sys,
		PerSystem: e.perSystemOptions(),
		Pkgs:      func(_ *eval.Thread, system string) eval.Value { return e.pkgSet(system).pkgs },
		Systems:   []string{"x86_64-linux", "aarch64-linux"},
	}
}

// standIns returns our replacements of the flakes that definitions name as inputs, by
// name.
func (e *evaluation) standIns() map[string]eval.Value {
	dir := func(name string) eval.Value {
		path := inputsDir + "/" + name
		return eval.NewAttrs(2).Set("_type", eval.Str("flake")).
			Set("outPath", eval.StrContext(path, eval.NewContext("source:"+path))).Done()
	}
	modules := flake.ModuleStandIn()
	nixpkgs := flake.Nixpkgs(e.sys.Lib(), func(system string) eval.Value { return e.pkgSet(system).pkgs }, inputsDir+"/nixpkgs")
	return map[string]eval.Value{
		"nixpkgs":               nixpkgs,
		"nixpkgs-lib":           nixpkgs,
		"nixpkgs.lib":           nixpkgs,
		"flake-parts":           eval.Lazy(func(t *eval.Thread) eval.Value { return e.partsOptions().StandIn(t) }), // few need its options
		"nix2gpu":               modules,
		"services-flake":        modules,
		"process-compose-flake": modules,
		"nix2container":         modules,
		"home-manager":          flake.HomeManager(),
		"systems":               dir("systems"),
	}
}
