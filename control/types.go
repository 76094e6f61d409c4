package control

import (
	"time"

	"nix2gpu/project"
)

// A State is all that the supervisor shows of itself at one moment.
type State struct {
	Schema     int    `json:"schemaVersion"`        // of this type; now 1
	Root       string `json:"root"`                 // the definition's folder
	Definition string `json:"definition,omitempty"` // what was asked to run, "./flake.nix#web"
	Given      *Given `json:"given,omitempty"`      // what it was started with beside its definition
	PID        int    `json:"pid"`                  // of the supervisor
	Version    string `json:"version"`              // of nix2gpu
	Snapshot
	Degraded []Degraded `json:"degraded,omitempty"` // what the supervisor can't do at present, oldest first
	// OutOfMemory counts processes of the container that the kernel has killed, other
	// than main processes and those of services with limits of their own.
	OutOfMemory *OutOfMemory `json:"outOfMemory,omitempty"`
	// Copies are those of "run" that run, in the order in which they began.
	Copies []RunningCopy `json:"copies,omitempty"`
}

// A Given is what a project was started with, by flags, that makes another project of its
// definition. A reload goes on with it.
type Given struct {
	Modules    []string `json:"modules,omitempty"`    // files that are merged into it
	EnvFiles   []string `json:"envFiles,omitempty"`   // instead of .env
	NoDotEnv   bool     `json:"noDotEnv,omitempty"`   // .env is not read
	Namespaces []string `json:"namespaces,omitempty"` // only processes of these
	Disabled   []string `json:"disabled,omitempty"`   // without these processes
}

// A Degraded is something that the supervisor can't do at present, such as write to a
// full disk or a removed folder, while the services go on.
type Degraded struct {
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// A Snapshot is the state of the engine at one moment.
type Snapshot struct {
	Project  string    `json:"project"`
	At       time.Time `json:"at"`
	Since    time.Time `json:"since"` // when the engine began
	Phase    Phase     `json:"phase"`
	Profiles []string  `json:"profiles,omitempty"` // those that were asked for
	NoWatch  bool      `json:"noWatch,omitempty"`  // files are not watched, whatever the definition says
	Summary  string    `json:"summary,omitempty"`  // "2 of 3 services healthy; failed: nginx (exit code 1)"
	Healthy  bool      `json:"healthy"`            // every wanted service is ready or has completed, and none is restarted again and again
	Unprobed []string  `json:"unprobed,omitempty"` // labels of running services that no probe checks
	Settled  bool      `json:"settled"`            // none is on its way to another state
	Stop     *Stop     `json:"stop,omitempty"`     // while the project stops
	Services []Service `json:"services"`           // sorted by label
}

// SchemaVersion is the version of State that this build writes.
const SchemaVersion = 1

// A Phase is the state of the project as a whole.
type Phase string

// The phases.
const (
	PhaseRunning  Phase = "running"
	PhaseStopping Phase = "stopping"
	PhaseDone     Phase = "done"
)

// Stop is the progress of a project's stop.
type Stop struct {
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`             // "requested", "nginx failed (exit code 1)"
	Deadline   time.Time `json:"deadline,omitzero"`  // when what still runs is killed
	WaitingFor []string  `json:"waitingFor"`         // "api (got SIGTERM, killed in 3s)"
	Killing    bool      `json:"killing,omitempty"`  // the grace is over
	ExitCode   int       `json:"exitCode,omitempty"` // with which the project will end
}

// An Event is one change of a service's state. With From equal to the new state, the
// process has changed: the next one-shot runs, or the main process was started and is
// not ready yet.
type Event struct {
	Seq     uint64       `json:"seq"`
	From    ServiceState `json:"from"`
	Service Service      `json:"service"`        // after the change
	Lost    int          `json:"lost,omitempty"` // how many events before this one were dropped because this reader was too slow
}

// A Message is one line of the event stream: a State, an Event or an End. The first line
// is a State, unless the stream goes on where the reader left another one. When the
// project ends, the last is an End.
type Message struct {
	ID    string `json:"id,omitempty"` // where to go on, as the parameter "after" or the header Last-Event-ID
	State *State `json:"state,omitempty"`
	Event *Event `json:"event,omitempty"`
	End   *End   `json:"end,omitempty"`
}

// An End says how a project ended.
type End struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// An Action is the body of the requests that act on services. A name is an id, a
// label, an instance or a type; the supervisor resolves it. A comment at a field names
// the request that reads it.
type Action struct {
	Services []string       `json:"services"`
	NoDeps   bool           `json:"noDeps,omitempty"`  // start
	Missing  bool           `json:"missing,omitempty"` // start: leave alone what has completed
	Signal   project.Signal `json:"signal,omitempty"`  // kill: by name or number
	For      string         `json:"for,omitempty"`     // wait
	Now      bool           `json:"now,omitempty"`     // down: without grace
}

// The values of Action.For that are no condition of depends_on.
const (
	ForSettled = "settled" // none of them is on its way to another state
	ForStopped = "stopped" // no process of them lives
)

// A Reply lists the services that a request acted on, in their state after it.
type Reply struct {
	Services []Service `json:"services"`
	Copies   []string  `json:"copies,omitempty"` // of stop and kill, the names of those that were told

	Ended []EndedCopy `json:"ended,omitempty"` // of wait, the copies among what was named
}

// Changes is the answer to a reload: the ids of services, and what is done to each.
type Changes struct {
	Added   []string  `json:"added,omitempty"`
	Removed []string  `json:"removed,omitempty"`
	Changed []string  `json:"changed,omitempty"`
	Plan    []Planned `json:"plan"` // what became of each service, and why
}

// A ScaleRequest asks for numbers of replicas, by the name of the service.
type ScaleRequest struct {
	Replicas map[string]int `json:"replicas"`
}

// MaxReplicas is the most replicas of one service that may be asked for.
const MaxReplicas = 1000

// A HealthReport says whether a project is as it should be.
type HealthReport struct {
	Healthy   bool      `json:"healthy"` // every service that was asked for is ready or has completed
	Settled   bool      `json:"settled"` // none is on its way to another state
	Phase     Phase     `json:"phase"`
	Summary   string    `json:"summary,omitempty"`   // "2 of 3 services healthy; failed: nginx (exit code 1)"
	Unhealthy []Service `json:"unhealthy,omitempty"` // those that are neither ready nor completed
}

// Healthy reports whether a service is as it should be: it runs, and its probe passes if
// it has one, or it has completed, or waits for its next run after a good one, or begins
// that.
func (s *Service) Healthy() bool {
	switch s.State {
	case Running:
		return s.Health != HealthStarting // what makes something of others is well at its end
	case Completed:
		return true
	case Scheduled:
		return s.LastRun != RunFailed
	case Starting:
		return s.Schedule != "" && s.LastRun != RunFailed
	}
	return false
}
