package eval

import (
	"slices"
	"strings"

	"nix2gpu/nix/store"
	"nix2gpu/nix/syntax"
)

func derivationBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "derivationStrict", Args: []string{"set"}, Global: true,
			Doc: "The paths of a build's outputs, and drvPath, that of its description. Nothing is built. Only nix2gpu eval knows it.",
			Fn: func(t *Thread, args []Value) Value {
				if t.ev.store == nil {
					t.Unsupported("builtins.derivationStrict: derivations are not built")
				}
				return t.derivationStrict(t.Attrs(args[0]))
			}},
		{Name: "derivation", Args: []string{"set"}, Global: true,
			Doc: "A set that describes a build. In a definition using its path is an error, since derivations are not built; " +
				"in nix2gpu eval it is the path that Nix would build it at.",
			Fn: derivation},
		{Name: "placeholder", Args: []string{"output"}, Global: true,
			Doc: "A string that stands for the path of an output inside a derivation.",
			Fn:  func(t *Thread, args []Value) Value { return Str(store.Placeholder(t.plainText(args[0]))) }},
	}
}

// derivation returns the set that describes a build. Its paths are worked out when they are
// asked for; without a store they are errors.
func derivation(t *Thread, args []Value) Value {
	set := t.Attrs(args[0])
	outputs := []string{"out"}
	if v, found := set.Get("outputs"); found {
		outputs = nil
		for _, o := range t.List(v).elems {
			outputs = append(outputs, t.Text(o))
		}
	}
	site := t.site // so that an error says which call describes what can't be built
	strict := Lazy(func(t *Thread) Value {
		t.site = site
		if t.ev.store == nil {
			t.Unsupported("the path of derivation '%s': derivations are not built", t.Text(t.need(set, "name")))
		}
		return t.derivationStrict(set)
	})
	if len(outputs) == 0 {
		t.Throw("derivation '%s' has no outputs", t.Text(t.need(set, "name")))
	}
	each := make([]*Thunk, len(outputs))
	all := make([]Value, len(outputs))
	for i := range outputs {
		each[i] = &Thunk{}
		all[i] = each[i]
	}
	list := Lazy(func(*Thread) Value { return NewList(all...) }) // one for all outputs: printing knows it again
	var first Value
	for i, out := range outputs {
		b := NewAttrs(set.n + 6 + len(outputs))
		for i, n := range set.shape.names {
			b.add(n, set.vals()[i], set.shape.posAt(i))
		}
		of := func(name string) Value {
			return Lazy(func(t *Thread) Value { return t.Force(t.need(t.Attrs(strict), name)) })
		}
		for i, name := range outputs {
			b.Set(name, each[i])
		}
		b.Set("all", list).Set("drvAttrs", set)
		b.Set("type", Str("derivation")).Set("outputName", Str(out)).Set("drvPath", of("drvPath")).Set("outPath", of(out))
		if i == 0 {
			first = b.Done()
			each[0].val = first
			continue
		}
		other := b.Done()
		*each[i] = *Lazy(func(*Thread) Value { return other }) // prints as <CODE> until something needs it
	}
	return first
}

// A recipe is a derivation while its attributes are read.
type recipe struct {
	t       *Thread
	drv     *store.Derivation
	ctx     *Context
	outputs []string

	hash, kind, mode string
	fixed            bool
}

// derivationStrict works out the paths of a derivation as Nix does: each attribute becomes
// a variable of the build, and what their strings refer to its inputs.
func (t *Thread) derivationStrict(set *Attrs) Value {
	name := t.plainText(t.need(set, "name"))
	if err := store.CheckName(name); err != nil {
		t.Throw("invalid derivation name: %v", err)
	}
	if store.IsDerivation(name) {
		t.Throw("derivation names are not allowed to end in '.drv', but %q does", name)
	}
	flag := func(name string) bool {
		v, found := set.Get(name)
		return found && t.Bool(v)
	}
	structured, ignoreNulls := flag("__structuredAttrs"), flag("__ignoreNulls")
	r := &recipe{t: t, drv: &store.Derivation{Name: name, Outputs: map[string]store.Output{}, Inputs: map[string][]string{}, Env: map[string]string{}},
		outputs: []string{"out"}}
	json := NewAttrs(set.n)
	floating := false
	for i, attr := range set.shape.names {
		if attr == "__ignoreNulls" {
			continue
		}
		t.frames = append(t.frames, frame{site: &attrSite{set, i}})
		v := t.Force(set.vals()[i])
		_, null := v.(Null)
		switch {
		case null && ignoreNulls:
		case attr == "__contentAddressed" && t.Bool(v):
			floating = true
		case attr == "__impure" && t.Bool(v):
			t.Unsupported("the impure derivation '%s'", name)
		case attr == "args":
			for _, e := range t.List(v).elems {
				r.drv.Args = append(r.drv.Args, r.text(e))
			}
		case !structured:
			s := r.text(v)
			r.drv.Env[attr] = s
			var words []string
			if attr == "outputs" {
				words = strings.Fields(s)
			}
			r.special(attr, s, words)
		case attr != "__structuredAttrs":
			json.Set(attr, v)
			switch attr {
			case "builder":
				r.special(attr, t.Text(v), nil)
			case "system", "outputHash", "outputHashAlgo", "outputHashMode":
				r.special(attr, t.plainText(v), nil)
			case "outputs":
				var outs []string
				for _, o := range t.List(v).elems {
					outs = append(outs, t.plainText(o))
				}
				r.special(attr, "", outs)
			}
		}
		t.frames = t.frames[:len(t.frames)-1]
	}
	if structured {
		s := t.ToJSON(json.Done())
		r.drv.Env["__json"] = s.s
		r.ctx = r.ctx.Union(s.ctx)
	}
	if r.drv.Builder == "" {
		t.Throw("required attribute 'builder' missing in derivation '%s'", name)
	}
	if r.drv.Platform == "" {
		t.Throw("required attribute 'system' missing in derivation '%s'", name)
	}
	r.makeInputs()
	r.makeOutputs(floating)
	all := &t.ev.store.derivations
	path, err := all.Add(r.drv)
	if err != nil {
		t.Throw("derivation '%s': %v", name, err)
	}
	b := NewAttrs(1+len(r.outputs)).Set("drvPath", StrContext(path, NewContext("="+path)))
	for _, out := range r.outputs {
		b.Set(out, StrContext(all.PathOf(path, out), NewContext("!"+out+"!"+path)))
	}
	return b.Done()
}

