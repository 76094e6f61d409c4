package supervisor

import (
	"cmp"
	"slices"
	"time"

	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// unkillableAfter is how long a killed process may take to end before the stop of the project
// goes on without it. A process in state D can't end.
const unkillableAfter = 5 * time.Second

// killedAtLast is how long a killed process may take to end once the time for the whole stop
// is over, as process 1 of a container. The end of process 1 ends all others, and the
// engine kills the container soon.
const killedAtLast = 500 * time.Millisecond

// patience is how long a stop waits before it says for whom.
const patience = 2 * time.Second

// terminate tells all live processes of a service to stop.
func (c *core) terminate(s *service) {
	for _, r := range []*run{s.oneshot, s.process} {
		if r != nil {
			c.stopRun(r)
		}
	}
}

// stopRun tells a process to stop and arms the timer to kill it. A second call does
// nothing.
func (c *core) stopRun(r *run) {
	if r.stopping {
		return
	}
	now := c.world.Now()
	r.stopping, r.stopAt = true, now
	grace := c.opts.Grace
	if t := r.Process.Shutdown.Timeout; t != nil {
		grace = time.Duration(*t)
	}
	if c.stopping != nil && c.opts.StopGrace != nil {
		grace = *c.opts.StopGrace
	}
	if c.stopping != nil && !c.stopping.deadline.IsZero() {
		grace = max(min(grace, c.stopping.deadline.Sub(now)), 0)
	}
	r.killAt = now.Add(grace)
	if grace == 0 {
		c.kill(r)
		return
	}
	c.afterRun(grace, killDue, r)
	if !r.spawned {
		c.world.Cancel(r.ID) // if it is too late for that, Spawned follows, which calls tell
		return
	}
	c.tell(r)
}

// tell tells a process to stop: a main process by its shutdown command, or by what is typed
// in its place, if it has one, all others by the signal.
func (c *core) tell(r *run) {
	how := r.Process.Shutdown
	if how.Command == nil && how.Keys == "" || r.role != project.Main || !r.up() {
		c.signalRun(r)
		return
	}
	if r.how = shutdownKeys; how.Command != nil {
		r.how = shutdownCommand
	}
	c.world.Shutdown(r.ID, how)
	// Even if the command hangs or does not work, the process must get its signal before
	// it is killed.
	half := r.killAt.Sub(c.world.Now()) / 2
	c.afterRun(half, signalDue, r)
}

// signalRun sends the stop signal, once.
func (c *core) signalRun(r *run) {
	signal := cmp.Or(r.Process.Shutdown.Signal, project.SIGTERM)
	if r.killed || r.how == signal.String() {
		return
	}
	r.how = signal.String()
	c.world.Signal(r.ID, signal, !r.Process.Shutdown.ParentOnly)
}

func (c *core) kill(r *run) {
	if r.killed {
		return
	}
	r.killed, r.killAt = true, c.world.Now()
	if r.spawned {
		c.say(r.service, sayKilled(c.world.Now().Sub(r.stopAt), r.how))
	}
	c.world.Kill(r.ID)
	c.afterRun(c.killWait(), goneDue, r)
}

// killWait returns how long a process that is killed now is waited for.
func (c *core) killWait() time.Duration {
	if c.opts.StopBudget <= 0 || c.stopping == nil || c.stopping.deadline.IsZero() {
		return unkillableAfter
	}
	return max(killedAtLast, min(unkillableAfter, c.stopping.deadline.Sub(c.world.Now())))
}

// unkillable handles a killed process that does not end. The stop of the project goes on
// without it. All else waits, because there must never be two of them.
func (c *core) unkillable(r *run) {
	if !r.unkillable {
		r.unkillable = true
		c.say(r.service, sayUnkillable(r.pid, c.world.GiveUp(r.ID)))
	}
	if c.stopping != nil {
		c.exited(r, project.KilledBy(project.SIGKILL))
		return
	}
	c.afterRun(unkillableAfter, goneDue, r)
}

// shutdown is the stop of the whole project.
type shutdown struct {
	since     time.Time
	result    Result
	asked     bool         // somebody has asked for it
	deadline  time.Time    // zero without a budget
	levels    [][]*service // dependants first
	next      int          // the first level that was not told to stop yet
	killing   bool
	announced bool
}

// downAsked begins to stop the project by request.
func (c *core) downAsked() { c.end(&shutdown{result: Result{0, requested}, asked: true}) }

// down begins to stop the project for a reason of its own.
func (c *core) down(r Result) {
	if i := slices.IndexFunc(c.order, func(s *service) bool { return s.wanted && s.refused != "" && !s.spec.System }); r.Code == 0 && i >= 0 {
		r = Result{1, r.Reason + "; " + c.order[i].ended()}
	}
	c.end(&shutdown{result: r})
}

// end begins to stop the project. Only the first call counts.
func (c *core) end(st *shutdown) {
	if c.stopping != nil || c.finished {
		return
	}
	st.since = c.world.Now()
	c.stopping = st
	var live []project.ID
	for _, s := range c.order {
		if s.state.Live() {
			live = append(live, s.id)
		}
	}
	if n := c.counted(live); n > 0 {
		st.announced = true
		c.world.Say(sayStopping(n, st), servicelog.Plain)
	}
	for _, s := range c.order {
		if !s.state.Live() {
			c.feed(s, Stop) // what it waits for will not happen any more
		}
		for _, r := range []*run{s.oneshot, s.process} {
			if r != nil && r.unkillable {
				c.afterRun(0, goneDue, r) // it has been waited for
			}
		}
	}
	st.levels = c.stopOrder(live)
	c.spendBudget(st)
	c.after(patience, timer{kind: reportDue})
	c.stopLevels(0)
}

// stopOrder groups services by the order in which they are told to stop.
func (c *core) stopOrder(live []project.ID) (levels [][]*service) {
	for _, ids := range c.project.StopLevels(live) {
		var level []*service
		for _, s := range c.order {
			if slices.Contains(ids, s.id) {
				level = append(level, s)
			}
		}
		levels = append(levels, level)
	}
	return levels
}

// spendBudget shares the time for the whole stop among the levels: when that of a level is
// over, the next one is told to stop as well.
func (c *core) spendBudget(st *shutdown) {
	budget := c.opts.StopBudget
	if t := c.project.StopTimeout; t != nil {
		budget = time.Duration(*t)
	}
	if budget <= 0 {
		return
	}
	st.deadline = st.since.Add(budget)
	for i := 1; i < len(st.levels); i++ {
		share := budget * time.Duration(i) / time.Duration(len(st.levels))
		c.after(share, timer{kind: levelDue, level: i})
	}
	// Processes that were told to stop before this may have later timers to be killed.
	c.after(budget, timer{kind: budgetOver})
}

// stopLevels tells all levels up to and including upTo to stop.
func (c *core) stopLevels(upTo int) {
	st := c.stopping
	for ; st.next <= upTo && st.next < len(st.levels); st.next++ {
		for _, s := range st.levels[st.next] {
			c.feed(s, Stop)
		}
	}
	c.stopProgress()
}

// stopProgress tells the next level to stop once no process of those before it lives.
func (c *core) stopProgress() {
	st := c.stopping
	if st == nil || st.next == 0 || st.next >= len(st.levels) {
		return
	}
	for _, level := range st.levels[:st.next] {
		for _, s := range level {
			if s.alive() {
				return
			}
		}
	}
	c.stopLevels(st.next)
}

// sayWaiting announces, once for each, which processes take long to stop.
func (c *core) sayWaiting() {
	if c.stopping.killing {
		return
	}
	for _, r := range c.told() {
		if !r.named && c.world.Now().Sub(r.stopAt) >= patience/2 {
			r.named = true
			c.world.Say("still stopping: waiting for "+r.progress(c.world.Now()), servicelog.Warning)
		}
	}
	c.after(patience, timer{kind: reportDue})
}

// told returns the live processes that were told to stop.
func (c *core) told() []*run {
	var list []*run
	for _, s := range c.order {
		for _, r := range []*run{s.oneshot, s.process} {
			if r != nil && r.stopping {
				list = append(list, r)
			}
		}
	}
	return list
}

// waitingFor returns for which processes the stop waits.
func (c *core) waitingFor() []string {
	var list []string
	for _, r := range c.told() {
		list = append(list, r.progress(c.world.Now()))
	}
	return list
}

// downNow stops the project by killing everything.
func (c *core) downNow() {
	c.downAsked()
	c.killAll()
}

// killAll kills all that still lives during the stop of the project.
func (c *core) killAll() {
	if c.stopping == nil {
		return
	}
	c.stopping.killing = true
	c.stopLevels(len(c.stopping.levels))
	for _, s := range c.order {
		for _, r := range []*run{s.oneshot, s.process} {
			if r != nil {
				c.kill(r)
			}
		}
	}
}
