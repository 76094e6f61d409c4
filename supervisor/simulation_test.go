package supervisor

import (
	"cmp"
	"container/heap"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// TestSimulation drives the engine's core through random projects, faults and
// requests, one fact after the other, and checks after each what must always
// hold. A failure prints the seed; run it alone with -run and that seed below.
func TestSimulation(t *testing.T) {
	events, runs := 0, 0
	for seed := uint64(1); events < simulated; seed++ {
		s := newSim(t, seed)
		s.play()
		events += s.steps
		runs++
		if t.Failed() {
			t.Fatalf("seed %d, the end of what happened:\n%s", seed, strings.Join(s.history, "\n"))
		}
	}
	t.Logf("%d events in %d projects", events, runs)
	t.Attr("R18", fmt.Sprintf("%d random events in %d projects", events, runs))
}

// sim is a world in which everything is chance, and the test at once.
type sim struct {
	t    *testing.T
	rand *rand.Rand
	c    *core
	now  time.Time
	skew time.Duration // of the clock

	queue facts2
	seq   int
	steps int
	over  map[int]bool // cancelled timers

	procs map[RunID]*simProc
	live  map[project.ID]*simProc // by process
	past  map[project.ID]*history // by process
	free  map[project.ID]bool     // started without dependencies at some time

	sub     *subscriber
	replay  map[project.ID]control.ServiceState
	history []string
}

type simProc struct {
	since    time.Time
	run      Run
	spawned  bool
	launched bool // or it is no daemon
	dead     bool
	ready    bool
	deaf     bool
	killed   bool
}

// history is what the world remembers of a process, independent of the engine.
type history struct {
	spawned bool
	exited  bool
	success bool
}

// facts2 is a queue of facts by time.
type facts2 []queued

type queued struct {
	at   time.Time
	seq  int
	fact Fact
	do   func() // instead of the fact
}

func (q queued) compare(other queued) int {
	return cmp.Or(q.at.Compare(other.at), cmp.Compare(q.seq, other.seq))
}

func (q facts2) Len() int           { return len(q) }
func (q facts2) Less(i, j int) bool { return q[i].compare(q[j]) < 0 }
func (q facts2) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *facts2) Push(x any)        { *q = append(*q, x.(queued)) }
func (q *facts2) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		over: map[int]bool{}, procs: map[RunID]*simProc{}, live: map[project.ID]*simProc{},
		past: map[project.ID]*history{}, free: map[project.ID]bool{}, replay: map[project.ID]control.ServiceState{},
	}
	opts := Options{Seed: seed, Log: slog.New(slog.DiscardHandler)}
	opts.setDefaults()
	if s.chance(0.5) {
		opts.StopBudget = time.Duration(1+s.rand.IntN(20)) * time.Second
	}
	p := s.project()
	if s.chance(0.1) { // as "up --abort-on-exit", "up --exit-code-from"
		opts.AbortOnExit = true
		if s.chance(0.5) {
			opts.ExitCodeFrom = "s0"
		}
	}
	if s.chance(0.1) {
		opts.Services = []project.ID{pick(s, slices.Sorted(maps.Keys(p.Services))...)}
	}
	opts.Leave, opts.Refused = s.chance(0.05), s.refused(p)
	s.c = newCore(p, s, opts)
	s.sub = s.c.subscribe()
	return s
}

func (s *sim) chance(p float64) bool { return s.rand.Float64() < p }

func pick[T any](s *sim, list ...T) T { return list[s.rand.IntN(len(list))] }

