package eval_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
)

// print evaluates text and prints all of its value.
func print(t testing.TB, opts eval.Options, name, text string) (string, error) {
	t.Helper()
	dir, err := filepath.Abs("testdata/lang")
	if err != nil {
		t.Fatal(err)
	}
	opts.FS = osfs.FS{}
	opts.DisplayPath = func(path string) string { return strings.TrimPrefix(path, dir+"/") }
	var out string
	err = eval.New(opts).Do(t.Context(), func(th *eval.Thread) {
		out = th.Print(th.EvalText(name, text, dir, nil), eval.PrintOptions{Force: true})
	})
	return out, err
}

// TestLanguage evaluates the corpus. Files that start with "# fails" show the
// error instead of the value.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("testdata/lang/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".nix"), func(t *testing.T) {
			src := readFile(t, file)
			got, err := print(t, eval.Options{}, filepath.Base(file), src)
			if fails := strings.HasPrefix(src, "# fails"); fails != (err != nil) {
				t.Fatalf("error: %v", err)
			}
			if e, ok := errors.AsType[*eval.Error](err); ok {
				got = strings.TrimSuffix(e.Backtrace(), "\n")
				if e.Kind == eval.KindInternal {
					t.Errorf("internal error: %v", e.Unwrap())
				}
			}
			golden := strings.TrimSuffix(file, ".nix") + ".golden"
			if testkit.Updating() {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := readFile(t, golden); got+"\n" != want {
				t.Errorf("%s: got\n%s\nwant\n%s(if meant: go test ./nix/eval -update)", file, got, want)
			}
		})
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
