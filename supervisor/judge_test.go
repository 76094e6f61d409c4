package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// What each condition makes of each state: met, still to wait for, or never.
func TestMet(t *testing.T) {
	const met1, wait, never = "met", "wait", "never"
	every := func(list ...control.ServiceState) []control.ServiceState { return list }
	starting := every(control.Stopped, control.Waiting, control.Init, control.Starting, control.Setup, control.Ending, control.Backoff, control.Restarting, control.Stopping)
	for _, c := range []struct {
		cond   project.Condition
		states []control.ServiceState
		with   facts
		want   string
	}{
		{project.Started, starting, facts{}, wait},
		{project.Started, starting, facts{up: true}, met1},
		{project.Started, starting, facts{spawned: true}, wait},
		{project.Started, every(control.Completed, control.Failed), facts{spawned: true}, met1},
		{project.Started, every(control.Completed), facts{}, wait},
		{project.Started, every(control.Failed, control.Skipped), facts{}, never},
		{project.Started, every(control.Skipped), facts{spawned: true}, never},

		{project.Ready, append(starting, control.Unready), facts{up: true, spawned: true, probeReady: true}, wait},
		{project.Ready, every(control.Running, control.Completed), facts{}, met1},
		{project.Ready, every(control.Completed), facts{probed: true}, never},
		{project.Ready, every(control.Running), facts{probed: true}, met1},
		{project.Ready, every(control.Failed, control.Skipped), facts{}, never},

		{project.LogReady, every(control.Running, control.Setup), facts{probeReady: true}, met1},
		{project.LogReady, every(control.Running, control.Setup), facts{}, wait},
		{project.LogReady, every(control.Stopped, control.Waiting, control.Init, control.Starting, control.Unready, control.Ending, control.Backoff), facts{probeReady: true}, wait},
		{project.LogReady, every(control.Completed, control.Failed, control.Skipped), facts{probeReady: true}, never},

		{project.Completed, every(control.Completed), facts{}, met1},
		{project.Completed, append(starting, control.Running, control.Unready), facts{up: true, spawned: true}, wait},
		{project.Completed, every(control.Failed, control.Skipped), facts{}, never},

		{project.Exited, every(control.Completed, control.Failed), facts{}, met1},
		{project.Exited, every(control.Stopped), facts{spawned: true}, met1},
		{project.Exited, every(control.Stopped), facts{}, wait},
		{project.Exited, every(control.Waiting, control.Running, control.Backoff, control.Stopping), facts{spawned: true}, wait},
		{project.Exited, every(control.Skipped), facts{spawned: true}, never},

		{"nonsense", every(control.Running), facts{up: true}, never},
	} {
		for _, state := range c.states {
			c.with.state = state
			unmet, why, hopeless := met(c.with, c.cond)
			got := met1
			switch {
			case hopeless:
				got = never
			case unmet:
				got = wait
			}
			if got != c.want || unmet == (why == "") {
				t.Errorf("%s of %+v: %s (%q), want %s", c.cond, c.with, got, why, c.want)
			}
		}
	}
}

func TestVerdict(t *testing.T) {
	ok, bad, never := project.Exit{}, project.Exit{Code: 3}, project.Exit{Error: "no program", Code: 127}
	for _, c := range []struct {
		name string
		end  end
		want Kind
		worn bool
	}{
		{"no, success", end{exit: ok, restart: project.Restart{Policy: project.RestartNo}}, Succeeded, false},
		{"no, failure", end{exit: bad, restart: project.Restart{Policy: project.RestartNo}}, GaveUp, false},
		{"no, a code that is a success", end{exit: bad, success: []int{2, 3}}, Succeeded, false},
		{"no, another code", end{exit: bad, success: []int{2}}, GaveUp, false},
		{"a start that failed is none", end{exit: never, success: []int{127}}, GaveUp, false},
		{"an error without a code", end{exit: project.Exit{Error: "x"}}, GaveUp, false},
		{"forced", end{exit: ok, forced: true}, GaveUp, false},
		{"forced, with a success code", end{exit: bad, forced: true, success: []int{3}}, GaveUp, false},
		{"on_failure, success", end{exit: ok, restart: project.Restart{Policy: project.RestartOnFailure}}, Succeeded, false},
		{"on_failure, failure", end{exit: bad, restart: project.Restart{Policy: project.RestartOnFailure}}, Retry, false},
		{"on_failure, forced", end{exit: ok, forced: true, restart: project.Restart{Policy: project.RestartOnFailure}}, Retry, false},
		{"always, success", end{exit: ok, restart: project.Restart{Policy: project.RestartAlways}}, Retry, false},
		{"unless_stopped, success", end{exit: ok, restart: project.Restart{Policy: project.RestartUnlessStopped}}, Retry, false},
		{"exit_on_failure, success", end{exit: ok, restart: project.Restart{Policy: project.RestartExitOnFailure}}, Succeeded, false},
		{"exit_on_failure, failure", end{exit: bad, restart: project.Restart{Policy: project.RestartExitOnFailure}}, GaveUp, false},
		{"before the limit", end{exit: bad, streak: 1, restart: project.Restart{Policy: project.RestartOnFailure, Max: 2}}, Retry, false},
		{"at the limit", end{exit: bad, streak: 2, restart: project.Restart{Policy: project.RestartOnFailure, Max: 2}}, GaveUp, true},
		{"at the limit, with success", end{exit: ok, streak: 2, restart: project.Restart{Policy: project.RestartAlways, Max: 2}}, Succeeded, false},
		{"success needs no restart", end{exit: ok, streak: 2, restart: project.Restart{Policy: project.RestartOnFailure, Max: 2}}, Succeeded, false},
		{"no limit", end{exit: bad, streak: 99, restart: project.Restart{Policy: project.RestartOnFailure}}, Retry, false},
	} {
		if k, worn := verdict(c.end); k != c.want || worn != c.worn {
			t.Errorf("%s: %s, worn %t, want %s, %t", c.name, k, worn, c.want, c.worn)
		}
	}
}

func TestGood(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		ran, last time.Duration
		want      bool
	}{{10 * s, 0, true}, {10*s - 1, 0, false}, {10 * s, 10 * s, true}, {15 * s, 20 * s, false}, {20 * s, 20 * s, true}, {0, 0, false}} {
		if got := good(c.ran, c.last); got != c.want {
			t.Errorf("a run of %v after a wait of %v is good: %t", c.ran, c.last, got)
		}
	}
}

func TestJitter(t *testing.T) {
	for share, want := range map[float64]time.Duration{0: 900 * time.Millisecond, 0.5: time.Second, 1: 1100 * time.Millisecond} {
		if got := jitter(time.Second, share).Round(time.Millisecond); got != want {
			t.Errorf("jitter of a second, %v of the way: %v, want %v", share, got, want)
		}
	}
}
