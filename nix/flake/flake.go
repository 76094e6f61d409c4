package flake

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flakeref"
	"nix2gpu/nix/syntax"
)

// Options tunes [Load]. The zero value knows only local inputs.
type Options struct {
	FS eval.FS // for flake.lock; nil: there is none

	// StandIns are the values of well-known flakes by name, such as "nixpkgs". They are
	// used for inputs of that name, and for inputs whose repository has that name,
	// unless these are local.
	StandIns map[string]eval.Value
}

// A Flake is a flake.nix whose inputs are resolved when they are needed.
type Flake struct {
	Dir    string
	Attrs  *eval.Attrs           // the content of the file: description, inputs, outputs
	Inputs map[string]eval.Value // by name, without self
	Self   eval.Value            // what other flakes see: outputs with inputs, outPath, …
}

// maxDepth limits inputs of inputs, because a local flake may name itself.
const maxDepth = 30

// Load evaluates the flake.nix in dir as far as its attributes.
func Load(t *eval.Thread, dir string, opts Options) *Flake {
	return FromValue(t, t.EvalFile(path.Join(dir, "flake.nix"), nil), dir, opts)
}

// FromValue is [Load] for the value of a flake.nix that was evaluated already.
func FromValue(t *eval.Thread, v eval.Value, dir string, opts Options) *Flake {
	l := &loader{opts: opts}
	return l.flake(t, v, place{dir: dir, lock: readLock(t, opts.FS, dir)}, nil)
}

type loader struct {
	opts  Options
	depth int
}

// A place is where a flake is, and its node in the lock file of the root.
type place struct {
	dir    string
	tree   string // the folder that is locked; "" is dir
	lock   lockNode
	locked flakeref.Ref // of an input, what the lock says of it
	at     []string     // the path of inputs to it from the flake that has the lock
}

// An overriding is an input that a flake sets for one of its inputs. Whether it is a flake is
// what the input says.
type overriding func(t *eval.Thread, noFlake bool) eval.Value

// A spec is what flake.nix says of one input.
type spec struct {
	name    string
	pos     syntax.Pos
	url     string
	follows []string // the path of inputs to another one; empty: the flake itself; nil: it follows none
	path    string
	noFlake bool
	inputs  map[string]spec // overrides of the inputs of the input
	attrs   flakeref.Ref    // as they are given, url among them
}

// steps returns the names of a path of inputs. It is empty, and not nil, for "", which stands
// for the flake itself.
func steps(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == '/' })
}

// says reports whether a spec says more than how its own inputs are overridden.
func (s spec) says() bool {
	return s.follows != nil || s.url != "" || s.path != "" || s.attrs.Type() != ""
}

// ref returns the reference that a spec has. One that says nothing is looked up by its name.
func (s spec) ref() (flakeref.Ref, error) {
	switch {
	case s.attrs.Type() != "":
		return s.attrs, s.attrs.Check()
	case s.url != "" && s.noFlake:
		return flakeref.ParsePlain(s.url)
	case s.url != "":
		return flakeref.Parse(s.url)
	case s.path != "":
		return flakeref.Ref{"type": "path", "path": s.path}, nil
	}
	return flakeref.Ref{"type": "indirect", "id": s.name}, nil
}

// flake reads the value of a flake.nix. overrides are inputs that the flake above sets
// for this one.
func (l *loader) flake(t *eval.Thread, v eval.Value, at place, overrides map[string]overriding) *Flake {
	file := path.Join(at.dir, "flake.nix")
	set, ok := t.Force(v).(*eval.Attrs)
	if !ok {
		t.Throw("%s must be a set with outputs, not a %s", file, t.Force(v).Type())
	}
	f := &Flake{Dir: at.dir, Attrs: set, Inputs: map[string]eval.Value{}}
	outputs, hasOutputs := set.Get("outputs")
	for name, s := range inputsOf(t, set, at.dir) {
		if set, ok := overrides[name]; ok {
			f.Inputs[name] = eval.Lazy(func(t *eval.Thread) eval.Value { return set(t, s.noFlake) })
			continue
		}
		f.Inputs[name] = eval.Lazy(func(t *eval.Thread) eval.Value { return l.input(t, f, s, at) })
	}
	source := sourceInfo(cmp.Or(at.tree, at.dir), l.opts.FS, at.locked)
	f.Self = eval.Lazy(func(t *eval.Thread) eval.Value {
		result := eval.NewAttrs(0).Done()
		if hasOutputs {
			args := eval.NewAttrs(len(f.Inputs)+1).Set("self", f.Self)
			for name, v := range f.Inputs {
				args.Set(name, v)
			}
			if fn := t.Force(outputs); !eval.IsFunction(fn) {
				t.Fail(set.Pos("outputs"), "the outputs of %s must be a function of its inputs, such as { self, ... }: { }, and are %s", file, eval.WithArticle(fn))
			}
			result = t.Attrs(t.Call(outputs, args.Done()))
		}
		return result.Update(source).Update(eval.NewAttrs(5).
			Set("outPath", eval.StrContext(at.dir, eval.NewContext("source:"+at.dir))).
			Set("_type", eval.Str("flake")).
			Set("outputs", result).
			Set("inputs", eval.AttrsOf(f.Inputs)).
			Set("sourceInfo", source).
			Done())
	})
	return f
}

