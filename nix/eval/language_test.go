package eval_test

import (
	"regexp"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// TestLanguagePage evaluates the examples of docs/reference/language.md: each value is what
// we print and what Nix prints, and each error one that both report.
func TestLanguagePage(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\|.* ?`([^`]+)` \\| (?:`([^`]+)`|error: (.+)) \\|$")
	var texts []string
	for _, m := range row.FindAllStringSubmatch(readFile(t, "../../docs/reference/language.md"), -1) {
		text, want, message := strings.ReplaceAll(m[1], `\|`, "|"), m[2], m[3]
		texts = append(texts, text)
		got, err := print(t, eval.Options{}, "line", text)
		switch {
		case message != "" && (err == nil || !strings.Contains(err.Error(), message)):
			t.Errorf("%s\ngives %s (%v), and the page says the error %q", text, got, err, message)
		case message == "" && (err != nil || got != want):
			t.Errorf("%s\ngives %s (%v), and the page says %s", text, got, err, want)
		}
	}
	if len(texts) < 40 {
		t.Fatalf("found only %d examples", len(texts))
	}
	newOracle(t).compare(t, texts)
}
