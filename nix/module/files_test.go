package module_test

import (
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// files is a file system in memory, rooted at /.
type files struct{ m fstest.MapFS }

func (f files) rel(name string) string {
	if name == "/" {
		return "."
	}
	return strings.TrimPrefix(path.Clean(name), "/")
}
func (f files) ReadFile(name string) ([]byte, error)       { return f.m.ReadFile(f.rel(name)) }
func (f files) ReadDir(name string) ([]fs.DirEntry, error) { return f.m.ReadDir(f.rel(name)) }
func (f files) Stat(name string) (fs.FileInfo, error)      { return f.m.Stat(f.rel(name)) }
func (f files) Lstat(name string) (fs.FileInfo, error)     { return f.m.Lstat(f.rel(name)) }
func (f files) ReadLink(name string) (string, error)       { return f.m.ReadLink(f.rel(name)) }

// TestModulesInFiles: a file is one module, however often and by whomever it
// is imported; a folder stands for its default.nix.
func TestModulesInFiles(t *testing.T) {
	m := fstest.MapFS{}
	for name, text := range map[string]string{
		"main.nix":        `{ imports = [ ./one.nix ./one.nix ./dir "${./dir}" ]; l = [ "main" ]; }`,
		"one.nix":         `{ lib, ... }: { imports = [ ./dir ./off.nix ]; l = [ "one" ]; disabledModules = [ ./off.nix ]; }`,
		"off.nix":         `{ l = [ "off" ]; }`,
		"dir/default.nix": `{ config, ... }: { imports = [ ../main.nix ]; l = [ "dir" ]; }`,
		"bad.nix":         `{ imports = [ ./missing.nix ]; }`,
		"wrong.nix":       `{ l = [ 1 ]; }`,
		"typo.nix":        `{ lib, ... }: { options.x = lib.mkOption { defualt = 1; }; config.x = 2; }`,
	} {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	evaluate := func(file string) *module.Evaluation {
		sys := module.NewSystem(eval.New(eval.Options{FS: files{m}}))
		return sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
			module.Declare(module.Options{"l": {Type: module.ListOf(module.String), Default: []string{}}}, nil),
			module.FromFile(file),
		}})
	}
	e := evaluate("/main.nix")
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	if got, want := e.Config().Strings("l"), []string{"dir", "one", "main"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for file, want := range map[string]string{
		"/bad.nix":   "/bad.nix:1:3: cannot read /missing.nix: no such file or directory",
		"/typo.nix":  "/typo.nix:1:44: function 'mkOption' called with unexpected argument 'defualt'\n  hint: did you mean 'default'?",
		"/wrong.nix": "/wrong.nix:1:3: a definition for option `l[0]' is not of type `string': 1\n  hint: write \"1\"",
	} {
		if err := evaluate(file).Check(); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", file, err, want)
		}
	}
}

// TestAssertions: an assertion that does not hold is an error.
func TestAssertions(t *testing.T) {
	e := evaluate(t, "a.nix", `{ lib, ... }: {
		options.assertions = lib.mkOption { type = lib.types.listOf lib.types.unspecified; default = [ ]; };
		options.warnings = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ ]; };
		config.assertions = [ { assertion = true; message = "fine"; } { assertion = 1 > 2; message = "one is less than two"; } ];
		config.warnings = [ "mind the gap" ];
	}`)
	if err := e.Check(); err == nil || err.Error() != "a.nix:4:10: one is less than two" {
		t.Errorf("Check = %v", err)
	}
	if w := e.Warnings(); len(w) != 1 || w[0].Msg != "mind the gap" {
		t.Errorf("Warnings = %v", w)
	}
}
