package eval

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

func pathBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "import", Args: []string{"path"}, Global: true,
			Doc: "The value of the expression in a file; of a folder, in its default.nix. Each file is evaluated once.",
			Fn:  func(t *Thread, args []Value) Value { return t.Import(t.fileArg(args[0])) }},
		{Name: "scopedImport", Args: []string{"scope", "path"}, Global: true,
			Doc: "Like import, but the attributes of the set scope are known in the file, and it is evaluated anew each time.",
			Fn: func(t *Thread, args []Value) Value {
				scope := Scope{}
				for name, v := range t.Attrs(args[0]).All() {
					scope[name] = v
				}
				return t.EvalFile(t.fileArg(args[1]), scope)
			}},
		{Name: "pathExists", Args: []string{"path"}, Doc: "Whether there is a file or folder of that path.",
			Fn: func(t *Thread, args []Value) Value {
				name, ctx := t.pathText(args[0])
				if refersToOutput(ctx) != "" {
					return Bool(false)
				}
				info, err := t.files().Stat(path.Clean(name))
				if err != nil { // a dangling link exists as well
					_, err = t.files().Lstat(path.Clean(name))
				}
				folder := strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.")
				return Bool(err == nil && (!folder || info != nil && info.IsDir()))
			}},
		{Name: "readFile", Args: []string{"path"}, Doc: "The content of a file as a string. It must not contain a zero byte.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.fileArg(args[0])
				data := t.readFile(name)
				if i := slices.Index(data, 0); i >= 0 {
					t.Throw("the contents of the file %s cannot be represented as a string: there is a zero byte at offset %d",
						t.ev.opts.DisplayPath(name), i)
				}
				return Str(string(data))
			}},
		{Name: "readDir", Args: []string{"path"},
			Doc: "The entries of a folder: a set of \"regular\", \"directory\", \"symlink\" or \"unknown\" by name.",
			Fn: func(t *Thread, args []Value) Value {
				name := t.fileArg(args[0])
				entries, err := t.files().ReadDir(name)
				if err != nil {
					t.FailFile(name, err)
				}
				b := NewAttrs(len(entries))
				for _, e := range entries {
					b.Set(e.Name(), Str(fileType(e.Type())))
				}
				return b.Done()
			}},
		{Name: "readFileType", Args: []string{"path"}, Doc: "The type of a file: \"regular\", \"directory\", \"symlink\" or \"unknown\".",
			Fn: func(t *Thread, args []Value) Value {
				name := t.fileArg(args[0])
				info, err := t.files().Lstat(name)
				if err != nil {
					t.FailFile(name, err)
				}
				return Str(fileType(info.Mode()))
			}},
		{Name: "baseNameOf", Args: []string{"path"}, Global: true, Doc: "What follows the last slash of a path or string; one slash at its end does not count.",
			Fn: func(t *Thread, args []Value) Value {
				s := t.coerce(t.Force(args[0]), inPath, t.Pos())
				return StrContext(baseName(s.s), s.ctx)
			}},
		{Name: "dirOf", Args: []string{"path"}, Global: true, Doc: "What precedes the last slash of a path or string: the folder.",
			Fn: func(t *Thread, args []Value) Value {
				v := t.Force(args[0])
				if p, ok := v.(Path); ok {
					return Path(path.Dir(string(p)))
				}
				s := t.coerce(v, inPath, t.Pos())
				return StrContext(dirName(s.s), s.ctx)
			}},
		{Name: "toPath", Args: []string{"s"}, Doc: "An absolute path in its shortest form, as a string. A path value is made with /. + s instead.",
			Fn: func(t *Thread, args []Value) Value {
				name, ctx := t.pathText(args[0])
				return StrContext(path.Clean(name), ctx)
			}},
		{Name: "findFile", Args: []string{"searchPath", "name"},
			Doc: "The path of a file that is looked for in a list of { path, prefix }, as <name> does with builtins.nixPath.",
			Fn: func(t *Thread, args []Value) Value {
				var entries []SearchEntry
				for _, e := range t.List(args[0]).elems {
					set := t.Attrs(e)
					entry := SearchEntry{Path: t.stringArg(t.need(set, "path")).s}
					if prefix, found := set.Get("prefix"); found {
						entry.Prefix = t.Text(prefix)
					}
					entries = append(entries, entry)
				}
				return t.findInSearchPath(entries, t.Text(args[1]), t.Pos())
			}},
		{Name: "path", Args: []string{"set"},
			Doc: "A source: the file or folder path of a set { path, name, filter, recursive, sha256 }. " +
				"Sources stay where they are, so everything but path has no effect.",
			Fn: func(t *Thread, args []Value) Value {
				set := t.Attrs(args[0])
				for _, name := range set.Names() {
					if !slices.Contains([]string{"path", "name", "filter", "recursive", "sha256"}, name) {
						t.Throw("unsupported argument '%s' to 'builtins.path'", name)
					}
				}
				return t.sourceString(Path(t.fileArg(t.need(set, "path"))), t.Pos())
			}},
		{Name: "filterSource", Args: []string{"filter", "path"},
			Doc: "A source: a file or folder. Sources stay where they are, so the filter has no effect.",
			Fn: func(t *Thread, args []Value) Value {
				return t.sourceString(Path(t.fileArg(args[1])), t.Pos())
			}},
		{Name: "getEnv", Args: []string{"name"}, Doc: "The value of an environment variable, \"\" if it is not set or may not be known.",
			Fn: func(t *Thread, args []Value) Value { return Str(t.ev.opts.Getenv(t.Text(args[0]))) }},
	}
}

