package main

import (
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
	r := results{ended: map[string]string{}, numbers: map[string][]string{}, output: map[string][]string{}}
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
	if code := report(rows, &r, &out); code != 1 {
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
	if code := report(rows[:2], &r, &out); code != 0 {
		t.Errorf("exit code %d of what holds", code)
	}
	got := calls(rows[:3])
	if len(got) != 2 || got[0][5] != "^(TestA|TestB|TestC)$" || got[1][5] != "^TestScripts$/^one$" {
		t.Errorf("calls: %q", got)
	}
}
