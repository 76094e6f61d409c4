package flake

import (
	"path"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// PartsOptions is what a flake in the style of flake-parts needs from outside.
type PartsOptions struct {
	System *module.System
	// PerSystem is declared for each system, in addition to what flake-parts declares.
	PerSystem module.Options
	// Pkgs returns the package set of a system, unless the flake sets another one.
	Pkgs func(t *eval.Thread, system string) eval.Value
	// Systems are the systems of a flake that names none.
	Systems []string
}

// A Parts is a configuration with perSystem, as flake-parts evaluates it.
type Parts struct {
	opts    PartsOptions
	inputs  eval.Value // lazy; a set
	self    eval.Value // lazy; the flake
	top     *module.Evaluation
	systems map[string]*module.Evaluation
}

// partsKey is the output in which mkFlake leaves its Parts.
const partsKey = "_nix2gpuParts"

// NewParts returns the configuration of a module. inputs and self may be empty sets if
// there is no flake around it.
func NewParts(t *eval.Thread, opts PartsOptions, inputs, self, mod eval.Value, special map[string]eval.Value) *Parts {
	p := &Parts{opts: opts, inputs: inputs, self: self, systems: map[string]*module.Evaluation{}}
	args := map[string]eval.Value{
		"inputs":           inputs,
		"self":             self,
		"moduleWithSystem": p.unsupported("moduleWithSystem"),
		"withSystem":       p.withSystem(),
		"getSystem":        p.getSystem(),
		"flake-parts-lib":  eval.Lazy(func(t *eval.Thread) eval.Value { return opts.FlakePartsLib(t) }),
	}
	for name, v := range special {
		args[name] = v
	}
	p.top = opts.System.Evaluate(t.Context(), module.Spec{
		Modules: []module.Module{module.Declare(topOptions(opts.Systems), module.LazyAttrsOf(module.Raw)), module.FromValue(mod, "")},
		Args:    args,
	})
	return p
}

// topOptions returns the options beside perSystem. Everything else that modules of
// other flakes set is accepted and ignored.
func topOptions(systems []string) module.Options {
	return module.Options{
		"systems":   {Type: module.ListOf(module.String), Default: systems, Description: "The systems to evaluate for."},
		"perSystem": {Type: module.DeferredModule, Default: map[string]any{}, Description: "What holds for each system."},
		"flake":     {Type: module.LazyAttrsOf(module.Raw), Default: map[string]any{}, Description: "Outputs as they are."},
		"debug":     {Type: module.Bool, Default: false, Description: "Unused."},
	}
}

// transposed are the outputs that perSystem defines and that flakes have as
// <output>.<system>.
var transposed = []string{"apps", "checks", "devShells", "formatter", "legacyPackages", "nix2gpu", "packages"}

func (p *Parts) perSystemOptions() module.Options {
	options := module.Options{}
	for _, name := range transposed {
		options[name] = module.Option{Type: module.LazyAttrsOf(module.Raw), Default: map[string]any{}}
	}
	options["formatter"] = module.Option{Type: module.Raw, Default: module.Null}
	for name, o := range p.opts.PerSystem {
		options[name] = o
	}
	return options
}

// Systems returns the systems that the flake names.
func (p *Parts) Systems(t *eval.Thread) []string {
	var systems []string
	for _, v := range t.List(t.Select(p.top.Value(), "systems")).Elems() {
		systems = append(systems, t.Text(v))
	}
	return systems
}

// System returns the configuration of perSystem for one system.
func (p *Parts) System(t *eval.Thread, system string) *module.Evaluation {
	if e, ok := p.systems[system]; ok {
		return e
	}
	perSystem := eval.Lazy(func(t *eval.Thread) eval.Value { return t.Select(p.top.Value(), "perSystem") })
	of := func(flake eval.Value) eval.Value {
		return eval.Lazy(func(t *eval.Thread) eval.Value { return outputsOf(t, flake, system) })
	}
	var config eval.Value // that of this evaluation, set when its modules are called
	capture := eval.Func("capture", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
		config, _ = t.Attrs(args[0]).Get("config")
		return eval.NewAttrs(0).Done()
	})
	e := p.opts.System.Evaluate(t.Context(), module.Spec{
		Modules: []module.Module{
			module.FromValue(capture, ""),
			module.Declare(p.perSystemOptions(), module.LazyAttrsOf(module.Raw)),
			module.Assign(map[string]any{"_module": map[string]any{"args": map[string]any{
				"pkgs": optionDefault(eval.Lazy(func(t *eval.Thread) eval.Value { return p.opts.Pkgs(t, system) })),
			}}}, ""),
			module.FromValue(perSystem, ""),
		},
		Args: map[string]eval.Value{
			// A module may set another pkgs in _module.args, and containers must get
			// that one too.
			"pkgs":    eval.Lazy(func(t *eval.Thread) eval.Value { return t.Select(config, "_module", "args", "pkgs") }),
			"system":  eval.Str(system),
			"inputs'": eval.Lazy(func(t *eval.Thread) eval.Value { return mapAttrs(t.Attrs(p.inputs), of) }),
			"self'":   of(p.self),
		},
	})
	p.systems[system] = e
	return e
}

