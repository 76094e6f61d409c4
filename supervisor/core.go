package supervisor

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// core is the engine without its goroutine. It takes facts and requests one after the
// other, so that a simulation can drive it through millions of them. Whoever calls it must
// call settle after each.
type core struct {
	project *project.Project
	world   World
	opts    Options
	log     *slog.Logger
	rand    *rand.Rand

	services map[project.ID]*service
	order    []*service                // by label, as people see them
	users    map[project.ID][]*service // the dependants of a service, by label
	removed  bool                      // a service may be gone

	runs    map[RunID]*run
	lastRun RunID

	timers    map[timerID]timer
	lastTimer timerID

	changed  []*service // since the last settle, so that their dependants look again
	began    time.Time
	failures int // how many there were, which orders them
	stopping *shutdown
	planned  map[project.ID]Planned // what was told last to Options.Keep
	result   Result
	finished bool
	summary  summary

	waiters      []*waiter
	subscribers  []*subscriber
	catching     timerID // the next time to send to slow subscribers
	seq          uint64
	history      eventHistory
	last         control.Snapshot // the final one; others read it once Engine.done is closed
	lastStartups control.Startups // the same
}

// summary is what the operator was told about the project as a whole.
type summary struct {
	said   string    // the last one
	due    bool      // another one follows once everything is settled
	calm   timerID   // fires when time alone may have changed it
	calmAt time.Time // when that is
	moving *service  // the last one that was seen on its way to another state; nil: there was none
}

// service is the record of one service. Only core uses it. Fields with a lifetime of
// their own are grouped, so that one assignment ends them.
type service struct {
	id   project.ID
	spec *project.Service
	main *project.Process
	gone bool // it is no longer in the project, and forgotten once nothing of it lives

	state control.ServiceState
	since time.Time
	why   string // why it is in its state, if exit does not say so

	starts   int
	restarts int
	failedAt int           // its place in the order of failures
	exit     *project.Exit // how it ended last

	results []control.Probe // of the last checks, the oldest first
	startup startup

	request
	attempt
	streak streak
	pause  pause
	counts counts
	timetable
	watched
}

// request is what was asked of a service. It ends with the next request.
type request struct {
	wanted  bool   // it is to run, so it counts in the summary
	noDeps  bool   // it starts without waiting for anything
	refused string // why it can't run on this machine
	spawned bool   // its main process has been executed since
}

// attempt is one life of a service, from its first one-shot on. It is kept until the next
// one begins.
type attempt struct {
	began   time.Time
	process *run // the main process, while it lives
	oneshot *run // the init or setup one-shot, while it lives
	step    int  // index of the one-shot in Init or Setup

	verdicts   []control.Probe // the last result of each probe, the latest last
	probeReady bool            // the main process is ready, by its probe or for lack of one
	wasReady   bool            // the service has been ready
	noted      bool            // it was announced that it is not ready yet
	memory     *control.OutOfMemory

	pending *end   // to be judged when all of its processes have ended
	cause   string // why it is restarting, for the announcement
}

// streak is a row of automatic restarts without a good run in between.
type streak struct {
	n    int
	wait time.Duration // the wait before the last of them
}

// pause is the wait before a restart.
type pause struct {
	until time.Time
	timer timerID
}

// run is one live execution.
type run struct {
	Run
	service   *service
	role      project.Role
	spawned   bool
	launched  bool // of a daemon: its command has ended, and it runs
	pid       int
	since     time.Time
	unlimited *process.Unlimited // nil: all of its limits are enforced
	timers    []timerID
	stop
}

// stop is the progress of stopping a run.
type stop struct {
	stopping   bool
	stopAt     time.Time
	killAt     time.Time
	how        string // what it got, such as "SIGTERM"
	killed     bool
	unkillable bool // it was killed, but lives on
	named      bool // the operator was told that the stop waits for it
}

// up reports whether what the run is for has begun to run.
func (r *run) up() bool { return r.spawned && (r.launched || r.Process.Daemon == nil) }

func newCore(p *project.Project, w World, opts Options) *core {
	p = p.WithRuns()
	c := &core{
		world: w, opts: opts, log: opts.Log,
		rand:     rand.New(rand.NewPCG(opts.Seed, 0)),
		services: make(map[project.ID]*service),
		runs:     make(map[RunID]*run),
		timers:   make(map[timerID]timer),
		began:    w.Now(),
	}
	c.adopt(p, schedules(p, opts.Zone))
	return c
}

