package eval_test

import (
	"context"
	"errors"
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

// TestKindsOfErrors: the page has each kind of error, with an example that leads to it.
func TestKindsOfErrors(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| ([A-Z][a-z]+) \\| .+ \\| (?:`([^`]+)` )?\\| [^|]+ \\|$")
	rows := row.FindAllStringSubmatch(readFile(t, "../../docs/reference/language.md"), -1)
	if want := int(eval.KindInternal) + 1; len(rows) != want {
		t.Fatalf("the page has %d kinds, and there are %d", len(rows), want)
	}
	for i, m := range rows {
		kind, example := eval.ErrorKind(i), m[2]
		if example == "" {
			continue // no program leads to it
		}
		opts, ctx := eval.Options{}, t.Context()
		switch kind {
		case eval.KindSteps:
			opts.MaxSteps = 1000
		case eval.KindMemory:
			opts.MaxMemory = 1 << 20
		case eval.KindCanceled:
			ended, cancel := context.WithCancel(ctx)
			cancel()
			ctx = ended
		}
		_, err := eval.New(opts).EvalText(ctx, "line", example, "/", nil)
		if e, ok := errors.AsType[*eval.Error](err); !ok || e.Kind != kind {
			t.Errorf("%s: %s leads to %v", m[1], example, err)
		}
	}
}