// pathText returns the text of a path, or of a string that is an absolute path.
func (t *Thread) pathText(v Value) (string, *Context) {
	s := t.coerce(t.Force(v), inPath, t.Pos())
	if !strings.HasPrefix(s.s, "/") {
		t.Throw("string %q doesn't represent an absolute path", s.s)
	}
	return s.s, s.ctx
}

// fileArg returns the path of a file that a program wants to read.
func (t *Thread) fileArg(v Value) string {
	name, ctx := t.pathText(v)
	if output := refersToOutput(ctx); output != "" {
		t.Unsupported("reading %q during the evaluation: it is made from %q afterwards", name, output)
	}
	return path.Clean(name)
}

// refersToOutput returns an element of a context that is no source, so that the file
// behind the string does not exist yet; "" if there is none.
func refersToOutput(ctx *Context) string {
	for _, e := range ctx.Elems() {
		if !strings.HasPrefix(e, "source:") {
			return e
		}
	}
	return ""
}

func (t *Thread) readFile(name string) []byte {
	data, err := t.files().ReadFile(name)
	if err != nil {
		t.FailFile(name, err)
	}
	t.spend(2 * len(data)) // the data, and the string that is made from it
	return data
}

func fileType(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "regular"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	}
	return "unknown"
}

func baseName(s string) string {
	s = strings.TrimSuffix(s, "/")
	return s[strings.LastIndexByte(s, '/')+1:]
}

func dirName(s string) string {
	switch i := strings.LastIndexByte(s, '/'); i {
	case -1:
		return "."
	case 0:
		return "/"
	default:
		return s[:i]
	}
}

func contextBuiltins() []*Builtin {
	discard := func(t *Thread, args []Value) Value {
		s := t.stringArg(args[0])
		if s.ctx == nil {
			return s
		}
		return &String{s: s.s}
	}
	same := func(t *Thread, args []Value) Value { return t.stringArg(args[0]) }
	return []*Builtin{
		{Name: "hasContext", Args: []string{"s"}, Doc: "Whether a string refers to packages, files or sources.",
			Fn: func(t *Thread, args []Value) Value { return Bool(t.Str(args[0]).ctx != nil) }},
		{Name: "getContext", Args: []string{"s"}, Doc: "What a string refers to: a set with a name for each package, file and source.",
			Fn: func(t *Thread, args []Value) Value {
				elems := t.Str(args[0]).ctx.Elems()
				b := NewAttrs(len(elems))
				for _, e := range elems {
					b.Set(e, NewAttrs(1).Set("path", Bool(true)).Done())
				}
				return b.Done()
			}},
		{Name: "appendContext", Args: []string{"s", "context"}, Doc: "A string that also refers to what a set as of getContext names.",
			Fn: func(t *Thread, args []Value) Value {
				s := t.Str(args[0])
				names := t.Attrs(args[1]).Names()
				for _, e := range names {
					if kind, _, found := strings.Cut(e, ":"); !found || !slices.Contains([]string{"package", "file", "source"}, kind) {
						t.Throw("%q is nothing that a string can refer to", e)
					}
				}
				return StrContext(s.s, s.ctx.Union(NewContext(names...)))
			}},
		{Name: "unsafeDiscardStringContext", Args: []string{"s"}, Doc: "A string without what it refers to.", Fn: discard},
		{Name: "unsafeDiscardOutputDependency", Args: []string{"s"},
			Doc: "The string: nothing here refers to the inputs of a build.", Fn: same},
		{Name: "addDrvOutputDependencies", Args: []string{"s"},
			Doc: "The string: nothing here refers to the inputs of a build.", Fn: same},
	}
}