// optionDefault is lib.mkOptionDefault.
func optionDefault(v eval.Value) eval.Value {
	return eval.NewAttrs(3).Set("_type", eval.Str("override")).Set("priority", eval.MakeInt(1500)).Set("content", v).Done()
}

// outputsOf returns the outputs of a flake for one system, without the system's name.
func outputsOf(t *eval.Thread, flake eval.Value, system string) eval.Value {
	set, ok := t.Force(flake).(*eval.Attrs)
	if !ok {
		return eval.NewAttrs(0).Done()
	}
	out := eval.NewAttrs(set.Len())
	for _, name := range set.Names() {
		v, _ := set.Get(name)
		out.Set(name, eval.Lazy(func(t *eval.Thread) eval.Value {
			if v, ok := t.Lookup(v, system); ok {
				return v
			}
			t.Throw("the flake has no %s for %s", name, system)
			return nil
		}))
	}
	return out.Done()
}

func mapAttrs(set *eval.Attrs, f func(eval.Value) eval.Value) *eval.Attrs {
	out := eval.NewAttrs(set.Len())
	for name, v := range set.All() {
		out.Set(name, f(v))
	}
	return out.Done()
}

// Outputs returns the outputs of the flake.
func (p *Parts) Outputs(t *eval.Thread) *eval.Attrs {
	b := eval.NewAttrs(len(transposed)).Set(partsKey, &eval.Opaque{Kind: "parts", Go: p})
	for _, name := range transposed {
		b.Set(name, eval.Lazy(func(t *eval.Thread) eval.Value {
			systems := eval.NewAttrs(4)
			for _, system := range p.Systems(t) {
				systems.Set(system, eval.Lazy(func(t *eval.Thread) eval.Value {
					return t.Select(p.System(t, system).Value(), name)
				}))
			}
			return systems.Done()
		}))
	}
	return b.Done().Update(t.Attrs(t.Select(p.top.Value(), "flake")))
}

// PartsOf returns the Parts behind a flake's outputs; nil if they were made without
// mkFlake.
func PartsOf(t *eval.Thread, outputs eval.Value) *Parts {
	v, ok := t.Lookup(outputs, partsKey)
	if !ok {
		return nil
	}
	o, ok := v.(*eval.Opaque)
	if !ok {
		return nil
	}
	p, _ := o.Go.(*Parts)
	return p
}

// StandIn returns the value that replaces the flake flake-parts.
func (o PartsOptions) StandIn(t *eval.Thread) eval.Value {
	empty := eval.NewAttrs(0).Done()
	modules := eval.NewAttrs(0).Done().WithMissing(emptyModule)
	return eval.NewAttrs(6).
		Set("_type", eval.Str("flake")).
		Set("lib", o.FlakePartsLib(t)).
		Set("flakeModules", modules).
		Set("flakeModule", empty).
		Done()
}

// FlakePartsLib returns the library of flake-parts, as far as flakes use it.
func (o PartsOptions) FlakePartsLib(t *eval.Thread) eval.Value {
	return eval.NewAttrs(4).
		Set("mkFlake", eval.Func("mkFlake", 2, o.mkFlake)).
		Set("importApply", eval.Func("importApply", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
			file := t.Interpolate(args[0]).Text()
			return t.Call(t.Import(path.Clean(file)), args[1])
		})).
		Set("mkPerSystemOption", eval.Func("mkPerSystemOption", 1, func(t *eval.Thread, _ []eval.Value) eval.Value {
			t.Unsupported("options of one's own in perSystem; declare them in a module that perSystem.imports")
			return nil
		})).
		Done()
}

// mkFlake is flake-parts.lib.mkFlake { inherit inputs; } module.
func (o PartsOptions) mkFlake(t *eval.Thread, args []eval.Value) eval.Value {
	inputs, ok := t.Attrs(args[0]).Get("inputs")
	if !ok {
		t.Throw("mkFlake needs { inherit inputs; }")
	}
	self, ok := t.Attrs(args[0]).Get("self")
	if !ok {
		self = eval.Lazy(func(t *eval.Thread) eval.Value { return t.Select(inputs, "self") })
	}
	special := map[string]eval.Value{}
	if v, ok := t.Lookup(args[0], "specialArgs"); ok {
		for name, v := range t.Attrs(v).All() {
			special[name] = v
		}
	}
	return NewParts(t, o, inputs, self, args[1], special).Outputs(t)
}

func (p *Parts) unsupported(name string) eval.Value {
	return eval.Func(name, 1, func(t *eval.Thread, _ []eval.Value) eval.Value {
		t.Unsupported("%s", name)
		return nil
	})
}

// withSystem calls a function with the arguments that perSystem has for a system.
func (p *Parts) withSystem() eval.Value {
	return eval.Func("withSystem", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
		system := t.Text(args[0])
		e := p.System(t, system)
		return t.Call(args[1], eval.NewAttrs(4).
			Set("config", e.Value()).
			Set("system", eval.Str(system)).
			Set("pkgs", eval.Lazy(func(t *eval.Thread) eval.Value { return p.opts.Pkgs(t, system) })).
			Set("self'", eval.Lazy(func(t *eval.Thread) eval.Value { return outputsOf(t, p.self, system) })).
			Done())
	})
}

func (p *Parts) getSystem() eval.Value {
	return eval.Func("getSystem", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
		return p.System(t, t.Text(args[0])).Value()
	})
}