// inputsOf returns the inputs of the value of the flake.nix in dir. One that outputs takes and
// nothing declares is looked up by its name.
func inputsOf(t *eval.Thread, set *eval.Attrs, dir string) map[string]spec {
	specs := map[string]spec{}
	if inputs, ok := set.Get("inputs"); ok {
		specs = readSpecs(t, inputs, dir)
	}
	var formals []eval.FormalArg
	if outputs, ok := set.Get("outputs"); ok {
		if fn := t.Force(outputs); eval.IsFunction(fn) {
			formals = t.FunctionArgs(fn)
		}
	}
	for _, arg := range formals {
		if _, ok := specs[arg.Name]; !ok && arg.Name != "self" {
			specs[arg.Name] = spec{name: arg.Name, pos: arg.Pos}
		}
	}
	return specs
}

// readSpecs reads the set inputs of the flake in dir.
func readSpecs(t *eval.Thread, v eval.Value, dir string) map[string]spec {
	set := t.Attrs(v)
	specs := make(map[string]spec, set.Len())
	for i := range set.Len() {
		name, v, pos := set.At(i)
		s := spec{name: name, pos: pos, attrs: flakeref.Ref{}}
		given := t.Attrs(v)
		for j := range given.Len() {
			key, v, at := given.At(j)
			switch key {
			case "url":
				s.pos = at
				switch v := t.Force(v).(type) {
				case *eval.String:
					s.url = v.Text()
				case eval.Path:
					s.url = urlOf(string(v), dir)
				default:
					t.Fail(at, "the url of input %q must be a reference to a flake, such as \"path:./…\" or \"github:owner/repo\", and is %s", name, eval.WithArticle(v))
				}
			case "follows":
				s.follows = steps(t.Text(v))
			case "path":
				s.path, s.pos = t.ToString(v).Text(), at
			case "flake":
				s.noFlake = !t.Bool(v)
			case "inputs":
				s.inputs = readSpecs(t, v, dir)
			}
			switch v := t.Force(v).(type) {
			case *eval.String:
				if key != "follows" {
					s.attrs[key] = v.Text()
				}
			case eval.Path:
				s.attrs[key] = string(v)
				if key == "url" {
					s.attrs[key] = s.url
				}
			case eval.Int:
				s.attrs[key] = int64(v)
			case eval.Bool:
				if key != "flake" {
					s.attrs[key] = bool(v)
				}
			}
			switch key {
			case "owner", "repo":
				if s.url == "" {
					s.url = "github:"
				}
				s.url += t.Text(v) + "/" // owner comes first, since attributes are sorted
			}
		}
		specs[name] = s
	}
	return specs
}

// urlOf returns the reference that a path stands for, as url = ./a: one that is relative to
// the flake in dir if it is below that, so that a lock is the same in each copy of it.
func urlOf(file, dir string) string {
	if file == dir {
		return "path:."
	}
	if below, ok := strings.CutPrefix(file, strings.TrimSuffix(dir, "/")+"/"); ok {
		return "path:" + below
	}
	return file
}