// project invents up to eight services without a cycle.
func (s *sim) project() *project.Project {
	var lines []string
	n := 1 + s.rand.IntN(8)
	policies := make([]string, n)
	for i := range n {
		policies[i] = pick(s, "no", "on_failure", "on_failure", "always", "exit_on_failure", "unless_stopped")
		line := fmt.Sprintf("s%d: restart=%s", i, policies[i])
		if s.chance(0.9) && policies[i] == "exit_on_failure" {
			policies[i] = "no"
			line = fmt.Sprintf("s%d: restart=no", i)
		}
		if s.chance(0.4) {
			line += " +probe"
		}
		if s.chance(0.5) {
			line += fmt.Sprintf(" max=%d", 1+s.rand.IntN(4))
		}
		for _, more := range []struct {
			p    float64
			word string
		}{{0.3, "+init"}, {0.1, "+init"}, {0.3, "+setup"}, {0.1, "+setup"}, {0.02, "+end"}, {0.02, "+skipend"}, {0.2, "grace=1s"}, {0.1, "grace=0s"}, {0.1, "delay=100ms"}, {0.05, "+disabled"}, {0.15, pick(s, "daemon=0s", "daemon=1s")}} {
			if s.chance(more.p) {
				line += " " + more.word
			}
		}
		if policies[i] != "always" && policies[i] != "unless_stopped" && s.chance(0.2) {
			line += " " + pick(s, "every=1s", "every=3s", "every=1m", "cron=*_*_*_*_*", "cron=*/7_*_*_*_*", "cron=30_3_*_*_*") +
				pick(s, "", "", " +atstart") + pick(s, "", "", " overlap=queue", " overlap=replace") + pick(s, "", "", " most=2", " most=3")
		} else if s.chance(0.2) {
			line += " watch=src" + pick(s, "", " +cascade")
		}
		for j := range i {
			if !s.chance(0.35) {
				continue
			}
			cond := pick(s, "ready", "ready", "started", "completed", "exited")
			if cond == "completed" && (policies[j] == "always" || policies[j] == "unless_stopped") {
				cond = "ready"
			}
			line += fmt.Sprintf(" s%d=%s%s", j, cond, pick(s, "", "", "+restart"))
		}
		lines = append(lines, line)
	}
	p := services(lines...)
	for _, m := range p.Processes {
		if s.chance(0.1) {
			if m.Shutdown.Command = &(project.Command{Shell: project.Lit("bye")}); s.chance(0.3) {
				m.Shutdown.Command, m.Shutdown.Keys = nil, "q"
			}
		}
	}
	if s.chance(0.3) {
		p.WhenDone = project.WhenDoneStay
	}
	if s.chance(0.05) {
		p.OnFailed = project.OnFailedExit
	}
	return p
}

// refused are services that can't run on this machine.
func (s *sim) refused(p *project.Project) map[project.ID]string {
	if !s.chance(0.2) {
		return nil
	}
	return map[project.ID]string{pick(s, slices.Sorted(maps.Keys(p.Services))...): "no such program"}
}

func (s *sim) Now() time.Time { return s.now }

func (s *sim) Clock() time.Time { return s.now.Add(s.skew) }

func (s *sim) push(d time.Duration, f Fact, do func()) int {
	s.seq++
	heap.Push(&s.queue, queued{s.now.Add(d), s.seq, f, do})
	return s.seq
}

func (s *sim) After(d time.Duration, f Fact) func() {
	n := s.push(d, f, nil)
	return func() {
		if s.chance(0.9) { // else the timer had fired just before
			s.over[n] = true
		}
	}
}

func (s *sim) Say(line string, _ servicelog.Tone) { s.note("say  %s", line) }

func (s *sim) note(format string, args ...any) {
	if s.sub == nil {
		return // the search tells its path
	}
	if len(s.history) > 400 {
		s.history = append(s.history[:0], s.history[200:]...)
	}
	s.history = append(s.history, s.now.Format("05.000 ")+fmt.Sprintf(format, args...))
}

func (s *sim) fail(format string, args ...any) {
	s.note("FAIL "+format, args...)
	s.t.Errorf(format, args...)
}

func (s *sim) remember(id project.ID) *history {
	if s.past[id] == nil {
		s.past[id] = &history{}
	}
	return s.past[id]
}

func (s *sim) Spawn(r Run) {
	p := s.begins(r)
	p.deaf = s.chance(0.1)
	s.push(s.delay(), Fact{}, func() { s.execute(p) })
}

