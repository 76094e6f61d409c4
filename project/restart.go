package project

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// A RestartPolicy says after which exits a process is started again.
type RestartPolicy string

// The policies. The empty one means RestartNo; the default of a definition is set where
// definitions are read.
const (
	RestartNo            RestartPolicy = "no"
	RestartOnFailure     RestartPolicy = "on_failure"
	RestartAlways        RestartPolicy = "always"
	RestartExitOnFailure RestartPolicy = "exit_on_failure" // a failure ends the project
	RestartUnlessStopped RestartPolicy = "unless_stopped"
)

// Restart is a restart policy and its delays. The methods apply the defaults of unset
// fields, so that the fields still tell what the user has set.
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
	if delay == 0 {
		return 0 // 0 times an overflow is not a number
	}
	wait := float64(delay) * math.Pow(factor, float64(max(n, 1)-1))
	if wait >= float64(limit) { // also when it overflowed to +Inf
		return limit
	}
	return time.Duration(wait)
}

// Jitters reports whether delays may be varied at random: only if the user set none.
func (r Restart) Jitters() bool { return r.Delay == nil }

// A Duration is a time.Duration that is text in JSON: "1.5s".
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

// For returns a pointer to d, for fields in which nil means something else than 0.
func For(d time.Duration) *Duration { out := Duration(d); return &out }