// adopt makes p the project: records for its services, and who depends on whom.
func (c *core) adopt(p *project.Project, zones map[string]*time.Location) {
	c.project = p
	c.users = make(map[project.ID][]*service)
	for id, spec := range p.Services {
		s := c.services[id]
		if s == nil {
			s = &service{id: id, state: control.Stopped, since: c.world.Now()}
			c.services[id] = s
		}
		var was *project.Schedule
		if s.spec != nil {
			was = s.spec.Schedule
		}
		s.spec, s.main, s.gone = spec, p.Processes[spec.Main], false
		c.read(s, was, zones)
	}
	c.order = c.order[:0]
	for _, s := range c.services {
		c.order = append(c.order, s)
	}
	slices.SortStableFunc(c.order, func(a, b *service) int { return compareLabels(a.spec.Label, a.id, b.spec.Label, b.id) })
	for _, s := range c.order {
		for dep := range s.spec.DependsOn {
			c.users[dep] = append(c.users[dep], s)
		}
	}
}

// compareLabels is the order in which people see services.
func compareLabels(a string, aID project.ID, b string, bID project.ID) int {
	return cmp.Or(cmp.Compare(a, b), cmp.Compare(aID, bID))
}

// begin starts the services that were asked for.
func (c *core) begin() {
	ids := c.opts.Services
	if ids == nil {
		ids = c.enabled()
	}
	wanted := c.project.Select(ids, c.opts.NoDeps)
	if n := c.counted(wanted); n > 0 {
		c.world.Say(sayBegin(n), servicelog.Plain)
	}
	c.dueAtStart(wanted)
	c.want(wanted, c.opts.NoDeps, c.opts.Refused)
	c.settle()
}

// counted returns how many of the services are the project's own, not the container's.
// A further run of a schedule counts while it is made.
func (c *core) counted(ids []project.ID) (n int) {
	for _, id := range ids {
		if s := c.services[id]; s != nil && !s.spec.System && !(s.further() && !s.state.Live()) {
			n++
		}
	}
	return n
}

// expectSummary makes a summary follow a request, unless it is only about the container's own
// services.
func (c *core) expectSummary(list []*service) {
	if slices.ContainsFunc(list, func(s *service) bool { return !s.spec.System }) {
		c.summary.due = true
	}
}

// want marks services as wanted and lets those begin that are not refused: first those
// that can start at once, as an operator wants to read it.
func (c *core) want(ids []project.ID, noDeps bool, refused map[project.ID]string) {
	var list []*service
	named := make(map[project.ID]bool, len(ids))
	for _, id := range ids {
		named[id] = true
	}
	for _, s := range c.order {
		if named[s.id] {
			asked := request{wanted: true, noDeps: noDeps, refused: refused[c.first(s).id]}
			if s.state.Live() && s.state != control.Stopping {
				asked.spawned = s.spawned // it goes on
			} else {
				s.startup = startup{asked: c.world.Now()}
			}
			s.request, s.streak = asked, streak{}
			c.arrange(s)
			list = append(list, s)
		}
	}
	c.expectSummary(list)
	slices.SortStableFunc(list, func(a, b *service) int { return cmp.Compare(c.rank(a), c.rank(b)) })
	for _, s := range list {
		switch {
		case s.state == control.Stopping:
			c.feed(s, Start)
		case !s.state.Live():
			c.try(s)
		}
	}
}

// rank returns 0 for a service that can start at once, else 1.
func (c *core) rank(s *service) int {
	if k, _ := c.gate(s); k == Open || k == OpenInit {
		return 0
	}
	return 1
}

// try begins a service that does not run, or lets it wait or skips it, as its
// dependencies decide.
func (c *core) try(s *service) {
	if c.stopping != nil || s.gone {
		c.feed(s, Stop)
		c.feed(s, Gone) // out of Restarting, where nothing lives any more
		return
	}
	k, why := c.gate(s)
	if k == Hold && s.state == control.Waiting {
		return // it waits already
	}
	if k == Hopeless {
		s.why = why
	}
	c.feed(s, k)
}