// plainText returns the text of v, which must be a string that refers to nothing.
func (t *Thread) plainText(v Value) string { return t.withoutContext(t.Pos(), t.Str(v)) }

func (t *Thread) withoutContext(pos syntax.Pos, s *String) string {
	if s.ctx == nil {
		return s.s
	}
	if refs := s.ctx.Elems(); len(refs) > 0 {
		at := refs[0]
		t.raise(&Error{Pos: pos, Msg: "the string '" + s.s + "' is not allowed to refer to a store path (such as '" + at[max(0, strings.IndexByte(at, '/')):] + "')",
			Hint: "builtins.unsafeDiscardStringContext makes a string that refers to nothing"})
	}
	return s.s
}

// text converts a value as a variable of the build.
func (r *recipe) text(v Value) string {
	s := r.t.coerce(r.t.Force(v), inEnvironment, r.t.Pos())
	r.ctx = r.ctx.Union(s.ctx)
	return s.s
}

// special notes what an attribute says beside being a variable.
func (r *recipe) special(attr, text string, words []string) {
	switch attr {
	case "builder":
		r.drv.Builder = text
	case "system":
		r.drv.Platform = text
	case "outputHash":
		r.hash, r.fixed = text, true
	case "outputHashAlgo":
		r.kind = text
	case "outputHashMode":
		r.mode = text
	case "outputs":
		t := r.t
		if len(words) == 0 {
			t.Throw("derivation '%s' cannot have an empty set of outputs", r.drv.Name)
		}
		for i, out := range words {
			if slices.Contains(words[:i], out) {
				t.Throw("duplicate derivation output '%s'", out)
			}
			if out == "drvPath" { // it would be in the place of the other
				t.Throw("invalid derivation output name '%s'", out)
			}
			if err := store.CheckName(out); err != nil {
				t.Throw("invalid derivation output name: %v", err)
			}
		}
		r.outputs = words
	}
}

// makeInputs makes the inputs of what the strings refer to.
func (r *recipe) makeInputs() {
	d := r.drv
	for _, elem := range r.ctx.Elems() {
		if out, drv, ok := output(elem); ok {
			d.Inputs[drv] = append(d.Inputs[drv], out)
			continue
		}
		drv, deep := strings.CutPrefix(elem, "=")
		if !deep {
			d.Sources = append(d.Sources, elem)
			continue
		}
		for _, path := range r.t.ev.store.derivations.Closure(drv) {
			d.Sources = append(d.Sources, path)
			if in, found := r.t.ev.store.derivations.Get(path); found {
				for out := range in.Outputs {
					d.Inputs[path] = append(d.Inputs[path], out)
				}
			}
		}
	}
}

// makeOutputs makes the outputs with what is known of their hashes.
func (r *recipe) makeOutputs(floating bool) {
	t, d := r.t, r.drv
	method := store.Flat
	if floating {
		method = store.Recursive
	}
	switch r.mode {
	case "":
	case "flat":
		method = store.Flat
	case "recursive", "nar":
		method = store.Recursive
	case "text":
		method = store.Text
	default:
		t.raise(&Error{Pos: t.Pos(), Msg: "invalid value '" + r.mode + "' for 'outputHashMode' attribute", Hint: "the known ones are flat, recursive, nar and text"})
	}
	if (r.fixed || floating) && r.kind != "" && store.Algorithms[r.kind] == nil {
		t.raise(&Error{Pos: t.Pos(), Msg: "unknown hash algorithm '" + r.kind + "'", Hint: "the known ones are md5, sha1, sha256 and sha512"})
	}
	if r.fixed {
		if len(r.outputs) != 1 || r.outputs[0] != "out" {
			t.Throw("multiple outputs are not supported in fixed-output derivations, such as '%s'", d.Name)
		}
		h := t.hash(r.kind, r.hash)
		d.Outputs["out"] = store.Output{Method: method, Kind: h.Kind, Hash: h.Sum}
		return
	}
	for _, out := range r.outputs {
		o := store.Output{}
		if floating {
			o = store.Output{Method: method, Kind: "sha256"}
			if r.kind != "" {
				o.Kind = r.kind
			}
		}
		d.Outputs[out] = o
	}
}
