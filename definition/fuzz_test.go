package definition_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/definition"
)

// Any text gives a project that is valid JSON, or errors; nothing panics and nothing
// hangs.
func FuzzLoad(f *testing.F) {
	page, _ := filepath.Glob("testdata/page/*.nix")
	for _, file := range page {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), false)
	}
	f.Add(`{"services": {"custom": {"a": {"enable": true, "command": "x"}}}}`, true)
	f.Add("services:\n  redis: &r\n    a: {enable: true}\n    b: *r\n", true)
	f.Fuzz(func(t *testing.T, text string, data bool) {
		if len(text) > 4096 {
			return
		}
		name := "fuzz.nix"
		if data {
			name = "fuzz.yaml"
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		all, err := definition.LoadAll(ctx, definition.Ref{Path: name}, definition.Options{Dir: dir, MaxSteps: 200_000})
		if ctx.Err() != nil {
			t.Fatalf("loading %q does not end", text)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("an error without a text")
		}
		for _, r := range all {
			if _, err := r.Project.Encode(); err != nil {
				t.Errorf("the project cannot be written: %v", err)
			}
		}
	})
}

// Small files that would take all memory or stack of a reader without limits.
func TestHostileData(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":  {laughs, "more than 50000 values, with aliases written out"},
		"brackets": {"services: " + strings.Repeat("[", 100_000), "nests more than 100 levels deep"},
		"huge":     {strings.Repeat("#", 9<<20), "is larger than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := definition.LoadAll(t.Context(), definition.Ref{Path: "a.yaml"}, definition.Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
