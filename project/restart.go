package project

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// A RestartPolicy says after which exits a process is started again.
type RestartPolicy string

// The policies. The empty one means RestartNo; a definition's default is set
// where the definition is read.
const (
	RestartNo            RestartPolicy = "no"
	RestartOnFailure     RestartPolicy = "on_failure"
	RestartAlways        RestartPolicy = "always"
	RestartExitOnFailure RestartPolicy = "exit_on_failure" // a failure ends the project
	RestartUnlessStopped RestartPolicy = "unless_stopped"
)

// Restart is a policy with its pace. Unset fields take their defaults from
// the methods, so that what was set can be told from what was not.
type Restart struct {
	Policy   RestartPolicy `json:"policy,omitempty"`
	Delay    *Duration     `json:"delay,omitempty"`    // before the first restart; default: 500ms
	DelayMax *Duration     `json:"delayMax,omitempty"` // default: 30s or Delay, whichever is more
	Backoff  float64       `json:"backoff,omitempty"`  // multiplier; default: 2, but 1 when Delay is set
	Max      int           `json:"max,omitempty"`      // restarts of one streak of failures; 0: no limit
}

// Wait returns how long to wait before restart number n of a streak, counted
// from 1, without jitter.
func (r Restart) Wait(n int) time.Duration {
	delay, factor := 500*time.Millisecond, 2.0
	if r.Delay != nil {
		delay, factor = time.Duration(*r.Delay), 1
	}
	if r.Backoff > 0 {
		factor = r.Backoff
	}
	limit := max(30*time.Second, delay)
	if r.DelayMax != nil {
		limit = time.Duration(*r.DelayMax)
	}
	wait := float64(delay) * math.Pow(factor, float64(max(n, 1)-1))
	if wait >= float64(limit) { // also when it overflowed to +Inf
		return limit
	}
	return time.Duration(wait)
}

// Jitters reports whether waits may be varied: only where the user named none.
func (r Restart) Jitters() bool { return r.Delay == nil }

// A Duration travels as text: "1.5s".
type Duration time.Duration

// MarshalJSON writes d as Go writes durations.
func (d Duration) MarshalJSON() ([]byte, error) { return marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a duration such as "1m30s".
func (d *Duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("a duration must be text such as \"5s\": %v", err)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration %q must be like \"500ms\", \"5s\" or \"1m30s\"", s)
	}
	*d = Duration(parsed)
	return nil
}

// For is a duration that was set, for the fields where unset means something.
func For(d time.Duration) *Duration { out := Duration(d); return &out }
