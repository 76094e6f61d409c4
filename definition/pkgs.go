package definition

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
	"nix2gpu/packages"
)

//go:embed pkgs.nix
var pkgsSource string

// joiner separates the packages of a join: "python3+curl". No attribute contains it.
// [resolveJoins] splits joins again.
const joiner = "+"

// A pkgSet is pkgs of one system, with what its values refer to: the generated files,
// and the packages that are not in the table.
type pkgSet struct {
	system  string
	lib     eval.Value
	files   map[string]generatedFile // by the name in project.Files
	unknown map[string]syntax.Pos    // attributes that are not in the table, and where each is first named
	remarks map[string]syntax.Pos    // on what the definition says and no service gets, and their places
	pkgs    eval.Value
}

// A generatedFile is a file that an evaluation makes, or a link to what text says, or an
// empty folder; mode is octal, "" for the default.
type generatedFile struct {
	text   module.Str
	mode   string
	link   bool
	folder bool
}

// newPkgSet returns the package set of a system. lib may be a thunk.
func newPkgSet(system string, lib eval.Value) *pkgSet {
	h := &pkgSet{system: system, lib: lib, files: map[string]generatedFile{}, unknown: map[string]syntax.Pos{}, remarks: map[string]syntax.Pos{}}
	h.pkgs = eval.Lazy(h.makePkgs)
	return h
}

// makePkgs makes the set: the packages of the table, overridden by what pkgs.nix
// defines.
func (h *pkgSet) makePkgs(t *eval.Thread) eval.Value {
	fn := t.EvalText("<nix2gpu/pkgs.nix>", pkgsSource, "/", nil)
	arg := eval.NewAttrs(4).Set("lib", h.lib).Set("system", eval.Str(h.system)).Set("pkgs", h.pkgs).Set("prim", h.primitives()).Done()
	built := t.Attrs(t.Call(fn, arg))
	all := eval.NewAttrs(512)
	for _, attr := range packages.Attrs() {
		if strings.Contains(attr, ".") || built.Has(attr) {
			continue
		}
		all.Set(attr, eval.Lazy(func(*eval.Thread) eval.Value { return h.attr(attr) }))
	}
	set := all.Done().Update(built)
	return set.WithMissing(func(t *eval.Thread, name string, pos syntax.Pos) eval.Value {
		return h.missing(t, "", name, pos)
	})
}

// attr returns the value of an attribute: a package or a set of packages.
func (h *pkgSet) attr(attr string) eval.Value {
	if packages.IsSet(attr) {
		return h.set(attr)
	}
	return h.pkg(attr)
}

// missing returns the value of an attribute that the table does not have. It is taken
// for a package of that name, and noted for a warning.
func (h *pkgSet) missing(t *eval.Thread, set, name string, pos syntax.Pos) eval.Value {
	attr := name
	if set != "" {
		attr = set + "." + name
	}
	if strings.HasPrefix(name, "_") {
		return nil
	}
	if set == "" && (packages.IsSet(name) || strings.Contains(name, "Packages")) {
		return h.set(name) // llvmPackages_18, ocamlPackages
	}
	if _, strange := packages.Strange(attr); strange || !packages.Lookup(attr).Known {
		if _, seen := h.unknown[attr]; !seen {
			if module.InLib(pos) { // as in mkPackageOption: say who asked for it
				if users := t.PosWhere(func(p syntax.Pos) bool { return !module.InLib(p) }); users.IsValid() {
					pos = users
				}
			}
			h.unknown[attr] = pos
		}
	}
	return h.pkg(attr)
}

// set returns a set of packages, such as python3Packages. It has every name.
func (h *pkgSet) set(attr string) eval.Value {
	b := eval.NewAttrs(4)
	b.Set("_nix2gpuSet", eval.Str(attr))
	if version, ok := strings.CutPrefix(attr, "cudaPackages_"); ok {
		version = strings.ReplaceAll(version, "_", ".")
		b.Set("cudaMajorMinorVersion", eval.Str(version)).Set("cudaVersion", eval.Str(version))
	}
	return b.Done().WithMissing(func(t *eval.Thread, name string, pos syntax.Pos) eval.Value {
		return h.missing(t, attr, name, pos)
	})
}

