package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.go")
	if err := os.WriteFile(file, []byte("package x\n\tif a <= b+1 {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		m    mutant
		want string // of line 2; "" for an error
	}{
		{mutant{Type: "CONDITIONALS_BOUNDARY", Line: 2, Column: 7}, "\tif a < b+1 {"},
		{mutant{Type: "CONDITIONALS_NEGATION", Line: 2, Column: 7}, "\tif a > b+1 {"},
		{mutant{Type: "ARITHMETIC_BASE", Line: 2, Column: 11}, "\tif a <= b-1 {"},
		{mutant{Type: "ARITHMETIC_BASE", Line: 2, Column: 7}, ""},
		{mutant{Type: "ARITHMETIC_BASE", Line: 9, Column: 1}, ""},
	} {
		tt.m.file = file
		text, err := tt.m.apply()
		if tt.want == "" {
			if err == nil {
				t.Errorf("%+v: no error", tt.m)
			}
			continue
		}
		if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || lines[1] != tt.want {
			t.Errorf("%+v gives %q (%v), want %q", tt.m, text, err, tt.want)
		}
	}
	if got, want := (mutant{file: file, Type: "T", Line: 2}).key(), file+" T `if a <= b+1 {`"; got != want {
		t.Errorf("key = %q, want %q", got, want)
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
	if listed, err := readList(filepath.Join("..", "survivors.txt")); err != nil {
		t.Errorf("the committed list: %v (%d read)", err, len(listed))
	}
}
