package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A name is that of a test, or of a package if test is empty.
type name struct{ pkg, test string }

func (n name) String() string { return strings.TrimSpace(n.pkg + " " + n.test) }

// parseList reads lines "PACKAGE TEST: REASON"; # begins a comment.
func parseList(file, text string) (map[name]string, error) {
	listed := map[name]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		what, reason, ok := strings.Cut(line, ": ")
		words := strings.Fields(what)
		if !ok || len(words) != 2 || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: must be \"PACKAGE TEST: REASON\", is %q", file, i+1, line)
		}
		listed[name{words[0], words[1]}] = reason
	}
	return listed, nil
}

// An event is one line of "go test -json".
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// A gate counts the results of tests, and prints what people need to see.
type gate struct {
	listed map[name]string
	lax    bool // for users other than root, who can't run everything: skips are printed, and are no failure
	out    io.Writer
	output map[name][]string // of tests that have not ended
	ran    map[string]int    // tests that ran, by package
	empty  map[string]bool   // packages without any test file
	skips  []name
	missed []name // packages that had tests, and ran none

	passed int
	failed []failure
}

// A failure is a test that failed, with the places it complained at.
type failure struct {
	name
	said []string
}

func newGate(listed map[name]string, out io.Writer) *gate {
	return &gate{listed: listed, out: out, output: map[name][]string{}, ran: map[string]int{}, empty: map[string]bool{}}
}

// line takes one line of go test's output.
func (g *gate) line(data []byte) {
	var ev event
	if json.Unmarshal(data, &ev) != nil || ev.Action == "" {
		fmt.Fprintf(g.out, "%s\n", data)
		return
	}
	n := name{ev.Package, ev.Test}
	switch ev.Action {
	case "output", "build-output":
		switch {
		case ev.Test != "":
			g.output[n] = append(g.output[n], ev.Output)
		case ev.Output != "PASS\n":
			g.empty[ev.Package] = g.empty[ev.Package] || strings.Contains(ev.Output, "[no test files]")
			io.WriteString(g.out, ev.Output)
		}
	case "pass", "fail", "skip":
		if ev.Test == "" {
			if ev.Action == "pass" && g.ran[ev.Package] == 0 && !g.empty[ev.Package] {
				g.missed = append(g.missed, n)
			}
			return
		}
		g.end(n, ev.Action)
	}
}

func (g *gate) end(n name, how string) {
	g.ran[n.pkg]++
	switch how {
	case "pass":
		g.passed++
	case "fail":
		g.failed = append(g.failed, failure{n, complaints(g.output[n])})
		io.WriteString(g.out, strings.Join(g.output[n], ""))
	case "skip":
		g.skips = append(g.skips, n)
	}
	if how != "skip" {
		delete(g.output, n)
	}
}

// close prints what did not run, and reports whether all is well.
func (g *gate) close() (ok bool) {
	ok = len(g.failed) == 0
	for n := range maps.Keys(g.output) { // it ended by a crash or by the time limit
		if !slices.Contains(g.skips, n) {
			fmt.Fprintf(g.out, "did not end: %s\n%s", n, strings.Join(g.output[n], ""))
			ok = false
		}
	}
	for _, n := range g.skips {
		if reason := g.reason(n); reason != "" {
			fmt.Fprintf(g.out, "skipped: %s (%s)\n", n, reason)
			continue
		}
		if g.lax {
			fmt.Fprintf(g.out, "skipped: %s\n%s", n, strings.Join(g.output[n], ""))
			continue
		}
		fmt.Fprintf(g.out, "did not run, and is not on the list of those that may be skipped: %s\n%s", n, strings.Join(g.output[n], ""))
		ok = false
	}
	for _, n := range g.missed {
		fmt.Fprintf(g.out, "ran no test: %s\n", n)
		ok = false
	}
	for _, f := range g.failed {
		fmt.Fprintf(g.out, "failed: %s\n%s", f.name, strings.Join(f.said, ""))
	}
	fmt.Fprintf(g.out, "%d passed, %d failed, %d skipped\n", g.passed, len(g.failed), len(g.skips))
	return ok
}

// complaint is how package testing, and testscript, begin what a test says.
var complaint = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ *(\w+_test\.go:\d+: |FAIL: testdata/)`)
})

// complaints returns the first lines in which a test says what is wrong. They come again
// at the end, where somebody looks who has only the end of a long output.
func complaints(output []string) []string {
	const most, width = 5, 300
	var said []string
	for _, line := range output {
		if !complaint().MatchString(line) {
			continue
		}
		if len(line) > width {
			line = strings.ToValidUTF8(line[:width], "") + "…\n"
		}
		if said = append(said, line); len(said) == most {
			break
		}
	}
	return said
}

// reason returns why a test, or one that it is part of, may be skipped; "" if it may
// not.
func (g *gate) reason(n name) string {
	for {
		if reason := g.listed[n]; reason != "" {
			return reason
		}
		i := strings.LastIndex(n.test, "/")
		if i < 0 {
			return ""
		}
		n.test = n.test[:i]
	}
}