// pkg returns a package. As a string it is its placeholder; nothing is read.
func (h *pkgSet) pkg(attr string) *eval.Attrs {
	name := attr[strings.LastIndexByte(attr, '.')+1:]
	out := eval.StrContext(catalog.PackagesPrefix+attr, eval.NewContext("package:"+attr))
	var self *eval.Attrs
	same := eval.Lazy(func(*eval.Thread) eval.Value { return self })
	b := eval.NewAttrs(24).
		Set("type", eval.Str("derivation")).
		Set("name", eval.Str(name)).
		Set("pname", eval.Str(name)).
		Set("version", eval.Str("")).
		Set("system", eval.Str(h.system)).
		Set("outPath", out).
		Set("outputName", eval.Str("out")).
		Set("outputs", eval.StringList("out")).
		Set("override", eval.Func("override", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			h.overridden(t, attr, args[0])
			return self
		})).
		Set("overrideAttrs", eval.Func("overrideAttrs", 1, func(t *eval.Thread, _ []eval.Value) eval.Value {
			t.Unsupported("overrideAttrs of pkgs.%s changes how a package is built, which only Nix can do", attr)
			return nil
		})).
		Set("meta", eval.NewAttrs(2).
			Set("mainProgram", eval.Str(packages.MainProgram(attr))).
			Set("name", eval.Str(name)).Done())
	for _, output := range []string{"out", "bin", "dev", "lib", "man", "doc"} {
		b.Set(output, same)
	}
	if strings.HasPrefix(attr, "netcat") {
		b.Set("nc", same) // the output with the program
	}
	if attr == "google-cloud-sdk" { // its components come with it, or are other packages of Google's
		b.Set("components", h.set(attr+".components")).
			Set("withExtraComponents", eval.Func("withExtraComponents", 1, func(*eval.Thread, []eval.Value) eval.Value { return self }))
	}
	passthru := eval.NewAttrs(1)
	for _, need := range packages.Lookup(attr).Needs { // as zookeeper.jre
		other := eval.Lazy(func(*eval.Thread) eval.Value { return h.attr(need) })
		b.Set(need, other)
		passthru.Set(need, other)
	}
	b.Set("passthru", passthru.Done())
	with := func(members string) {
		set := h.set(members)
		b.Set("pkgs", set).
			Set("withPackages", eval.Func("withPackages", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
				return h.join(t, attr, eval.NewList(append([]eval.Value{self}, t.List(t.Call(args[0], set)).Elems()...)...))
			}))
	}
	if strings.HasPrefix(attr, "python3") && !strings.Contains(attr, ".") {
		modules := attr + "Packages"
		if !packages.IsSet(modules) {
			modules = "python3Packages"
		}
		with(modules)
		b.Set("interpreter", eval.StrContext(out.Text()+"/bin/python3", out.Context()))
	} else if strings.HasPrefix(attr, "postgresql") && !strings.Contains(attr, ".") {
		with(packages.ExtensionsOf(attr))
	}
	self = b.Done()
	if !packages.Lookup(attr).Known {
		self = self.WithMissing(func(t *eval.Thread, member string, pos syntax.Pos) eval.Value { return h.member(t, attr, member, pos) })
	}
	return self
}

// overridden remarks that the arguments of an override, which only a build could heed, have
// no effect.
func (h *pkgSet) overridden(t *eval.Thread, attr string, args eval.Value) {
	what := "its function"
	if set, ok := t.Force(args).(*eval.Attrs); ok {
		if what = strings.Join(set.Names(), ", "); what == "" {
			return
		}
	}
	text := fmt.Sprintf("override of pkgs.%s has no effect (%s): the program is the one that is installed", attr, what)
	if _, said := h.remarks[text]; !said { // a definition may be evaluated twice
		h.remarks[text] = t.Pos()
	}
}

// member returns what an attribute has that no table lists: it may be a set of packages.
func (h *pkgSet) member(t *eval.Thread, attr, name string, pos syntax.Pos) eval.Value {
	switch name {
	case "drvPath", "drvAttrs", "src", "tests":
		return nil
	case "services":
		t.Fail(pos, "not supported: pkgs.%s.services is a module that nixpkgs keeps with the package; copy it beside the definition and import the file", attr)
	}
	delete(h.unknown, attr)
	return h.missing(t, attr, name, pos)
}