// begins checks that nothing lives twice, and that nothing starts too early.
func (s *sim) begins(r Run) *simProc {
	s.note("spawn %s run %d", r.Process.ID, r.ID)
	if s.live[r.Process.ID] != nil {
		s.fail("%s is started while it lives", r.Process.ID)
	}
	if r.Process.Role == project.Setup != (s.live[r.Service.Main] != nil && r.Process.Role != project.Main) {
		s.fail("%s is started while the main process lives: %t", r.Process.ID, s.live[r.Service.Main] != nil)
	}
	first := r.Process.Role == project.Init && r.Process.ID == r.Service.Init[0] || r.Process.Role == project.Main && len(r.Service.Init) == 0
	if first && !s.free[r.Service.ID] {
		for id, d := range r.Service.DependsOn {
			if !s.holds(s.c.services[id], d.Condition) {
				s.fail("%s is started, and %s is not %s", r.Service.ID, id, d.Condition)
			}
		}
	}
	if s.c.stopping != nil && first {
		s.fail("%s is started while the project stops", r.Service.ID)
	}
	if why := s.c.services[r.Service.ID].refused; why != "" && first {
		s.fail("%s is started, and it is refused: %s", r.Service.ID, why)
	}
	p := &simProc{run: r}
	s.procs[r.ID], s.live[r.Process.ID] = p, p
	return p
}

// holds judges a condition by what the world knows.
func (s *sim) holds(dep *service, cond project.Condition) bool {
	m := s.live[dep.spec.Main]
	past := s.remember(dep.spec.Main)
	switch cond {
	case project.Started:
		return m != nil && m.launched || m == nil && past.spawned
	case project.Ready:
		up := m != nil && m.launched && (m.ready || dep.main.Readiness == nil)
		for _, id := range dep.spec.Setup {
			up = up && s.remember(id).success && s.live[id] == nil
		}
		return up || m == nil && past.success && dep.main.Readiness == nil
	case project.Completed:
		return m == nil && past.success
	case project.Exited:
		return m == nil && (past.exited || dep.state == control.Failed || dep.hasRun)
	}
	return false
}

func (s *sim) delay() time.Duration {
	return time.Duration(pick(s, 0, 1, 5, 20, 100, 1000, 7000)) * time.Millisecond
}

// execute lets a spawned process begin, or fail to.
func (s *sim) execute(p *simProc) {
	if p.dead {
		return
	}
	if s.chance(0.03) {
		s.end(p, project.Exit{Error: "no such program", Code: 127})
		return
	}
	s.executed(p)
	if p.run.Process.Daemon != nil {
		s.push(s.delay(), Fact{}, func() { s.launch(p) })
	}
	if s.chance(0.05) {
		s.push(s.delay(), Fact{Kind: OutOfMemory, Run: p.run.ID, Kills: 1}, nil)
	}
	if p.run.Process.Role != project.Main || s.chance(0.5) {
		s.push(s.delay(), Fact{}, func() { s.end(p, s.exit()) })
	}
}

// executed lets a spawned process run.
func (s *sim) executed(p *simProc) {
	p.spawned, p.launched, p.since = true, p.run.Process.Daemon == nil, s.now
	h := s.remember(p.run.Process.ID)
	h.spawned = h.spawned || p.launched
	if p.run.Process.Role == project.Main {
		for _, id := range p.run.Service.Setup {
			s.remember(id).success = false // they have to run anew
		}
	}
	s.deliver(Fact{Kind: Spawned, Run: p.run.ID, PID: int(p.run.ID)})
}

// launch lets the command of a daemon end, and later perhaps its oldest process.
func (s *sim) launch(p *simProc) {
	if p.dead {
		return
	}
	s.launched(p, pick(s, 0, int(p.run.ID)+1e6))
	if s.chance(0.3) {
		s.push(s.delay(), Fact{}, func() { s.launch(p) })
	}
}

// launched says that a daemon runs.
func (s *sim) launched(p *simProc, pid int) {
	p.launched = true
	s.remember(p.run.Process.ID).spawned = true
	s.deliver(Fact{Kind: Launched, Run: p.run.ID, PID: pid})
}

func (s *sim) exit() project.Exit {
	switch {
	case s.chance(0.6):
		return project.Exit{}
	case s.chance(0.3):
		return project.KilledBy(11)
	}
	return project.Exit{Code: 1 + s.rand.IntN(3)}
}

func (s *sim) end(p *simProc, x project.Exit) {
	if p.dead {
		return
	}
	p.dead = true
	delete(s.live, p.run.Process.ID)
	h := s.remember(p.run.Process.ID)
	h.exited = h.exited || p.spawned
	h.success = p.spawned && x == project.Exit{}
	if p.spawned {
		x.At, x.Ran = s.now, project.Duration(s.now.Sub(p.since))
	}
	s.deliver(Fact{Kind: Exited, Run: p.run.ID, Exit: x})
}

