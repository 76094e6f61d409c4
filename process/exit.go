package process

import (
	"fmt"
	"time"

	"nix2gpu/project"
)

// An Exit is how a process ended.
type Exit struct {
	Code   int            // of exit(2); -1 when a signal ended it
	Signal project.Signal // 0 unless a signal ended it
	Core   bool           // a core was dumped
	OOM    bool           // the kernel killed it because memory ran out, as far as can be known
	Killed bool           // we had sent it SIGKILL

	At       time.Time
	Duration time.Duration // of its life
	CPU      time.Duration // user and system time, its waited-for children included
	MaxRSS   int64         // bytes

	// Left lists descendants that could not be ended. Set when done.
	Left []Info
}

// Success reports whether the process exited with 0.
func (e Exit) Success() bool { return e.Signal == 0 && e.Code == 0 }

// Status is the exit code as a shell gives it: 128+n for signal n.
func (e Exit) Status() int {
	if e.Signal != 0 {
		return 128 + int(e.Signal)
	}
	return e.Code
}

// String is for people: "exit code 1", "killed by SIGSEGV (core dumped)".
func (e Exit) String() string {
	switch {
	case e.Signal == 0:
		return fmt.Sprintf("exit code %d", e.Code)
	case e.OOM:
		return "killed by SIGKILL (out of memory)"
	case e.Core:
		return "killed by " + e.Signal.String() + " (core dumped)"
	}
	return "killed by " + e.Signal.String()
}