// primitives returns the functions that pkgs.nix is written with.
func (h *pkgSet) primitives() eval.Value {
	return eval.NewAttrs(8).
		Set("package", eval.Func("package", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			return h.attr(t.Text(args[0]))
		})).
		Set("file", eval.Func("file", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			return h.file(t, args[0])
		})).
		Set("join", eval.Func("join", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
			return h.join(t, t.Text(args[0]), args[1])
		})).
		Set("farm", eval.Func("farm", 2, func(t *eval.Thread, args []eval.Value) eval.Value {
			return h.farm(t, t.Text(args[0]), t.List(args[1]))
		})).
		Set("runCommand", eval.Func("runCommand", 4, h.runCommand)).
		Set("toTOML", eval.Func("toTOML", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			var ctx *eval.Context
			data, err := toml.Marshal(goValue(t, args[0], &ctx))
			if err != nil {
				t.Throw("cannot write as TOML: %v", err)
			}
			return eval.StrContext(string(data), ctx)
		})).
		Set("unsupported", eval.Func("unsupported", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
			t.Unsupported("%s", t.Text(args[0]))
			return nil
		})).
		Done()
}

// file returns the value of a generated file from a set of name, text, executable,
// destination and mainProgram. The file is made when its path is first used.
func (h *pkgSet) file(t *eval.Thread, args eval.Value) eval.Value {
	given := t.Text(t.Select(args, "name"))
	destination := t.Text(t.Select(args, "destination"))
	if destination != "" && (destination[0] != '/' || strings.Contains(destination+"/", "/../")) {
		t.Throw("destination %q of the file %q must begin with a slash and stay below", destination, given)
	}
	path := eval.Lazy(func(t *eval.Thread) eval.Value {
		mode := ""
		if t.Bool(t.Select(args, "executable")) {
			mode = "0755"
		}
		return h.makeFile(given, destination, mode, t.Interpolate(t.Select(args, "text")))
	})
	b := eval.NewAttrs(8).
		Set("type", eval.Str("derivation")).
		Set("name", eval.Str(given)).
		Set("system", eval.Str(h.system)).
		Set("outPath", path).
		Set("text", t.Select(args, "text"))
	if program, ok := t.Force(t.Select(args, "mainProgram")).(*eval.String); ok {
		b.Set("meta", eval.NewAttrs(1).Set("mainProgram", program).Done())
	}
	return b.Done()
}

// makeFile keeps a file, and returns the string that stands for its path, or, with a
// destination, for the folder that the destination is in.
func (h *pkgSet) makeFile(given, destination, mode string, text *eval.String) eval.Value {
	name := fileName(given, destination, mode, text.Text(), strings.Join(text.Context().Elems(), "\x00"))
	h.files[name+destination] = generatedFile{text: module.Str{S: text.Text(), Context: text.Context().Elems()}, mode: mode}
	return eval.StrContext(catalog.FilesPrefix+name, eval.NewContext("file:"+name))
}

// fileName returns a name that differs where the contents differ.
func fileName(given string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '_' || r == '-' || r == '+' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '-'
	}, given)
	return hex.EncodeToString(sum[:4]) + "-" + clean
}

// join returns several packages as one.
func (h *pkgSet) join(t *eval.Thread, name string, list eval.Value) eval.Value {
	var attrs, others []string
	for _, v := range t.List(list).Elems() {
		for _, c := range t.Interpolate(v).Context().Elems() {
			if attr, ok := strings.CutPrefix(c, "package:"); ok {
				for _, one := range strings.Split(attr, joiner) {
					if !slices.Contains(attrs, one) {
						attrs = append(attrs, one)
					}
				}
			} else if !slices.Contains(others, c) {
				others = append(others, c)
			}
		}
	}
	var path *eval.String
	switch {
	case len(attrs) > 0:
		attr := strings.Join(attrs, joiner)
		path = eval.StrContext(catalog.PackagesPrefix+attr, eval.NewContext(append(others, "package:"+attr)...))
	case len(others) == 1:
		path = t.Interpolate(t.List(list).At(0))
	case len(others) > 1:
		path = h.folder(t, name, h.content(t, name, t.List(list).Elems()))
	default:
		path = eval.Str("")
	}
	return eval.NewAttrs(4).
		Set("type", eval.Str("derivation")).
		Set("name", eval.Str(name)).
		Set("outPath", path).
		Set("paths", list).
		Set("meta", eval.NewAttrs(1).Set("mainProgram", eval.Str(packages.MainProgram(name))).Done()).
		Done()
}