func (s *sim) Probe(id RunID) {
	p := s.procs[id]
	m := p.run.Process
	if !p.launched {
		s.fail("a probe of run %d, which was not launched", id)
	}
	if m.Readiness != nil && s.chance(0.9) {
		s.push(s.delay(), Fact{}, func() { s.turn(p, true) })
	}
	if s.chance(0.05) {
		s.push(10*s.delay(), Fact{Kind: Probed, Run: id, News: true, Probe: control.Probe{Role: project.LivenessProbe, Output: "no"}}, nil)
	}
	if s.chance(0.3) { // not news
		s.push(s.delay(), Fact{Kind: Probed, Run: id, Probe: control.Probe{Role: project.ReadinessProbe, Output: "no"}}, nil)
	}
}

// turn makes a process ready or unready, and perhaps once more later.
func (s *sim) turn(p *simProc, ready bool) {
	if p.dead {
		return
	}
	p.ready = ready
	s.deliver(Fact{Kind: Probed, Run: p.run.ID, News: true, Probe: control.Probe{Role: project.ReadinessProbe, OK: ready}})
	if s.chance(0.3) {
		s.push(s.delay(), Fact{}, func() { s.turn(p, !ready) })
	}
}

func (s *sim) Signal(id RunID, signal project.Signal, group bool) {
	p := s.procs[id]
	if p == nil || !p.spawned {
		s.fail("a signal to run %d, which was not executed", id)
	} else if !p.deaf {
		s.push(s.delay()/4, Fact{}, func() { s.end(p, project.KilledBy(project.SIGTERM)) })
	}
}

func (s *sim) Shutdown(id RunID, c project.Shutdown) {
	if s.chance(0.9) {
		s.push(s.delay(), Fact{Kind: ShutdownDone, Run: id, Exit: project.Exit{Code: s.rand.IntN(2)}}, nil)
	}
}

// Cancel is too late now and then, as in the world.
func (s *sim) Cancel(id RunID) {
	if p := s.procs[id]; p != nil && !p.spawned && s.chance(0.7) {
		s.Kill(id)
	}
}

func (s *sim) Kill(id RunID) {
	p := s.procs[id]
	if p == nil || p.dead || p.killed {
		return
	}
	p.killed = true
	d := s.delay() / 100
	if p.spawned && s.chance(0.01) { // in state D
		d = time.Hour
	}
	s.push(d, Fact{}, func() { s.end(p, project.KilledBy(project.SIGKILL)) })
}

// GiveUp is for what was killed.
func (s *sim) GiveUp(id RunID) string {
	if p := s.procs[id]; p != nil && !p.dead && !p.killed {
		s.fail("run %d is given up, and was not killed", id)
	}
	return ""
}

// deliver hands a fact to the engine, as the goroutine of Run would.
func (s *sim) deliver(f Fact) {
	s.c.fact(f)
	s.c.settle()
}

// play goes through one project's life.
func (s *sim) play() {
	s.c.begin()
	s.check()
	most := 20 + s.rand.IntN(400)
	downAt := 0
	for !s.c.ended() && !s.t.Failed() {
		s.steps++
		if st := s.c.stopping; st != nil && s.now.Sub(st.since) > s.longest() {
			s.fail("the project stops for %v", s.now.Sub(st.since))
		}
		if s.steps > most && s.c.stopping == nil {
			s.note("down")
			s.c.downAsked()
			s.c.settle()
			downAt = s.steps
		}
		if downAt > 0 && s.steps > downAt+3000 {
			s.fail("the project does not end")
			return
		}
		if s.chance(0.08) {
			s.request()
		}
		if len(s.queue) == 0 {
			s.still()
			if s.c.stopping == nil && !s.c.ended() && s.steps <= most {
				s.request()
				s.check()
				continue
			}
			if s.c.stopping != nil && !s.c.ended() {
				s.fail("nothing will happen any more, and the project has not ended")
			}
			continue
		}
		s.next()
		s.check()
	}
	if s.c.ended() && s.c.stopping == nil && len(s.live) > 0 {
		s.fail("the project ended by itself, and %d processes live", len(s.live))
	}
}

// longest is how long a stop may take: the budget, or the grace of each level,
// and the time in which killed processes are given up.
func (s *sim) longest() time.Duration {
	if b := s.c.opts.StopBudget; b > 0 {
		return b + 2*time.Second
	}
	return time.Duration(max(1, len(s.c.stopping.levels)))*(s.c.opts.Grace+unkillableAfter) + time.Second
}