func storeBuiltins() []*Builtin {
	no := func(name, arg, what string, global bool) *Builtin {
		return &Builtin{Name: name, Args: []string{arg}, Global: global,
			Doc: "Not supported: " + what + ". Calling it is an error.",
			Fn: func(t *Thread, _ []Value) Value {
				t.Unsupported("builtins.%s: %s", name, what)
				return nil
			}}
	}
	return []*Builtin{
		no("fetchurl", "url", "this evaluator downloads nothing", false),
		no("fetchTarball", "url", "this evaluator downloads nothing", true),
		no("fetchGit", "url", "this evaluator downloads nothing", true),
		no("fetchMercurial", "url", "this evaluator downloads nothing", true),
		no("fetchTree", "ref", "this evaluator downloads nothing", true),
		no("fetchClosure", "set", "this evaluator downloads nothing", false),
		no("getFlake", "ref", "no flakes are known in this evaluation", false),
		no("storePath", "path", "there is no Nix store", false),
		no("outputOf", "drv", "derivations are not built", false),
		no("derivationStrict", "set", "derivations are not built", true),
		{Name: "toFile", Args: []string{"name", "content"},
			Doc: "A file of that name and content, as a string with its path.",
			Fn: func(t *Thread, args []Value) Value {
				name, content := t.Text(args[0]), t.Str(args[1])
				if t.ev.opts.ToFile == nil {
					t.Unsupported("builtins.toFile: this evaluation makes no files")
				}
				return t.ev.opts.ToFile(t, name, content)
			}},
		{Name: "derivation", Args: []string{"set"}, Global: true,
			Doc: "A set that describes a build. Derivations are not built here: using its path is an error.",
			Fn:  derivation},
		{Name: "placeholder", Args: []string{"output"}, Global: true,
			Doc: "A string that stands for the path of an output inside a derivation.",
			Fn: func(t *Thread, args []Value) Value {
				return Str("/" + hashText("sha256", "nix-output:"+t.Text(args[0])).nix32())
			}},
		{Name: "convertHash", Args: []string{"set"},
			Doc: "Writes a hash another way: { hash, toHashFormat } and hashAlgo unless the hash names it. " +
				"Formats are base16, nix32, base32, base64 and sri.",
			Fn: convertHash},
	}
}

// derivation returns the set that describes a build, as far as that is possible without
// a store: its paths are errors that say so.
func derivation(t *Thread, args []Value) Value {
	set := t.Attrs(args[0])
	pos := t.Pos()
	name := t.Text(t.need(set, "name"))
	unbuilt := func(what string) Value {
		return Lazy(func(t *Thread) Value {
			t.raise(&Error{Pos: pos, Kind: KindUnsupported,
				Msg: "not supported: the " + what + " of derivation '" + name + "': derivations are not built"})
			return nil
		})
	}
	outputs := []string{"out"}
	if v, found := set.Get("outputs"); found {
		outputs = nil
		for _, o := range t.List(v).elems {
			outputs = append(outputs, t.Text(o))
		}
		if len(outputs) == 0 {
			t.Throw("derivation '%s' has no outputs", name)
		}
	}
	b := NewAttrs(len(set.vals) + 6 + len(outputs))
	for i, n := range set.shape.names {
		b.add(n, set.vals[i], set.shape.posAt(i))
	}
	self := &Thunk{}
	b.Set("type", Str("derivation")).Set("drvAttrs", set).Set("drvPath", unbuilt("drvPath")).
		Set("outPath", unbuilt("outPath")).Set("outputName", Str(outputs[0])).Set("all", NewList(self))
	for _, o := range outputs {
		b.Set(o, self)
	}
	self.val = b.Done()
	return self.val
}
