package eval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"io/fs"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
)

// memory is a file system of a few texts.
type memory struct{ fstest.MapFS }

func (m memory) at(path string) string {
	if path == "/" {
		return "."
	}
	return strings.TrimPrefix(path, "/")
}
func (m memory) ReadFile(path string) ([]byte, error)       { return m.MapFS.ReadFile(m.at(path)) }
func (m memory) ReadDir(path string) ([]fs.DirEntry, error) { return m.MapFS.ReadDir(m.at(path)) }
func (m memory) Stat(path string) (fs.FileInfo, error)      { return m.MapFS.Stat(m.at(path)) }
func (m memory) Lstat(path string) (fs.FileInfo, error)     { return m.MapFS.Lstat(m.at(path)) }
func (m memory) ReadLink(path string) (string, error)       { return m.MapFS.ReadLink(m.at(path)) }

// Example evaluates a file that refers to a value of the caller's and calls
// one of its functions.
func Example() {
	files := memory{fstest.MapFS{
		"conf/flake.nix": {Data: []byte(`{ port = base + 80; greet = name: "hello ${name}"; }`)},
	}}
	ev := eval.New(eval.Options{FS: files})
	err := ev.Do(context.Background(), func(t *eval.Thread) {
		conf := t.EvalFile("/conf/flake.nix", eval.Scope{"base": eval.Int(8000)})
		fmt.Println(t.Int(t.Select(conf, "port")), t.Attrs(conf).Pos("port"))
		fmt.Println(t.Text(t.Call(t.Select(conf, "greet"), eval.Str("world"))))
		t.Select(conf, "prot")
	})
	fmt.Println(err)
	// Output:
	// 8080 /conf/flake.nix:1:3
	// hello world
	// attribute 'prot' missing; did you mean 'port'?
}