// input returns the value of an input.
func (l *loader) input(t *eval.Thread, f *Flake, s spec, at place) eval.Value {
	if s.follows != nil {
		return l.follow(t, f, s)
	}
	locked, isLocked := at.lock.input(s.name)
	ref, err := s.ref()
	if isLocked && err == nil && locked.node.Original != nil && !ref.Equal(locked.node.Original) {
		locked, isLocked = lockNode{}, false // a lock of another reference is out of date
	}
	var pinned flakeref.Ref
	if isLocked {
		pinned = locked.node.Locked
	}
	dir, local := localPath(s, at.dir)
	if !local && isLocked {
		dir, local = locked.path(at.dir)
	}
	if local {
		if err == nil && isLocked && locked.node.Original != nil {
			l.check(t, s, strings.Join(slices.Concat(at.at, []string{s.name}), "/"), dir, pinned)
		}
	} else {
		for _, name := range []string{s.name, repository(s.url)} {
			if v, ok := l.opts.StandIns[name]; ok && !s.noFlake {
				return t.Force(v)
			}
		}
		if dir, local = inStore(l.opts.FS, pinned); !local {
			l.failFetch(t, s)
		}
	}
	tree := dir
	if pinned != nil {
		dir = path.Join(dir, pinned.Text("dir"))
	} else {
		dir = path.Join(dir, ref.Text("dir"))
	}
	if l.depth++; l.depth > maxDepth {
		t.Fail(s.pos, "inputs of inputs nest more than %d levels deep; does input %q lead back here?", maxDepth, s.name)
	}
	defer func() { l.depth-- }()
	if s.noFlake {
		source := sourceInfo(tree, l.opts.FS, pinned)
		return source.Update(eval.NewAttrs(1).Set("sourceInfo", source).Done())
	}
	below := place{dir: dir, tree: tree, lock: locked, locked: pinned, at: slices.Concat(at.at, []string{s.name})}
	if !isLocked {
		below.lock, below.at = readLock(t, l.opts.FS, dir), nil
	}
	from := place{dir: at.dir, lock: below.lock, at: below.at} // relative to us, and locked below the input
	overrides := map[string]overriding{}
	for name, o := range s.inputs {
		if o.says() {
			overrides[name] = func(t *eval.Thread, noFlake bool) eval.Value {
				o.noFlake = noFlake
				return l.input(t, f, o, from)
			}
		}
	}
	var sub *Flake
	t.Annotate(s.pos, fmt.Sprintf("while evaluating the flake input '%s'", s.name), func() {
		sub = l.flake(t, t.EvalFile(path.Join(dir, "flake.nix"), nil), below, overrides)
	})
	return t.Force(sub.Self)
}

// follow returns the input at a path such as "nixpkgs" or "a/nixpkgs", or f itself.
func (l *loader) follow(t *eval.Thread, f *Flake, s spec) eval.Value {
	if len(s.follows) == 0 {
		return t.Force(f.Self)
	}
	first, rest := s.follows[0], s.follows[1:]
	v, ok := f.Inputs[first]
	if !ok {
		known := make([]string, 0, len(f.Inputs))
		for name := range f.Inputs {
			known = append(known, name)
		}
		slices.Sort(known)
		t.Fail(s.pos, "input %q follows %q, which is not an input; the inputs are %s", s.name, first, strings.Join(known, ", "))
	}
	return t.Select(v, slices.Concat(interleave("inputs", rest))...)
}

// interleave puts word before each of steps.
func interleave(word string, steps []string) []string {
	var out []string
	for _, s := range steps {
		out = append(out, word, s)
	}
	return out
}

func (l *loader) failFetch(t *eval.Thread, s spec) {
	what := s.url
	if what == "" {
		what = "the input " + s.name
	}
	err := &eval.Error{
		Pos:  s.pos,
		Kind: eval.KindUnsupported,
		Msg:  fmt.Sprintf("not supported: fetching %s for input %q", strings.TrimSuffix(what, "/"), s.name),
		Hint: fmt.Sprintf("check it out and write inputs.%s.url = \"path:./…\", or lock it to a path", syntax.QuoteName(s.name)),
	}
	t.Raise(err)
}

// localPath returns the folder that a spec names, if that is one on this machine.
func localPath(s spec, dir string) (string, bool) {
	p := s.path
	if p == "" {
		url, _, _ := strings.Cut(s.url, "?")
		rest, isPath := strings.CutPrefix(url, "path:")
		if !isPath {
			rest = strings.TrimPrefix(url, "git+file://")
			isPath = rest != url || strings.HasPrefix(url, "/") || strings.HasPrefix(url, "./") ||
				strings.HasPrefix(url, "../") || url == "." || url == ".."
		}
		if !isPath || rest == "" {
			return "", false
		}
		p = strings.TrimPrefix(rest, "//")
		if strings.HasPrefix(rest, "///") {
			p = "/" + strings.TrimLeft(rest, "/")
		}
	}
	if !path.IsAbs(p) {
		p = path.Join(dir, p)
	}
	return path.Clean(p), true
}

// repository returns the name of the repository in a URL: "nixpkgs" for
// github:NixOS/nixpkgs/nixos-25.05.
func repository(url string) string {
	kind, rest, ok := strings.Cut(url, ":")
	if !ok {
		rest, _, _ = strings.Cut(url, "/") // the name of a registry: nixpkgs/nixos-25.05
		return rest
	}
	rest, _, _ = strings.Cut(rest, "?")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	switch kind {
	case "github", "gitlab", "sourcehut":
		if len(parts) < 2 {
			return ""
		}
		if strings.EqualFold(parts[0], "nix-systems") {
			return "systems" // its repositories are called default, x86_64-linux, …
		}
		return parts[1]
	case "flake":
		return parts[0]
	}
	name := strings.TrimSuffix(parts[len(parts)-1], ".git")
	name, _, _ = strings.Cut(name, ".tar")
	return name
}
