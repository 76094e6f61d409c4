package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"nix2gpu/control"
	"nix2gpu/internal/testkit"
)

// TestArrows is the policy said again, state by state, as a person would
// check it: where each kind leads, and with which effects.
func TestArrows(t *testing.T) {
	want := map[control.ServiceState]string{
		control.Stopped:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled",
		control.Scheduled:  "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled stop→stopped",
		control.Waiting:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled stop→stopped",
		control.Init:       "init-next→init(spawn init) init-done→starting(spawn main) retry→backoff(arm) gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		control.Starting:   "ready→running ready-setup→setup(spawn setup) broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		control.Setup:      "setup-next→setup(spawn setup) setup-done→running setup-late→unready broken→ending(terminate) restart→restarting(terminate) stop→stopping(terminate)",
		control.Running:    "lost→unready broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		control.Unready:    "ready→running broken→ending(terminate) retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		control.Ending:     "retry→backoff(arm) succeeded→completed gave-up→failed restart→restarting(terminate) stop→stopping(terminate)",
		control.Backoff:    "hold→waiting(disarm) open→starting(disarm, spawn main) open-init→init(disarm, spawn init) hopeless→skipped(disarm) plan→scheduled(disarm) stop→stopped(disarm)",
		control.Restarting: "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled stop→stopping",
		control.Stopping:   "gone→stopped start→restarting restart→restarting",
		control.Completed:  "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled",
		control.Failed:     "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled",
		control.Skipped:    "hold→waiting open→starting(spawn main) open-init→init(spawn init) hopeless→skipped plan→scheduled stop→stopped",
	}
	for _, s := range states() {
		var got []string
		for k := range kindCount {
			if to, effects, ok := next(s, k); ok {
				text := k.String() + "→" + string(to)
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
	reached := map[control.ServiceState]bool{control.Stopped: true}
	for range states() {
		for e, a := range arrows() {
			if reached[e.state] {
				reached[a.to] = true
			}
		}
	}
	for _, s := range states() {
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

func TestNamesBeyondTheTable(t *testing.T) {
	if got := kindCount.String(); got != "kind(21)" {
		t.Errorf("got %s", got)
	}
	if got := effectCount.String(); got != "effect(6)" {
		t.Errorf("got %s", got)
	}
}

const statesPage = "../docs/reference/states.md"

// The page about states is made from the table.
func TestStatesPageIsFresh(t *testing.T) {
	got := statesMarkdown()
	if testkit.Updating() {
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

// states lists the states, as they are in the reference.
func states() []control.ServiceState {
	var list []control.ServiceState
	for _, s := range control.ServiceStates() {
		list = append(list, s.State)
	}
	return list
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
	for _, s := range control.ServiceStates() {
		fmt.Fprintf(&b, "| %s | %s |\n", s.State, s.Meaning)
	}
	b.WriteString("\n## What can happen\n\n| event | meaning |\n|---|---|\n")
	for k := range kindCount {
		fmt.Fprintf(&b, "| %s | %s |\n", k, k.Meaning())
	}
	b.WriteString("\n## What leads where\n\nAn event that a state does not list means nothing there.\n\n| in | on | goes to | and does |\n|---|---|---|---|\n")
	for _, s := range states() {
		for k := range kindCount {
			if to, effects, ok := next(s, k); ok && (to != s || len(effects) > 0) {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s, k, to, joinEffects(effects))
			}
		}
	}
	b.WriteString("\n## The same as a picture\n\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	for _, s := range states() {
		for k := range kindCount {
			if to, _, ok := next(s, k); ok && to != s {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", s, to, k)
			}
		}
	}
	b.WriteString("```\n")
	return b.String()
}
