package module_test

import (
	"reflect"
	"strings"
	"testing"

	"nix2gpu/nix/module"
)

// mergeOptions are what TestMerge assigns to.
var mergeOptions = module.Options{
	"n":     {Type: module.Int, Default: 1},
	"s":     {Type: module.NullOr(module.String), Default: module.Null},
	"lines": {Type: module.Lines, Default: ""},
	"l":     {Type: module.ListOf(module.String), Default: []string{}},
	"base":  {Type: module.ListOf(module.String), Default: []string{"d"}},
	"set":   {Type: module.AttrsOf(module.Int), Default: map[string]any{}},
	"lazy":  {Type: module.LazyAttrsOf(module.Int), Default: map[string]any{}},
	"fixed": {Type: module.Int, ReadOnly: true},
	"mode":  {Type: module.Enum("fast", "slow"), Default: "fast"},
	"sub": {Type: module.AttrsOf(module.Submodule(module.Schema{Options: module.Options{
		"x": {Type: module.Int, Default: 0},
		"y": {Type: module.Int, Default: 0},
	}})), Default: map[string]any{}},
}

// TestMerge merges modules; each case reads one option.
func TestMerge(t *testing.T) {
	for name, c := range map[string]struct {
		modules []string
		path    string
		want    any
		prio    int
		err     string
	}{
		"a default":          {path: "n", want: int64(1), prio: 1500},
		"a plain assignment": {modules: []string{`{ n = 2; }`}, path: "n", want: int64(2), prio: 100},
		"mkDefault":          {modules: []string{`{ n = mkDefault 2; }`}, path: "n", want: int64(2), prio: 1000},
		"mkDefault loses":    {modules: []string{`{ n = mkDefault 2; }`, `{ n = 3; }`}, path: "n", want: int64(3), prio: 100},
		"mkForce wins":       {modules: []string{`{ n = mkForce 2; }`, `{ n = 3; }`}, path: "n", want: int64(2), prio: 50},
		"as good as a default": {modules: []string{`{ base = mkOverride 1500 [ "m" ]; }`},
			path: "base", want: []any{module.Str{S: "d"}, module.Str{S: "m"}}, prio: 1500},
		"worse than a default": {modules: []string{`{ n = mkOverride 1501 2; }`}, path: "n", want: int64(1), prio: 1500},
		"better than a default": {modules: []string{`{ n = mkOverride 1499 2; }`},
			path: "n", want: int64(2), prio: 1499},

		// Of nested priorities the outermost counts.
		"force around default": {modules: []string{`{ n = mkForce (mkDefault 2); }`, `{ n = 3; }`}, path: "n", want: int64(2), prio: 50},
		"default around force": {modules: []string{`{ n = mkDefault (mkForce 2); }`, `{ n = 3; }`}, path: "n", want: int64(3), prio: 100},
		"three of them":        {modules: []string{`{ n = mkOverride 70 (mkOverride 10 (mkOverride 90 2)); }`, `{ n = mkOverride 60 3; }`}, path: "n", want: int64(3), prio: 60},
		"around a set":         {modules: []string{`mkForce { n = mkDefault 2; }`, `{ n = 3; }`}, path: "n", want: int64(2), prio: 50},
		"through mkIf":         {modules: []string{`{ n = mkForce (mkIf true (mkDefault 2)); }`, `{ n = 3; }`}, path: "n", want: int64(2), prio: 50},
		"through mkMerge":      {modules: []string{`{ l = mkForce (mkMerge [ [ "a" ] (mkDefault [ "b" ]) ]); }`, `{ l = [ "c" ]; }`}, path: "l", want: []any{module.Str{S: "a"}, module.Str{S: "b"}}, prio: 50},
		"through mkOrder":      {modules: []string{`{ l = mkForce (mkAfter [ "a" ]); }`, `{ l = mkForce [ "b" ]; }`}, path: "l", want: []any{module.Str{S: "b"}, module.Str{S: "a"}}, prio: 50},

		"mkIf that does not hold":   {modules: []string{`{ n = mkIf false 2; }`}, path: "n", want: int64(1), prio: 1500},
		"nested mkIf":               {modules: []string{`{ n = mkIf true (mkIf false 2); }`}, path: "n", want: int64(1), prio: 1500},
		"mkIf of config":            {modules: []string{`{ n = mkIf (config.mode == "slow") 2; mode = "slow"; }`}, path: "n", want: int64(2), prio: 100},
		"mkIf around a set":         {modules: []string{`mkIf (config.mode == "slow") { n = 2; }`, `{ mode = "slow"; }`}, path: "n", want: int64(2), prio: 100},
		"two around a set":          {modules: []string{`mkIf true (mkIf (config.mode == "slow") { n = 2; })`}, path: "n", want: int64(1), prio: 1500},
		"a condition that is none":  {modules: []string{`{ n = mkIf "yes" 2; }`}, path: "n", err: "the condition of mkIf must be a boolean, not \"yes\""},
		"a property without a part": {modules: []string{`{ n = { _type = "if"; condition = true; }; }`}, path: "n", err: "a property (if) must have the attribute content"},
		"a type that is no text":    {modules: []string{`{ n = { _type = 5; }; }`}, path: "n", err: "is not of type `signed integer'"},

		"orders": {modules: []string{`{ l = mkAfter [ "z" ]; }`, `{ l = [ "m" ]; }`, `{ l = mkBefore [ "a" ]; }`, `{ l = mkOrder 1000 [ "n" ]; }`, `{ l = mkOrder 999 [ "k" ]; }`, `{ l = mkOrder 1001 [ "o" ]; }`},
			path: "l", want: []any{module.Str{S: "a"}, module.Str{S: "k"}, module.Str{S: "n"}, module.Str{S: "m"}, module.Str{S: "o"}, module.Str{S: "z"}}, prio: 100},
		"nested orders": {modules: []string{`{ l = mkAfter (mkBefore [ "z" ]); }`, `{ l = [ "m" ]; }`},
			path: "l", want: []any{module.Str{S: "m"}, module.Str{S: "z"}}, prio: 100},
		"lines":                 {modules: []string{`{ lines = "a"; }`, `{ lines = mkBefore "b"; }`}, path: "lines", want: module.Str{S: "b\na"}, prio: 100},
		"the last module first": {modules: []string{`{ l = [ "b" ]; }`, `{ l = [ "a" ]; }`}, path: "l", want: []any{module.Str{S: "a"}, module.Str{S: "b"}}, prio: 100},
		"an element off":        {modules: []string{`{ l = [ "a" (mkIf false "b") "c" ]; }`}, path: "l", want: []any{module.Str{S: "a"}, module.Str{S: "c"}}, prio: 100},
		"an attribute":          {modules: []string{`{ set.a = 1; }`, `{ set.b = 2; }`}, path: "set", want: map[string]any{"a": int64(1), "b": int64(2)}, prio: 100},
		"one of it off":         {modules: []string{`{ set.a = mkIf false 1; set.b = 2; }`}, path: "set", want: map[string]any{"b": int64(2)}, prio: 100},
		"a lazy one off":        {modules: []string{`{ lazy.b = 2; }`}, path: "lazy.b", want: int64(2), prio: 100},
		"inside, by prio":       {modules: []string{`{ set.a = mkForce 1; }`, `{ set.a = 2; }`}, path: "set.a", want: int64(1), prio: 50},
		"a submodule":           {modules: []string{`{ sub.a.x = 1; }`, `{ sub.a.y = mkDefault 2; }`}, path: "sub", want: map[string]any{"a": map[string]any{"x": int64(1), "y": int64(2)}}, prio: 100},
		"one overridden":        {modules: []string{`{ sub.a = mkForce { x = 1; }; }`, `{ sub.a.y = 2; }`}, path: "sub.a.y", want: int64(0), prio: 1500},

		"equal values":             {modules: []string{`{ s = "a"; }`, `{ s = "a"; }`}, path: "s", want: module.Str{S: "a"}, prio: 100},
		"different values":         {modules: []string{`{ s = "a"; }`, `{ s = "b"; }`}, path: "s", err: "lib.mkForce gives one of them priority"},
		"null and a value":         {modules: []string{`{ s = null; }`, `{ s = "b"; }`}, path: "s", err: "the option `s'"},
		"read-only once":           {modules: []string{`{ fixed = 1; }`}, path: "fixed", want: int64(1), prio: 100},
		"read-only twice":          {modules: []string{`{ fixed = 1; }`, `{ fixed = 1; }`}, path: "fixed", err: "is read-only and has a value already"},
		"read-only and lost":       {modules: []string{`{ fixed = 1; }`, `{ fixed = mkDefault 1; }`}, path: "fixed", err: "is read-only and has a value already"},
		"nothing assigned":         {path: "fixed", err: "the option `fixed' is used, but nothing is assigned to it"},
		"only what is off":         {modules: []string{`{ fixed = mkIf false 1; }`}, path: "fixed", err: "the option `fixed' is used, but nothing is assigned to it"},
		"a wrong type":             {modules: []string{`{ n = "x"; }`}, path: "n", err: "a definition for option `n' is not of type `signed integer': \"x\""},
		"a wrong loser":            {modules: []string{`{ n = "x"; }`, `{ n = mkForce 3; }`}, path: "n", want: int64(3), prio: 50},
		"a number as text":         {modules: []string{`{ n = " 7 "; }`}, path: "n", err: "hint: write 7"},
		"text as a number":         {modules: []string{`{ s = 7; }`}, path: "s", err: `hint: write "7"`},
		"an element as a list":     {modules: []string{`{ l = "a"; }`}, path: "l", err: `hint: write [ "a" ]`},
		"a word of an enum":        {modules: []string{`{ mode = "fats"; }`}, path: "mode", err: `did you mean "fast"?`},
		"imports that are no list": {modules: []string{`{ imports = { }; }`}, path: "n", err: "m1.nix:1:35: imports must be a list of modules, not { }"},
		"require that is no list":  {modules: []string{`{ require = 5; }`}, path: "n", err: "require must be a list of modules, not 5"},
		"options that are no set":  {modules: []string{`{ options = [ 1 ]; }`}, path: "n", err: "options must be a set of declarations, not [ 1 ]"},
		"a lazy set of numbers":    {modules: []string{`{ lazy = 5; }`}, path: "lazy", err: "is not of type `lazy attribute set of signed integer': 5"},
		"a value with its file":    {modules: []string{`{ n = { _type = "definition"; file = "else.nix"; value = 2; }; }`}, path: "n", want: int64(2), prio: 100},
		"a wrong one with a file":  {modules: []string{`{ n = { _type = "definition"; file = "else.nix"; value = "x"; }; }`}, path: "n", err: "is not of type"},
	} {
		t.Run(name, func(t *testing.T) {
			ev, sys := newSystem()
			spec := module.Spec{Modules: []module.Module{module.Declare(mergeOptions, nil)}}
			for _, text := range c.modules {
				file := "m" + string(rune('0'+len(spec.Modules))) + ".nix"
				spec.Modules = append(spec.Modules, module.FromValue(nix(t, ev, sys, file, "{ config, lib, ... }: with lib; "+text), file))
			}
			e := sys.Evaluate(t.Context(), spec)
			at := e.Config().Get(strings.Split(c.path, ".")...)
			got := at.Any()
			err := e.Err()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, error %v, want %q", got, err, c.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, %v, want %#v", got, err, c.want)
			}
			if prio := at.Origin().Priority; prio != c.prio {
				t.Errorf("priority %d, want %d", prio, c.prio)
			}
		})
	}
}

