package module_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// options is a small catalogue.
var options = module.Options{
	"services": {Set: module.Options{
		"redis":  {Type: module.AttrsOf(module.Submodule(redis)), Default: map[string]any{}, Description: "Redis servers."},
		"valkey": {AliasOf: []string{"redis"}, Description: "Another name of redis."},
	}},
	"tls":       {Set: module.Options{"cert": {Type: module.NullOr(module.Path), Default: module.Null}}},
	"env":       {Type: module.AttrsOf(module.NullOr(module.String)), Default: map[string]any{}, Description: "Variables."},
	"workspace": {Type: module.String, Default: "/workspace", Description: "The folder."},
	"old":       {Type: module.Int, Default: 1, Deprecated: "use services.redis"},
	"command":   {Type: module.String, Description: "Has no default."},
}

var redis = module.Schema{Options: module.Options{
	"enable":   module.Enable("the server"),
	"package":  module.PackageOption("hello"),
	"port":     {Type: module.Port, Default: 6379, Description: "The port."},
	"bind":     {Type: module.NullOr(module.String), Default: "127.0.0.1", Example: "0.0.0.0", Description: "The address."},
	"tags":     {Type: module.ListOf(module.String), Default: []string{}},
	"level":    {Type: module.Enum("notice", "debug", module.Null), Default: "notice"},
	"settings": {Type: module.AttrsOf(module.JSON), Default: map[string]any{}},
	"tls":      {Set: module.Options{"cert": {Type: module.NullOr(module.Path), Default: module.Null}}},
	"id":       {Type: module.String, ReadOnly: true, Default: "r"},
	"dataDir": {Type: module.String, DefaultText: `"./data/redis/<name>"`, DefaultFrom: func(c *module.Config) any {
		return "./data/redis/" + c.Name()
	}},
	"url":    {Type: module.String, Default: module.Expr(`"redis://${toString config.bind}:${toString config.port}/${name}"`)},
	"extend": {Type: module.NullOr(module.FunctionTo(module.ListOf(module.OneOf(module.Package, module.String)))), Default: module.Null},
	"delay": {Type: module.Coerced(module.Int, func(v any) (any, error) {
		if v.(int64) < 0 {
			return nil, errors.New("must not be negative")
		}
		return "0s", nil
	}, module.String), Default: "1s"},
}}

// evaluate evaluates a module written in Nix against the options.
func evaluate(t *testing.T, name, text string, more ...module.Module) *module.Evaluation {
	t.Helper()
	ev, sys := newSystem()
	v := nix(t, ev, sys, name, text)
	return sys.Evaluate(context.Background(), module.Spec{
		Modules: append([]module.Module{module.Declare(options, nil), module.FromValue(v, name)}, more...),
		Args:    map[string]eval.Value{"pkgs": nix(t, ev, sys, "pkgs", `{ hello = { outPath = "/nix2gpu/packages/hello"; name = "hello"; }; }`)},
	})
}

// TestErrors shows what people read when a definition is wrong.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".nix"), func(t *testing.T) {
			err := evaluate(t, filepath.Base(file), readFile(t, file)).Check()
			if err == nil {
				t.Fatal("no error")
			}
			golden(t, strings.TrimSuffix(file, ".nix")+".golden", err.Error()+"\n")
		})
	}
}

// A module may say what it is where options are declared, as long as nobody takes that for
// an option.
func TestTextAmongDeclarations(t *testing.T) {
	for text, want := range map[string]string{
		`{ options.description = "A server."; options.tls.note = "x"; }`: "",
		`{ options.description = "A server."; config.description = 1; }`: `a.nix:1:11: the declaration of option ` + "`description'" + ` must be made with mkOption, not "A server."`,
		`{ options.port = 80; }`: `a.nix:1:11: the declaration of option ` + "`port'" + ` must be made with mkOption, not 80`,
	} {
		got := ""
		if err := evaluate(t, "a.nix", text).Check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s\nwant %s", text, got, want)
		}
	}
}

func TestCheckOfCorrectDefinition(t *testing.T) {
	e := evaluate(t, "ok.nix", `{ services.redis."a" = { enable = true; port = 1; }; services.valkey."b".port = 2; old = 3; }`)
	if err := e.Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
	notes := e.Warnings()
	if len(notes) != 1 || notes[0].Pos.String() != "ok.nix:1:84" || !strings.Contains(notes[0].Msg, "use services.redis") {
		t.Errorf("Warnings = %v", notes)
	}
}