// content returns the files in several generated folders, by their paths there. Of files
// with the same path the first counts.
func (h *pkgSet) content(t *eval.Thread, name string, folders []eval.Value) map[string]generatedFile {
	all := map[string]generatedFile{}
	for _, v := range folders {
		folder, found := t.Interpolate(v).Text(), false
		for file, content := range h.files {
			sub, ok := strings.CutPrefix(catalog.FilesPrefix+file, folder+"/")
			if found = found || ok; !ok {
				continue
			}
			if _, taken := all[sub]; !taken {
				all[sub] = content
			}
		}
		if !found {
			t.Unsupported("joining anything but packages, or generated folders, into one folder (%s); %q is neither", name, folder)
		}
	}
	return all
}

// folder keeps files as one folder, and returns the string that stands for its path.
func (h *pkgSet) folder(t *eval.Thread, name string, content map[string]generatedFile) *eval.String {
	for sub := range content {
		for above := path.Dir(sub); above != "."; above = path.Dir(above) {
			if _, both := content[above]; both {
				t.Throw("%q of %q is both a file and a folder; give one of them another name", above, name)
			}
		}
	}
	id := []string{name}
	for _, sub := range slices.Sorted(maps.Keys(content)) {
		kind := content[sub].mode
		if content[sub].link {
			kind = "link"
		}
		id = append(id, sub, kind, content[sub].text.S)
	}
	folder := fileName(name, id...)
	for sub, file := range content {
		h.files[strings.TrimSuffix(folder+"/"+sub, "/")] = file
	}
	return eval.StrContext(catalog.FilesPrefix+folder, eval.NewContext("file:"+folder))
}

// farm returns a folder that has generated files, and links to anything else, under other
// names.
func (h *pkgSet) farm(t *eval.Thread, name string, entries *eval.List) eval.Value {
	content := map[string]generatedFile{}
	for _, e := range entries.Elems() {
		under := path.Clean("/" + t.Text(t.Select(e, "name")))[1:]
		at := t.Interpolate(t.Select(e, "path"))
		file, ok := h.files[strings.TrimPrefix(at.Text(), catalog.FilesPrefix)]
		if !ok {
			file = generatedFile{text: module.Str{S: at.Text(), Context: at.Context().Elems()}, link: true}
		}
		content[under] = file
	}
	return eval.NewAttrs(3).
		Set("type", eval.Str("derivation")).
		Set("name", eval.Str(name)).
		Set("outPath", h.folder(t, name, content)).
		Done()
}

// goValue converts a value for an encoder, and adds the contexts of its strings to ctx.
func goValue(t *eval.Thread, v eval.Value, ctx **eval.Context) (x any) {
	t.Descend(func() { x = goInner(t, t.Force(v), ctx) })
	return x
}

func goInner(t *eval.Thread, v eval.Value, ctx **eval.Context) any {
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
		out := make([]any, v.Len())
		for i, e := range v.Elems() {
			out[i] = goValue(t, e, ctx)
		}
		return out
	case *eval.Attrs:
		if v.Has("outPath") || v.Has("__toString") {
			break
		}
		out := map[string]any{}
		for name, e := range v.All() {
			if x := goValue(t, e, ctx); x != nil { // TOML has no null
				out[name] = x
			}
		}
		return out
	}
	s := t.Interpolate(v)
	*ctx = (*ctx).Union(s.Context())
	return s.Text()
}

// notes returns the remarks, and the warnings about packages that are not in the table,
// without the attributes that the definition itself declares.
func (h *pkgSet) notes(brought ...[]string) []note {
	var out []note
	for text, pos := range h.remarks {
		out = append(out, note{pos, text})
	}
	for attr, pos := range h.unknown {
		if slices.Contains(slices.Concat(brought...), attr) {
			continue
		}
		text := fmt.Sprintf("package %q is not in the table; it is taken for a program and a Debian package of that name", attr)
		meant, strange := packages.Strange(attr)
		if strange {
			text = fmt.Sprintf("extension %q is none that Debian 12 has; it is taken for the Debian package %s", attr[strings.IndexByte(attr, '.')+1:],
				strings.Join(packages.Released(packages.Lookup(attr).Debian, ""), " "))
		} else {
			meant = packages.Suggest(attr)
		}
		if meant != "" {
			text += fmt.Sprintf(" (did you mean %q?)", meant)
		}
		out = append(out, note{pos, text})
	}
	return out
}

// A note is a warning and its position.
type note struct {
	pos  syntax.Pos
	text string
}