// TestFreeform: attributes that are not declared have the freeform type, and are
// checked and walked like options.
func TestFreeform(t *testing.T) {
	declare := module.Declare(module.Options{
		"known": {Type: module.Int, Default: 1},
		"open": {Type: module.Submodule(module.Schema{
			Options:  module.Options{"known": {Type: module.Int, Default: 1}},
			Freeform: module.AttrsOf(module.ListOf(module.Int)),
		}), Default: map[string]any{}},
		"tags": {Type: module.ListOf(module.Submodule(module.Schema{Options: module.Options{"name": {Type: module.String}}})), Default: []any{}},
	}, nil)
	check := func(text string) (*module.Evaluation, error) {
		ev, sys := newSystem()
		e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{declare, module.FromValue(nix(t, ev, sys, "f.nix", text), "f.nix")}})
		return e, e.Check()
	}
	for text, want := range map[string]string{
		`{ open.other = [ 1 ]; open.known = 2; }`: "",
		`{ open.other = [ "x" ]; }`:               "f.nix:1:8: a definition for option `open.other[0]' is not of type `signed integer': \"x\"",
		`{ open.other = 5; }`:                     "`open.other' is not of type `list of signed integer': 5\n  hint: write [ 5 ]",
		`{ open.known = "x"; }`:                   "`open.known' is not of type `signed integer'",
		`{ other = [ 1 ]; }`:                      "unknown option `other'",
		`{ tags = [ { name = 5; } ]; }`:           "`tags[0].name' is not of type `string': 5",
	} {
		_, err := check(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	e, err := check(`{ open.other = [ 1 ]; tags = [ { name = "a"; } { name = "b"; } ]; }`)
	if err != nil {
		t.Fatal(err)
	}
	var walked []string
	e.Walk(func(c *module.Config) { walked = append(walked, strings.Join(c.Path(), ".")) })
	if want := []string{"known", "open.known", "open.other", "tags.[0].name", "tags.[1].name"}; !reflect.DeepEqual(walked, want) {
		t.Errorf("walked %q, want %q", walked, want)
	}
	// Walking leaves out what cannot be evaluated.
	ev, sys := newSystem()
	e = sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{declare,
		module.FromValue(nix(t, ev, sys, "f.nix", `{ known = throw "no"; open = throw "no"; }`), "f.nix")}})
	e.Walk(func(c *module.Config) {
		if c.Path()[0] != "tags" {
			t.Errorf("walked %q", c.Path())
		}
	})
}

