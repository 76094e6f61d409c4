package eval_test

import (
	"strings"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
)

// TestWithMissing: an open-ended set answers for any name that a program asks
// it for, and claims none that it does not list.
func TestWithMissing(t *testing.T) {
	open := eval.NewAttrs(1).Set("known", eval.Str("k")).Done().
		WithMissing(func(_ *eval.Thread, name string, _ syntax.Pos) eval.Value {
			if strings.HasPrefix(name, "_") {
				return nil
			}
			return eval.Str("made " + name)
		})
	for src, want := range map[string]string{
		`p.known`:                           "k",
		`p.other`:                           "made other",
		`p.other or "no"`:                   "no",
		`if p ? other then "yes" else "no"`: "no",
		`with p; known`:                     "k",
		`with p; other`:                     "made other",
		`with p; with { }; x`:               "made x",
		`with { x = "in"; }; with p; x`:     "in",
		`(p // { a = 1; }).b`:               "made b",
		`let inherit (p) z; in z`:           "made z",
		`p._x`:                              "",
	} {
		ev := eval.New(eval.Options{})
		v, err := ev.EvalText(t.Context(), "t.nix", src, "/", eval.Scope{"p": open})
		s, _ := v.(*eval.String)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s = %v, want an error", src, v)
		case want != "" && (err != nil || s == nil || s.Text() != want):
			t.Errorf("%s = %v, %v, want %q", src, v, err, want)
		}
	}
}