// TestBuiltin adds a primitive whose result is lazy and carries a Go value.
func TestBuiltin(t *testing.T) {
	calls := 0
	module := &eval.Builtin{Name: "module", Args: []string{"name"}, Doc: "A module.", Fn: func(t *eval.Thread, args []eval.Value) eval.Value {
		name := t.Text(args[0])
		return eval.NewAttrs(2).
			Set("type", &eval.Opaque{Kind: "module type", Go: name}).
			Set("config", eval.Lazy(func(t *eval.Thread) eval.Value {
				calls++
				if name == "" {
					t.Throw("a module needs a name")
				}
				return eval.Str("config of " + name)
			})).Done()
	}}
	ev := eval.New(eval.Options{Builtins: []*eval.Builtin{module}})
	v, err := ev.EvalText(t.Context(), "t.nix", `let m = builtins.module "a"; in [ m.config m.config m.type (m.type == m.type) ]`, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = ev.Do(t.Context(), func(th *eval.Thread) {
		if got, want := th.Print(v, eval.PrintOptions{Force: true}), `[ "config of a" "config of a" «module type» true ]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if o := th.Force(th.List(v).At(2)).(*eval.Opaque); o.Go != "a" {
			t.Errorf("the opaque value carries %v", o.Go)
		}
	})
	if err != nil || calls != 1 {
		t.Errorf("%v; %d calls, want 1", err, calls)
	}
	_, err = ev.EvalText(t.Context(), "t.nix", "\n  (builtins.module \"\").config", "/", nil)
	if err == nil || err.Error() != "t.nix:2:3: a module needs a name" {
		t.Errorf("error %v", err)
	}
}

// TestTry: an error in the middle of an evaluation leaves it usable, and what has
// failed can be tried again.
func TestTry(t *testing.T) {
	cause := errors.New("the cause")
	fail := true
	ev := eval.New(eval.Options{})
	err := ev.Do(t.Context(), func(th *eval.Thread) {
		v := eval.Lazy(func(th *eval.Thread) eval.Value {
			if fail {
				th.Annotate(syntax.Pos{}, "while merging the option 'x'", func() { th.Raise(cause) })
			}
			return eval.Int(1)
		})
		err := th.Try(func() { th.Force(v) })
		e, ok := errors.AsType[*eval.Error](err)
		if !ok || !errors.Is(err, cause) || len(e.Trace) != 1 || e.Trace[0].Msg != "while merging the option 'x'" {
			t.Errorf("error %#v", err)
		}
		fail = false
		if n := th.Int(v); n != 1 {
			t.Errorf("the second time it is %d", n)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestInternalError: a mistake in Go code becomes an error with the stack.
func TestInternalError(t *testing.T) {
	ev := eval.New(eval.Options{})
	var nothing *eval.Attrs
	for _, f := range []func(){func() { nothing.Len() }, func() { panic("oops") }} {
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			th.Force(eval.Lazy(func(*eval.Thread) eval.Value { f(); return nil }))
		})
		e, ok := errors.AsType[*eval.Error](err)
		if !ok || e.Kind != eval.KindInternal || !strings.Contains(e.Unwrap().Error(), "api_test.go") {
			t.Errorf("error %v", err)
		}
	}
}

// TestFailedThunks: tryEval releases everything that was being computed.
func TestFailedThunks(t *testing.T) {
	got, err := print(t, eval.Options{}, "t.nix", `
		let a = b.c; b = { c = throw "x"; }; in
		[ (builtins.tryEval a).success (builtins.tryEval b.c).success (builtins.tryEval a).success (builtins.attrNames b) ]`)
	if want := `[ false false false [ "c" ] ]`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestFunctionArgs(t *testing.T) {
	ev := eval.New(eval.Options{})
	for src, want := range map[string]string{
		`{ lib, config, pkgs ? 1, ... }: 1`: "[{config false t:1:8} {lib false t:1:3} {pkgs true t:1:16}]",
		`x: 1`:                              "[]",
		`{ __functor = self: { a }: 1; }`:   "[{a false t:1:23}]",
		`{ __functor = 1; __functionArgs = { b = true; }; }`: "[{b true t:1:37}]",
		`1`: "[]",
	} {
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			if got := fmt.Sprint(th.FunctionArgs(th.EvalText("t", src, "/", nil))); got != want {
				t.Errorf("%s: got %s, want %s", src, got, want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestWithoutFiles: an evaluation without files says so.
func TestWithoutFiles(t *testing.T) {
	_, err := eval.New(eval.Options{}).EvalText(t.Context(), "t", `import /x.nix`, "", nil)
	e, ok := errors.AsType[*eval.Error](err)
	if !ok || e.Kind != eval.KindUnsupported || e.Pos.String() != "t:1:1" {
		t.Errorf("error %v", err)
	}
	_, err = eval.New(eval.Options{}).EvalText(t.Context(), "t", `./x.nix`, "", nil)
	if err == nil || err.Error() != "t:1:1: the path './x.nix' is relative to a file, and this text is in none" {
		t.Errorf("error %v", err)
	}
}

func TestGoValues(t *testing.T) {
	ev := eval.New(eval.Options{})
	err := ev.Do(t.Context(), func(th *eval.Thread) {
		v := th.FromGo(map[string]any{"a": []any{1, 2.5, nil, true}, "b": "x"})
		if got := fmt.Sprint(th.ToGo(v)); got != "map[a:[1 2.5 <nil> true] b:x]" {
			t.Errorf("ToGo(FromGo) = %s", got)
		}
		s := eval.StrContext("/p", eval.NewContext("package:hello"))
		json := th.ToJSON(eval.NewList(s, eval.Path("/tmp")))
		if got := json.Text() + fmt.Sprint(json.Context().Elems()); got != `["/p","/tmp"][package:hello source:/tmp]` {
			t.Errorf("ToJSON = %s", got)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTraceOutput(t *testing.T) {
	var out strings.Builder
	got, err := print(t, eval.Options{TraceTo: &out}, "t", `
		builtins.trace "text" (builtins.trace { a = 1; b = throw "lazy"; } (builtins.warn "careful" (builtins.traceVerbose "no" 1)))`)
	if want := "trace: text\ntrace: { a = 1; b = <CODE>; }\nevaluation warning: careful\n"; err != nil || got != "1" || out.String() != want {
		t.Errorf("%s, %v, output %q, want %q", got, err, out.String(), want)
	}
}

func TestSearchPath(t *testing.T) {
	files := memory{fstest.MapFS{
		"lib/strings.nix":    {Data: []byte(`"strings"`)},
		"extra/other.nix":    {Data: []byte(`"other"`)},
		"nixpkgs/lib/x.nix":  {Data: []byte(`"x"`)},
		"nixpkgs-2/none.nix": {Data: []byte(`"no"`)},
	}}
	ev := eval.New(eval.Options{FS: files, SearchPath: []eval.SearchEntry{
		{Prefix: "lib", Path: "/lib"}, {Prefix: "nixpkgs", Path: "/nixpkgs"}, {Path: "/extra"}}})
	for src, want := range map[string]string{
		`import <lib/strings.nix>`:                                       `"strings"`,
		`import <other.nix>`:                                             `"other"`,
		`import <nixpkgs/lib/x.nix>`:                                     `"x"`,
		`<nixpkgs>`:                                                      `/nixpkgs`,
		`(builtins.tryEval <nixpkgs-2>).success`:                         `false`,
		`builtins.findFile [ { path = "/lib"; } ] "strings.nix"`:         `/lib/strings.nix`,
		`map (e: e.prefix) builtins.nixPath`:                             `[ "lib" "nixpkgs" "" ]`,
		`builtins.findFile builtins.nixPath "nixpkgs/lib/x.nix" == null`: `false`,
	} {
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			if got := th.Print(th.EvalText("t", src, "/", nil), eval.PrintOptions{Force: true}); got != want {
				t.Errorf("%s = %s, want %s", src, got, want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestPrint: messages show big values in short.
func TestPrint(t *testing.T) {
	src := `{ a = [ 1 2 3 4 ]; b.c.d = 1; s = "0123456789abcdef"; f = x: x; "odd name" = null; lazy = 1 + 1; }`
	ev := eval.New(eval.Options{})
	for want, opts := range map[string]eval.PrintOptions{
		`{ a = [ 1 2 3 4 ]; b = { c = { d = 1; }; }; f = <LAMBDA>; lazy = 2; "odd name" = null; s = "0123456789abcdef"; }`: {Force: true},
		`{ a = [ 1 2 «2 more» ]; b = { c = { … }; }; «4 more» }`:                                                           {Force: true, MaxDepth: 2, MaxItems: 2},
		"{\n  a = [\n    1\n    «3 more»\n  ];\n  «5 more»\n}":                                                             {Force: true, MaxItems: 1, Indent: "  "},
	} {
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			if got := th.Print(th.EvalText("t", src, "/", nil), opts); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}
