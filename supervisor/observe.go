package supervisor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nix2gpu/project"
)

// line says a change of state to the operator; "" when it says nothing new.
func (c *core) line(s *service, from, to State, k Kind) string {
	switch to {
	case Waiting:
		return "waiting for dependencies"
	case Init, Starting:
		if from == Init {
			return ""
		}
		if s.streak.n > 0 {
			return fmt.Sprintf("starting (restart %d)", s.streak.n)
		}
		return "starting"
	case Running:
		if from == Unready || c.awaited(s) {
			return "ready"
		}
	case Unready:
		return "not ready: " + s.probeOutput()
	case Ending:
		return s.why // empty when it ended by itself
	case Backoff:
		return fmt.Sprintf("%s; restarting in %s", s.reason(), seconds(s.main.Restart.Wait(s.streak.n+1)))
	case Restarting:
		if s.cause != "" {
			return "restarting: " + s.cause
		}
		return "restarting"
	case Stopping:
		if c.stopping == nil {
			return "stopping"
		}
	case Stopped:
		if c.stopping == nil {
			return "stopped"
		}
	case Completed:
		return "completed" + paren(s.exit)
	case Failed:
		return "failed: " + s.reason()
	case Skipped:
		return "skipped: " + s.why
	}
	return ""
}

// hint is the cure for a failure that was announced, the first time in a row.
func (s *service) hint(to State) string {
	if s.exit == nil || to != Failed && (to != Backoff || s.streak.n > 0) {
		return ""
	}
	return s.exit.Hint
}

func (s *service) probeOutput() string {
	if s.probe == nil {
		return "its probe fails"
	}
	return text(string(s.probe.Role)+" probe failed", s.probe.Output)
}

// awaited reports whether another service waits for s to be ready.
func (c *core) awaited(s *service) bool {
	return slices.ContainsFunc(c.users[s.id], func(u *service) bool {
		cond := u.spec.DependsOn[s.id].Condition
		return u.wanted && (cond == project.Ready || cond == project.LogReady)
	})
}

// announceSummary says how the whole of it is, once after each thing that was
// asked for, and when what was said last is no longer so for the better.
func (c *core) announceSummary() {
	if c.stopping != nil || !c.summary.due {
		return
	}
	text, settled, _ := c.overall(true)
	if !settled || text == "" {
		return
	}
	c.summary.due = text != allHealthy // a partial one is completed later
	// A loop that fails in another way each time is no news.
	if kind := parens.ReplaceAllString(text, ""); kind != c.summary.said || text == allHealthy {
		c.summary.said = kind
		c.world.Say(text)
	}
}

var parens = regexp.MustCompile(` \([^)]*\)`)

const allHealthy = "all services healthy"

// overall sums up the wanted services. With calm, a service without a probe
// is not settled before it has run for a moment: one that dies at once must
// not be called healthy.
func (c *core) overall(calm bool) (summary string, settled, healthy bool) {
	var failed, skipped, looping []string
	good, all := 0, 0
	settled = true
	for _, s := range c.order {
		if !s.wanted {
			continue
		}
		all++
		switch s.state {
		case Running:
			if wait := c.calmIn(s); calm && wait > 0 {
				settled = false
				if _, armed := c.timers[c.summary.calm]; !armed {
					c.summary.calm = c.after(wait, timer{kind: calmOver})
				}
			}
			good++
		case Completed:
			good++
		case Failed:
			failed = append(failed, s.spec.Label+" ("+s.reason()+")")
		case Skipped:
			skipped = append(skipped, s.spec.Label)
		default:
			if s.streak.n < 3 {
				settled = false
				break
			}
			looping = append(looping, s.spec.Label+" ("+s.lastEnd()+")")
		}
	}
	if all == 0 {
		return "", settled, true
	}
	if good == all {
		return allHealthy, settled, true
	}
	text := fmt.Sprintf("%d of %s healthy", good, count(all, "service"))
	for _, group := range []struct {
		name string
		list []string
	}{{"failed", failed}, {"restarting", looping}, {"skipped", skipped}} {
		if len(group.list) > 0 {
			text += "; " + group.name + ": " + strings.Join(group.list, ", ")
		}
	}
	return text, settled, false
}

func (s *service) lastEnd() string {
	if s.exit == nil {
		return s.reason()
	}
	return s.exit.String()
}

// calmIn is how much longer a service without a probe has to run.
func (c *core) calmIn(s *service) time.Duration {
	if s.probed() {
		return 0
	}
	return c.opts.Settle - c.world.Now().Sub(s.since)
}

// A subscriber is one reader of events. Only the engine sends and closes.
type subscriber struct {
	ch   chan Event
	lost int
}

func (c *core) subscribe() *subscriber {
	s := &subscriber{ch: make(chan Event, 256)}
	c.subscribers = append(c.subscribers, s)
	return s
}

func (c *core) unsubscribe(s *subscriber) {
	if i := slices.Index(c.subscribers, s); i >= 0 {
		c.subscribers = slices.Delete(c.subscribers, i, i+1)
		close(s.ch)
	}
}

