package supervisor

import (
	"fmt"
	"sync"

	"nix2gpu/control"
)

// A Kind is a kind of event in the life of a service. All that decides between two kinds has
// been looked at before (judge.go), so the table needs no conditions.
type Kind uint8

// The kinds.
const (
	Hold Kind = iota
	Open
	OpenInit
	Hopeless
	InitNext
	InitDone
	Ready
	ReadySetup
	SetupNext
	SetupDone
	SetupLate
	Lost
	Broken
	Retry
	Succeeded
	GaveUp
	Gone
	Plan
	Start
	Restart
	Stop
	kindCount
)

// kindMeanings explains the kinds in the reference.
var kindMeanings = [kindCount]string{
	Hold:       "it is to start, and a dependency is not there yet",
	Open:       "it is to start, its dependencies are there, and it has no init one-shots",
	OpenInit:   "the same, and its init one-shots come first",
	Hopeless:   "it is to start, and it or a dependency can't be had",
	InitNext:   "an init one-shot completed, and another follows",
	InitDone:   "the last init one-shot completed",
	Ready:      "the main process became ready, and there is no setup",
	ReadySetup: "the same, and its setup one-shots come next",
	SetupNext:  "a setup one-shot completed, and another follows",
	SetupDone:  "the last setup one-shot completed",
	SetupLate:  "the same, but the main process is no longer ready",
	Lost:       "the readiness probe fails",
	Broken:     "something failed while processes of it live",
	Retry:      "all of it has ended, and it is to be restarted",
	Succeeded:  "all of it has ended, with success, for good",
	GaveUp:     "all of it has ended, with a failure, for good",
	Gone:       "all of it has ended, as requested",
	Plan:       "it has a schedule, and the time of its next run has not come",
	Start:      "a request to start it",
	Restart:    "a request to start it again",
	Stop:       "a request to stop it",
}

var kindNames = [kindCount]string{
	"hold", "open", "open-init", "hopeless", "init-next", "init-done", "ready", "ready-setup",
	"setup-next", "setup-done", "setup-late", "lost", "broken", "retry", "succeeded",
	"gave-up", "gone", "plan", "start", "restart", "stop",
}

// String returns the kind's name in the state diagram.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Meaning returns what the reference says about the kind.
func (k Kind) Meaning() string { return kindMeanings[k] }

// An Effect is what the engine does about a change of state.
type Effect uint8

// The effects.
const (
	SpawnInit  Effect = iota // start the next init one-shot
	SpawnMain                // start the main process
	SpawnSetup               // start the next setup one-shot
	Terminate                // tell all live processes of the service to stop
	Arm                      // start the wait before the restart
	Disarm                   // end that wait
	effectCount
)

var effectNames = [effectCount]string{"spawn init", "spawn main", "spawn setup", "terminate", "arm", "disarm"}

// String returns the effect's name in the state diagram.
func (f Effect) String() string {
	if f < effectCount {
		return effectNames[f]
	}
	return fmt.Sprintf("effect(%d)", uint8(f))
}

// An arrow is a rule of the table: in any of the states from, the kind on leads to the state
// to, with these effects.
type arrow struct {
	from    []control.ServiceState
	on      Kind
	to      control.ServiceState
	effects []Effect
}

var (
	idle    = []control.ServiceState{control.Stopped, control.Waiting, control.Completed, control.Failed, control.Skipped, control.Restarting, control.Scheduled}
	working = []control.ServiceState{control.Init, control.Starting, control.Setup, control.Running, control.Unready, control.Ending}
)