func (s *sim) next() {
	q := heap.Pop(&s.queue).(queued)
	s.now = q.at
	switch {
	case s.over[q.seq]:
		delete(s.over, q.seq)
	case q.do != nil:
		q.do()
	default:
		s.deliver(q.fact)
	}
}

// request is what a person might ask for.
func (s *sim) request() {
	c := s.c
	ids := []project.ID{c.order[s.rand.IntN(len(c.order))].id}
	if s.chance(0.2) {
		ids = append(ids, c.order[s.rand.IntN(len(c.order))].id)
	}
	switch r := s.rand.Float64(); {
	case r < 0.3:
		noDeps := s.chance(0.1)
		s.note("start %v without dependencies: %t", ids, noDeps)
		for _, id := range c.project.AllRuns(ids) {
			if noDeps {
				s.free[id] = true
			}
		}
		c.start(ids, StartOptions{NoDeps: noDeps, Missing: s.chance(0.3)})
	case r < 0.4:
		s.note("a file of %s changes: %t", ids[0], c.touch(ids[0], "src/a"))
	case r < 0.55:
		s.note("restart %v", ids)
		c.restart(ids)
	case r < 0.8:
		s.note("stop %v", ids)
		c.stop(ids)
	case r < 0.9:
		c.signal(ids, project.SIGTERM)
	case r < 0.95:
		next := s.project()
		s.reload(next, s.refused(next))
	case r < 0.957:
		s.reload(s.scaled(c.services[ids[0]]), nil)
	case r < 0.965:
		s.skew += pick(s, -5*time.Hour, -time.Hour, -time.Second, time.Second, 20*time.Minute, 30*time.Hour)
		s.note("the clock is set to %s", s.Clock().UTC().Format(time.DateTime))
	case r < 0.968:
		s.note("down now")
		c.downNow()
	default: // who looks changes nothing
		c.snapshot()
		c.startups()
		c.counts()
	}
	c.settle()
}

// reload brings the project to the next one, and compares what follows at once with what was
// planned.
func (s *sim) reload(next *project.Project, refused map[project.ID]string) {
	c := s.c
	s.note("reload, refused: %v", refused)
	var plan []control.Planned
	if c.stopping == nil {
		plan = c.plan(next, refused)
	}
	toldToStop := func(x *service) bool {
		return x.process != nil && x.process.stopping || x.oneshot != nil && x.oneshot.stopping
	}
	told := map[project.ID]bool{}
	for _, x := range c.order {
		told[x.id] = toldToStop(x)
	}
	c.reload(next, schedules(next, c.opts.Zone), refused)
	c.settle()
	s.check()
	if c.stopping != nil || c.ended() {
		return
	}
	for _, one := range plan {
		x := c.services[one.ID]
		if x == nil {
			if one.Action != control.PlanStop && one.Cause != control.CauseRemoved {
				s.fail("%s was to %s, and is gone", one.ID, one.Action)
			}
			continue
		}
		switch {
		case one.Cause == control.CauseDependency: // once that has started
		case one.Action == control.PlanStop && (x.wanted || x.state.Live() && x.state != control.Stopping),
			one.Action == control.PlanRestart && x.state != control.Restarting,
			one.Action == control.PlanStart && (!x.wanted || !x.state.Active() && x.state != control.Skipped && x.state != control.Waiting),
			one.Action == control.PlanNone && toldToStop(x) && !told[x.id]:
			s.fail("%s was to %s (%s), and is %s", one.ID, one.Action, one.Cause, x.state)
		}
	}
}

