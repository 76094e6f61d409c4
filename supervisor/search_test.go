package supervisor

import (
	"cmp"
	"container/heap"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// The search goes where the simulation may not come by chance: from the start of each of
// its projects of three services it takes every event that can come next, and from there
// every one after that, until it finds no new state. What would make that endless is
// bounded: how many requests there are on one way, and how many failures. All else (what
// a process does that nothing has gone wrong with, deafness, time) is not.

// bounds are those of a search.
type bounds struct{ requests, failures int }

// explorer is a world in which nothing happens but what the search says. It checks what
// the simulation checks, and in which order a project stops.
type explorer struct {
	*sim
	left    bounds
	early   map[RunID]bool // told to stop before the project was
	told    map[RunID]bool // told to stop
	bye     map[RunID]bool // its shutdown command runs
	variant int            // of the project
	spec    [2]*project.Project
}

func explore(t *testing.T, spec [2]*project.Project, b bounds, opts Options) *explorer {
	e := &explorer{
		sim: &sim{
			t: t, rand: rand.New(rand.NewPCG(1, 1)), now: time.Unix(1e9, 0),
			over: map[int]bool{}, procs: map[RunID]*simProc{}, live: map[project.ID]*simProc{},
			past: map[project.ID]*history{}, free: map[project.ID]bool{},
		},
		left: b, early: map[RunID]bool{}, told: map[RunID]bool{}, bye: map[RunID]bool{}, spec: spec,
	}
	opts.Log, opts.Seed = slog.New(slog.DiscardHandler), 1
	opts.setDefaults()
	e.c = newCore(spec[0], e, opts)
	e.c.begin()
	return e
}

func (e *explorer) After(d time.Duration, f Fact) func() {
	n := e.push(d, f, nil)
	return func() { e.over[n] = true }
}

func (e *explorer) Say(string, servicelog.Tone)               {}
func (e *explorer) Spawn(r Run)                               { e.begins(r) }
func (e *explorer) Probe(RunID)                               {}
func (e *explorer) GiveUp(RunID) string                       { return "" }
func (e *explorer) Signal(id RunID, _ project.Signal, _ bool) { e.stops(id) }
func (e *explorer) Cancel(id RunID)                           { e.stops(id) }

func (e *explorer) Shutdown(id RunID, _ project.Shutdown) {
	e.stops(id)
	e.bye[id] = true
}

func (e *explorer) Kill(id RunID) {
	e.stops(id)
	if p := e.procs[id]; p != nil {
		p.killed = true
	}
}

// stops checks that nobody is told to stop while somebody needs it who could still end
// first.
func (e *explorer) stops(id RunID) {
	p, st := e.procs[id], e.c.stopping
	if p == nil || e.told[id] {
		return
	}
	e.told[id] = true
	s := e.c.services[p.run.Service.ID]
	if st == nil || st.killing || s == nil || s.state == control.Ending {
		e.early[id] = true
		return
	}
	for level, list := range st.levels {
		if !slices.Contains(list, s) {
			continue
		}
		if !st.deadline.IsZero() && !e.now.Before(st.since.Add(st.deadline.Sub(st.since)*time.Duration(level)/time.Duration(len(st.levels)))) {
			return // the time of those before is over
		}
		for _, before := range st.levels[:level] {
			for _, user := range before {
				if _, needs := user.spec.DependsOn[s.id]; needs && user.alive() {
					e.fail("%s is told to stop, and %s needs it and lives", s.id, user.id)
				}
			}
		}
	}
}

// An event is what can happen next. Its name is the same for the same thing, however the
// state was reached.
type event struct {
	name string
	do   func()
}

// events returns what can happen in the state, in a fixed order.
func (e *explorer) events() (list []event) {
	add := func(name string, do func()) { list = append(list, event{name, do}) }
	c := e.c
	if c.ended() {
		return nil
	}
	var ids []RunID
	for id, p := range e.procs {
		if !p.dead {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	fails := func(name string, do func()) {
		if e.left.failures > 0 {
			add(name, func() { e.left.failures--; do() })
		}
	}
	for _, id := range ids {
		p := e.procs[id]
		name := string(p.run.Process.ID)
		main := p.run.Process.Role == project.Main
		report := func(role project.ProbeRole, ok bool) func() {
			return func() {
				if role == project.ReadinessProbe {
					p.ready = ok
				}
				e.deliver(Fact{Kind: Probed, Run: id, News: true, Probe: control.Probe{Role: role, OK: ok}})
			}
		}
		if e.told[id] {
			add(name+" dies", func() { e.end(p, project.KilledBy(project.SIGTERM)) })
		}
		if e.bye[id] {
			add(name+": shutdown command done", func() {
				delete(e.bye, id)
				e.deliver(Fact{Kind: ShutdownDone, Run: id})
			})
		}
		switch {
		case p.killed:
		case !p.spawned:
			add(name+" runs", func() { e.executed(p) })
			fails(name+" can't be run", func() { e.end(p, project.Exit{Error: "no such program", Code: 127}) })
		case !p.launched:
			add(name+" launches", func() { e.launched(p, int(p.run.ID)+1e6) })
			fails(name+" leaves nothing", func() { e.end(p, project.Exit{Error: "its command has left nothing running"}) })
			fails(name+" can't launch", func() { e.end(p, project.Exit{Code: 1}) })
		default:
			exit := fails
			if !main {
				exit = add
			}
			exit(name+" exits with 0", func() { e.end(p, project.Exit{}) })
			fails(name+" exits with 1", func() { e.end(p, project.Exit{Code: 1}) })
			if main && p.run.Process.Readiness != nil {
				if p.ready {
					fails(name+" is not ready", report(project.ReadinessProbe, false))
				} else {
					add(name+" is ready", report(project.ReadinessProbe, true))
				}
			}
			if main && p.run.Process.Liveness != nil {
				fails(name+" is sick", report(project.LivenessProbe, false))
			}
		}
	}
	if e.timed() {
		add("time passes", e.pass)
	}
	if c.stopping != nil {
		if !c.stopping.killing {
			add("down now", c.downNow)
		}
		return list
	}
	if e.left.requests == 0 {
		return list
	}
	ask := func(name string, do func()) {
		add(name, func() { e.left.requests--; do() })
	}
	ask("down", c.downAsked)
	for _, s := range c.order {
		if s.gone {
			continue
		}
		id := []project.ID{s.id}
		ask("start "+string(s.id), func() { _, _ = c.start(id, StartOptions{}) })
		ask("stop "+string(s.id), func() { _ = c.stop(id) })
		ask("restart "+string(s.id), func() { _ = c.restart(id) })
		if s.spec.Watch != nil {
			ask("a file of "+string(s.id)+" changes", func() { c.touch(s.id, "src/a") })
		}
	}
	ask("reload", func() {
		e.variant = 1 - e.variant
		next := e.spec[e.variant]
		_, _ = c.reload(next, schedules(next, c.opts.Zone), nil)
	})
	return list
}

// timed reports whether a timer is set that decides something.
func (e *explorer) timed() bool {
	return slices.ContainsFunc(e.queue, func(q queued) bool { return !e.over[q.seq] && decides(e.c.timers[q.fact.timer]) })
}

// decides reports whether more follows from a timer than what people are told.
func decides(t timer) bool { return t.kind != reportDue && t.kind != calmOver && t.kind != catchUpDue }

// pass lets time go to the next timer that decides something.
func (e *explorer) pass() {
	for {
		q := heap.Pop(&e.queue).(queued)
		if e.over[q.seq] {
			delete(e.over, q.seq)
			continue
		}
		last := decides(e.c.timers[q.fact.timer])
		e.now = q.at
		e.deliver(q.fact)
		if last {
			return
		}
	}
}

// take lets an event happen, and checks what must hold after it.
func (e *explorer) take(ev event) {
	ev.do()
	e.c.settle()
	e.check()
	if st := e.c.stopping; st != nil && e.now.Sub(st.since) > e.longest() {
		e.fail("the project stops for %v", e.now.Sub(st.since))
	}
	for _, s := range e.c.order {
		if most := s.main.Restart.Max; most > 0 && s.streak.n > most {
			e.fail("%s was restarted %d times in a row, of %d", s.id, s.streak.n, most)
		}
	}
}

// key tells states apart by all that decides what can follow.
func (e *explorer) key() string {
	b := make([]byte, 0, 400)
	b = fmt.Appendf(b, "%d %d %d", e.left.requests, e.left.failures, e.variant)
	c := e.c
	live := func(r *run) {
		if r == nil {
			b = append(b, '-')
			return
		}
		p := e.procs[r.ID]
		b = fmt.Appendf(b, " %s:%t%t%t%t%t%t%t%t%s%t", r.Process.ID, r.spawned, p.launched, r.stopping, r.killed, r.unkillable, p.ready, e.bye[r.ID], e.told[r.ID], r.how, e.early[r.ID])
		if p.spawned {
			b = fmt.Appendf(b, "%t", good(e.now.Sub(p.since), r.service.streak.wait))
		}
	}
	for _, s := range c.order {
		b = fmt.Appendf(b, "|%s %s %t%t%s%t%t %t%t%t%d %d %v %t%t%t%t %d", s.id, s.state, s.wanted, s.noDeps, s.refused, s.spawned, s.gone,
			s.probeReady, s.wasReady, s.pending != nil, s.step, min(s.streak.n, 3), s.streak.wait, s.due, s.again, s.hasRun, s.ok, min(s.starts, 1))
		if s.exit != nil {
			b = fmt.Appendf(b, " %d%t", s.exit.Code, s.exit.Final)
		}
		if s.spec.Watch != nil {
			b = fmt.Appendf(b, " %d%t%t", s.rapid, s.suspended, s.touched != "" && e.now.Sub(s.touchedAt) < loopWithin)
		}
		live(s.process)
		live(s.oneshot)
		if p := e.past[s.spec.Main]; p != nil {
			b = fmt.Appendf(b, "%t%t%t", p.spawned, p.exited, p.success)
		}
		for _, id := range slices.Concat(s.spec.Init, s.spec.Setup) {
			if p := e.past[id]; p != nil {
				b = fmt.Appendf(b, "%t", p.success)
			}
		}
	}
	if st := c.stopping; st != nil {
		b = fmt.Appendf(b, "|stop %d %t %t", st.next, st.killing, st.asked)
	}
	for _, p := range e.procs { // given up, and alive
		if !p.dead && c.runs[p.run.ID] == nil {
			b = fmt.Appendf(b, "|ghost %s", p.run.Process.ID)
		}
	}
	var due []string
	for _, q := range e.queue {
		t, ok := c.timers[q.fact.timer]
		if !ok || e.over[q.seq] || !decides(t) {
			continue
		}
		of := string(t.service)
		if r := c.runs[t.run]; r != nil {
			of = string(r.Process.ID)
		}
		due = append(due, fmt.Sprintf("%v %d %s %d", q.at.Sub(e.now), t.kind, of, t.level))
	}
	slices.Sort(due)
	return string(b) + strings.Join(due, ",")
}

// way is how a state was reached.
type way struct {
	before *way
	event  int
	name   string
}

func (w *way) events() (list []int, names []string) {
	for ; w.before != nil; w = w.before {
		list, names = append(list, w.event), append(names, w.name)
	}
	slices.Reverse(list)
	slices.Reverse(names)
	return list, names
}

// search visits all states of a project, and returns how many there are, and how many
// events lead from one to another.
func search(t *testing.T, spec [2]*project.Project, b bounds, opts Options) (states, events int) {
	var at *explorer
	var path *way
	replay := func(w *way) *explorer {
		path = w
		at = explore(t, spec, b, opts)
		list, _ := w.events()
		for _, i := range list {
			ev := at.events()[i]
			ev.do()
			at.c.settle()
		}
		return at
	}
	first := &way{}
	seen := map[string]bool{replay(first).key(): true}
	todo := []*way{first}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		states++
		e := replay(w)
		possible := e.events()
		if len(possible) == 0 && e.c.stopping != nil && !e.c.ended() {
			e.fail("nothing will happen any more, and the project stops")
		}
		if !e.c.ended() && (len(possible) == 0 || !e.timed() && len(e.live) == 0) {
			e.still()
		}
		e.close(false)
		replay(w).close(true)
		for i := range possible {
			e = replay(w)
			ev := e.events()[i]
			path = &way{w, i, ev.name}
			e.take(ev)
			events++
			if k := e.key(); !seen[k] {
				seen[k] = true
				todo = append(todo, path)
			}
			if t.Failed() {
				_, names := path.events()
				t.Fatalf("the way to it:\n%s", strings.Join(names, "\n"))
			}
		}
		if t.Failed() {
			_, names := w.events()
			t.Fatalf("the way to it:\n%s", strings.Join(names, "\n"))
		}
	}
	return states, events
}

// close stops the project from where it is, with processes that all do what they are told,
// or with none that does. It must end all the same, in time.
func (e *explorer) close(good bool) {
	e.c.downAsked()
	e.c.settle()
	for range 100 {
		if e.c.ended() {
			return
		}
		list := e.events()
		i := slices.IndexFunc(list, func(ev event) bool {
			return good && strings.HasSuffix(ev.name, " dies") || ev.name == "time passes"
		})
		if i < 0 {
			break
		}
		e.take(list[i])
	}
	e.fail("the project does not end (all do what they are told: %t): it waits for %v", good, e.c.waitingFor())
}

// A shape is who depends on whom, of three services.
var shapes = map[string][3][]string{
	"apart":    {{}, {}, {}},
	"pair":     {{}, {"a"}, {}},
	"chain":    {{}, {"a"}, {"b"}},
	"fork":     {{}, {"a"}, {"a"}},
	"join":     {{}, {}, {"a", "b"}},
	"triangle": {{}, {"a"}, {"a", "b"}},
}

// projects returns one of a shape, and what a reload makes of it.
func shaped(shape [3][]string, words [3]string, condition string) (out [2]*project.Project) {
	var lines []string
	for i, name := range []string{"a", "b", "c"} {
		line := name + ": " + words[i]
		for _, on := range shape[i] {
			line += " " + on + "=" + condition
		}
		lines = append(lines, line)
	}
	out[0] = services(lines...)
	// The reload changes one, scales another, and takes away what nobody needs.
	changed := slices.Clone(lines)
	changed[0] += " delay=3s"
	if len(shape[2]) == 0 || cmp.Compare(condition, "ready") != 0 {
		changed = changed[:2]
	} else {
		changed = append(changed, strings.Replace(changed[2], "c:", "d:", 1))
	}
	out[1] = services(changed...)
	return out
}

// TestSearch visits all states of projects of three services, with every kind of restart,
// probe, one-shot, schedule and condition.
func TestSearch(t *testing.T) {
	type task struct {
		name      string
		words     [3]string
		condition string
		b         bounds
		budget    time.Duration
		shapes    []string
	}
	same := func(s string) [3]string { return [3]string{s, s, s} }
	mixed := [3]string{"restart=always delay=1s max=2 +setup", "restart=on_failure max=1 delay=1s +init", "restart=no +probe"}
	tasks := []task{
		{"mixed", mixed, "ready", bounds{1, 0}, 0, []string{"chain"}},
		{"by interval", [3]string{"restart=no every=3s", "restart=no", "restart=no"}, "completed", bounds{1, 0}, 5 * time.Second, []string{"chain"}},
		{"two runs at once", [3]string{"restart=no every=3s most=2", "restart=no", "restart=no"}, "exited", bounds{1, 0}, 0, []string{"chain"}},
		{"restarted", [3]string{"restart=on_failure max=1 delay=1s", "restart=no", "restart=no"}, "started", bounds{0, 3}, 0, []string{"join"}},
		{"daemons", [3]string{"restart=no daemon=2s", "restart=no daemon=0s +probe", "restart=no"}, "ready", bounds{1, 0}, 0, []string{"chain"}},
		{"daemons", [3]string{"restart=on_failure max=1 delay=1s daemon=2s", "restart=no", "restart=no"}, "started", bounds{0, 2}, 0, []string{"fork"}},
		{"one-shots", same("restart=no"), "completed", bounds{1, 1}, 5 * time.Second, []string{"chain"}},
		{"watched", [3]string{"restart=on_failure max=1 delay=1s watch=src +cascade", "restart=no watch=src", "restart=no"}, "started", bounds{1, 0}, 0, []string{"chain"}},
	}
	every := os.Getenv("NIX2GPU_SEARCH") == "all" // of make search
	// Without it, what has the most states is left out.
	for _, policy := range []string{"restart=no", "restart=on_failure max=1 delay=1s", "restart=always delay=1s max=2", "restart=exit_on_failure", "restart=unless_stopped delay=1s max=1"} {
		for _, more := range []string{"", " +probe", " +init", " +setup", " daemon=2s"} {
			for _, condition := range []string{"started", "ready", "completed", "exited", "ready+restart"} {
				if condition == "completed" && (strings.Contains(policy, "always") || strings.Contains(policy, "unless")) {
					continue // validation refuses that
				}
				task := task{policy + more + " " + condition, same(policy + more), condition, bounds{0, 1}, 0, []string{"join"}}
				if !every && (strings.HasSuffix(more, "t") || strings.HasSuffix(more, "p") || strings.HasSuffix(more, "s") || condition == "started") {
					continue
				}
				if every {
					task.shapes = []string{"apart", "chain", "fork", "join", "triangle", "pair"}
					if strings.HasSuffix(more, "s") { // three timers that nothing orders: millions of states
						task.shapes = []string{"chain", "triangle"}
					}
					tasks = append(tasks, task)
					task.b, task.budget = bounds{1, 0}, 5*time.Second
				}
				tasks = append(tasks, task)
			}
		}
	}
	if every {
		tasks = append(tasks, task{"mixed", mixed, "started+restart", bounds{0, 1}, 5 * time.Second, []string{"triangle"}},
			task{"daemons", [3]string{"restart=on_failure max=1 delay=1s daemon=2s", "restart=no daemon=2s +probe", "restart=no"}, "ready", bounds{1, 0}, 5 * time.Second, []string{"chain"}},
			task{"daemons", [3]string{"restart=on_failure max=1 delay=1s daemon=2s", "restart=no", "restart=always delay=1s max=2 daemon=2s"}, "started", bounds{0, 2}, 0, []string{"fork"}},
			task{"two runs at once", [3]string{"restart=no every=3s most=2", "restart=no", "restart=no"}, "exited", bounds{1, 1}, 0, []string{"chain"}},
			task{"watched", [3]string{"restart=on_failure max=1 delay=1s watch=src +cascade", "restart=no watch=src", "restart=no"}, "ready", bounds{2, 0}, 0, []string{"chain"}},
			task{"mixed", mixed, "ready", bounds{1, 1}, 5 * time.Second, []string{"chain", "triangle"}})
	}
	var states, events, projects atomic.Int64
	t.Cleanup(func() { // once all are done
		t.Attr("R18", fmt.Sprintf("all %d states of %d projects of three services, by %d events", states.Load(), projects.Load(), events.Load()))
	})
	for _, task := range tasks {
		for _, shape := range task.shapes {
			t.Run(fmt.Sprintf("%s, %s, %d requests, %d failures", shape, task.name, task.b.requests, task.b.failures), func(t *testing.T) {
				t.Parallel()
				n, m := search(t, shaped(shapes[shape], task.words, task.condition), task.b, Options{StopBudget: task.budget})
				states.Add(int64(n))
				events.Add(int64(m))
				projects.Add(1)
				t.Logf("%d states, %d events", n, m)
			})
		}
	}
}
