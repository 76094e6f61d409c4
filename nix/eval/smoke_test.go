package eval

import "testing"

func TestSmoke(t *testing.T) {
	for src, want := range map[string]string{
		`1 + 2`: "3",
		`let a = 1; b = a + 1; in { inherit a; c.d = b; }.c.d`:                   "2",
		`let f = { x, y ? x + 1, ... }@a: x + y; in f { x = 1; z = 2; }`:         "3",
		`let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 15`: "610",
		`builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100)`:          "4950",
		`with { a = 1; }; [ a ]`:                             "[ 1 ]",
		`rec { x = 1; ${"y"} = x; }`:                         "{ x = 1; y = 1; }",
		`let s = { a = 1; b = 2; }; in { inherit (s) a b; }`: "{ a = 1; b = 2; }",
		`"a${"b"}c" + "d"`:                                   `"abcd"`,
	} {
		ev := New(Options{})
		v, err := ev.EvalText(t.Context(), "t", src, "/", nil)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		var got string
		if err := ev.Do(t.Context(), func(th *Thread) { got = th.Print(v, PrintOptions{Force: true}) }); err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if got != want {
			t.Errorf("%s = %s, want %s", src, got, want)
		}
	}
}
