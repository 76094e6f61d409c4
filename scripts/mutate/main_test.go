package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.go")
	if err := os.WriteFile(file, []byte("package x\n\tif a <= b+1 {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		m         mutant
		want, key string // line 2, "" for an error
	}{
		{mutant{Type: "CONDITIONALS_BOUNDARY", Line: 2, Column: 7}, "\tif a < b+1 {", "if a [<= to <] b+1 {"},
		{mutant{Type: "CONDITIONALS_NEGATION", Line: 2, Column: 7}, "\tif a > b+1 {", "if a [<= to >] b+1 {"},
		{mutant{Type: "ARITHMETIC_BASE", Line: 2, Column: 11}, "\tif a <= b-1 {", "if a <= b[+ to -]1 {"},
		{mutant{Type: "ARITHMETIC_BASE", Line: 2, Column: 7}, "", ""},
		{mutant{Type: "ARITHMETIC_BASE", Line: 9, Column: 1}, "", ""},
	} {
		tt.m.file = file
		text, key, err := tt.m.apply()
		if tt.want == "" {
			if err == nil {
				t.Errorf("%+v: no error", tt.m)
			}
			continue
		}
		if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || lines[1] != tt.want {
			t.Errorf("%+v gives %q (%v), want %q", tt.m, text, err, tt.want)
		}
		if want := file + " `" + tt.key + "`"; key != want {
			t.Errorf("%+v is named %s, want %s", tt.m, key, want)
		}
	}
}

// The same seed picks the same mutants, in whatever order gremlins lists them.
func TestReadReportOrders(t *testing.T) {
	mutation := func(line, column int) string {
		return fmt.Sprintf(`{"type":"T","status":"RUNNABLE","line":%d,"column":%d}`, line, column)
	}
	file := func(name string, mutations ...string) string {
		return fmt.Sprintf(`{"file_name":"p/%s","mutations":[%s]}`, name, strings.Join(mutations, ","))
	}
	report := func(files ...string) []byte { return []byte(`{"files":[` + strings.Join(files, ",") + `]}`) }
	other := `{"type":"S","status":"RUNNABLE","line":2,"column":9}`
	one := report(file("a.go", mutation(10, 1), mutation(2, 9), other, mutation(2, 4)), file("b.go", mutation(1, 1)))
	two := report(file("b.go", mutation(1, 1)), file("a.go", mutation(2, 4), other, mutation(2, 9), mutation(10, 1)))
	want := "p/a.go:2:4 T, p/a.go:2:9 S, p/a.go:2:9 T, p/a.go:10:1 T, p/b.go:1:1 T"
	for _, data := range [][]byte{one, two} {
		all, err := readReport("p", data)
		var got []string
		for _, m := range all {
			got = append(got, fmt.Sprintf("%s:%d:%d %s", m.file, m.Line, m.Column, m.Type))
		}
		if strings.Join(got, ", ") != want || err != nil {
			t.Errorf("got %v (%v), want %s", got, err, want)
		}
	}
	unreached := []byte(`{"files":[{"file_name":"p/a.go","mutations":[{"type":"T","status":"NOT COVERED","line":1,"column":1}]}]}`)
	if all, err := readReport("p", unreached); len(all) > 0 || err != nil {
		t.Errorf("what no test reaches: %v, %v", all, err)
	}
}

func TestReadList(t *testing.T) {
	for text, want := range map[string]string{
		"# none\n": "",
		"a.go T `x`\n\twhy\n\tand how\nb.go T `y`\n\twhy\n": "",
		"a.go T `x`\n\twhy\n":                               "",
		"a.go T `x`\n":                                      "no reason for a.go T `x`",
		"\twhy\n":                                           ":1: a reason without a survivor",
		"a.go T `x`\nb.go T `y`":                            ":2: no reason for a.go T `x`",
	} {
		file := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readList(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("readList(%q) = %v, want %q", text, err, want)
		}
	}
}

// The code still has what the list excuses.
func TestTheListIsTrue(t *testing.T) {
	listed, err := readList(filepath.Join("..", "survivors.txt"))
	if err != nil || len(listed) == 0 {
		t.Fatalf("%d read, %v", len(listed), err)
	}
	entry := regexp.MustCompile("^(\\S+\\.go) `(.*)\\[(\\S+) to \\S+\\](.*)`$")
	for key := range listed {
		f := entry.FindStringSubmatch(key)
		if f == nil {
			t.Errorf("%s names no file and line", key)
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", "..", f[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		found := false
		for line := range strings.Lines(string(data)) {
			found = found || strings.TrimSpace(line) == f[2]+f[3]+f[4]
		}
		if !found {
			t.Errorf("%s is no line any more: take it from the list", key)
		}
	}
}
