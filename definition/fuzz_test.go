package definition_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nix2gpu/definition"
)

// FuzzLoad: any text gives a project that is valid JSON, or errors; it never
// panics and never hangs.
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
