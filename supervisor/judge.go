package supervisor

import (
	"fmt"
	"slices"
	"time"

	"nix2gpu/project"
)

// facts are what others may look at in a service to decide about themselves.
type facts struct {
	state      State
	probed     bool // its main process has a readiness probe
	probeReady bool // which passes
	up         bool // the main process runs, and was not told to stop
	spawned    bool // it was executed since the last start by request
	exit       *Exit
	why        string // of a failure or a skip
}

// met judges one condition on a service: unmet says that it does not hold,
// why in what state the service is instead, hopeless that no waiting helps.
func met(f facts, cond project.Condition) (unmet bool, why string, hopeless bool) {
	final := f.state == Failed || f.state == Skipped
	switch cond {
	case project.Started:
		// A start that is over counts as well: who waits for it only wants
		// to come later.
		if f.up || f.spawned && (f.state == Completed || f.state == Failed) {
			return false, "", false
		}
		hopeless = final
	case project.Ready:
		if f.state == Running || f.state == Completed && !f.probed {
			return false, "", false
		}
		hopeless = final || f.state == Completed
	case project.LogReady:
		if f.probeReady && (f.state == Running || f.state == Setup) {
			return false, "", false
		}
		hopeless = final || f.state == Completed
	case project.Completed:
		if f.state == Completed {
			return false, "", false
		}
		hopeless = final
	case project.Exited:
		if f.state == Completed || f.state == Failed || f.state == Stopped && f.spawned {
			return false, "", false
		}
		hopeless = f.state == Skipped
	default:
		return true, fmt.Sprintf("has no condition %q", cond), true
	}
	return true, f.describe(), hopeless
}

// describe completes a sentence that begins with the service's name.
func (f facts) describe() string {
	switch f.state {
	case Stopped:
		return "is stopped"
	case Waiting:
		return "waits for its own dependencies"
	case Init, Starting, Setup:
		return "is starting"
	case Running:
		return "is running"
	case Unready:
		return "is not ready"
	case Ending, Restarting:
		return "is restarting"
	case Backoff:
		return "is restarting" + paren(f.exit)
	case Stopping:
		return "is stopping"
	case Completed:
		return "has completed" + paren(f.exit)
	case Failed:
		return "failed (" + f.why + ")"
	case Skipped:
		return "was skipped (" + f.why + ")"
	}
	return "is " + f.state.String()
}

func paren(x *Exit) string {
	if x == nil || x.String() == "exit code 0" {
		return ""
	}
	return " (" + x.String() + ")"
}

// An end is all that decides what follows the end of a service.
type end struct {
	exit    Exit
	forced  bool // we ended it because it was not well: a failure, whatever the code
	success []int
	restart project.Restart
	streak  int // restarts before this end, without a good run between
}

// failed reports whether the end counts as a failure.
func (e end) failed() bool {
	if e.forced || e.exit.Error != "" {
		return true
	}
	return e.exit.Status() != 0 && !slices.Contains(e.success, e.exit.Status())
}

// verdict judges an end. Why is set when it gives up because of a limit.
func verdict(e end) (k Kind, why string) {
	failed := e.failed()
	again := false
	switch e.restart.Policy {
	case project.RestartAlways, project.RestartUnlessStopped:
		again = true // every exit counts as one to restart
	case project.RestartOnFailure:
		again = failed
	}
	switch {
	case again && e.restart.Max > 0 && e.streak >= e.restart.Max:
		return GaveUp, fmt.Sprintf("gave up after %s: ", count(e.streak, "restart"))
	case again:
		return Retry, ""
	case failed:
		return GaveUp, ""
	}
	return Succeeded, ""
}

// good reports whether a run that was ready was long enough to end a streak of
// failures: at least 10 s and the last wait.
func good(ran, lastWait time.Duration) bool { return ran >= max(10*time.Second, lastWait) }

// jitter varies a wait by up to a tenth. The share is between 0 and 1.
func jitter(wait time.Duration, share float64) time.Duration {
	return time.Duration(float64(wait) * (0.9 + 0.2*share))
}

// count is a number with its noun: "1 restart", "5 restarts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
