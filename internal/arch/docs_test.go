package arch

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDifferencesAreShown wants each line of the page that compares us with
// others to name a test, and each named test to exist.
func TestDifferencesAreShown(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "explanation", "differences.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && strings.HasPrefix(fn.Name.Name, "Test") {
				tests[fn.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	rows := 0
	for n, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| there ") {
			continue
		}
		rows++
		cells := strings.Split(line, "|")
		named := name.FindAllStringSubmatch(cells[len(cells)-2], -1)
		if len(named) == 0 {
			t.Errorf("%s:%d: no test shows this: %s", page, n+1, line)
		}
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("%s:%d: there is no %s", page, n+1, m[1])
			}
		}
	}
	if rows < 10 {
		t.Errorf("%s: found only %d rows: the page is not being checked", page, rows)
	}
}
