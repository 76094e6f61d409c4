package supervisor

import (
	"cmp"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// fact handles a fact from the World.
func (c *core) fact(f Fact) {
	if f.Kind == timerFired {
		c.fire(f.timer)
		return
	}
	r := c.runs[f.Run]
	if r == nil {
		return // its run is over
	}
	switch f.Kind {
	case Spawned:
		c.spawnedFact(r, f)
	case Launched:
		c.launchedFact(r, f)
	case Exited:
		c.exited(r, f.Exit)
	case Probed:
		c.probed(r, f.Probe, f.News)
	case OutOfMemory:
		c.oomKilled(r, f.Kills)
	case ShutdownDone:
		// After a command that has succeeded, the process has half of the grace to end
		// before it gets the signal.
		if f.Exit.Code != 0 {
			c.signalRun(r)
		}
	}
}

func (c *core) spawnedFact(r *run, f Fact) {
	s := r.service
	r.spawned, r.pid, r.since, r.unlimited = true, f.PID, c.world.Now(), f.Unlimited
	if r.stopping && !r.killed { // it was told to stop while it was being started
		c.tell(r)
	}
	if r.role != project.Main {
		return
	}
	if d := r.Process.Daemon; d != nil {
		if d.LaunchTimeout != nil {
			c.afterRun(time.Duration(*d.LaunchTimeout), launchDue, r)
		}
		c.publish(s, s.state) // it has a pid now
		return
	}
	c.started(r)
}

// launchedFact handles that a daemon runs: only now the service is started.
func (c *core) launchedFact(r *run, f Fact) {
	again := r.launched
	r.launched, r.pid = true, f.PID
	if again {
		c.publish(r.service, r.service.state)
		return
	}
	r.since = c.world.Now()
	c.started(r)
}

// launchLate ends a daemon whose command takes too long.
func (c *core) launchLate(r *run) {
	if !r.launched && !r.stopping {
		c.broken(r.service, end{forced: true, ours: true}, whyNotLaunched(time.Duration(*r.Process.Daemon.LaunchTimeout)))
	}
}

// started handles that the main process of a service runs.
func (c *core) started(r *run) {
	s := r.service
	s.spawned = true
	if s.startup.started.IsZero() {
		s.startup.started = r.since
	}
	c.log.Debug("main process started", "service", s.id, "pid", r.pid)
	c.changed = append(c.changed, s) // the condition "started" is met, without a change of state
	if r.stopping {
		return
	}
	for _, user := range c.users[s.id] {
		if user.spec.DependsOn[s.id].Restart && !user.noDeps &&
			user.state.Live() && user.state != control.Stopping && user.state != control.Restarting {
			user.cause = causeRestarted(s.spec)
			c.feed(user, Restart)
		}
	}
	c.world.Probe(r.ID)
	if !s.probed() {
		c.ready(s)
		return
	}
	c.publish(s, s.state) // it is no change of state, but "up -d" waits for it
}

// ready handles that the main process is ready: its probe has passed, or it has none and
// runs.
func (c *core) ready(s *service) {
	s.probeReady = true
	s.startup.done(s.spec.Main, c.world.Now())
	if s.state == control.Starting && len(s.spec.Setup) > 0 {
		c.feed(s, ReadySetup)
		return
	}
	c.feed(s, Ready)
}

func (c *core) probed(r *run, p control.Probe, news bool) {
	s := r.service
	if r.stopping || r.role != project.Main {
		return
	}
	if p.At.IsZero() {
		p.At = c.world.Now()
	}
	s.counts.checked(p)
	s.results = append(s.results[max(0, len(s.results)+1-keptResults):], p)
	s.verdicts = append(slices.DeleteFunc(s.verdicts, func(v control.Probe) bool { return v.Role == p.Role }), p)
	if !news {
		return
	}
	m := r.Process
	switch {
	case p.OK && (p.Role == project.ReadinessProbe || p.Role == project.StartupProbe && m.Readiness == nil):
		c.ready(s)
	case p.OK:
	case p.Role != project.ReadinessProbe || m.Readiness != nil && m.Readiness.RestartOnFailure:
		c.broken(s, end{forced: true, ours: true}, whyProbe(&p))
	default:
		s.probeReady = false
		if !c.feed(s, Lost) && s.state == control.Starting && !s.noted {
			s.noted = true
			c.say(s, "not ready yet: "+s.amid(s.whyUnready()))
			c.publish(s, s.state) // it is no change of state, but who waits may want to give up
		}
	}
}

// keptResults is how many results of checks a service keeps.
const keptResults = 5

// probed reports whether a probe has to pass before the main process is ready.
func (s *service) probed() bool { return s.main.Readiness != nil || s.main.Startup != nil }

// broken handles a failure of a service while processes of it live.
func (c *core) broken(s *service, e end, why string) {
	s.pending, s.why = &e, why
	c.feed(s, Broken)
}

// exited handles the end of a run, of which nothing is left.
func (c *core) exited(r *run, x project.Exit) {
	s := r.service
	x.Process = r.Process.ID
	if x.At.IsZero() { // it never ran, or can't be ended
		x.At = c.world.Now()
	}
	if r.role != project.Main && x.Code == project.CannotPass && x.Error == "" {
		x.Final = true
	}
	s.counts.ended(s, r, x)
	c.forgetRun(r)
	e := end{exit: x, success: r.Process.SuccessCode}
	switch s.state {
	case control.Stopping:
		s.exit = &x
		if !s.alive() {
			c.feed(s, Gone)
		}
	case control.Restarting:
		s.exit = &x
		if !s.alive() {
			c.try(s)
		}
	case control.Ending:
		c.exitedInEnding(s, r, x)
	case control.Init:
		c.exitedInInit(s, e)
	case control.Setup:
		c.exitedInSetup(s, r, e)
	default: // Starting, Running, Unready
		s.why = ""
		c.judge(s, e)
	}
}

// oomKilled handles that the kernel has killed descendants of a process that lives.
func (c *core) oomKilled(r *run, kills int) {
	s := r.service
	if s.memory == nil {
		s.memory = &control.OutOfMemory{}
	}
	s.memory.Kills += kills
	s.memory.Last = c.world.Now()
	c.say(s, sayOOMKills(kills, r.Process.Limits.Memory))
}

// forgetRun forgets a run that is over.
func (c *core) forgetRun(r *run) {
	for _, t := range r.timers {
		c.cancel(t)
	}
	delete(c.runs, r.ID)
	if r.role != project.Main {
		r.service.startup.done(r.Process.ID, c.world.Now())
	}
	switch s := r.service; r {
	case s.process:
		s.process = nil
	case s.oneshot:
		s.oneshot = nil
	}
	c.stopProgress()
}

// alive reports whether a process of the service is alive.
func (s *service) alive() bool { return s.process != nil || s.oneshot != nil }

func (c *core) exitedInEnding(s *service, r *run, x project.Exit) {
	if r.role == project.Main {
		if s.pending.ours { // which has no exit of its own
			s.pending.exit = x
			s.pending.exit.Because = s.why
		}
		s.pending.exit.Ran = x.Ran
	}
	if !s.alive() {
		c.judge(s, *s.pending)
	}
}

func (c *core) exitedInInit(s *service, e end) {
	switch {
	case e.failed():
		s.why = whyOneshot(e.exit)
		c.judge(s, e)
	case s.step+1 < len(s.spec.Init):
		s.step++
		c.feed(s, InitNext)
	default:
		c.feed(s, InitDone)
	}
}

func (c *core) exitedInSetup(s *service, r *run, e end) {
	switch {
	case r.role == project.Main:
		c.broken(s, e, "")
	case e.failed():
		e.forced = true
		c.broken(s, e, whyOneshot(e.exit))
	case s.step+1 < len(s.spec.Setup):
		s.step++
		c.feed(s, SetupNext)
	case s.probeReady:
		c.feed(s, SetupDone)
	default:
		c.feed(s, SetupLate)
	}
}

// judge decides what follows when all processes of a service have ended.
func (c *core) judge(s *service, e end) {
	s.exit = &e.exit
	if s.wasReady && good(time.Duration(e.exit.Ran), s.streak.wait) {
		s.streak = streak{}
	}
	e.restart, e.streak = s.main.Restart, s.streak.n
	if c.opts.AbortOnExit && !s.spec.System {
		e.restart = project.Restart{Policy: project.RestartNo} // its first end is its last
	}
	s.pending = nil
	k, worn := verdict(e)
	if worn {
		s.why = whyWorn(e.streak, s.reason())
	}
	c.feed(s, k)
	if c.stopping != nil {
		c.feed(s, Stop) // it must not stay in Backoff: nothing is restarted any more
		return
	}
	c.consequences(s, k)
	if k == Succeeded || k == GaveUp {
		c.ran(s, k == Succeeded)
	}
}

// consequences ends the project if the end of a service is to end it.
func (c *core) consequences(s *service, k Kind) {
	if k != GaveUp && k != Succeeded {
		return
	}
	if s.main.ExitOnEnd || c.aborts(s, k) || k == GaveUp &&
		(s.main.Restart.Policy == project.RestartExitOnFailure || c.project.OnFailed == project.OnFailedExit) {
		c.down(Result{s.code(), s.ended()})
	}
}

// aborts reports whether AbortOnExit ends the project for the end of a service: not for
// that of the container's own services, nor for the success of a one-shot that is not
// ExitCodeFrom.
func (c *core) aborts(s *service, k Kind) bool {
	if !c.opts.AbortOnExit || s.spec.System {
		return false
	}
	return k == GaveUp || s.id == c.opts.ExitCodeFrom || !c.isOneshot(s)
}

// isOneshot reports whether a service is meant to end: it says so, it is never restarted, or
// another one waits for its end.
func (c *core) isOneshot(s *service) bool {
	policy := s.main.Restart.Policy
	return s.spec.Completes || policy == "" || policy == project.RestartNo || slices.ContainsFunc(c.users[s.id], func(u *service) bool {
		cond := u.spec.DependsOn[s.id].Condition
		return cond == project.Completed || cond == project.Exited
	})
}

// codeFrom returns the result of the project with the exit code of ExitCodeFrom, unless
// somebody has stopped the project. A service that we had to stop, or that never ran, has
// not done its job, so its code is not 0.
func (c *core) codeFrom(r Result) Result {
	s := c.services[c.opts.ExitCodeFrom]
	switch {
	case s == nil || c.stopping != nil && c.stopping.asked:
	case s.exit == nil:
		r.Code = cmp.Or(r.Code, 1)
	case s.state == control.Completed, s.state == control.Failed:
		r.Code = s.code()
	default:
		r.Code = cmp.Or(s.exit.Code, r.Code, 1)
	}
	return r
}

// code returns the exit code that the end of a service gives the project: 0 for success,
// else its own.
func (s *service) code() int {
	if s.state == control.Completed {
		return 0
	}
	return cmp.Or(s.exit.Code, 1)
}
