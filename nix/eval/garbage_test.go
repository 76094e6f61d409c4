package eval_test

import (
	"testing"

	"nix2gpu/nix/eval"
)

// TestGarbage counts the allocations of many uses of what should make none, or one.
func TestGarbage(t *testing.T) {
	const times = 10_000
	list := `(builtins.genList (x: 7) 10000)`
	for name, c := range map[string]struct {
		src  string
		most float64 // allocations of one use
	}{
		"a function of two arguments": {`builtins.foldl' (a: b: 1) 0 ` + list, 0.5},
		"a predicate":                 {`builtins.all (x: x != 8) ` + list, 0.5},
		"a function that calls":       {`builtins.all (x: builtins.elem x [ ] == false) ` + list, 0.5},
		"a let that needs little":     {`let f = x: let a = [ x ]; b = x + a; in x; in builtins.all (x: f x == 7) ` + list, 2.5},
		"an argument that is needed":  {`let f = { a }: a; in builtins.all (x: f { a = x; } == 7) ` + list, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			each := testing.AllocsPerRun(3, func() {
				if _, err := print(t, eval.Options{}, "garbage.nix", c.src); err != nil {
					t.Fatal(err)
				}
			})
			base := testing.AllocsPerRun(3, func() {
				if _, err := print(t, eval.Options{}, "garbage.nix", `builtins.all (x: true) `+list); err != nil {
					t.Fatal(err)
				}
			})
			if got := (each - base) / times; got > c.most {
				t.Errorf("%s: %.2f allocations each, want at most %g", name, got, c.most)
			}
		})
	}
}

// TestGrow expects that an evaluation that needs much makes room for it, once for each size.
func TestGrow(t *testing.T) {
	calls := 0
	const src = `builtins.length (builtins.genList (x: x) 500000) + builtins.length (builtins.genList (x: x) 600000)`
	count := func(int64) { calls++ }
	_, err := print(t, eval.Options{Grow: []eval.Growth{{Heap: 4 << 20, Do: count}, {Heap: 8 << 20, Do: count}, {Heap: 1 << 40, Do: count}}}, "grow.nix", src)
	if err != nil || calls != 2 {
		t.Errorf("error %v, %d calls of Grow, want 2", err, calls)
	}
}
