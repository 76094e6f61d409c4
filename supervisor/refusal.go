package supervisor

import (
	"errors"
	"fmt"

	"nix2gpu/project"
)

// ErrEnded is returned for a request to an engine that has ended.
var ErrEnded = errors.New("the project has ended")

// An UnknownError says that there is no such service.
type UnknownError struct{ Service project.ID }

func (e *UnknownError) Error() string { return fmt.Sprintf("no service %q", e.Service) }

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

// A SignalError says that there is no such signal.
type SignalError struct{ Signal project.Signal }

func (e *SignalError) Error() string {
	return fmt.Sprintf("signal must be a number from 1 to 64, is %d", int(e.Signal))
}

// A StoppingError refuses what would begin something while the project stops.
type StoppingError struct{ Reason string }

func (e *StoppingError) Error() string { return "the project is stopping (" + e.Reason + ")" }

// A NotRunningError says that a service has no process that the request
// could be about.
type NotRunningError struct {
	Service project.ID
	Label   string
	Why     string
}

func (e *NotRunningError) Error() string { return e.Label + " is not running: it " + e.Why }
