package eval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/nix/eval"
)

// TestDepth nests calls, values and data beyond every limit: each time an
// error must come back, never the end of the program.
func TestDepth(t *testing.T) {
	// The deepest expression that the parser takes, around a recursive call.
	wide := strings.Repeat("(1 + ", 900) + "%s" + strings.Repeat(")", 900)
	for name, src := range map[string]string{
		"calls":          `let f = n: 1 + f (n + 1); in f 0`,
		"fixed point":    `let f = x: f x; in f 1`,
		"functor":        `let s = { __functor = self: self; }; in s s s s 1`,
		"fold":           `let f = n: 1 + builtins.foldl' (a: b: a + f (n + 1)) 0 [ 1 ]; in f 0`,
		"map":            `let f = n: map f [ n ]; in builtins.deepSeq (f 0) 1`,
		"values":         `(builtins.foldl' (acc: x: { v = acc.v + 1; }) { v = 0; } (builtins.genList (x: x) 500000)).v`,
		"deepSeq":        `let f = n: { a = f (n + 1); }; in builtins.deepSeq (f 0) 1`,
		"print":          `let f = n: { a = f (n + 1); }; in f 0`,
		"equal":          `let f = n: [ (f (n + 1)) ]; in f 0 == f 0`,
		"less":           `let f = n: [ (f (n + 1)) ]; in f 0 < f 0`,
		"json":           `let f = n: { a = f (n + 1); }; in builtins.toJSON (f 0)`,
		"xml":            `let f = n: { a = f (n + 1); }; in builtins.toXML (f 0)`,
		"toString":       `let f = n: [ (f (n + 1)) ]; in toString (f 0)`,
		"__toString":     `let s = { __toString = self: s; }; in "${s}"`,
		"sort":           `let f = x: y: builtins.sort f [ 1 2 ] == [ ]; in builtins.sort f [ 1 2 ]`,
		"wide calls":     fmt.Sprintf("let f = n: "+wide+"; in f 0", "f (n + 1)"),
		"wide values":    fmt.Sprintf("(builtins.foldl' (acc: x: { v = "+wide+"; }) { v = 0; } (builtins.genList (x: x) 100000)).v", "acc.v"),
		"genericClosure": `let f = n: builtins.genericClosure { startSet = [ { key = f (n + 1); } ]; operator = x: [ ]; }; in f 0`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := print(t, eval.Options{}, "deep.nix", src)
			e, ok := errors.AsType[*eval.Error](err)
			if !ok || e.Kind != eval.KindDepth && e.Kind != eval.KindRecursion {
				t.Errorf("error %v, want one about depth", err)
			}
		})
	}
}

func TestSizeLimit(t *testing.T) {
	for _, src := range []string{
		`let f = n: if n == 0 then "x" else let s = f (n - 1); in s + s; in builtins.stringLength (f 100)`,
		`let f = n: if n == 0 then "x" else let s = f (n - 1); in "${s}${s}"; in builtins.stringLength (f 100)`,
		`let f = n: if n == 0 then [ 1 ] else let s = f (n - 1); in s ++ s; in builtins.length (f 100)`,
		`builtins.genList (x: x) 10000000000`,
	} {
		if got, err := print(t, eval.Options{}, "big.nix", src); err == nil {
			t.Errorf("%s = %s, want an error", src, got)
		}
	}
}

func TestStepLimit(t *testing.T) {
	_, err := print(t, eval.Options{MaxSteps: 100_000}, "loop.nix",
		`builtins.foldl' (a: b: builtins.length (builtins.genList (x: x) 1000)) 0 (builtins.genList (x: x) 90000)`)
	if e, ok := errors.AsType[*eval.Error](err); !ok || e.Kind != eval.KindSteps {
		t.Errorf("error %v, want the limit of steps", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	src := `let f = n: if n == 0 then 0 else f (n - 1); in builtins.foldl' (a: b: f 5000) 0 (builtins.genList (x: x) 1000000)`
	_, err := eval.New(eval.Options{}).EvalText(ctx, "loop.nix", src, "/", nil)
	e, ok := errors.AsType[*eval.Error](err)
	if !ok || e.Kind != eval.KindCanceled || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that the deadline has passed", err)
	}
}

// TestIndependent: evaluators share nothing, so each may have a goroutine of
// its own. The race detector judges.
func TestIndependent(t *testing.T) {
	src := readFile(t, "testdata/lang/laziness.nix")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if _, err := print(t, eval.Options{}, "laziness.nix", src); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// FuzzEval: whatever the text is, evaluating it ends with a value or an error.
func FuzzEval(f *testing.F) {
	for _, line := range strings.Split(readFile(f, "testdata/agree.txt"), "\n") {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, src string) {
		ev := eval.New(eval.Options{MaxSteps: 20_000})
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			th.Print(th.EvalText("fuzz.nix", src, "/", nil), eval.PrintOptions{Force: true, MaxItems: 1000})
		})
		if e, ok := errors.AsType[*eval.Error](err); ok && e.Kind == eval.KindInternal {
			t.Errorf("%v\n%v", err, e.Unwrap())
		}
	})
}
