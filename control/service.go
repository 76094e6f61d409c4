package control

import (
	"time"

	"nix2gpu/project"
)

// A Service is the state of one service.
type Service struct {
	ID        project.ID `json:"id"`
	Label     string     `json:"label"` // what people see
	Type      string     `json:"type"`
	Namespace string     `json:"namespace,omitempty"`
	Disabled  bool       `json:"disabled,omitempty"`
	Elevated  bool       `json:"elevated,omitempty"` // it needs root's rights
	Daemon    bool       `json:"daemon,omitempty"`   // it is what its command leaves running
	Launched  bool       `json:"launched,omitempty"` // a daemon, whose command has ended
	Wanted    bool       `json:"wanted"`             // part of what was asked to run
	// System marks services that every container has beside those of the definition,
	// such as sshd. Summaries leave them out, and a wait that names no service does
	// not wait for them.
	System bool   `json:"system,omitempty"`
	Family string `json:"family,omitempty"` // the name of all replicas, of which this is one

	State  ServiceState `json:"state"`
	Since  time.Time    `json:"since"`
	Health Health       `json:"health,omitempty"`
	// Refused says of a skipped service that it can't run on this machine.
	Refused bool   `json:"refused,omitempty"`
	Why     string `json:"why,omitempty"` // one line: what it waits for, how it ended, what its probe said

	WaitsFor []Unmet       `json:"waitsFor,omitempty"`
	PID      int           `json:"pid,omitempty"`  // of the main process
	Step     project.ID    `json:"step,omitempty"` // the one-shot that runs
	Started  time.Time     `json:"started,omitzero"`
	Starts   int           `json:"starts"`           // of the main process, all in all
	Restarts int           `json:"restarts"`         // automatic ones, all in all
	Streak   int           `json:"streak,omitempty"` // automatic ones in a row, without a good run between them
	Next     time.Time     `json:"next,omitzero"`    // of the next restart, in backoff; of the next planned run
	KillAt   time.Time     `json:"killAt,omitzero"`  // while stopping
	Exit     *project.Exit `json:"exit,omitempty"`   // how the last of its processes ended that decided its state
	Probe    *Probe        `json:"probe,omitempty"`  // the last verdict
	// OutOfMemory is set when the kernel has killed processes of the service for lack
	// of memory while its main process went on, since its last start.
	OutOfMemory *OutOfMemory   `json:"outOfMemory,omitempty"`
	Ports       []project.Port `json:"ports,omitempty"`
	GPU         bool           `json:"gpu,omitempty"` // it uses GPUs
	// Watched says that it restarts when files change. Touched is the file whose change has
	// last restarted it.
	Watched   bool      `json:"watched,omitempty"`
	Touched   string    `json:"touched,omitempty"`
	TouchedAt time.Time `json:"touchedAt,omitzero"`
	// Schedule is when it runs, of one that has one: "0 3 * * * (Europe/Berlin)". Missed are
	// the runs that were not made, for whatever reason; LastMissed says which the last ones
	// were, and why.
	Schedule string `json:"schedule,omitempty"`
	// RunOf is set in what stands for a further run of that service, beside the first: its
	// schedule allows several at once.
	RunOf      project.ID `json:"runOf,omitempty"`
	Missed     int        `json:"missed,omitempty"`
	LastMissed string     `json:"lastMissed,omitempty"`
	// LastRun is how the last run of one with a schedule went that ended by itself.
	LastRun RunOutcome `json:"lastRun,omitempty"`
}

// NeverRan reports whether s stands for a further run that its schedule has not needed yet.
func (s *Service) NeverRan() bool {
	return s.RunOf != "" && s.Starts == 0 && s.Exit == nil && (s.State == Scheduled || s.State == Stopped)
}

// An OutOfMemory counts processes that the kernel has killed for lack of memory.
type OutOfMemory struct {
	Kills int       `json:"kills"`
	Last  time.Time `json:"last"`
}

