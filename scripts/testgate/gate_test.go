package main

import (
	"strings"
	"testing"
)

func TestGate(t *testing.T) {
	const list = "# those that may\n\nm/p TestRoot: root may write everywhere\n"
	for _, tt := range []struct {
		name   string
		events []string
		ok     bool
		want   string // part of the output
	}{
		{"passed, and its output is left out", []string{
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"noise\n"}`,
			`{"Action":"pass","Package":"m/p","Test":"TestA"}`,
			`{"Action":"output","Package":"m/p","Output":"ok  \tm/p\t0.1s\n"}`,
			`{"Action":"pass","Package":"m/p"}`,
		}, true, "ok  \tm/p\t0.1s\n1 passed, 0 failed, 0 skipped\n"},
		{"failed", []string{
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"what went wrong\n"}`,
			`{"Action":"fail","Package":"m/p","Test":"TestA"}`,
		}, false, "what went wrong\nfailed: m/p TestA\n0 passed, 1 failed, 0 skipped\n"},
		{"failed, and what it says comes again at the end", []string{
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"    a_test.go:7: it is 1\n"}`,
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"        more of it\n"}`,
			`{"Action":"output","Package":"m/p","Test":"TestA","Output":"        FAIL: testdata/script/a.txtar:3: no match\n"}`,
			`{"Action":"fail","Package":"m/p","Test":"TestA"}`,
			`{"Action":"pass","Package":"m/p","Test":"TestB"}`,
		}, false, "more of it\n        FAIL: testdata/script/a.txtar:3: no match\nfailed: m/p TestA\n    a_test.go:7: it is 1\n        FAIL: testdata/script/a.txtar:3: no match\n1 passed"},
		{"skipped as listed", []string{`{"Action":"skip","Package":"m/p","Test":"TestRoot"}`, `{"Action":"pass","Package":"m/p"}`}, true, "skipped: m/p TestRoot (root may write everywhere)"},
		{"part of one that is listed", []string{`{"Action":"skip","Package":"m/p","Test":"TestRoot/dir/x"}`}, true, "TestRoot/dir/x"},
		{"skipped unlisted", []string{
			`{"Action":"output","Package":"m/p","Test":"TestB","Output":"no caddy here\n"}`,
			`{"Action":"skip","Package":"m/p","Test":"TestB"}`,
		}, false, "did not run, and is not on the list of those that may be skipped: m/p TestB\nno caddy here\n"},
		{"a name that only begins like a listed one", []string{`{"Action":"skip","Package":"m/p","Test":"TestRoots"}`}, false, "TestRoots"},
		{"listed for another package", []string{`{"Action":"skip","Package":"m/q","Test":"TestRoot"}`}, false, "m/q TestRoot"},
		{"nothing ran", []string{
			`{"Action":"output","Package":"m/p","Output":"ok  \tm/p\t0.1s [no tests to run]\n"}`,
			`{"Action":"pass","Package":"m/p"}`,
		}, false, "ran no test: m/p\n"},
		{"nothing to run", []string{
			`{"Action":"output","Package":"m/p","Output":"?   \tm/p\t[no test files]\n"}`,
			`{"Action":"skip","Package":"m/p"}`,
		}, true, "[no test files]"},
		{"crashed", []string{`{"Action":"output","Package":"m/p","Test":"TestA","Output":"panic: x\n"}`, `{"Action":"fail","Package":"m/p"}`}, false, "did not end: m/p TestA\npanic: x\n"},
		{"a build that failed", []string{`{"ImportPath":"m/p","Action":"build-output","Output":"p.go:1:1: no\n"}`}, true, "p.go:1:1: no\n"}, // the exit code of go test is the failure
	} {
		t.Run(tt.name, func(t *testing.T) {
			listed, err := parseList("list", list)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			g := newGate(listed, &out)
			for _, ev := range tt.events {
				g.line([]byte(ev))
			}
			if ok := g.close(); ok != tt.ok || !strings.Contains(out.String(), tt.want) {
				t.Errorf("ok = %t, want %t; printed\n%s\nwant\n%s", ok, tt.ok, out.String(), tt.want)
			}
			if strings.Contains(out.String(), "noise") {
				t.Errorf("printed what a test that passed had said:\n%s", out.String())
			}
		})
	}
}

func TestListNeedsReasons(t *testing.T) {
	for _, text := range []string{"m/p TestA", "m/p TestA: ", "m/p: why", "m/p Test A: why"} {
		if _, err := parseList("list", "\n"+text); err == nil || !strings.HasPrefix(err.Error(), "list:2: ") {
			t.Errorf("parseList(%q) = %v, want an error at list:2", text, err)
		}
	}
}
