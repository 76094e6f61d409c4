package faults

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// attrs returns the tests of a package, each with the first arguments of its calls of
// t.Attr.
func attrs(t *testing.T, pkg string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	dir := filepath.Join(testkit.Root(), pkg)
	list, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range list {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			name := fn.Name.Name
			if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
				continue
			}
			found[name] = []string{}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Attr" && len(call.Args) == 2 {
					if key, ok := call.Args[0].(*ast.BasicLit); ok {
						found[name] = append(found[name], strings.Trim(key.Value, `"`))
					}
				}
				return true
			})
		}
	}
	return found
}

// TestRows wants each test of the list to exist, each row to have a number, and each number
// to be of a row that names its test.
func TestRows(t *testing.T) {
	known := map[string]map[string][]string{}
	named := map[string]bool{} // "R1 process.TestX"
	ids := map[string]bool{}
	for _, r := range Rows() {
		if ids[r.ID] || r.Fault == "" || r.Promise == "" {
			t.Errorf("%s: twice, or without words", r.ID)
		}
		ids[r.ID] = true
		if len(r.Tests) == 0 && r.Gap == "" {
			t.Errorf("%s: no test shows it, and no reason is given", r.ID)
		}
		tells := len(r.Tests) == 0
		for _, full := range r.Tests {
			pkg, name := Split(full)
			name, _, _ = strings.Cut(name, "/")
			if known[pkg] == nil {
				known[pkg] = attrs(t, pkg)
			}
			keys, ok := known[pkg][name]
			if !ok {
				t.Errorf("%s: there is no %s in %s", r.ID, name, pkg)
			}
			for _, key := range keys {
				tells = tells || key == r.ID
			}
			named[r.ID+" "+pkg+"."+name] = true
		}
		if !tells {
			t.Errorf("%s: none of its tests tells a number: t.Attr(%q, …)", r.ID, r.ID)
		}
	}
	for pkg, tests := range known {
		for name, keys := range tests {
			for _, key := range keys {
				if !named[key+" "+pkg+"."+name] {
					t.Errorf("%s.%s tells a number of %s, which does not name it", pkg, name, key)
				}
			}
		}
	}
}

const faultsPage = "../../docs/explanation/faults.md"

// The page about faults is made from the list.
func TestFaultsPageIsFresh(t *testing.T) {
	got := page(t)
	if testkit.Updating() {
		if err := os.WriteFile(faultsPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(faultsPage)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale; make it anew with: go test ./internal/faults -run FaultsPage -update", faultsPage)
	}
}

func page(t *testing.T) string {
	counted, err := os.ReadFile("testdata/counted.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# What goes wrong, and what holds then

Each line is a fault that a test makes, with what is promised. ` + "`make faults`" + ` makes all of
them, with more repetitions than the tests of each day, and prints for each the result
and what was counted or measured. Times are those of the machine where that runs; no test
asserts one. This page is made from the list that it runs (` + "`internal/faults/rows.go`" + `).
`)
	for _, part := range []struct {
		title string
		rows  []Row
	}{{"Reliability", reliability()}, {"Security", security()}} {
		fmt.Fprintf(&b, "\n## %s\n\n| | when | then | shown by |\n|---|---|---|---|\n", part.title)
		for _, r := range part.rows {
			var tests []string
			for _, full := range r.Tests {
				tests = append(tests, "`"+full+"`")
			}
			then := r.Promise
			if r.Gap != "" {
				then += ". *Not tested*: " + r.Gap
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.ID, r.Fault, then, strings.Join(tests, ", "))
		}
	}
	b.WriteString("\n## Made last, with many repetitions\n\n")
	b.Write(counted)
	return b.String()
}