// rules is the whole policy for the life of a service. Restarting counts as idle, because
// the engine only looks at the dependencies once all processes have ended.
var rules = []arrow{
	// To begin: from rest, after a wait, and after the first half of a restart.
	{idle, Hold, control.Waiting, nil},
	{idle, Open, control.Starting, []Effect{SpawnMain}},
	{idle, OpenInit, control.Init, []Effect{SpawnInit}},
	{idle, Hopeless, control.Skipped, nil},
	{idle, Plan, control.Scheduled, nil},
	{[]control.ServiceState{control.Backoff}, Hold, control.Waiting, []Effect{Disarm}},
	{[]control.ServiceState{control.Backoff}, Open, control.Starting, []Effect{Disarm, SpawnMain}},
	{[]control.ServiceState{control.Backoff}, OpenInit, control.Init, []Effect{Disarm, SpawnInit}},
	{[]control.ServiceState{control.Backoff}, Hopeless, control.Skipped, []Effect{Disarm}},
	{[]control.ServiceState{control.Backoff}, Plan, control.Scheduled, []Effect{Disarm}},

	// To become ready, one step after the other.
	{[]control.ServiceState{control.Init}, InitNext, control.Init, []Effect{SpawnInit}},
	{[]control.ServiceState{control.Init}, InitDone, control.Starting, []Effect{SpawnMain}},
	{[]control.ServiceState{control.Starting, control.Unready}, Ready, control.Running, nil},
	{[]control.ServiceState{control.Starting}, ReadySetup, control.Setup, []Effect{SpawnSetup}},
	{[]control.ServiceState{control.Setup}, SetupNext, control.Setup, []Effect{SpawnSetup}},
	{[]control.ServiceState{control.Setup}, SetupDone, control.Running, nil},
	{[]control.ServiceState{control.Setup}, SetupLate, control.Unready, nil},
	{[]control.ServiceState{control.Running}, Lost, control.Unready, nil},

	// To end by itself. In Setup two processes live, so that it always goes through
	// Ending.
	{[]control.ServiceState{control.Starting, control.Setup, control.Running, control.Unready}, Broken, control.Ending, []Effect{Terminate}},
	{[]control.ServiceState{control.Init, control.Starting, control.Running, control.Unready, control.Ending}, Retry, control.Backoff, []Effect{Arm}},
	{[]control.ServiceState{control.Starting, control.Running, control.Unready, control.Ending}, Succeeded, control.Completed, nil},
	{[]control.ServiceState{control.Init, control.Starting, control.Running, control.Unready, control.Ending}, GaveUp, control.Failed, nil},

	// To end by request.
	{working, Stop, control.Stopping, []Effect{Terminate}},
	{[]control.ServiceState{control.Restarting}, Stop, control.Stopping, nil},
	{[]control.ServiceState{control.Waiting, control.Skipped, control.Scheduled}, Stop, control.Stopped, nil},
	{[]control.ServiceState{control.Backoff}, Stop, control.Stopped, []Effect{Disarm}},
	{[]control.ServiceState{control.Stopping}, Gone, control.Stopped, nil},
	{working, Restart, control.Restarting, []Effect{Terminate}},
	{[]control.ServiceState{control.Stopping}, Restart, control.Restarting, nil},
	{[]control.ServiceState{control.Stopping}, Start, control.Restarting, nil},
}

type edge struct {
	state control.ServiceState
	kind  Kind
}

// arrows returns the rules, by state and kind.
var arrows = sync.OnceValue(func() map[edge]arrow { return flatten(rules) })

func flatten(rules []arrow) map[edge]arrow {
	flat := make(map[edge]arrow)
	for _, r := range rules {
		for _, s := range r.from {
			e := edge{s, r.on}
			if _, twice := flat[e]; twice {
				panic(fmt.Sprintf("supervisor: two arrows for %s in %s", r.on, s))
			}
			flat[e] = r
		}
	}
	return flat
}

// next is pure: the same state and kind always give the same answer. If a kind has no
// meaning in a state, ok is false and nothing changes.
func next(s control.ServiceState, k Kind) (to control.ServiceState, effects []Effect, ok bool) {
	a, ok := arrows()[edge{s, k}]
	if !ok {
		return s, nil, false
	}
	return a.to, a.effects, true
}
