package module_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/nix/module"
)

// wordy are options to make mistakes with.
var wordy = module.Declare(module.Options{
	"known":         {Type: module.Int, Default: 1, Description: "what is known"},
	"computed":      {Type: module.Int, DefaultFrom: func(*module.Config) any { return 2 }},
	"required":      {Type: module.String},
	"maybe":         {Type: module.NullOr(module.Int), Default: module.Null},
	"dataDirectory": {Type: module.String, Default: ""},
	"seen":          {Type: module.ListOf(module.Int), Default: []any{}},
	"open": {Type: module.Submodule(module.Schema{
		Freeform: module.AttrsOf(module.ListOf(module.Int)),
	}), Default: map[string]any{}},
}, nil)

// wordyWith evaluates modules over those options.
func wordyWith(t *testing.T, texts ...string) *module.Evaluation {
	t.Helper()
	ev, sys := newSystem()
	modules := []module.Module{wordy}
	for i, text := range texts {
		name := fmt.Sprintf("m%d.nix", i)
		modules = append(modules, module.FromValue(nix(t, ev, sys, name, text), name))
	}
	return sys.Evaluate(t.Context(), module.Spec{Modules: modules})
}

// These are the errors that people read for a mistake.
func TestMistakes(t *testing.T) {
	for text, c := range map[string]struct{ want, not string }{
		`{ required = ""; data = "x"; }`:     {`did you mean "dataDirectory"?`, ""},
		`{ required = ""; dat = "x"; }`:      {"unknown option `dat'", "did you mean"}, // too short to be the beginning of it
		`{ required = ""; a-b1 = 1; }`:       {"unknown option `a-b1'", ""},
		`{ required = ""; a0z9AZ_ = 1; }`:    {"unknown option `a0z9AZ_'", ""},
		`{ required = ""; "a'" = 1; }`:       {"unknown option `a''", ""},
		`{ required = ""; "1a" = 1; }`:       {"unknown option `\"1a\"'", ""},
		`{ required = ""; "a/b" = 1; }`:      {"unknown option `\"a/b\"'", ""},
		`{ required = ""; "a.b" = 1; }`:      {"unknown option `\"a.b\"'", ""},
		`{ required = ""; maybe = "5"; }`:    {"hint: write 5", ""},
		`{ required = ""; maybe = "x"; }`:    {"`maybe' is not of type", "hint"},
		`{ }`:                                {"`required'", "unknown"},               // an option that is read below
		`{ requird = "x"; }`:                 {`did you mean "required"?`, "is used"}, // and that says all
		`{ open.x = "5"; required = ""; }`:   {"`open.x' is not of type", ""},
		`{ required = ""; known = "five"; }`: {"`known' is not of type", ""},
	} {
		e := wordyWith(t, text)
		e.Config().String("required")
		err := e.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) || c.not != "" && strings.Contains(err.Error(), c.not) {
			t.Errorf("%s: error %v\nwant %q, without %q", text, err, c.want, c.not)
		}
	}
}

// An error that comes up while Go reads an option has the path of the option.
func TestErrorsOfReading(t *testing.T) {
	e := wordyWith(t, `{ required = ""; known = throw "no"; open.x = throw "nor"; }`)
	c := e.Config()
	c.Int("known")
	c.Get("open", "x").List()
	var all module.Errors
	if err := e.Err(); !errors.As(err, &all) {
		t.Fatalf("error %v", err)
	}
	var paths []string
	for _, one := range all {
		paths = append(paths, strings.Join(one.Path, "."))
	}
	if !slices.Contains(paths, "known") {
		t.Errorf("paths of the errors: %q", paths)
	}
}

// Modules in Nix see declarations of Go: with a default that is a value, and
// without one that is computed.
func TestOptionsSeenByNix(t *testing.T) {
	e := wordyWith(t, `{ options, ... }: { config = {
		required = options.known.description;
		seen = [ options.known.default ] ++ (if options.computed ? default then [ 7 ] else [ ]) ++ (if options.required ? default then [ 8 ] else [ ]);
	}; }`)
	c := e.Config()
	var seen []int
	for _, n := range c.List("seen") {
		seen = append(seen, n.Int())
	}
	if got := c.String("required"); got != "what is known" || !slices.Equal(seen, []int{1}) {
		t.Errorf("description %q, defaults %v", got, seen)
	}
	if err := e.Check(); err != nil {
		t.Error(err)
	}
}

// The order of what is assigned to a freeform attribute is kept, and Go reads it.
func TestFreeformOrder(t *testing.T) {
	e := wordyWith(t,
		`{ required = ""; open.x = lib.mkAfter [ 3 ]; }`,
		`{ open.x = [ 2 ]; }`,
		`{ open = lib.mkIf true (lib.mkIf true (lib.mkIf false { x = [ 7 ]; })); }`,
		`{ open = lib.mkIf true (lib.mkIf true { z = [ 4 ]; }); }`,
		`{ open = { ... }: { config = lib.mkIf true (lib.mkIf true { z = [ 5 ]; }); }; }`,
		`{ open.x = lib.mkBefore [ 1 ]; open.y = lib.mkIf false [ 9 ]; }`)
	ints := func(e *module.Evaluation, path ...string) (list []int) {
		for _, n := range e.Config().List(path...) {
			list = append(list, n.Int())
		}
		return list
	}
	if got := ints(e, "open", "x"); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("open.x = %v", got)
	}
	// The order of a whole set applies to everything in it.
	after := `{ required = ""; open = { ... }: { config = lib.mkAfter { w = [ 2 ]; }; }; }`
	for _, modules := range [][]string{{after, `{ open.w = [ 1 ]; }`}, {`{ open.w = [ 1 ]; }`, after}} {
		if got := ints(wordyWith(t, modules...), "open", "w"); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("open.w = %v of %q", got, modules)
		}
	}
	if z := e.Config().List("open", "z"); len(z) != 2 {
		t.Errorf("open.z has %d elements, want 2", len(z))
	}
	if err := e.Check(); err != nil {
		t.Error(err)
	}
}
