package eval

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/nix/syntax"
)

// Builtins lists all primitive functions, sorted by name.
func Builtins() []*Builtin {
	all := slices.Concat(listBuiltins(), stringBuiltins(), attrBuiltins(), mathBuiltins(), typeBuiltins(),
		controlBuiltins(), pathBuiltins(), sourceBuiltins(), contextBuiltins(), dataBuiltins(), hashBuiltins(),
		derivationBuiltins(), storeBuiltins(), flakeRefBuiltins())
	slices.SortFunc(all, func(a, b *Builtin) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// makeGlobals returns the names that every file knows.
func (ev *Evaluator) makeGlobals() map[string]Value {
	globals := map[string]Value{"true": Bool(true), "false": Bool(false), "null": Null{}}
	set := map[string]Value{
		"true": Bool(true), "false": Bool(false), "null": Null{},
		"currentSystem": Str(ev.opts.CurrentSystem),
		"langVersion":   Int(6),
		"nixVersion":    Str(NixVersion),
		"storeDir":      Str("/nix/store"),
		"nixPath":       searchPathValue(ev.opts.SearchPath),
	}
	if now := ev.opts.Now; now != nil {
		set["currentTime"] = Lazy(func(*Thread) Value { return Int(now()) })
	}
	for _, b := range append(Builtins(), ev.opts.Builtins...) {
		v := b.Value()
		set[b.Name] = v
		if b.Global {
			globals[b.Name] = v
		} else {
			globals["__"+b.Name] = v
		}
	}
	for _, name := range []string{"currentSystem", "langVersion", "nixVersion", "storeDir", "nixPath", "currentTime"} {
		if v, found := set[name]; found {
			globals["__"+name] = v
		}
	}
	all := &Thunk{}
	set["builtins"] = all
	all.val = AttrsOf(set)
	globals["builtins"] = all.val
	maps.Copy(globals, ev.opts.Globals)
	return globals
}

// NixVersion is the version of Nix that programs may ask for.
const NixVersion = "2.31.0"

func searchPathValue(entries []SearchEntry) Value {
	elems := make([]Value, len(entries))
	for i, e := range entries {
		elems[i] = NewAttrs(2).Set("path", Str(e.Path)).Set("prefix", Str(e.Prefix)).Done()
	}
	return NewList(elems...)
}

// posValue returns { file, line, column } of a position, or null for none.
func (t *Thread) posValue(pos syntax.Pos) Value {
	if !pos.IsValid() {
		return Null{}
	}
	file, found := t.ev.sources[pos.Source]
	if !found {
		file = pos.File()
	}
	line, col := pos.LineCol()
	return NewAttrs(3).Set("column", Int(col)).Set("file", Str(file)).Set("line", Int(line)).Done()
}

// FindFile returns the path that <name> stands for.
func (t *Thread) FindFile(name string) Path {
	return t.findInSearchPath(t.ev.opts.SearchPath, name, t.Pos())
}

// findInSearchPath returns the path that <name> stands for.
func (t *Thread) findInSearchPath(entries []SearchEntry, name string, pos syntax.Pos) Path {
	cure := "<…> looks in the folders given with -I or NIX_PATH"
	for _, e := range entries {
		rest := name
		if e.Prefix != "" {
			var found bool
			if rest, found = strings.CutPrefix(name, e.Prefix); !found || rest != "" && rest[0] != '/' {
				continue
			}
		}
		if IsAddress(e.Path) {
			cure = strings.TrimPrefix(e.Prefix+"=", "=") + e.Path + " would have to be downloaded: unpack it, and name the folder with -I " +
				cmp.Or(e.Prefix, strings.SplitN(name, "/", 2)[0]) + "=FOLDER"
			continue
		}
		if !strings.HasPrefix(e.Path, "/") {
			t.raise(&Error{Pos: pos, Msg: fmt.Sprintf("the path %q of the search path is relative", e.Path), Hint: "write an absolute path, or a path value such as ./lib"})
		}
		file := path.Join(e.Path, rest)
		if _, err := t.files().Stat(file); err == nil {
			return Path(file)
		}
	}
	t.raise(&Error{Pos: pos, Kind: KindThrow, Msg: "file '" + name + "' was not found in the search path",
		Hint: cure})
	return ""
}

// IsAddress reports whether an entry of a search path is no folder but has to be fetched, as
// Nix does: https://…, channel:nixos-26.05 or flake:nixpkgs.
func IsAddress(entry string) bool {
	scheme, _, found := strings.Cut(entry, ":")
	return found && slices.Contains([]string{"http", "https", "file", "channel", "flake", "git", "git+https", "git+ssh", "ssh", "s3"}, scheme)
}
