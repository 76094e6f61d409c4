package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// A reload waits for what it stops, but neither for what somebody else has started again
// nor beyond the end of the project.
func TestHaveEnded(t *testing.T) {
	stopping := custom("old", control.Stopping)
	stopping.Wanted = false
	for _, c := range []struct {
		name   string
		more   bool // the reload starts services, too
		play   func(*scripted)
		over   bool
		err    string
		stderr string
	}{
		{"it ends", false, func(s *scripted) {
			x := stopping
			x.State = control.Stopped
			s.become(x)
		}, false, "", ""},
		{"it is restarted again and again", false, func(s *scripted) {
			for _, state := range []control.ServiceState{control.Restarting, control.Starting, control.Running} {
				s.become(custom("old", state))
			}
		}, false, "", "old: was started again meanwhile\n"},
		{"the project ends with it", false, func(s *scripted) {
			s.events <- control.Message{End: &control.End{Reason: "all services have ended"}}
		}, true, "", ""},
		{"the project fails", false, func(s *scripted) {
			s.events <- control.Message{End: &control.End{Code: 1, Reason: "db failed"}}
		}, true, "the project ended first: db failed", ""},
		{"the project ends before the rest starts", true, func(s *scripted) {
			s.events <- control.Message{End: &control.End{Reason: "stopped by \"nix2gpu down\""}}
		}, true, "the project ended first: stopped by \"nix2gpu down\"", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScripted(stopping)
				var out, errs bytes.Buffer
				env := &Env{Stdout: &out, Stderr: &errs, Now: time.Now}
				ctx, cancel := limited(t.Context(), time.Hour)
				defer cancel()
				go c.play(s)
				over, err := haveEnded(ctx, env, s, map[project.ID]bool{"old": true}, c.more)
				if over != c.over || errs.String() != c.stderr || textOf(err) != c.err {
					t.Errorf("haveEnded = %t, %v, and says %q; want %t, %q, and %q", over, err, errs.String(), c.over, c.err, c.stderr)
				}
				if err != nil && exitCode(err) != exitFailed {
					t.Errorf("exit code %d, want %d", exitCode(err), exitFailed)
				}
			})
		})
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