// scaled is the project with one replica more of a service, or without those that it
// has, as scale makes it.
func (s *sim) scaled(of *service) *project.Project {
	p := *s.c.project
	p.Services, p.Processes = maps.Clone(p.Services), maps.Clone(p.Processes)
	family := cmp.Or(of.spec.Family, string(of.id))
	if len(of.spec.Family) > 0 {
		s.note("scale %s down", family)
		for id, one := range p.Services {
			if one.Family == family {
				delete(p.Services, id)
				for _, process := range one.ProcessIDs() {
					delete(p.Processes, process)
				}
			}
		}
		return &p
	}
	if of.gone || s.c.project.Services[of.id] == nil {
		return &p
	}
	s.note("scale %s up", family)
	name := func(id project.ID) project.ID { return id + "-more" }
	names := func(ids []project.ID) (out []project.ID) {
		for _, id := range ids {
			out = append(out, name(id))
		}
		return out
	}
	one := *of.spec
	one.ID, one.Main, one.Init, one.Setup = name(of.id), name(one.Main), names(one.Init), names(one.Setup)
	one.Family, one.Label = family, string(one.ID)
	if one.Schedule != nil { // each replica has its own, and a further run is none's
		own := *one.Schedule
		if own.Concurrent = 0; own.Of != "" {
			one.Schedule = nil
		} else {
			one.Schedule = &own
		}
	}
	p.Services[one.ID] = &one
	for _, id := range of.spec.ProcessIDs() {
		process := *p.Processes[id]
		process.ID, process.Service = name(id), one.ID
		p.Processes[process.ID] = &process
	}
	return &p
}

// still checks what must hold when nothing will happen by itself.
func (s *sim) still() {
	for _, x := range s.c.order {
		if x.state.Active() && !x.state.Settled() && x.state != control.Unready && x.state != control.Starting {
			s.fail("%s is %s, and nothing will happen any more", x.id, x.state)
		}
		if x.state == control.Waiting && len(s.c.unmet(x)) == 0 {
			s.fail("%s waits for nothing", x.id)
		}
	}
}

// told is the state of a service by its events.
func (s *sim) told(id project.ID) control.ServiceState {
	return cmp.Or(s.replay[id], control.Stopped)
}

// check is what must hold after every step.
func (s *sim) check() {
	for s.sub != nil {
		select {
		case ev := <-s.sub.ch:
			if from := s.told(ev.Service.ID); from != ev.From {
				s.fail("%s: an event comes from %s, the last one led to %s", ev.Service.ID, ev.From, from)
			}
			s.replay[ev.Service.ID] = ev.Service.State
			continue
		default:
		}
		break
	}
	c := s.c
	for id := range s.replay { // removed by a reload; one of that name later is another
		if c.services[id] == nil {
			delete(s.replay, id)
		}
	}
	if len(c.timers) > 4*len(c.runs)+2*len(c.order)+12 {
		s.fail("%d timers for %d runs", len(c.timers), len(c.runs))
	}
	if whole := c.tally(); whole.settled && c.moving() {
		s.fail("all is settled, and yet %s is on its way", c.summary.moving.id)
	}
	for _, x := range c.order {
		if s.sub != nil && s.told(x.id) != x.state {
			s.fail("%s is %s, its events say %s", x.id, x.state, s.told(x.id))
		}
		m, o := x.process != nil, x.oneshot != nil
		ok := false
		switch x.state {
		case control.Init:
			ok = !m && o
		case control.Starting, control.Running, control.Unready:
			ok = m && !o
		case control.Setup:
			ok = m && o
		case control.Ending, control.Restarting, control.Stopping:
			ok = m || o
		default:
			ok = !m && !o
		}
		if !ok {
			s.fail("%s is %s: main lives %t, one-shot lives %t", x.id, x.state, m, o)
		}
		if _, armed := c.timers[x.pause.timer]; (x.state == control.Backoff) != armed {
			s.fail("%s is %s, its restart is armed: %t", x.id, x.state, armed)
		}
		if _, armed := c.timers[x.timer]; c.stopping == nil && !c.ended() && armed != (x.wanted && x.spec.Schedule != nil && !x.gone && !x.further()) {
			s.fail("%s is %s, its schedule is kept: %t", x.id, x.state, armed)
		}
		if x.state == control.Scheduled && (x.due || x.spec.Schedule == nil || !x.wanted) {
			s.fail("%s is scheduled: due %t, wanted %t", x.id, x.due, x.wanted)
		}
		if (x.state == control.Waiting || x.state == control.Backoff || x.state == control.Scheduled) && c.stopping != nil {
			s.fail("%s is %s while the project stops", x.id, x.state)
		}
		if x.state == control.Skipped && x.wanted && c.stopping == nil && !c.ended() {
			if k, _ := c.gate(x); k != Hopeless {
				s.fail("%s is skipped, and could start", x.id)
			}
		}
	}
}
