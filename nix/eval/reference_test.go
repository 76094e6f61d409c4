package eval_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/nix/eval"
)

const referencePage = "../../docs/reference/builtins.md"

// TestReferenceIsFresh compares the page with the builtins' documentation, and requires
// some for every builtin.
func TestReferenceIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Builtins\n\n" +
		"The primitive functions of the language, with their arguments. All are attributes of `builtins`; " +
		"those marked with ★ are known without it, too.\n\n" +
		"Beside them, `builtins` has the constants `true`, `false`, `null`, `currentSystem`, `langVersion`, " +
		"`nixVersion`, `nixPath`, `storeDir` and, where the evaluation has a clock, `currentTime`.\n")
	names := map[string]bool{}
	for _, f := range eval.Builtins() {
		if strings.TrimSpace(f.Doc) == "" || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: Doc must be sentences, got %q", f.Name, f.Doc)
		}
		if len(f.Args) == 0 || f.Fn == nil || names[f.Name] {
			t.Errorf("%s is not complete, or there are two", f.Name)
		}
		names[f.Name] = true
		star := ""
		if f.Global {
			star = " ★"
		}
		fmt.Fprintf(&b, "\n## `%s %s`%s\n\n%s\n", f.Name, strings.Join(f.Args, " "), star, f.Doc)
	}
	if testkit.Updating() {
		if err := os.WriteFile(referencePage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePage)
	if err != nil || string(page) != b.String() {
		t.Errorf("%s is stale (%v); repair it with: go generate ./nix/eval", referencePage, err)
	}
}
