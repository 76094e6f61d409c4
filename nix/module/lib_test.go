package module_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// TestAgreesWithNixpkgs evaluates expressions with our library and module engine. The
// golden files are the results of Nix with the library of nixpkgs.
func TestAgreesWithNixpkgs(t *testing.T) {
	files, err := filepath.Glob("../lib/testdata/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expressions to evaluate: %v", err)
	}
	for _, file := range append(files, "testdata/merge.nix", "testdata/modules.nix", "testdata/types.nix", "testdata/parts.nix") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".nix"), func(t *testing.T) {
			want := map[string]any{}
			if err := json.Unmarshal([]byte(readFile(t, strings.TrimSuffix(file, ".nix")+".golden")), &want); err != nil {
				t.Fatal(err)
			}
			ev, sys := newSystem()
			cases := nix(t, ev, sys, file, "("+readFile(t, file)+") lib").(*eval.Attrs)
			if cases.Len() != len(want) {
				t.Errorf("%d expressions, %d results", cases.Len(), len(want))
			}
			toJSON := nix(t, ev, sys, "json", "builtins.toJSON")
			for _, name := range cases.Names() {
				v, _ := cases.Get(name)
				err := ev.Do(context.Background(), func(th *eval.Thread) {
					var got any
					if err := json.Unmarshal([]byte(th.Text(th.Call(toJSON, v))), &got); err != nil {
						t.Error(err)
					}
					if !reflect.DeepEqual(got, want[name]) {
						t.Errorf("%s: got %v, want %v", name, got, want[name])
					}
				})
				if e, ok := err.(*eval.Error); ok {
					t.Errorf("%s: %v", name, e.Backtrace())
				}
			}
		})
	}
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLibIsWhole forces every function of the library, and finds each one that
// another refers to.
func TestLibIsWhole(t *testing.T) {
	ev, sys := newSystem()
	ref := regexp.MustCompile(`\blib(\.[a-zA-Z_][a-zA-Z0-9_']*)+`)
	files, _ := filepath.Glob("../lib/*.nix")
	err := ev.Do(t.Context(), func(th *eval.Thread) {
		for _, name := range th.Attrs(sys.Lib()).Names() {
			th.Select(sys.Lib(), name)
		}
		for _, file := range files {
			for _, path := range ref.FindAllString(readFile(t, file), -1) {
				steps := strings.Split(path, ".")[1:]
				if _, ok := th.Lookup(sys.Lib(), steps...); !ok && path != "lib.cli" && !strings.HasSuffix(path, ".nix") {
					t.Errorf("%s: there is no %s", filepath.Base(file), path)
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// libPage lists the names of the library, and those of nixpkgs' that it lacks.
const libPage = "../../docs/reference/lib.md"

// TestLibPageIsTrue finds each name of the page in the library, where the page says it
// is; what the page says is missing is missing, or refuses to be called.
func TestLibPageIsTrue(t *testing.T) {
	ev, sys := newSystem()
	err := ev.Do(t.Context(), func(th *eval.Thread) {
		has := func(path ...string) bool { _, ok := th.Lookup(sys.Lib(), path...); return ok }
		var section []string
		missing := false
		count := 0
		for line := range strings.Lines(readFile(t, libPage)) {
			if head, ok := strings.CutPrefix(line, "## "); ok {
				missing = strings.HasPrefix(head, "What")
				section = strings.Split(strings.Trim(head, "`\n"), ".")[1:]
				continue
			}
			row, isRow := strings.CutPrefix(line, "| `")
			names, isList := strings.CutPrefix(line, "As of builtins: `")
			if isRow {
				names, _, _ = strings.Cut(row, " |")
			} else if !isList {
				continue
			}
			for entry := range strings.SplitSeq(strings.TrimSpace(names), " `") {
				name, star, _ := strings.Cut(entry, "`")
				count++
				if missing {
					says := strings.Contains(line, "it says so") || strings.Contains(line, "| the same |")
					if path := strings.Split(name, ".")[1:]; has(path...) != says {
						t.Errorf("%s: in the library: %t", name, !says)
					}
					continue
				}
				if path := append(slices.Clip(section), name); !has(path...) {
					t.Errorf("there is no lib.%s", strings.Join(path, "."))
				}
				if strings.Contains(star, "★") && !has(name) {
					t.Errorf("lib.%s is not at the top", name)
				}
			}
		}
		if count < 740 {
			t.Errorf("the page has %d names", count)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
