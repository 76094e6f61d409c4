package project

import (
	"encoding/json"
	"fmt"
	"time"
)

// An Exit is how a process ended; the zero value is exit code 0. Its JSON has
// the sentence of String beside the fields, as "text".
type Exit struct {
	Process ID     `json:"process,omitempty"`
	Code    int    `json:"code"`             // as a shell gives it: 128+n for signal n; 127 or 126 where nothing could be started
	Signal  Signal `json:"signal,omitempty"` // that ended it
	Core    bool   `json:"core,omitempty"`   // the signal left a core file
	OOM     bool   `json:"oom,omitempty"`    // the kernel killed it for lack of memory, as far as can be known
	Error   string `json:"error,omitempty"`  // why it could not be started

	Said    string `json:"said,omitempty"`    // of its last lines, the one that says most about why it failed
	Final   bool   `json:"final,omitempty"`   // it would fail the same way again, so it is not retried
	Hint    string `json:"hint,omitempty"`    // the likely cause, or the cure
	Because string `json:"because,omitempty"` // why we ended it: "liveness probe failed: status 500"

	At  time.Time `json:"at,omitzero"`
	Ran Duration  `json:"ran,omitempty"`
	// CPU and Memory include the descendants that it waited for.
	CPU    Duration `json:"cpu,omitempty"`    // user and system time
	Memory int64    `json:"memory,omitempty"` // the most that was resident, in bytes, if it is more than the supervisor had
}

// CannotPass is the exit code of a one-shot that would fail the same way again until
// somebody mends its configuration: EX_CONFIG of sysexits.h.
const CannotPass = 78

// KilledBy returns the Exit of a process that a signal ended.
func KilledBy(s Signal) Exit { return Exit{Code: 128 + int(s), Signal: s} }

// Success reports whether the process ran and exited with 0.
func (x Exit) Success() bool { return x.Code == 0 && x.Error == "" }

// String returns what people read: "exit code 1", "killed by SIGSEGV (core dumped)",
// "out of memory (killed)", or Error, such as "no such program".
func (x Exit) String() string {
	switch {
	case x.Error != "":
		return x.Error
	case x.OOM:
		return "out of memory (killed)"
	case x.Core:
		return "killed by " + x.Signal.String() + " (core dumped)"
	case x.Signal != 0:
		return "killed by " + x.Signal.String()
	}
	return fmt.Sprintf("exit code %d", x.Code)
}

// MarshalJSON writes the fields, and String as "text".
func (x Exit) MarshalJSON() ([]byte, error) {
	type fields Exit
	return marshal(struct {
		fields
		Text string `json:"text"`
	}{fields(x), x.String()})
}

// UnmarshalJSON reads the fields and ignores "text", which follows from them.
func (x *Exit) UnmarshalJSON(data []byte) error {
	type fields Exit
	return json.Unmarshal(data, (*fields)(x))
}
