package control

import "time"

// A LogLine is one line that a service has printed, or a piece of a long one.
type LogLine struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`         // its label
	Stream  string    `json:"stream"`          // stdout or stderr; nix2gpu for a mark of our own, such as that of lines that were lost
	Level   string    `json:"level,omitempty"` // by syslog's words: emerg, alert, crit, err, warning, notice, info or debug; empty: the line does not tell
	Message string    `json:"message"`
	PID     int       `json:"pid,omitempty"`     // of the process whose log it is; 0: not known
	Restart *int      `json:"restart,omitempty"` // how often the service was started before since the project was; nil: not known
	Partial bool      `json:"partial,omitempty"` // the line goes on in the next one
}
