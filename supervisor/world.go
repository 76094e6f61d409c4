package supervisor

import (
	"time"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// A World does what the engine decides: it starts, signals and probes processes, and tells
// the time. All methods return at once. Their outcome is reported as a [Fact], from any
// goroutine but that of the call.
type World interface {
	// Now returns the time, which never goes back.
	Now() time.Time
	// Clock returns the time of day. Unlike Now, it jumps when somebody sets the clock
	// or the machine was suspended.
	Clock() time.Time
	// After reports f after d, unless it is cancelled before.
	After(d time.Duration, f Fact) (cancel func())

	// Spawn prepares and starts a process. Spawned follows when the program is executed,
	// and in any case Exited: once all output was read and, unless the kill mode says
	// otherwise, no descendants are left. For a daemon, Launched comes between them, or
	// never if its command fails.
	Spawn(r Run)
	// Probe starts the probes of a main process that was spawned, or launched. Probed follows after each
	// check. They end with the process.
	Probe(id RunID)
	// Signal sends a signal to a spawned process, or with group to its whole group,
	// followed by CONT.
	Signal(id RunID, signal project.Signal, group bool)
	// Shutdown runs the shutdown command of a process, or types its keys. ShutdownDone
	// follows.
	Shutdown(id RunID, how project.Shutdown)
	// Cancel ends a run before its program is executed, and Exited follows. If it is too
	// late, it does nothing, and Spawned follows.
	Cancel(id RunID)
	// Kill kills a process and all of its descendants. If it has not been executed, it
	// never is. Exited follows soon.
	Kill(id RunID)
	// GiveUp says that a killed process has been waited for long enough. It returns what
	// of it lives on, in words, if that is known.
	GiveUp(id RunID) string

	// Say prints a line, given without prefix and newline, to the operator. The tone is
	// only seen on a terminal.
	Say(line string, tone servicelog.Tone)
}

// A RunID identifies one execution of a process. It is never used twice.
type RunID uint64

// A Run is one execution of a process.
type Run struct {
	ID      RunID
	Project *project.Project // the one that ran when the run began
	Service *project.Service
	Process *project.Process
	Attempt int // the number of the service's start, from 1
}

// A Fact is something that happened in the world.
type Fact struct {
	Kind  FactKind
	Run   RunID
	PID   int           // Spawned; Launched: of the daemon's oldest process, 0 if it runs elsewhere
	Exit  project.Exit  // Exited, with its time if the program ran; ShutdownDone
	Probe control.Probe // Probed
	News  bool          // Probed: the result of the probe as a whole has changed
	Kills int           // OutOfMemory
	// Unlimited says, with Spawned, which limits are not enforced; nil: all are.
	Unlimited *process.Unlimited
	timer     timerID
}

// A FactKind says what happened.
type FactKind uint8

// The kinds of facts.
const (
	Spawned      FactKind = iota // the program of a run was executed
	Launched                     // the command of a daemon has left it running, or it has another oldest process now
	Exited                       // a run is over, and nothing of it is left
	Probed                       // a probe has made a check
	ShutdownDone                 // a shutdown command has ended, in whatever way, or the keys of one were typed
	OutOfMemory                  // the kernel has killed descendants of a process that goes on
	timerFired
)
