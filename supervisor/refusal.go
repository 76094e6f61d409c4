package supervisor

import (
	"fmt"

	"nix2gpu/control"
	"nix2gpu/project"
)

// Each refusal wraps the error of package control that tells clients its kind.

// ErrEnded is returned for a request to an engine that has ended.
var ErrEnded error = endedError{}

type endedError struct{}

func (endedError) Error() string { return "the project has ended" }
func (endedError) Unwrap() error { return control.ErrNotRunning }

// An UnknownError says that there is no such service.
type UnknownError struct{ Service project.ID }

func (e *UnknownError) Error() string { return fmt.Sprintf("no service %q", e.Service) }

// Unwrap says what kind of refusal it is.
func (e *UnknownError) Unwrap() error { return control.ErrNotFound }

// A HopelessError says that a condition can't be met any more.
type HopelessError struct {
	Service   project.ID
	Label     string
	Condition project.Condition
	Why       string
}

func (e *HopelessError) Error() string {
	return e.Label + " will not be " + string(e.Condition) + ": it " + e.Why
}

// Unwrap says what kind of refusal it is.
func (e *HopelessError) Unwrap() error { return control.ErrFailed }

// A SignalError says that there is no such signal.
type SignalError struct{ Signal project.Signal }

func (e *SignalError) Error() string {
	return fmt.Sprintf("signal must be a number from 1 to 64, not %d", int(e.Signal))
}

// Unwrap says what kind of refusal it is.
func (e *SignalError) Unwrap() error { return control.ErrInvalid }

// A StoppingError refuses to begin anything while the project stops.
type StoppingError struct{ Reason string }

func (e *StoppingError) Error() string { return "the project is stopping (" + e.Reason + ")" }

// Unwrap says what kind of refusal it is.
func (e *StoppingError) Unwrap() error { return control.ErrConflict }

// A NotRunningError says that a service has no process, which the request needs.
type NotRunningError struct {
	Service project.ID
	Label   string
	Why     string
}

func (e *NotRunningError) Error() string {
	if e.Why == whyElsewhere {
		return e.Label + " has no process here: it " + e.Why
	}
	return e.Label + " is not running: it " + e.Why
}

// Unwrap says what kind of refusal it is.
func (e *NotRunningError) Unwrap() error { return control.ErrConflict }
