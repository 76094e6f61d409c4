package supervisor

import (
	"cmp"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// awaited reports whether another service waits for s to be ready.
func (c *core) awaited(s *service) bool {
	return slices.ContainsFunc(c.users[s.id], func(u *service) bool {
		cond := u.spec.DependsOn[s.id].Condition
		return u.wanted && (cond == project.Ready || cond == project.LogReady)
	})
}

// announceSummary announces how the project is as a whole: once after each request, and when
// that has become better since.
func (c *core) announceSummary() {
	if c.stopping != nil || !c.summary.due || c.moving() {
		return
	}
	whole := c.tally()
	c.lookAgain(whole.again)
	if !whole.settled || whole.restless || whole.all == 0 {
		return
	}
	c.summary.due = !whole.healthy() // another one follows when it is
	// It is no news that a service which restarts fails in another way this time.
	if kind := whole.text(false); kind != c.summary.said || whole.healthy() {
		line := whole.text(true)
		if c.summary.said == "" && whole.healthy() { // only the first is about the start of the project
			line += c.took(c.began)
		}
		c.summary.said = kind
		c.world.Say(line, whole.tone())
		if line := sayUnprobed(whole.unprobed); whole.healthy() && line != "" {
			c.world.Say(line, servicelog.Plain)
		}
		c.opts.Settled()
	}
}

// moving reports whether a service is on its way to another state, so that there is no
// summary yet. It is asked after each event, and while hundreds of services start, most of
// them are: it looks first at the one that it has found last.
func (c *core) moving() bool {
	if s := c.summary.moving; s != nil && s.moves() {
		return true
	}
	c.summary.moving = nil
	for _, s := range slices.Backward(c.order) { // the last one to start is likely to be the last to run
		if s.moves() {
			c.summary.moving = s
			return true
		}
	}
	return false
}

// moves reports whether a service that counts in the summary is on its way to another
// state.
func (s *service) moves() bool {
	return s.summed() && !s.state.Settled() && s.streak.n < manyRestarts
}

// summed reports whether a service counts in the summary.
func (s *service) summed() bool {
	return s.wanted && !s.spec.System && !(s.idleRun() && (!s.hasRun || s.ok))
}

// lookAgain makes announceSummary look again after d at the latest. 0 means never.
func (c *core) lookAgain(d time.Duration) {
	if d <= 0 {
		return
	}
	at := c.world.Now().Add(d)
	if _, armed := c.timers[c.summary.calm]; armed {
		if !c.summary.calmAt.After(at) {
			return
		}
		c.cancel(c.summary.calm)
	}
	c.summary.calm, c.summary.calmAt = c.after(d, timer{kind: calmOver}), at
}

// A tally sums up the wanted services.
type tally struct {
	all, good                int // numbers of services
	failed, looping, skipped []*service
	unprobed                 []string      // labels of those that run without any probe
	settled                  bool          // none is on its way to another state
	restless                 bool          // but one has not run long enough to count as healthy
	again                    time.Duration // when time alone may change this; 0: never
}

func (t *tally) healthy() bool { return t.good == t.all }

// tally sums up the wanted services. A service without a probe is restless until it has run
// for a moment, because one that dies at once must not be called healthy. One that was
// restarted again and again counts as restarting until it has run long enough to end its
// streak, or the summary would change with each restart.
func (c *core) tally() tally {
	t := tally{settled: true}
	now := c.world.Now()
	// Until all are calm, the others' times matter to nobody.
	var calm, next time.Duration
	for _, s := range c.order {
		if !s.summed() {
			continue
		}
		t.all++
		switch s.state {
		case control.Running:
			if s.spec.Completes {
				if s.streak.n >= manyRestarts {
					t.looping = append(t.looping, s)
				} else {
					t.settled = false
				}
				break
			}
			calm = max(calm, c.calmIn(s, now))
			if wait := s.goodIn(now); wait > 0 {
				t.looping = append(t.looping, s)
				if next == 0 || wait < next {
					next = wait
				}
				break
			}
			if s.unprobed() {
				t.unprobed = append(t.unprobed, s.spec.Label)
			}
			t.good++
		case control.Completed:
			t.good++
		case control.Scheduled:
			if s.hasRun && !s.ok {
				t.failed = append(t.failed, s)
				break
			}
			t.good++
		case control.Failed:
			t.failed = append(t.failed, s)
		case control.Skipped:
			t.skipped = append(t.skipped, s)
		default:
			if s.streak.n < manyRestarts {
				t.settled = false
				if s.state == control.Starting && s.spec.Schedule != nil && (s.ok || !s.hasRun) {
					t.good++ // it begins a run, as planned
				}
				break
			}
			t.looping = append(t.looping, s)
		}
	}
	t.restless, t.again = calm > 0, cmp.Or(calm, next)
	return t
}

// manyRestarts is after how many restarts in a row a service counts as restarting.
const manyRestarts = 3

// goodIn returns how much longer a service that was restarted again and again has to run to
// end its streak.
func (s *service) goodIn(now time.Time) time.Duration {
	if s.streak.n < manyRestarts {
		return 0
	}
	return longEnough(s.streak.wait) - now.Sub(s.since)
}

// unprobed reports whether a service has no probes: all that is known is that it runs.
func (s *service) unprobed() bool { return !s.probed() && s.main.Liveness == nil }

// calmIn returns how much longer a service without a probe has to run to count as healthy.
func (c *core) calmIn(s *service, now time.Time) time.Duration {
	if s.probed() {
		return 0
	}
	return c.opts.Settle - now.Sub(s.since)
}

// A subscriber is a reader of events. Only the engine sends and closes.
type subscriber struct {
	ch chan control.Event
	// late are events for which the channel had no room: for each service only the
	// latest one, by Seq. So a slow reader misses intermediate states, but never the
	// last one.
	late []control.Event
	lost int // events that were dropped before the first of late
}

func (c *core) subscribe() *subscriber {
	s := &subscriber{ch: make(chan control.Event, 256)}
	c.subscribers = append(c.subscribers, s)
	return s
}

func (c *core) unsubscribe(s *subscriber) {
	if i := slices.Index(c.subscribers, s); i >= 0 {
		c.subscribers = slices.Delete(c.subscribers, i, i+1)
		close(s.ch)
	}
}

// publish sends a change to all observers, and waits for none of them.
func (c *core) publish(s *service, from control.ServiceState) {
	c.seq++
	ev := control.Event{Seq: c.seq, From: from, Service: c.status(s)}
	c.history.add(ev)
	for _, sub := range c.subscribers {
		sub.add(ev)
	}
	c.catchUp()
}

// catchUpEvery is how often to try to send to slow readers.
const catchUpEvery = 100 * time.Millisecond

// catchUp sends late events, and arms a timer while some are left.
func (c *core) catchUp() {
	late := false
	for _, sub := range c.subscribers {
		late = !sub.send() || late
	}
	if _, armed := c.timers[c.catching]; late && !armed {
		c.catching = c.after(catchUpEvery, timer{kind: catchUpDue})
	}
}

// add queues an event.
func (sub *subscriber) add(ev control.Event) {
	if i := slices.IndexFunc(sub.late, func(l control.Event) bool { return l.Service.ID == ev.Service.ID }); i >= 0 {
		sub.lost++
		ev.From = sub.late[i].From // the last state that the reader knows
		sub.late = slices.Delete(sub.late, i, i+1)
	}
	sub.late = append(sub.late, ev)
}

// send sends as many events as there is room for, and reports whether those were all.
func (sub *subscriber) send() bool {
	for len(sub.late) > 0 {
		ev := sub.late[0]
		ev.Lost = sub.lost
		select {
		case sub.ch <- ev:
			sub.late, sub.lost = sub.late[1:], 0
		default:
			return false
		}
	}
	sub.late = nil
	return true
}

// A waiter repeats a question after each change until it has an answer.
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

func (c *core) snapshot() control.Snapshot {
	whole := c.tally()
	snap := control.Snapshot{
		Project: c.project.Name, At: c.world.Clock(), Since: c.byClock(c.began), Phase: control.PhaseRunning, Profiles: c.project.Active, NoWatch: c.project.Unwatched,
		Summary: whole.text(true), Settled: whole.settled, Healthy: whole.healthy(), Unprobed: whole.unprobed,
	}
	if st := c.stopping; st != nil {
		snap.Phase = control.PhaseStopping
		snap.Stop = &control.Stop{
			Since: c.byClock(st.since), Reason: st.result.Reason, Deadline: c.byClock(st.deadline),
			WaitingFor: c.waitingFor(), Killing: st.killing, ExitCode: st.result.Code,
		}
	}
	if c.finished {
		snap.Phase = control.PhaseDone
	}
	snap.Services = make([]control.Service, 0, len(c.order))
	for _, s := range c.order {
		snap.Services = append(snap.Services, c.status(s))
	}
	return snap
}

// status returns a copy of what is known about a service.
func (c *core) status(s *service) control.Service {
	st := control.Service{
		ID: s.id, Label: s.spec.Label, Type: s.spec.Type, Namespace: s.spec.Namespace,
		Disabled: s.spec.Disabled, Wanted: s.wanted, System: s.spec.System, Family: s.spec.Family, Elevated: s.main != nil && s.main.Elevated,
		Daemon: s.main != nil && s.main.Daemon != nil,
		State:  s.state, Since: c.byClock(s.since), Health: s.health(), Why: c.why(s),
		GPU: s.spec.GPUs != nil, Starts: s.starts, Restarts: s.restarts, Streak: s.streak.n, Next: c.byClock(s.pause.until), Schedule: s.spec.Schedule.String(), Missed: s.missed, LastMissed: s.lost,
	}
	if st.Next.IsZero() {
		st.Next = s.next
	}
	if s.further() {
		st.RunOf = s.spec.Schedule.Of
	}
	if s.hasRun && s.ok {
		st.LastRun = control.RunSucceeded
	} else if s.hasRun {
		st.LastRun = control.RunFailed
	}
	for _, p := range s.spec.Ports {
		st.Ports = append(st.Ports, project.Port{Port: p.Port, Protocol: p.Protocol, Address: p.Address})
	}
	st.Refused = s.state == control.Skipped && (s.refused != "" || s.spec.Unsupported != "")
	if s.state == control.Waiting {
		st.WaitsFor = c.unmet(s)
	}
	if st.Watched = s.armed(); s.spec.Watch != nil && s.touched != "" {
		st.Touched, st.TouchedAt = s.touched, c.byClock(s.touchedAt)
	}
	if r := s.process; r != nil {
		st.PID, st.Started, st.Launched = r.pid, c.byClock(r.since), r.launched
		if r.stopping {
			st.KillAt = c.byClock(r.killAt)
		}
	}
	if r := s.oneshot; r != nil {
		st.Step = r.Process.ID
	}
	if s.exit != nil {
		x := *s.exit
		x.At = c.byClock(x.At)
		st.Exit = &x
	}
	if s.memory != nil {
		memory := *s.memory
		memory.Last = c.byClock(memory.Last)
		st.OutOfMemory = &memory
	}
	st.Probe = s.verdict()
	return st
}

func (c *core) byClock(t time.Time) time.Time { return ByClock(t, c.world.Now(), c.world.Clock()) }

// ByClock is a time as the clock would have shown it, which shows clock now. Where that was
// set meanwhile, what is told of the past would be in the future, or days ago, for whoever
// compares it with the clock.
func ByClock(t, now, clock time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	ago := now.Sub(t)
	if off := clock.Sub(t.Round(0)) - ago; off.Abs() < time.Second { // a clock is never exact
		return t
	}
	return clock.Add(-ago)
}

func (s *service) health() control.Health {
	if s.spec.Completes && s.state == control.Running {
		return control.HealthStarting // it is well at its end
	}
	if s.process == nil || !s.probed() && s.main.Liveness == nil {
		return ""
	}
	switch s.state {
	case control.Starting, control.Setup:
		return control.HealthStarting
	case control.Running:
		return control.HealthHealthy
	}
	return control.HealthUnhealthy
}
