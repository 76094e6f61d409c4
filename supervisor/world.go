package supervisor

import (
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// A World does what the engine decides: it starts processes, signals them,
// probes them and tells the time. Every method returns at once; what comes of
// it is reported as a [Fact], from any goroutine but that of the call.
type World interface {
	// Now is the time. It must never go back.
	Now() time.Time
	// Clock is the time of day. Unlike Now it jumps when somebody sets the clock, or
	// when the machine was suspended.
	Clock() time.Time
	// After reports the fact after d, unless cancelled before.
	After(d time.Duration, f Fact) (cancel func())

	// Spawn prepares and starts a process. It is answered by Exited, with
	// Spawned before it when the program was executed. Exited comes once all
	// output was read and, unless the process's kill mode says otherwise,
	// nothing of its descendants is left.
	Spawn(r Run)
	// Probe starts the probes of a spawned main process; Probed follows after
	// each check. It ends by itself when the process does.
	Probe(id RunID)
	// Signal sends a signal to a spawned process. With group its
	// whole group gets it, and is continued.
	Signal(id RunID, signal project.Signal, group bool)
	// Shutdown runs a shutdown command for a process; ShutdownDone follows.
	Shutdown(id RunID, c project.Command)
	// Cancel ends a run before its program is executed: then it never is, and
	// Exited follows. Where it comes too late it does nothing, and Spawned
	// follows, as it would have.
	Cancel(id RunID)
	// Kill ends a process and all of its descendants without asking; Exited
	// follows soon. One that has not been executed yet never is.
	Kill(id RunID)

	// Say prints one line to the operator, without prefix and newline. The tone is
	// seen at a terminal only.
	Say(line string, tone servicelog.Tone)
}

// A RunID names one execution of a process, and is never used twice.
type RunID uint64

// A Run is one execution of a process.
type Run struct {
	ID      RunID
	Project *project.Project // as it was when the run began
	Service *project.Service
	Process *project.Process
	Attempt int // counts the starts of the service, from 1
}

// A Fact is something that happened in the world.
type Fact struct {
	Kind  FactKind
	Run   RunID
	PID   int           // Spawned
	Exit  project.Exit  // Exited, with its time when the program ran; ShutdownDone
	Probe control.Probe // Probed
	News  bool          // Probed: the probe changed its mind
	Kills int           // OutOfMemory
	timer timerID
}

// A FactKind says what happened.
type FactKind uint8

// The kinds of facts.
const (
	Spawned      FactKind = iota // a process runs now
	Exited                       // a process and its descendants are gone
	Probed                       // a probe has checked
	ShutdownDone                 // a shutdown command ended, any way
	OutOfMemory                  // the kernel has killed descendants of a process, which itself goes on
	timerFired
)
