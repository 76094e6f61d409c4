package eval

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"nix2gpu/nix/store"
)

// sourceBuiltins are those that make sources of files and folders.
func sourceBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "path", Args: []string{"set"},
			Doc: "A source: the file or folder path of a set { path, name, filter, recursive, sha256 }. " +
				"In a definition sources stay where they are: filter counts where they are read or copied into an image, the rest but path has no effect; " +
				"in nix2gpu eval they have the path that Nix would copy them to.",
			Fn: func(t *Thread, args []Value) Value {
				set := t.Attrs(args[0])
				for _, name := range set.Names() {
					if !slices.Contains([]string{"path", "name", "filter", "recursive", "sha256"}, name) {
						t.Throw("unsupported argument '%s' to 'builtins.path'", name)
					}
				}
				root := t.fileArg(t.need(set, "path"))
				if t.ev.store != nil {
					return t.pathSource(set, root)
				}
				var filter func(string, fs.FileMode) bool
				if f, found := set.Get("filter"); found {
					filter = t.filter(f)
				}
				return t.sourceInPlace(root, filter, t.need(set, "path"))
			}},
		{Name: "filterSource", Args: []string{"filter", "path"},
			Doc: "A source: the part of a file or folder that filter takes, a function of a path and its type. " +
				"In a definition sources stay where they are, and the filter counts where they are read or copied into an image.",
			Fn: func(t *Thread, args []Value) Value {
				root := t.fileArg(args[1])
				if t.ev.store == nil {
					return t.sourceInPlace(root, t.filter(args[0]), args[1])
				}
				return inStore(t.archive(path.Base(root), root, t.filter(args[0])))
			}},
		{Name: "storePath", Args: []string{"path"},
			Doc: "A path of Nix's store, which must exist, as a string that refers to it. Only nix2gpu eval knows it.",
			Fn: func(t *Thread, args []Value) Value {
				t.wantStore("storePath")
				name, ctx := t.pathText(args[0])
				name = path.Clean(name)
				at, _, ok := store.Split(name)
				if !ok {
					t.Throw("path '%s' is not in the Nix store", name)
				}
				if _, err := t.files().Lstat(at); err != nil {
					t.FailFile(at, err)
				}
				return StrContext(name, ctx.Union(NewContext(at)))
			}},
	}
}

// wantStore ends the evaluation unless it has a store.
func (t *Thread) wantStore(builtin string) {
	if t.ev.store == nil {
		t.Unsupported("builtins.%s: there is no Nix store", builtin)
	}
}

// filter returns a function of the language as a filter of files.
func (t *Thread) filter(fn Value) func(string, fs.FileMode) bool {
	f := t.fnArg(fn)
	return func(path string, mode fs.FileMode) bool {
		return t.Bool(t.Call(f, Str(path), Str(fileType(mode))))
	}
}

func (t *Thread) pathSource(set *Attrs, root string) Value {
	name, recursive := path.Base(root), true
	if v, found := set.Get("name"); found {
		name = t.plainText(v)
	}
	if v, found := set.Get("recursive"); found {
		recursive = t.Bool(v)
	}
	var filter func(string, fs.FileMode) bool
	if v, found := set.Get("filter"); found {
		filter = t.filter(v)
	}
	var at string
	method := store.Flat
	if recursive {
		method = store.Recursive
		at = t.archive(name, root, filter)
	} else {
		t.checkName(name, sourceName)
		data := t.readFile(root)
		at = store.FixedPath(name, method, store.HashText("sha256", string(data)))
		t.keep(at, object{root: root})
	}
	if v, found := set.Get("sha256"); found {
		if want := store.FixedPath(name, method, t.hash("sha256", t.Text(v))); want != at {
			t.raise(&Error{Pos: t.Pos(), Msg: "the source '" + t.ev.opts.DisplayPath(root) + "' does not have the hash that sha256 says",
				Hint: "it would be '" + want + "', and is '" + at + "'"})
		}
	}
	return inStore(at)
}

// hash parses a hash. An empty one is all zeros, as Nix has it for whoever looks for the
// right one.
func (t *Thread) hash(kind, text string) store.Hash {
	if text == "" && kind != "" {
		return store.Hash{Kind: kind, Sum: make([]byte, store.Algorithms[kind]().Size())}
	}
	h, err := store.ParseHash(kind, text)
	if err != nil {
		t.Throw("%q is not a hash of a known kind and length", text)
	}
	return h
}

