package eval_test

import (
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

func TestUnicodeInJSON(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\ude00"`:         "😀",
		`"\ufffd\\ud800 \u0041"`: "\ufffd\\ud800 A",
		"\"\ufffd\"":             "\ufffd",
		`"\ud83d"`:               "error: half of a surrogate pair",
		`"\ude00\ud83d"`:         "error: half of a surrogate pair",
		`"\ud83d\u0041"`:         "error: half of a surrogate pair",
		`{"\ud83dx": 1}`:         "error: half of a surrogate pair",
		"\"\xff\"":               "error: a string that is not UTF-8",
		"\"\\n\xff\"":            "error: a string that is not UTF-8",
		"{\"\xff\": 1}":          "error: a string that is not UTF-8",
	} {
		var got string
		err := eval.New(eval.Options{}).Do(t.Context(), func(th *eval.Thread) { got = th.Text(th.FromJSON(text)) })
		if err != nil {
			got = "error: " + err.Error()
		}
		if reason, fails := strings.CutPrefix(want, "error: "); got != want && !(fails && err != nil && strings.Contains(got, reason)) {
			t.Errorf("fromJSON of %q = %q, want %q", text, got, want)
		}
	}
}
