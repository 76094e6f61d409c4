package supervisor

import (
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// facts is what dependants may know about a service.
type facts struct {
	state      control.ServiceState
	probed     bool // its main process has a readiness probe
	probeReady bool // the probe passes
	completes  bool // it is ready once it has ended with success
	up         bool // the main process runs, and was not told to stop
	spawned    bool // the main process was executed since the last start by request
	ended, ok  bool // of one with a schedule: a run has ended, and the last with success
	exit       *project.Exit
	why        string // why it has failed or was skipped
}

// met decides whether a service meets a condition. If not, why says in what state it is, and
// hopeless that it never will.
func met(f facts, cond project.Condition) (unmet bool, why string, hopeless bool) {
	final := f.state == control.Failed || f.state == control.Skipped
	switch cond {
	case project.Started:
		// A service that has ended counts as well: whoever waits for the start only
		// wants to come later.
		if f.up || f.spawned && (f.state == control.Completed || f.state == control.Failed || f.state == control.Scheduled) {
			return false, "", false
		}
		hopeless = final
	case project.Ready:
		if f.state == control.Running && !f.completes || (f.state == control.Completed || f.state == control.Scheduled && f.ok) && !f.probed {
			return false, "", false
		}
		hopeless = final || f.state == control.Completed
	case project.LogReady:
		if f.probeReady && (f.state == control.Running || f.state == control.Setup) {
			return false, "", false
		}
		hopeless = final || f.state == control.Completed
	case project.Completed:
		if f.state == control.Completed || f.state == control.Scheduled && f.ok {
			return false, "", false
		}
		hopeless = final
	case project.Exited:
		if f.state == control.Completed || f.state == control.Failed || f.state == control.Stopped && f.spawned || f.state == control.Scheduled && f.ended {
			return false, "", false
		}
		hopeless = f.state == control.Skipped
	default:
		return true, whyNoCondition(cond), true
	}
	return true, f.describe(), hopeless
}

// An end is all that decides what follows the end of a service.
type end struct {
	exit    project.Exit
	forced  bool // we have ended it because something failed: a failure, whatever its exit code
	ours    bool // that was a probe, or a launch that took too long: no process has an exit of its own for it
	success []int
	restart project.Restart
	streak  int // restarts before this end without a good run in between
}

// failed reports whether the end counts as a failure.
func (e end) failed() bool {
	if e.forced || e.exit.Error != "" {
		return true
	}
	return e.exit.Code != 0 && !slices.Contains(e.success, e.exit.Code)
}

// verdict decides what follows an end. worn says that it gives up for the limit of
// restarts.
func verdict(e end) (k Kind, worn bool) {
	failed := e.failed()
	again := false
	switch {
	case failed && e.exit.Final:
		return GaveUp, false
	case e.restart.Policy == project.RestartAlways, e.restart.Policy == project.RestartUnlessStopped:
		again = true
	case e.restart.Policy == project.RestartOnFailure:
		again = failed
	}
	switch {
	case again && e.restart.Max > 0 && e.streak >= e.restart.Max && failed:
		return GaveUp, true
	case again && e.restart.Max > 0 && e.streak >= e.restart.Max: // it has run as often as it was to
		return Succeeded, false
	case again:
		return Retry, false
	case failed:
		return GaveUp, false
	}
	return Succeeded, false
}

// good reports whether a run that was ready was long enough to end a streak of failures: 10
// seconds at least, and as long as the last wait.
func good(ran, lastWait time.Duration) bool { return ran >= longEnough(lastWait) }

func longEnough(lastWait time.Duration) time.Duration { return max(10*time.Second, lastWait) }

// jitter varies a wait by up to a tenth, as share says, which is between 0 and 1.
func jitter(wait time.Duration, share float64) time.Duration {
	return time.Duration(float64(wait) * (0.9 + 0.2*share))
}
