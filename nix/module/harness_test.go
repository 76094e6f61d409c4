package module_test

import (
	"context"
	"os"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

func newSystem() (*eval.Evaluator, *module.System) {
	ev := eval.New(eval.Options{})
	return ev, module.NewSystem(ev)
}

// nix evaluates an expression with lib in scope.
func nix(t *testing.T, ev *eval.Evaluator, sys *module.System, name, text string) eval.Value {
	t.Helper()
	v, err := ev.EvalText(context.Background(), name, text, "/", eval.Scope{"lib": sys.Lib()})
	if err != nil {
		if e, ok := err.(*eval.Error); ok {
			t.Fatal(e.Backtrace())
		}
		t.Fatal(err)
	}
	return v
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if testkit.Updating() {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			if e, ok := err.(*eval.Error); ok {
				t.Fatal(e.Backtrace())
			}
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		if e, ok := err.(*eval.Error); ok {
			t.Fatal(e.Backtrace())
		}
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s(if meant: go test -update)", file, got, want)
	}
}
