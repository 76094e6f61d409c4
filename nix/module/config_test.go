package module_test

import (
	"reflect"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

const sample = `{ config, lib, pkgs, ... }:
{
  services.redis."a" = {
    enable = true;
    port = lib.mkDefault 7000;
    bind = "${pkgs.hello}/x";
    tags = [ "one" "two" ];
    settings = { maxmemory = 10; nested = { deep = [ 1.5 null true ./f [ [ 1 ] ] ]; }; };
    extend = ps: [ ps.hello "lit" ];
    delay = 0;
  };
  services.valkey."b" = { };
  env = { HOME = "/root"; NONE = null; };
  workspace = "/${toString config.services.redis.a.port}";
  tls.cert = lib.mkForce /c;
}
`

func TestConfig(t *testing.T) {
	e := evaluate(t, "sample.nix", sample)
	c := e.Config()
	a := c.Get("services", "redis", "a")
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"keys", c.Keys("services", "redis"), []string{"a", "b"}},
		{"alias keys", c.Keys("services", "valkey"), []string{"a", "b"}},
		{"root keys", c.Keys(), []string{"command", "env", "old", "services", "tls", "workspace"}},
		{"name", a.Name(), "a"},
		{"path", a.Path(), []string{"services", "redis", "a"}},
		{"bool", a.Bool("enable"), true},
		{"int", a.Int("port"), 7000},
		{"default int", c.Int("services", "redis", "b", "port"), 6379},
		{"int as float", a.Float("port"), 7000.0},
		{"string with context", a.Str("bind"), module.Str{S: "/nix2gpu/packages/hello/x"}},
		{"list", a.Strings("tags"), []string{"one", "two"}},
		{"list path", a.List("tags")[1].Path(), []string{"services", "redis", "a", "tags", "[1]"}},
		{"freeform", a.Any("settings"), map[string]any{
			"maxmemory": int64(10),
			"nested":    map[string]any{"deep": []any{1.5, nil, true, module.Str{S: "/f", Context: []string{"source:/f"}}, []any{[]any{int64(1)}}}},
		}},
		{"freeform step", a.Int("settings", "maxmemory"), 10},
		{"default from Go", a.String("dataDir"), "./data/redis/a"},
		{"default from Nix", a.String("url"), "redis:///nix2gpu/packages/hello/x:7000/a"},
		{"default after alias", c.String("services", "redis", "b", "url"), "redis://127.0.0.1:6379/b"},
		{"coerced", a.String("delay"), "0s"},
		{"not coerced", c.String("services", "redis", "b", "delay"), "1s"},
		{"config in config", c.String("workspace"), "/7000"},
		{"null", c.Kind("env", "NONE"), module.KindNull},
		{"has null", c.Has("env", "NONE"), false},
		{"has", c.Has("env", "HOME"), true},
		{"missing", c.Kind("env", "OTHER"), module.Missing},
		{"missing below a value", c.Kind("workspace", "x", "y"), module.Missing},
		{"missing int", c.Int("env", "OTHER"), 0},
		{"path", c.String("tls", "cert"), "/c"},
		{"shown", a.Show("settings"), "{ maxmemory = 10; nested = { deep = [ … ]; }; }"},
		{"a list shown", a.Show("settings", "nested", "deep"), "[ 1.5 null true /f [ [ … ] ] ]"},
		{"shown missing", a.Show("nothing"), "null"},
		{"set", a.IsSet("port"), true},
		{"not set", a.IsSet("dataDir"), false},
		{"priority of mkDefault", a.Origin("port").Priority, 1000},
		{"priority of a default", a.Origin("dataDir").Priority, 1500},
		{"priority of mkForce", c.Origin("tls", "cert").Priority, 50},
		{"position", a.Pos("port").String(), "sample.nix:5:5"},
		{"position in freeform", a.Pos("settings", "nested", "deep").String(), "sample.nix:8:45"},
		{"position of a submodule", a.Pos().String(), "sample.nix:3:18"},
		{"position through an alias", c.Pos("services", "redis", "b").String(), "sample.nix:12:19"},
	} {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s: got %#v, want %#v", test.what, test.got, test.want)
		}
	}

	f, ok := a.Func("extend")
	if !ok {
		t.Fatal("extend is not a function")
	}
	if got := f.Call(a.Arg("pkgs")).Strings(); !reflect.DeepEqual(got, []string{"/nix2gpu/packages/hello", "lit"}) {
		t.Errorf("call: %v", got)
	}
	if _, ok := c.Func("workspace"); ok {
		t.Error("a string is a function")
	}
	if err := e.Err(); err != nil {
		t.Errorf("errors: %v", err)
	}
}

