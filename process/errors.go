package process

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrGone says that a process can't be signalled because it has ended.
var ErrGone = errors.New("process has already ended")

// ErrClosed says that the Host no longer starts anything.
var ErrClosed = errors.New("the process host is closed")

// A Reason classifies why a process could not be started.
type Reason string

// The reasons.
const (
	NotFound      Reason = "not-found"      // no such program
	NoInterpreter Reason = "no-interpreter" // the program exists, but its interpreter or loader does not
	NotExecutable Reason = "not-executable" // no permission, or it is a folder
	BadFormat     Reason = "bad-format"     // neither a script with #! nor a program for this machine
	Busy          Reason = "busy"           // the file is still being written
	BadDir        Reason = "bad-dir"        // the working directory cannot be entered
	BadUser       Reason = "bad-user"       // not permitted to become that user
	TooBig        Reason = "too-big"        // arguments and environment are too long
	Exhausted     Reason = "exhausted"      // no processes, memory or descriptors are left: try again later
	Unsupported   Reason = "unsupported"    // the kernel can't do what the spec asks for
	Failed        Reason = "failed"         // anything else
)

// A StartError says why a process could not be started, in words for those who have to
// correct it.
type StartError struct {
	Program string // as the caller named it
	Reason  Reason
	Detail  string // "not found in PATH (/usr/bin:/bin)"
	Hint    string // what to do, if we know
	Errno   unix.Errno
}

func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot start %q: %s", e.Program, e.Detail)
	if e.Hint != "" {
		b.WriteString("\n  hint: " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the system's error, so that errors.Is(err, fs.ErrNotExist) works.
func (e *StartError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Temporary reports whether the same start may succeed later.
func (e *StartError) Temporary() bool { return e.Reason == Exhausted || e.Reason == Busy }