// TestUnread: a declaration that nobody reads may fail, an assignment may not.
func TestUnread(t *testing.T) {
	for text, want := range map[string]string{
		`{ options.x = lib.mkOption { default = throw "default"; }; }`:                      "",
		`{ options.x = lib.mkOption { type = throw "type"; }; }`:                            "",
		`{ options.x.y = lib.mkOption { type = throw "type"; default = 1; }; }`:             "",
		`{ options.x = lib.mkOption { type = throw "type"; }; config.x = 1; }`:              "type",
		`{ options.x = lib.mkOption { default = 1; }; config.x = throw "assigned"; }`:       "assigned",
		`{ options.x = lib.mkOption { default = throw "default"; }; config.n = config.x; }`: "default",
	} {
		ev, sys := newSystem()
		e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
			module.Declare(mergeOptions, nil),
			module.FromValue(nix(t, ev, sys, "u.nix", "{ lib, config, ... }: "+text), "u.nix"),
		}})
		if err := e.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// The hint for a value of another type is a sample of the option's own form, not the
// value in quotes.
func TestHintForForms(t *testing.T) {
	size := module.Like(module.OneOf(module.Int, module.String), "512M")
	for name, c := range map[string]struct {
		typ         module.Type
		value, hint string
	}{
		"a size":             {size, "true", `hint: write "512M"`},
		"a size or null":     {module.NullOr(size), "1.5", `hint: write "512M"`},
		"a size in a list":   {module.ListOf(size), "[ false ]", `hint: write "512M"`},
		"a size by name":     {module.AttrsOf(size), "{ x = [ ]; }", `hint: write "512M"`},
		"a number":           {module.Like(module.OneOf(module.Number, module.String), 1.5), "true", "hint: write 1.5"},
		"a file or a name":   {module.NullOr(module.OneOf(module.String, module.Path)), "true", ""},
		"a number as a name": {module.OneOf(module.String, module.Path), "5", `hint: write "5"`},
		"any text":           {module.String, "true", `hint: write "true"`},
		"text alone":         {module.Like(module.String, "10m"), "10", `hint: write "10m"`},
	} {
		ev, sys := newSystem()
		e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
			module.Declare(module.Options{"o": {Type: c.typ}}, nil),
			module.FromValue(nix(t, ev, sys, "f.nix", "{ o = "+c.value+"; }"), "f.nix"),
		}})
		err := e.Check()
		if err == nil || !strings.Contains(err.Error(), "is not of type") || !strings.Contains(err.Error(), c.hint) || c.hint == "" && strings.Contains(err.Error(), "hint") {
			t.Errorf("%s: %v, want %q", name, err, c.hint)
		}
	}
}

// Quotes do not bring a number into range, so no hint says to write them.
func TestHintForNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		typ  module.Type
		hint string
	}{
		"words":               {module.String, `hint: write "70000"`},
		"a port or words":     {module.NullOr(module.OneOf(module.Port, module.String)), ""},
		"words or more words": {module.NullOr(module.OneOf(module.String, module.AttrsOf(module.Port))), `hint: write "70000"`},
		"words or many":       {module.OneOf(module.String, module.ListOf(module.Port)), `hint: write "70000"`},
	} {
		ev, sys := newSystem()
		e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
			module.Declare(module.Options{"o": {Type: c.typ}}, nil),
			module.FromValue(nix(t, ev, sys, "f.nix", "{ o = 70000; }"), "f.nix"),
		}})
		err := e.Check()
		if err == nil || !strings.Contains(err.Error(), "is not of type") || !strings.Contains(err.Error(), c.hint) || c.hint == "" && strings.Contains(err.Error(), "hint") {
			t.Errorf("%s: %v, want %q", name, err, c.hint)
		}
	}
}
