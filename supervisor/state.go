package supervisor

import (
	"fmt"
	"slices"
)

// A State is where a service is in its life.
type State uint8

// The states. A service is active when a process of it lives or will be
// started by time alone; it is settled when it stays as it is unless
// something happens to it.
const (
	Stopped State = iota
	Waiting
	Init
	Starting
	Setup
	Running
	Unready
	Ending
	Backoff
	Restarting
	Stopping
	Completed
	Failed
	Skipped
	stateCount
)

// stateMeanings is the reference of the states.
var stateMeanings = [stateCount]string{
	Stopped:    "not wanted: never started, or stopped by request",
	Waiting:    "wanted, and a dependency is not there yet",
	Init:       "a one-shot before the main process runs",
	Starting:   "the main process runs, and is not ready yet",
	Setup:      "the main process is ready, a one-shot after it runs",
	Running:    "the main process runs and is ready",
	Unready:    "it was ready, and its readiness probe fails now",
	Ending:     "something of it failed; the rest is brought down before the restart policy decides",
	Backoff:    "it waits before its next restart",
	Restarting: "it is brought down, to be started again",
	Stopping:   "it is brought down, to stay down",
	Completed:  "it ended with success, for good",
	Failed:     "it failed, for good",
	Skipped:    "it can't run on this machine, or a dependency made it impossible",
}

var stateNames = [stateCount]string{
	"stopped", "waiting", "init", "starting", "setup", "running", "unready",
	"ending", "backoff", "restarting", "stopping", "completed", "failed", "skipped",
}

// String is the state's name, as status and events show it.
func (s State) String() string {
	if s < stateCount {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Meaning explains the state, for the reference.
func (s State) Meaning() string { return stateMeanings[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown state %q", text)
	}
	*s = State(i)
	return nil
}

// Live reports whether a process of the service may be alive.
func (s State) Live() bool {
	switch s {
	case Init, Starting, Setup, Running, Unready, Ending, Restarting, Stopping:
		return true
	}
	return false
}

// Active reports whether the service goes on by itself: it lives, or waits
// for nothing but time.
func (s State) Active() bool { return s.Live() || s == Backoff }

// Settled reports whether the service stays as it is unless something
// happens to it.
func (s State) Settled() bool {
	switch s {
	case Stopped, Running, Completed, Failed, Skipped:
		return true
	}
	return false
}

// A Kind is what can happen to a service, already judged: the facts that
// decide between two kinds are looked at in judge.go, never in the table.
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
	Start
	Restart
	Stop
	kindCount
)

// kindMeanings is the reference of the kinds.
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
	Start:      "a request to start it",
	Restart:    "a request to start it anew",
	Stop:       "a request to stop it",
}

var kindNames = [kindCount]string{
	"hold", "open", "open-init", "hopeless", "init-next", "init-done", "ready", "ready-setup",
	"setup-next", "setup-done", "setup-late", "lost", "broken", "retry", "succeeded",
	"gave-up", "gone", "start", "restart", "stop",
}

// String is the kind's name in the state diagram.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Meaning explains the kind, for the reference.
func (k Kind) Meaning() string { return kindMeanings[k] }

// An Effect is what the engine does about a change of state.
type Effect uint8

// The effects.
const (
	SpawnInit  Effect = iota // start the next init one-shot
	SpawnMain                // start the main process
	SpawnSetup               // start the next setup one-shot
	Terminate                // tell every live process of it to stop
	Arm                      // start the wait before the restart
	Disarm                   // end that wait
	effectCount
)

var effectNames = [effectCount]string{"spawn init", "spawn main", "spawn setup", "terminate", "arm", "disarm"}

// String is the effect's name in the state diagram.
func (f Effect) String() string {
	if f < effectCount {
		return effectNames[f]
	}
	return fmt.Sprintf("effect(%d)", uint8(f))
}

// An arrow is one rule of the table: in any of these states, this kind leads
// there, with these effects.
type arrow struct {
	from    []State
	on      Kind
	to      State
	effects []Effect
}

var (
	idle    = []State{Stopped, Waiting, Completed, Failed, Skipped, Restarting}
	working = []State{Init, Starting, Setup, Running, Unready, Ending}
)

// rules is the whole policy of a service's life. Restarting counts as idle
// here because the engine asks for its dependencies only once all of its
// processes are gone.
var rules = []arrow{
	// To begin: from rest, from a finished wait, from a finished restart.
	{idle, Hold, Waiting, nil},
	{idle, Open, Starting, []Effect{SpawnMain}},
	{idle, OpenInit, Init, []Effect{SpawnInit}},
	{idle, Hopeless, Skipped, nil},
	{[]State{Backoff}, Hold, Waiting, []Effect{Disarm}},
	{[]State{Backoff}, Open, Starting, []Effect{Disarm, SpawnMain}},
	{[]State{Backoff}, OpenInit, Init, []Effect{Disarm, SpawnInit}},
	{[]State{Backoff}, Hopeless, Skipped, []Effect{Disarm}},

	// To become ready, one step after the other.
	{[]State{Init}, InitNext, Init, []Effect{SpawnInit}},
	{[]State{Init}, InitDone, Starting, []Effect{SpawnMain}},
	{[]State{Starting, Unready}, Ready, Running, nil},
	{[]State{Starting}, ReadySetup, Setup, []Effect{SpawnSetup}},
	{[]State{Setup}, SetupNext, Setup, []Effect{SpawnSetup}},
	{[]State{Setup}, SetupDone, Running, nil},
	{[]State{Setup}, SetupLate, Unready, nil},
	{[]State{Running}, Lost, Unready, nil},

	// To end by itself. Two processes live in Setup, so that it always
	// passes through Ending.
	{[]State{Starting, Setup, Running, Unready}, Broken, Ending, []Effect{Terminate}},
	{[]State{Init, Starting, Running, Unready, Ending}, Retry, Backoff, []Effect{Arm}},
	{[]State{Starting, Running, Unready, Ending}, Succeeded, Completed, nil},
	{[]State{Init, Starting, Running, Unready, Ending}, GaveUp, Failed, nil},

	// To end by request.
	{working, Stop, Stopping, []Effect{Terminate}},
	{[]State{Restarting}, Stop, Stopping, nil},
	{[]State{Waiting, Skipped}, Stop, Stopped, nil},
	{[]State{Backoff}, Stop, Stopped, []Effect{Disarm}},
	{[]State{Stopping}, Gone, Stopped, nil},
	{working, Restart, Restarting, []Effect{Terminate}},
	{[]State{Stopping}, Restart, Restarting, nil},
	{[]State{Stopping}, Start, Restarting, nil},
}

type edge struct {
	state State
	kind  Kind
}

// arrows is rules, one entry a state and kind.
var arrows = flatten(rules)

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

// next is pure: the same state and kind always give the same answer. What
// means nothing in a state changes nothing, and ok is false.
func next(s State, k Kind) (to State, effects []Effect, ok bool) {
	a, ok := arrows[edge{s, k}]
	if !ok {
		return s, nil, false
	}
	return a.to, a.effects, true
}