// gate decides whether a service may begin. If it never will, it returns why.
func (c *core) gate(s *service) (Kind, string) {
	if s.spec.Unsupported != "" {
		return Hopeless, whyUnsupported(s.spec)
	}
	if s.refused != "" {
		return Hopeless, s.refused
	}
	if s.spec.Schedule != nil {
		if wrong := c.first(s).wrong; wrong != "" {
			return Hopeless, wrong
		}
		if !s.due {
			return Plan, ""
		}
	}
	k := Open
	if len(s.spec.Init) > 0 {
		k = OpenInit
	}
	for _, u := range c.unmet(s) {
		if u.Hopeless {
			return Hopeless, u.Label + " " + u.Why
		}
		k = Hold
	}
	return k, ""
}

// unmet returns the dependencies that a service waits for, by label.
func (c *core) unmet(s *service) []control.Unmet {
	if s.noDeps {
		return nil
	}
	var list []control.Unmet
	for id, d := range s.spec.DependsOn {
		dep := c.services[id]
		if dep == nil { // validation prevents this
			list = append(list, control.Unmet{Service: id, Label: string(id), Condition: d.Condition, Why: whyMissing, Hopeless: true})
			continue
		}
		if unmet, why, hopeless := met(dep.facts(), d.Condition); unmet {
			list = append(list, control.Unmet{Service: id, Label: dep.spec.Label, Condition: d.Condition, Why: why, Hopeless: hopeless})
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Label < list[j].Label })
	return list
}

func (s *service) facts() facts {
	up := s.process != nil && s.process.up() && !s.process.stopping
	return facts{s.state, s.probed(), s.probeReady, s.spec.Completes, up, s.spawned, s.hasRun, s.ok, s.exit, s.reason()}
}

// feed is the only way to change a state: it enters the one that the table has for the
// kind, and launches the effects. It returns false if the table has none.
func (c *core) feed(s *service, k Kind) bool {
	to, effects, ok := next(s.state, k)
	if !ok {
		return false
	}
	from := s.state
	c.enter(s, to, k)
	for _, f := range effects {
		c.launch(s, f)
	}
	if from != to {
		c.publish(s, from) // after the effects, which are part of what observers see
	}
	return true
}

// enter is the only place where a state changes, and so the only one that announces it to
// the operator and in the log. feed publishes it to observers.
func (c *core) enter(s *service, to control.ServiceState, k Kind) {
	from := s.state
	now := c.world.Now()
	switch to {
	case control.Failed:
		c.failures++
		s.failedAt = c.failures
	case control.Init, control.Starting:
		if from != control.Init {
			s.attempt = attempt{began: now} // no process of the last one lives
			s.startup.try(now)
		}
	case control.Running:
		if !s.wasReady {
			s.counts.ready.observe(now.Sub(s.began).Seconds(), readyBounds)
		}
		s.wasReady = true
	case control.Setup:
		if from != control.Setup {
			s.step = 0
		}
	}
	if from == to {
		return // it is another one-shot of the same kind
	}
	s.startup.enters(to, now)
	switch to {
	case control.Failed, control.Skipped, control.Backoff, control.Ending, control.Restarting: // the caller has set why
	case control.Scheduled:
		if from != control.Failed { // else it says how the last run ended
			s.why = ""
		}
	default:
		s.why = ""
	}
	s.state, s.since = to, now
	c.changed = append(c.changed, s)
	if line := c.line(s, from, to, k); line != "" {
		c.world.Say(serviceLine(s.spec, line), tone(to))
		if hint := s.hint(to); hint != "" {
			c.world.Say(serviceLine(s.spec, "hint: "+hint), servicelog.Plain)
		}
	}
	attrs := []any{"service", s.id, "from", from, "to", to}
	if s.process != nil {
		attrs = append(attrs, "pid", s.process.pid)
	}
	if r := s.reason(); r != "" {
		attrs = append(attrs, "why", r)
	}
	c.log.Info("state changed", attrs...)
}

// launch carries out an effect.
func (c *core) launch(s *service, f Effect) {
	switch f {
	case SpawnInit:
		s.oneshot = c.spawn(s, s.spec.Init[s.step], project.Init)
	case SpawnMain:
		s.starts++
		s.process = c.spawn(s, s.spec.Main, project.Main)
	case SpawnSetup:
		s.oneshot = c.spawn(s, s.spec.Setup[s.step], project.Setup)
	case Terminate:
		c.terminate(s)
	case Arm:
		c.arm(s)
	case Disarm:
		c.cancel(s.pause.timer)
		s.pause = pause{}
	}
}

