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
				if refersToOutput(ctx) != "" || t.isLeftOut(path.Clean(name), ctx) {
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
				_, ctx := t.pathText(args[0])
				filters, _ := t.filtersOf(name, ctx.Elems())
				b := NewAttrs(len(entries))
				for _, e := range entries {
					file := path.Join(name, e.Name()) // fileArg has asked about the way to it
					if slices.ContainsFunc(filters, func(s filteredSource) bool { return !s.filter(file, e.Type()) }) {
						continue
					}
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
					entry := SearchEntry{Path: t.coerce(t.Force(t.need(set, "path")), inPath, t.Pos()).s}
					if prefix, found := set.Get("prefix"); found {
						entry.Prefix = t.plainText(prefix)
					}
					entries = append(entries, entry)
				}
				return t.findInSearchPath(entries, t.plainText(args[1]), t.Pos())
			}},
		{Name: "getEnv", Args: []string{"name"}, Doc: "The value of an environment variable, \"\" if it is not set or may not be known.",
			Fn: func(t *Thread, args []Value) Value { return Str(t.ev.opts.Getenv(t.plainText(args[0]))) }},
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
	name = path.Clean(name)
	if t.isLeftOut(name, ctx) {
		t.Throw("cannot read %s: a filter leaves it out of its source", t.ev.opts.DisplayPath(name))
	}
	return name
}

// refersToOutput returns an element of a context whose file does not exist yet, because
// it is made of a package, a text or a derivation; "" if there is none.
func refersToOutput(ctx *Context) string {
	for _, e := range ctx.Elems() {
		if !strings.HasPrefix(e, "source:") && !isFiltered(e) && e[0] != '/' && e[0] != '=' {
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
		no("outputOf", "drv", "derivations are not built", false),
		{Name: "toFile", Args: []string{"name", "content"},
			Doc: "A file of that name and content, as a string with its path.",
			Fn: func(t *Thread, args []Value) Value {
				if t.ev.store != nil {
					return t.addText(t.plainText(args[0]), t.Str(args[1]))
				}
				name, content := t.plainText(args[0]), t.Str(args[1])
				if t.ev.opts.ToFile == nil {
					t.Unsupported("builtins.toFile: this evaluation makes no files")
				}
				return t.ev.opts.ToFile(t, name, content)
			}},
		{Name: "convertHash", Args: []string{"set"},
			Doc: "Writes a hash another way: { hash, toHashFormat } and hashAlgo unless the hash names it. " +
				"Formats are base16, nix32, base32, base64 and sri.",
			Fn: convertHash},
	}
}