// contextBuiltins are those that see and change what a string refers to.
func contextBuiltins() []*Builtin {
	discard := func(t *Thread, args []Value) Value {
		s := t.stringArg(args[0])
		if s.ctx == nil {
			return s
		}
		return &String{s: s.s}
	}
	return []*Builtin{
		{Name: "hasContext", Args: []string{"s"}, Doc: "Whether a string refers to packages, files or sources.",
			Fn: func(t *Thread, args []Value) Value { return Bool(t.Str(args[0]).ctx != nil) }},
		{Name: "getContext", Args: []string{"s"}, Doc: "What a string refers to: a set with a name for each package, file and source.",
			Fn: func(t *Thread, args []Value) Value { return contextSet(t.Str(args[0]).ctx) }},
		{Name: "appendContext", Args: []string{"s", "context"}, Doc: "A string that also refers to what a set as of getContext names.",
			Fn: func(t *Thread, args []Value) Value {
				s := t.Str(args[0])
				set := t.Attrs(args[1])
				var elems []string
				for i, e := range set.shape.names {
					if t.ev.store != nil {
						elems = append(elems, t.contextOf(e, set.vals()[i])...)
						continue
					}
					if kind, _, found := strings.Cut(e, ":"); !found || !slices.Contains([]string{"package", "file", "source", filtered}, kind) {
						t.Throw("%q is nothing that a string can refer to", e)
					}
					elems = append(elems, e)
				}
				return StrContext(s.s, s.ctx.Union(NewContext(elems...)))
			}},
		{Name: "unsafeDiscardStringContext", Args: []string{"s"}, Doc: "A string without what it refers to.", Fn: discard},
		{Name: "unsafeDiscardOutputDependency", Args: []string{"s"},
			Doc: "The string, which refers to the files of derivations alone, and no longer to all that these need.",
			Fn: func(t *Thread, args []Value) Value {
				s := t.stringArg(args[0])
				return StrContext(s.s, mapContext(s.ctx, func(e string) string { return strings.TrimPrefix(e, "=") }))
			}},
		{Name: "addDrvOutputDependencies", Args: []string{"s"},
			Doc: "The string, which refers to the file of one derivation, and now to all that this needs as well.",
			Fn: func(t *Thread, args []Value) Value {
				s := t.stringArg(args[0])
				if t.ev.store == nil {
					return s // nothing here refers to the inputs of a build
				}
				elems := s.ctx.Elems()
				if len(elems) != 1 {
					t.Throw("context of string %q must have exactly one element, but has %d", s.s, len(elems))
				}
				if e := elems[0]; e[0] == '!' || !store.IsDerivation(e) {
					t.Throw("%q is not the file of a derivation", e)
				}
				return StrContext(s.s, NewContext("="+strings.TrimPrefix(elems[0], "=")))
			}},
	}
}

func mapContext(ctx *Context, f func(string) string) *Context {
	var elems []string
	for _, e := range ctx.Elems() {
		elems = append(elems, f(e))
	}
	return NewContext(elems...)
}

// output returns the output and the derivation of a context element, if it is one.
func output(elem string) (out, drv string, ok bool) {
	rest, ok := strings.CutPrefix(elem, "!")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "!")
}

// contextSet returns a context as getContext shows it.
func contextSet(ctx *Context) Value {
	type entry struct {
		path, all bool
		outputs   []Value
	}
	entries := map[string]entry{}
	for _, elem := range ctx.Elems() {
		out, drv, isOutput := output(elem)
		name := strings.TrimPrefix(elem, "=")
		if isOutput {
			name = drv
		}
		e := entries[name]
		switch {
		case isOutput:
			e.outputs = append(e.outputs, Str(out))
		case name != elem:
			e.all = true
		default:
			e.path = true
		}
		entries[name] = e
	}
	b := NewAttrs(len(entries))
	for name, e := range entries {
		one := NewAttrs(3)
		if e.path {
			one.Set("path", Bool(true))
		}
		if e.all {
			one.Set("allOutputs", Bool(true))
		}
		if len(e.outputs) > 0 {
			one.Set("outputs", NewList(e.outputs...))
		}
		b.Set(name, one.Done())
	}
	return b.Done()
}

// contextOf is the reverse of contextSet, for one name.
func (t *Thread) contextOf(name string, v Value) (elems []string) {
	if at, rest, ok := store.Split(name); !ok || rest != "" || at != name {
		t.Throw("context key '%s' is not a store path", name)
	}
	set := t.Attrs(v)
	if v, found := set.Get("path"); found && t.Bool(v) {
		elems = append(elems, name)
	}
	if v, found := set.Get("allOutputs"); found && t.Bool(v) {
		if !store.IsDerivation(name) {
			t.Throw("tried to add all-outputs context of '%s', which is not a derivation, to a string", name)
		}
		elems = append(elems, "="+name)
	}
	if v, found := set.Get("outputs"); found {
		list := t.List(v).elems
		if len(list) > 0 && !store.IsDerivation(name) {
			t.Throw("tried to add derivation output context of '%s', which is not a derivation, to a string", name)
		}
		for _, o := range list {
			elems = append(elems, "!"+t.plainText(o)+"!"+name)
		}
	}
	return elems
}