func (c *core) spawn(s *service, id project.ID, role project.Role) *run {
	c.lastRun++
	attempt := s.starts
	if role == project.Init {
		attempt++ // the main process, which counts them, comes after it
	}
	r := &run{
		Run:     Run{ID: c.lastRun, Project: c.project, Service: s.spec, Process: c.project.Processes[id], Attempt: attempt},
		service: s, role: role, since: c.world.Now(),
	}
	c.runs[r.ID] = r
	s.startup.spawns(r, r.since)
	c.world.Spawn(r.Run)
	return r
}

// arm starts the wait before a restart.
func (c *core) arm(s *service) {
	s.restarts++
	s.streak.n++
	wait := s.main.Restart.Wait(s.streak.n)
	s.streak.wait = wait
	if s.main.Restart.Jitters() {
		wait = jitter(wait, c.rand.Float64())
	}
	s.pause = pause{c.world.Now().Add(wait), c.after(wait, timer{kind: restartDue, service: s.id})}
}

// settle brings about the consequences of the changes since the last call: dependants look
// again, waiting callers get their answers, and a project with nothing left to do ends.
func (c *core) settle() {
	for len(c.changed) > 0 {
		s := c.changed[0]
		c.changed = c.changed[1:]
		for _, user := range c.users[s.id] {
			if user.state == control.Waiting || user.state == control.Skipped && user.wanted {
				c.look(user)
			}
		}
		if s.state == control.Skipped && (s.main.ExitOnSkipped || s.id == c.opts.ExitCodeFrom) && c.stopping == nil {
			c.down(Result{1, s.ended()})
		}
	}
	c.changed = nil
	c.forgetGone()
	c.announceSummary()
	c.finish()
	c.answer()
}

// look tries a service again that waits or was skipped, unless it would just be skipped
// again.
func (c *core) look(s *service) {
	if c.stopping != nil {
		return
	}
	if k, _ := c.gate(s); s.state == control.Skipped && k == Hopeless {
		return
	}
	c.try(s)
}

// finish ends the project if none of its own services run, and none can start any more.
// It first stops the container's own services.
func (c *core) finish() {
	system := false
	for _, s := range c.order {
		if !s.state.Active() || s.idleRun() {
			continue
		}
		if !s.spec.System || c.stopping != nil {
			return
		}
		system = true
	}
	switch {
	case c.finished:
	case c.stopping != nil:
		c.finished = true
		c.result = c.codeFrom(c.stopping.result)
		if c.stopping.announced {
			c.world.Say(allStopped, servicelog.Plain)
		}
	case c.opts.Stay || !c.opts.Leave && (c.project.WhenDone == project.WhenDoneStay || c.watching()) || c.held():
	case system:
		c.end(&shutdown{result: c.outcome()})
	default:
		c.finished = true
		c.result = c.codeFrom(c.outcome())
	}
}

// held reports whether a service was stopped by request. The project then stays, because
// somebody may start it again.
func (c *core) held() bool {
	return slices.ContainsFunc(c.order, func(s *service) bool {
		return s.state == control.Stopped && s.starts > 0 && !s.spec.System
	})
}

// outcome returns the result of a project that ends by itself: that of the first service
// that has failed for good and has not been restarted since.
func (c *core) outcome() Result {
	var first, skipped *service
	for _, s := range c.order {
		switch {
		case s.spec.System:
		case s.state == control.Failed && (first == nil || s.failedAt < first.failedAt):
			first = s
		case s.state == control.Skipped && skipped == nil:
			skipped = s
		}
	}
	switch {
	case first != nil:
		return Result{first.code(), first.ended()}
	case skipped != nil:
		return Result{1, skipped.ended()}
	}
	return Result{0, allCompleted}
}

func (c *core) ended() bool { return c.finished }

// close tells observers that no more events will come.
func (c *core) close() {
	c.last, c.lastStartups = c.snapshot(), c.startups()
	for _, s := range c.subscribers {
		s.send() // as much as there is room for
		close(s.ch)
	}
	c.subscribers = nil
}