// TestConfigKeepsErrors: accessors go on, and each error is kept once.
func TestConfigKeepsErrors(t *testing.T) {
	e := evaluate(t, "bad.nix", `{ services.redis."a" = { port = "x"; bind = throw "no"; settings.f = 1; }; }`)
	c := e.Config().Get("services", "redis", "a")
	c.Int("port") // reading twice reports once
	if c.Int("port") != 0 || c.String("bind") != "" || c.Bool("enable") {
		t.Error("a broken option is not the zero value")
	}
	if c.Int("dataDir") != 0 || e.Config().String("command") != "" {
		t.Error("a value of another type is not the zero value")
	}
	c.Get("tags").Errorf("port %d is taken", 7)
	c.Get("port").Errorf("a consequence")
	c.Errorf("another consequence")
	want := []string{
		"a definition for option `services.redis.a.port' is not of type",
		"no",
		"value of `services.redis.a.dataDir' must be of kind int, not string",
		"the option `command' is used, but nothing is assigned to it",
		"port 7 is taken",
	}
	text := e.Err().Error()
	if strings.Contains(text, "consequence") {
		t.Errorf("what follows from an error is reported as well:\n%s", text)
	}
	for _, w := range want {
		if strings.Count(text, w) != 1 && w != "no" {
			t.Errorf("%q is not there once in:\n%s", w, text)
		}
	}
}

// TestWalk lists each option with a value once.
func TestWalk(t *testing.T) {
	e := evaluate(t, "walk.nix", `{ services.redis."a".port = 1; env.B = "x"; }`)
	var got []string
	e.Walk(func(c *module.Config) {
		if c.IsSet() {
			got = append(got, strings.Join(c.Path(), ".")+" "+c.Pos().String())
		}
	})
	want := []string{"env.B walk.nix:1:36", "services.redis.a.port walk.nix:1:22"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestExtraModules: modules from Go assign as well.
func TestExtraModules(t *testing.T) {
	e := evaluate(t, "x.nix", `{ old = 5; }`,
		module.Assign(map[string]any{"workspace": "/w"}, "(defaults)"),
		module.Assign(map[string]any{"env": map[string]any{"A": "1"}}, "(command line)"))
	c := e.Config()
	if c.Int("old") != 5 || c.String("workspace") != "/w" || c.String("env", "A") != "1" {
		t.Errorf("old %d, workspace %q, env.A %q", c.Int("old"), c.String("workspace"), c.String("env", "A"))
	}
	if err := e.Check(); err != nil {
		t.Error(err)
	}
}

// TestModulesOfUsers: what a user's module in Nix declares stands beside what
// Go declares, in a submodule too.
func TestModulesOfUsers(t *testing.T) {
	ev, sys := newSystem()
	extra := nix(t, ev, sys, "extra.nix", `{ config, name, lib, pkgs, ... }: {
		options.greeting = lib.mkOption { type = lib.types.str; default = "hello ${name} on ${toString config.port} from ${pkgs.who}"; };
		config.port = lib.mkDefault 9;
	}`)
	opts := module.Options{"svc": {Type: module.AttrsOf(module.Submodule(module.Schema{
		Options: module.Options{"port": {Type: module.Port, Default: 1}},
		Modules: []module.Module{module.FromValue(extra, "extra.nix")},
	}))}}
	e := sys.Evaluate(t.Context(), module.Spec{
		Args: map[string]eval.Value{"pkgs": nix(t, ev, sys, "pkgs", `{ who = "me"; }`)},
		Modules: []module.Module{
			module.Declare(opts, nil),
			module.FromValue(nix(t, ev, sys, "user.nix", `{ svc.a = { }; svc.b = { port = 10; greeting = "hi"; }; }`), "user.nix"),
		},
	})
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	c := e.Config()
	if got := c.String("svc", "a", "greeting"); got != "hello a on 9 from me" {
		t.Errorf("a: %q", got)
	}
	if got := c.String("svc", "b", "greeting"); got != "hi" {
		t.Errorf("b: %q", got)
	}
	if got := c.Origin("svc", "a", "port"); got.Priority != 1000 || got.Pos().String() != "extra.nix:3:10" {
		t.Errorf("origin of a's port: %v", got)
	}
}

// TestInsideAnEvaluation: an evaluation can be read from a builtin at work.
func TestInsideAnEvaluation(t *testing.T) {
	ev, sys := newSystem()
	e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
		module.Declare(options, nil),
		module.FromValue(nix(t, ev, sys, "x.nix", `{ old = 4; }`), "x.nix"),
	}})
	err := ev.Do(t.Context(), func(th *eval.Thread) {
		e.Within(th, func() {
			if got := e.Config().Int("old"); got != 4 {
				t.Errorf("old = %d", got)
			}
		})
	})
	if err != nil || e.Err() != nil {
		t.Error(err, e.Err())
	}
}

// TestOpenSets: names of people and licences are taken as they come.
func TestOpenSets(t *testing.T) {
	ev, sys := newSystem()
	v := nix(t, ev, sys, "meta.nix", `builtins.toJSON ((with lib.maintainers; [ someone ]) ++ [ lib.licenses.mit.spdxId lib.teams.any.name ])`)
	if got, want := v.(*eval.String).Text(), `[{"github":"someone","name":"someone"},"MIT","any"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A part of a default comes from where the default does.
func TestOriginInsideADefault(t *testing.T) {
	_, sys := newSystem()
	options := module.Options{"set": {Type: module.Attrs, Default: map[string]any{"a": 1}}, "list": {Type: module.Anything, Default: []any{1}}}
	c := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{module.Declare(options, nil)}}).Config()
	if got := c.Origin("set", "a"); got.Priority != 1500 || got.IsOption {
		t.Errorf("an attribute of a default: %+v", got)
	}
	if got := c.List("list")[0].Origin(); got.Priority != 1500 || got.IsOption {
		t.Errorf("an element of a default: %+v", got)
	}
}