// An Unmet is a dependency that holds a service back.
type Unmet struct {
	Service   project.ID        `json:"service"`
	Label     string            `json:"label"`
	Condition project.Condition `json:"condition"`
	Why       string            `json:"why"` // "is starting", "failed (exit code 1)"
	Hopeless  bool              `json:"hopeless,omitempty"`
}

// A Probe is the last result of a probe.
type Probe struct {
	Role project.ProbeRole `json:"role"`
	OK   bool              `json:"ok"` // the verdict, by its thresholds
	// Failing says that failure_threshold checks in a row have failed. A probe that is
	// neither OK nor Failing has no verdict yet.
	Failing bool `json:"failing,omitempty"`
	// Failed says that the last check failed, whatever the verdict.
	Failed bool             `json:"failed,omitempty"`
	Output string           `json:"output,omitempty"` // why not, in one line
	At     time.Time        `json:"at,omitzero"`
	Took   project.Duration `json:"took,omitempty"` // the last check
}

// A RunOutcome is how a run went; "" if there was none.
type RunOutcome string

// The values of RunOutcome.
const (
	RunSucceeded RunOutcome = "succeeded"
	RunFailed    RunOutcome = "failed"
)

// Health is what the probes say of a service, in docker's words. It is empty for a
// service without probes, unless it is well only at its end, and while no process of it runs.
type Health string

// The values of Health.
const (
	HealthStarting  Health = "starting"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// A ServiceState is where a service is in its life.
type ServiceState string

// The states; [ServiceStates] says what each means, and Live, Active and Settled
// how they group.
const (
	Stopped    ServiceState = "stopped"
	Scheduled  ServiceState = "scheduled"
	Waiting    ServiceState = "waiting"
	Init       ServiceState = "init"
	Starting   ServiceState = "starting"
	Setup      ServiceState = "setup"
	Running    ServiceState = "running"
	Unready    ServiceState = "unready"
	Ending     ServiceState = "ending"
	Backoff    ServiceState = "backoff"
	Restarting ServiceState = "restarting"
	Stopping   ServiceState = "stopping"
	Completed  ServiceState = "completed"
	Failed     ServiceState = "failed"
	Skipped    ServiceState = "skipped"
)

// A StateDoc is a row of the reference of states.
type StateDoc struct {
	State   ServiceState
	Meaning string
}

// ServiceStates is the reference of states.
func ServiceStates() []StateDoc {
	return []StateDoc{
		{Stopped, "not wanted: never started, or stopped by request"},
		{Scheduled, "it has a schedule, and its next run is planned"},
		{Waiting, "wanted, and a dependency is not there yet"},
		{Init, "a one-shot before the main process runs"},
		{Starting, "the main process runs, and is not ready yet"},
		{Setup, "the main process is ready, a one-shot after it runs"},
		{Running, "the main process runs and is ready"},
		{Unready, "it was ready, and its readiness probe fails now"},
		{Ending, "something of it failed; the rest is brought down before the restart policy decides"},
		{Backoff, "it waits before its next restart"},
		{Restarting, "it is brought down, to be started again"},
		{Stopping, "it is brought down, to stay down"},
		{Completed, "it ended with success, for good"},
		{Failed, "it failed, for good"},
		{Skipped, "it can't run on this machine, or a dependency made it impossible"},
	}
}

// Live reports whether a process of the service may be alive.
func (s ServiceState) Live() bool {
	switch s {
	case Init, Starting, Setup, Running, Unready, Ending, Restarting, Stopping:
		return true
	}
	return false
}

// Active reports whether the service will change by itself: a process of it lives,
// or a restart or a planned run will come.
func (s ServiceState) Active() bool { return s.Live() || s == Backoff || s == Scheduled }

// Rests reports whether nothing of the service lives, and nothing will come by itself.
func (s ServiceState) Rests() bool { return !s.Active() && s != Waiting || s == Scheduled }

// Settled reports whether the service stays as it is until a process ends, a probe
// fails or somebody acts on it.
func (s ServiceState) Settled() bool {
	switch s {
	case Stopped, Scheduled, Running, Completed, Failed, Skipped:
		return true
	}
	return false
}
