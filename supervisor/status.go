package supervisor

import (
	"time"

	"nix2gpu/project"
)

// A Snapshot is a copy of everything an observer may know at one moment.
type Snapshot struct {
	Project  string    `json:"project"`
	At       time.Time `json:"at"`
	Since    time.Time `json:"since"` // when the engine began
	Phase    Phase     `json:"phase"`
	Summary  string    `json:"summary,omitempty"` // "2 of 3 services healthy; failed: nginx (exit code 1)"
	Healthy  bool      `json:"healthy"`           // every wanted service runs and is ready, or has completed
	Settled  bool      `json:"settled"`           // no wanted service is on its way to another state
	Services []Status  `json:"services"`          // sorted by label
	Stop     *StopInfo `json:"stop,omitempty"`    // while the project stops
}

// A Phase is where the project as a whole is.
type Phase string

// The phases.
const (
	PhaseRunning  Phase = "running"
	PhaseStopping Phase = "stopping"
	PhaseDone     Phase = "done"
)

// StopInfo says how far the stop of a project is.
type StopInfo struct {
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`             // "requested", "nginx failed (exit code 1)"
	Deadline   time.Time `json:"deadline,omitzero"`  // when whatever is left is killed
	WaitingFor []string  `json:"waitingFor"`         // "api (ignores SIGTERM, killed in 3s)"
	Killing    bool      `json:"killing,omitempty"`  // the grace is over
	ExitCode   int       `json:"exitCode,omitempty"` // with which the project will end
}

// A Status is a copy of what is known of one service.
type Status struct {
	ID        project.ID `json:"id"`
	Label     string     `json:"label"`
	Type      string     `json:"type"`
	Namespace string     `json:"namespace,omitempty"`
	Disabled  bool       `json:"disabled,omitempty"`
	Wanted    bool       `json:"wanted"` // part of what was asked to run

	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	Health Health    `json:"health,omitempty"`
	Why    string    `json:"why,omitempty"` // one line: what it waits for, how it ended, what its probe said

	WaitsFor []Unmet        `json:"waitsFor,omitempty"`
	PID      int            `json:"pid,omitempty"`  // of the main process
	Step     project.ID     `json:"step,omitempty"` // the one-shot that runs
	Started  time.Time      `json:"started,omitzero"`
	Starts   int            `json:"starts"`           // of the main process, all in all
	Restarts int            `json:"restarts"`         // automatic ones, all in all
	Streak   int            `json:"streak,omitempty"` // automatic ones without a good run between
	Next     time.Time      `json:"next,omitzero"`    // of the next restart, in backoff
	KillAt   time.Time      `json:"killAt,omitzero"`  // while stopping
	Exit     *project.Exit  `json:"exit,omitempty"`   // the last end of one of its processes that mattered
	Probe    *Probe         `json:"probe,omitempty"`  // the last verdict
	Ports    []project.Port `json:"ports,omitempty"`
}

// Health is what the probes say of a service, in the words of docker. It is
// empty for a service without probes, and while none of it runs.
type Health string

// The values of Health.
const (
	HealthStarting  Health = "starting"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// An Unmet is a dependency that holds a service back.
type Unmet struct {
	Service   project.ID        `json:"service"`
	Label     string            `json:"label"`
	Condition project.Condition `json:"condition"`
	Why       string            `json:"why"` // "is starting", "failed (exit code 1)"
	Hopeless  bool              `json:"hopeless,omitempty"`
}

// An Event tells observers of a change of state.
type Event struct {
	Seq    uint64 `json:"seq"`
	From   State  `json:"from"`
	Status Status `json:"status"`         // after the change
	Lost   int    `json:"lost,omitempty"` // events that this observer was too slow for, before this one
}
