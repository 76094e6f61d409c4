package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/faults"
)

func TestReport(t *testing.T) {
	rows := []faults.Row{
		{ID: "R1", Fault: "a", Promise: "b", Tests: []string{"p.TestA", "cmd/x.TestScripts/one"}},
		{ID: "R2", Fault: "c", Promise: "d", Tests: []string{"p.TestB"}, Gap: "why"},
		{ID: "R3", Fault: "e", Promise: "f", Tests: []string{"p.TestC"}},
		{ID: "R4", Fault: "g", Promise: "h", Tests: []string{"p.TestD"}},
		{ID: "R5", Fault: "i", Promise: "j", Gap: "no such machine"},
		{ID: "R6", Fault: "k", Promise: "l", Tests: []string{"p.TestGone"}},
	}
	r := newResults()
	for line := range strings.Lines(`{"Action":"attr","Package":"nix2gpu/p","Test":"TestA","Key":"R1","Value":"7 of 7"}
{"Action":"pass","Package":"nix2gpu/p","Test":"TestA"}
{"Action":"pass","Package":"nix2gpu/cmd/x","Test":"TestScripts/one"}
{"Action":"attr","Package":"nix2gpu/p","Test":"TestB","Key":"R2","Value":"1"}
{"Action":"pass","Package":"nix2gpu/p","Test":"TestB"}
{"Action":"output","Package":"nix2gpu/p","Test":"TestC","Output":"what went wrong\n"}
{"Action":"fail","Package":"nix2gpu/p","Test":"TestC"}
{"Action":"skip","Package":"nix2gpu/p","Test":"TestD"}
`) {
		r.line([]byte(line))
	}
	var out strings.Builder
	if code := report(rows, r, &out); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"| R1 | a | b | holds | 7 of 7 |\n", "| R2 | c | d | holds (not tested: why) | 1 |\n", "| R3 | e | f | **FAILS**: p.TestC |  |\n",
		"| R4 | g | h | **not run here** |  |\n", "| R5 | i | j | not tested: no such machine |  |\n", "| R6 | k | l | **FAILS**: p.TestGone |  |\n",
		"\np.TestC:\nwhat went wrong\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if code := report(rows[:2], r, &out); code != 0 {
		t.Errorf("exit code %d of what holds", code)
	}
	got := calls(rows[:3], func(string) bool { return false })
	if len(got) != 2 || got[0][5] != "^(TestA|TestB|TestC)$" || got[1][5] != "^TestScripts$/^one$" {
		t.Errorf("calls: %q", got)
	}
}

// What was made goes on where it has stopped: what has passed is not made again, and has
// its numbers.
func TestKeep(t *testing.T) {
	name := filepath.Join(t.TempDir(), "kept")
	rows := []faults.Row{{ID: "R1", Fault: "a", Promise: "b", Tests: []string{"p.TestA", "p.TestB", "p.TestC"}}}
	const begun = `{"Action":"run","Package":"nix2gpu/p","Test":"%s"}`
	for _, step := range []struct {
		open  string // what is not known when it begins
		lines []string
	}{
		{"^(TestA|TestB|TestC)$", []string{
			`{"Action":"attr","Package":"nix2gpu/p","Test":"TestA","Key":"R1","Value":"7 of 7"}`,
			`{"Action":"pass","Package":"nix2gpu/p","Test":"TestA"}`,
			`{"Action":"attr","Package":"nix2gpu/p","Test":"TestB","Key":"R1","Value":"1 of 7"}`,
			`{"Action":"fail","Package":"nix2gpu/p","Test":"TestB"}`,
		}},
		{"^(TestB|TestC)$", []string{
			fmt.Sprintf(begun, "TestB"),
			`{"Action":"attr","Package":"nix2gpu/p","Test":"TestB","Key":"R1","Value":"8 of 8"}`,
			`{"Action":"pass","Package":"nix2gpu/p","Test":"TestB"}`,
			fmt.Sprintf(begun, "TestC"),
			`{"Action":"pass","Package":"nix2gpu/p","Test":"TestC"}`,
		}},
		{"", nil},
	} {
		r := newResults()
		r.commit = "abc"
		file, err := r.open(name)
		if err != nil {
			t.Fatal(err)
		}
		got := calls(rows, r.passed)
		if step.open == "" && len(got) > 0 || step.open != "" && (len(got) != 1 || got[0][5] != step.open) {
			t.Errorf("runs %q, want %q", got, step.open)
		}
		for _, line := range step.lines {
			r.line([]byte(line))
		}
		if err := cmp.Or(file.Close(), r.err); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if code := report(rows, r, &out); step.open == "" && (code != 0 || !strings.Contains(out.String(), "| holds | 7 of 7; 8 of 8 |")) {
			t.Errorf("exit code %d, and\n%s", code, out.String())
		}
		if got := counted(rows, r); step.open == "" && got != "Made at abc.\n\n| | what was counted |\n|---|---|\n| R1 | 7 of 7; 8 of 8 |\n" {
			t.Errorf("for the page:\n%s", got)
		}
	}
	if err := os.WriteFile(name, []byte("{}\n{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := newResults().open(name); err == nil || !strings.Contains(err.Error(), name+":2: ") {
		t.Errorf("of a file that was cut off: %v", err)
	}
}