// publish tells the observers of a change, and waits for none of them.
func (c *core) publish(s *service, from State) {
	c.seq++
	if len(c.subscribers) == 0 {
		return
	}
	ev := Event{Seq: c.seq, From: from, Status: c.status(s)}
	for _, sub := range c.subscribers {
		ev.Lost = sub.lost
		select {
		case sub.ch <- ev:
			sub.lost = 0
		default:
			sub.lost++
		}
	}
}

// A waiter asks a question again after each change until it has an answer.
type waiter struct {
	check  func(*core) (done bool, err error)
	answer chan error // buffered
}

func (c *core) wait(w *waiter) { c.waiters = append(c.waiters, w) }

func (c *core) forget(w *waiter) {
	c.waiters = slices.DeleteFunc(c.waiters, func(x *waiter) bool { return x == w })
}

func (c *core) answer() {
	c.waiters = slices.DeleteFunc(c.waiters, func(w *waiter) bool {
		done, err := w.check(c)
		if done {
			w.answer <- err
		}
		return done
	})
}

func (c *core) snapshot() Snapshot {
	summary, settled, healthy := c.overall(false)
	snap := Snapshot{
		Project: c.project.Name, At: c.world.Now(), Since: c.began, Phase: PhaseRunning,
		Summary: summary, Settled: settled, Healthy: healthy,
	}
	if st := c.stopping; st != nil {
		snap.Phase = PhaseStopping
		snap.Stop = &StopInfo{
			Since: st.since, Reason: st.reason, Deadline: st.deadline,
			WaitingFor: c.waitingFor(), Killing: st.killing, ExitCode: st.code,
		}
	}
	if c.finished {
		snap.Phase = PhaseDone
	}
	for _, s := range c.order {
		snap.Services = append(snap.Services, c.status(s))
	}
	return snap
}

// status copies what is known of one service.
func (c *core) status(s *service) Status {
	st := Status{
		ID: s.id, Label: s.spec.Label, Type: s.spec.Type, Namespace: s.spec.Namespace,
		Disabled: s.spec.Disabled, Wanted: s.wanted,
		State: s.state, Since: s.since, Health: s.health(), Why: c.why(s),
		Starts: s.starts, Restarts: s.restarts, Streak: s.streak.n, Next: s.pause.until,
		Ports: slices.Clone(s.spec.Ports),
	}
	if s.state == Waiting {
		st.WaitsFor = c.unmet(s)
	}
	if r := s.process; r != nil {
		st.PID, st.Started = r.pid, r.since
		if r.stopping {
			st.KillAt = r.killAt
		}
	}
	if r := s.oneshot; r != nil {
		st.Step = r.Process.ID
	}
	if s.exit != nil {
		x := *s.exit
		st.Exit = &x
	}
	if s.probe != nil {
		p := *s.probe
		st.Probe = &p
	}
	return st
}

func (s *service) health() Health {
	if s.process == nil || !s.probed() && s.main.Liveness == nil {
		return ""
	}
	switch s.state {
	case Starting, Setup:
		return HealthStarting
	case Running:
		return HealthHealthy
	}
	return HealthUnhealthy
}

// why explains a state in one line, from what the service itself knows.
func (c *core) why(s *service) string {
	now := c.world.Now()
	switch s.state {
	case Waiting:
		var parts []string
		for _, u := range c.unmet(s) {
			parts = append(parts, fmt.Sprintf("%s to be %s (it %s)", u.Label, u.Condition, u.Why))
		}
		return "waits for " + strings.Join(parts, ", ")
	case Init, Setup:
		if s.oneshot != nil {
			return "runs " + string(s.oneshot.Process.ID)
		}
	case Starting:
		if s.probe != nil && !s.probe.OK {
			return s.probeOutput()
		}
		if s.main.Startup != nil && s.probe == nil {
			return "its startup probe has not passed yet"
		}
		if s.probed() {
			return "its readiness probe has not passed yet"
		}
	case Unready:
		return s.probeOutput()
	case Backoff:
		wait := max(s.pause.until.Sub(now), 0)
		if s.pause.until.IsZero() { // told before the effects of the change
			wait = s.main.Restart.Wait(s.streak.n + 1)
		}
		return fmt.Sprintf("%s; restarts in %s", s.reason(), seconds(wait))
	case Ending, Restarting, Stopping:
		for _, r := range []*run{s.process, s.oneshot} {
			if r != nil && r.stopping {
				return text(r.stopText(now), s.why)
			}
		}
		return s.why
	case Failed, Skipped:
		return s.reason()
	case Completed:
		return strings.Trim(paren(s.exit), " ()")
	case Stopped:
		if s.spec.Disabled && s.starts == 0 {
			return "disabled"
		}
	}
	return ""
}

// seconds rounds a duration for people: "3s", "500ms", "1m30s".
func seconds(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(100 * time.Millisecond)
		if d >= 10*time.Second {
			d = d.Round(time.Second)
		}
	} else {
		d = d.Round(10 * time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
