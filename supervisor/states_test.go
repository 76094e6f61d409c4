package supervisor

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite generated files")

// TestArrows is the policy said again, state by state, as a person would
// check it: where each kind leads, and with which effects.
func TestArrows(t *testing.T) {
	want := map[State]string{
		Stopped:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped",
		Waiting:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped stop→stopped",
		Init:       "init-next→init(spawn init) init-done→starting(spawn main) retry→backoff(arm) gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		Starting:   "ready→running ready-setup→setup(spawn setup) broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		Setup:      "setup-next→setup(spawn setup) setup-done→running setup-late→unready broken→ending(terminate) restart→restarting(terminate) stop→stopping(terminate)",
		Running:    "lost→unready broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		Unready:    "ready→running broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		Ending:     "retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		Backoff:    "hold→waiting(disarm) open→starting(disarm, spawn main) open-init→init(disarm, spawn init) hopeless→skipped(disarm) stop→stopped(disarm)",
		Restarting: "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped stop→stopping",
		Stopping:   "gone→stopped start→restarting restart→restarting",
		Completed:  "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped",
		Failed:     "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped",
		Skipped:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped stop→stopped",
	}
	for s := range stateCount {
		var got []string
		for k := range kindCount {
			if to, effects, ok := next(s, k); ok {
				text := k.String() + "→" + to.String()
				if len(effects) > 0 {
					text += "(" + joinEffects(effects) + ")"
				}
				got = append(got, text)
			} else if to != s || effects != nil {
				t.Errorf("next(%s, %s) changes something that has no arrow", s, k)
			}
		}
		if got := strings.Join(got, " "); got != want[s] {
			t.Errorf("%s: got\n%s\nwant\n%s", s, got, want[s])
		}
	}
}

// Every state can be left, and every kind means something somewhere.
func TestArrowsLeadOn(t *testing.T) {
	reached := map[State]bool{Stopped: true}
	for range stateCount {
		for e, a := range arrows {
			if reached[e.state] {
				reached[a.to] = true
			}
		}
	}
	for s := range stateCount {
		if !reached[s] {
			t.Errorf("%s can't be reached", s)
		}
		if !slices.ContainsFunc(rules, func(a arrow) bool { return slices.Contains(a.from, s) && a.to != s }) {
			t.Errorf("%s can't be left", s)
		}
	}
	for k := range kindCount {
		if !slices.ContainsFunc(rules, func(a arrow) bool { return a.on == k }) {
			t.Errorf("%s means nothing", k)
		}
	}
}

func TestStateNames(t *testing.T) {
	for s := range stateCount {
		text, _ := s.MarshalText()
		var back State
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s became %s, %v", s, back, err)
		}
	}
}

const statesPage = "../docs/reference/states.md"

// The page about states is made from the table.
func TestStatesPageIsFresh(t *testing.T) {
	got := statesMarkdown()
	if *update {
		if err := os.MkdirAll("../docs/reference", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(statesPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(statesPage)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale; make it anew with: go test ./supervisor -run StatesPage -update", statesPage)
	}
}

func joinEffects(effects []Effect) string {
	var names []string
	for _, f := range effects {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}

func statesMarkdown() string {
	var b strings.Builder
	b.WriteString(`# States of a service

What ` + "`nix2gpu ps`" + ` shows of a service, and what leads from one state to
another. This page is made from the supervisor's table by its tests.

| state | meaning |
|---|---|
`)
	for s := range stateCount {
		fmt.Fprintf(&b, "| %s | %s |\n", s, s.Meaning())
	}
	b.WriteString("\n## What can happen\n\n| event | meaning |\n|---|---|\n")
	for k := range kindCount {
		fmt.Fprintf(&b, "| %s | %s |\n", k, k.Meaning())
	}
	b.WriteString("\n## What leads where\n\nAn event that a state does not list means nothing there.\n\n| in | on | goes to | and does |\n|---|---|---|---|\n")
	for s := range stateCount {
		for k := range kindCount {
			if to, effects, ok := next(s, k); ok && (to != s || len(effects) > 0) {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s, k, to, joinEffects(effects))
			}
		}
	}
	b.WriteString("\n## The same as a picture\n\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	for s := range stateCount {
		for k := range kindCount {
			if to, _, ok := next(s, k); ok && to != s {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", s, to, k)
			}
		}
	}
	b.WriteString("```\n")
	return b.String()
}
