package control

import (
	"time"

	"nix2gpu/project"
)

// A State is everything an observer may know at one moment.
type State struct {
	Schema     int       `json:"schemaVersion"` // of this type; now 1
	Project    string    `json:"project"`
	Root       string    `json:"root"`                 // the definition's folder
	Definition string    `json:"definition,omitempty"` // what was asked to run, "./flake.nix#web"
	PID        int       `json:"pid"`                  // of the supervisor
	Version    string    `json:"version"`              // of nix2gpu
	At         time.Time `json:"at"`
	Since      time.Time `json:"since"`             // when the supervisor began
	Phase      string    `json:"phase"`             // running, stopping, done
	Summary    string    `json:"summary,omitempty"` // "all services healthy"
	Healthy    bool      `json:"healthy"`           // every wanted service is ready or has completed
	Settled    bool      `json:"settled"`           // none is on its way to another state
	Stop       *Stop     `json:"stop,omitempty"`    // while the project stops
	Services   []Service `json:"services"`          // sorted by label
}

// SchemaVersion is the version of State that this build writes.
const SchemaVersion = 1

// Stop says how far the stop of a project is.
type Stop struct {
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`
	Deadline   time.Time `json:"deadline,omitzero"` // when whatever is left is killed
	WaitingFor []string  `json:"waitingFor"`
	Killing    bool      `json:"killing,omitempty"`
	ExitCode   int       `json:"exitCode,omitempty"`
}

// A Service is what is known of one service.
type Service struct {
	ID        string `json:"id"`
	Label     string `json:"label"` // what people see
	Type      string `json:"type"`
	Namespace string `json:"namespace,omitempty"`
	Disabled  bool   `json:"disabled,omitempty"`
	Wanted    bool   `json:"wanted"` // part of what was asked to run

	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Health string    `json:"health,omitempty"` // starting, healthy, unhealthy; empty without probes
	Why    string    `json:"why,omitempty"`    // one line: what it waits for, how it ended, what its probe said

	WaitsFor []Unmet       `json:"waitsFor,omitempty"`
	PID      int           `json:"pid,omitempty"`
	Step     string        `json:"step,omitempty"` // the one-shot that runs
	Started  time.Time     `json:"started,omitzero"`
	Starts   int           `json:"starts"`
	Restarts int           `json:"restarts"`
	Streak   int           `json:"streak,omitempty"`
	Next     time.Time     `json:"next,omitzero"`   // of the next restart
	KillAt   time.Time     `json:"killAt,omitzero"` // while stopping
	Exit     *project.Exit `json:"exit,omitempty"`  // the last end of one of its processes that mattered
	Probe    *Probe        `json:"probe,omitempty"`
	Ports    []Port        `json:"ports,omitempty"`
}

// An Unmet is a dependency that holds a service back.
type Unmet struct {
	Service   string `json:"service"`
	Label     string `json:"label"`
	Condition string `json:"condition"`
	Why       string `json:"why"`
	Hopeless  bool   `json:"hopeless,omitempty"`
}

// A Probe is the last verdict of a probe.
type Probe struct {
	Role   string    `json:"role"`
	OK     bool      `json:"ok"`
	Output string    `json:"output,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// A Port is one that a service listens on.
type Port struct {
	Port     int    `json:"port"`
	Protocol string `json:"protocol,omitempty"`
	Address  string `json:"address,omitempty"`
}

// An Event is one change of state.
type Event struct {
	Seq     uint64  `json:"seq"`
	From    string  `json:"from"`
	Service Service `json:"service"`        // after the change
	Lost    int     `json:"lost,omitempty"` // events this reader was too slow for, before this one
}

// A Message is one line of the event stream. Exactly one field is set: the
// first line is a State, and the last, when the project ended, an End.
type Message struct {
	State *State `json:"state,omitempty"`
	Event *Event `json:"event,omitempty"`
	End   *End   `json:"end,omitempty"`
}

// An End says how a project ended.
type End struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// An Action is the body of the requests that act on services. Names are
// resolved by the supervisor: an id, a label, an instance or a type.
type Action struct {
	Services []string       `json:"services"`
	NoDeps   bool           `json:"noDeps,omitempty"`  // start
	Missing  bool           `json:"missing,omitempty"` // start: leave alone what has completed
	Signal   project.Signal `json:"signal,omitempty"`  // kill: by name or number
	For      string         `json:"for,omitempty"`     // wait
	Now      bool           `json:"now,omitempty"`     // down: without grace
}

// The values of Action.For: a condition, or one of these.
const (
	ForSettled = "settled" // none of them is on its way to another state
	ForStopped = "stopped" // nothing of them lives
)

// A Reply lists the services that a request was about, after it.
type Reply struct {
	Services []Service `json:"services"`
}

// Changes is the answer to a reload.
type Changes struct {
	Added     []string `json:"added,omitempty"`
	Removed   []string `json:"removed,omitempty"`
	Changed   []string `json:"changed,omitempty"`
	Unchanged []string `json:"unchanged,omitempty"`
}

// A Route is one request that the socket answers.
type Route struct{ Method, Path, Doc string }

// Routes is the reference of the socket; the server is tested against it.
func Routes() []Route {
	return []Route{
		{"GET", "/v1/state", "The state of everything: a State."},
		{"GET", "/v1/events", "A stream of Messages, one JSON object a line: the State, then each change."},
		{"POST", "/v1/start", "Starts services and what they depend on. Body: Action; answers a Reply at once."},
		{"POST", "/v1/stop", "Tells services to stop. Body: Action."},
		{"POST", "/v1/restart", "Stops services that run, and starts them anew. Body: Action."},
		{"POST", "/v1/kill", "Sends Action.signal to services."},
		{"POST", "/v1/wait", "Answers when the services meet Action.for: settled, stopped, or a condition."},
		{"POST", "/v1/down", "Stops the whole project; the supervisor ends. With Action.now without grace."},
		{"POST", "/v1/reload", "Makes the supervisor run another project. Body: its JSON; answers Changes."},
	}
}
