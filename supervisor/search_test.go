package supervisor

import (
	"bufio"
	"cmp"
	"container/heap"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	dice    *rand.PCG // of the core, for the jitter of restarts
}

func explore(t *testing.T, spec [2]*project.Project, b bounds, opts Options) *explorer {
	e := &explorer{
		sim: &sim{
			t: t, rand: rand.New(rand.NewPCG(1, 1)), now: time.Unix(1e9, 0),
			over: map[int]bool{}, procs: map[RunID]*simProc{}, live: map[project.ID]*simProc{},
			past: map[project.ID]*history{}, free: map[project.ID]bool{},
		},
		left: b, early: map[RunID]bool{}, told: map[RunID]bool{}, bye: map[RunID]bool{}, spec: spec,
		dice: rand.NewPCG(1, 0),
	}
	opts.Log, opts.Seed = slog.New(slog.DiscardHandler), 1
	opts.setDefaults()
	e.c = newCore(spec[0], e, opts)
	e.c.rand = rand.New(e.dice)
	e.c.begin()
	return e
}

func (e *explorer) After(d time.Duration, f Fact) func() {
	return e.cancels(e.push(d, f, nil))
}

// cancels returns what cancels a timer by its number.
func (e *explorer) cancels(n int) func() { return func() { e.over[n] = true } }

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

// key tells states apart by all that decides what can follow. With fmt it would take a third
// of the time of a search.
func (e *explorer) key() []byte {
	b := make([]byte, 0, 500)
	yes := func(list ...bool) {
		for _, is := range list {
			if is {
				b = append(b, 'y')
			} else {
				b = append(b, 'n')
			}
		}
	}
	word := func(s string) { b = append(append(b, ' '), s...) }
	number := func(n int) { b = strconv.AppendInt(append(b, ' '), int64(n), 10) }
	number(e.left.requests)
	number(e.left.failures)
	number(e.variant)
	c := e.c
	live := func(r *run) {
		if r == nil {
			b = append(b, '-')
			return
		}
		p := e.procs[r.ID]
		word(string(r.Process.ID))
		word(r.how)
		yes(r.spawned, p.launched, r.stopping, r.killed, r.unkillable, p.ready, e.bye[r.ID], e.told[r.ID], e.early[r.ID])
		if p.spawned {
			yes(good(e.now.Sub(p.since), r.service.streak.wait))
		}
	}
	for _, s := range c.order {
		b = append(b, '|')
		word(string(s.id))
		word(string(s.state))
		word(s.refused)
		yes(s.wanted, s.noDeps, s.spawned, s.gone, s.probeReady, s.wasReady, s.pending != nil, s.due, s.again, s.hasRun, s.ok)
		number(s.step)
		number(min(s.streak.n, 3))
		number(int(s.streak.wait))
		number(min(s.starts, 1))
		if s.exit != nil {
			number(s.exit.Code)
			yes(s.exit.Final)
		}
		if s.spec.Watch != nil {
			number(s.rapid)
			yes(s.suspended, s.touched != "" && e.now.Sub(s.touchedAt) < loopWithin)
		}
		live(s.process)
		live(s.oneshot)
		if p := e.past[s.spec.Main]; p != nil {
			yes(p.spawned, p.exited, p.success)
		}
		for _, list := range [][]project.ID{s.spec.Init, s.spec.Setup} {
			for _, id := range list {
				if p := e.past[id]; p != nil {
					yes(p.success)
				}
			}
		}
	}
	if st := c.stopping; st != nil {
		word("stop")
		number(st.next)
		yes(st.killing, st.asked)
	}
	var ghosts, due []string
	for _, p := range e.procs { // given up, and alive
		if !p.dead && c.runs[p.run.ID] == nil {
			ghosts = append(ghosts, "|ghost "+string(p.run.Process.ID))
		}
	}
	slices.Sort(ghosts)
	b = append(b, strings.Join(ghosts, "")...)
	for _, q := range e.queue {
		t, ok := c.timers[q.fact.timer]
		if !ok || e.over[q.seq] || !decides(t) {
			continue
		}
		of := string(t.service)
		if r := c.runs[t.run]; r != nil {
			of = string(r.Process.ID)
		}
		line := make([]byte, 0, 40)
		for _, n := range []int64{int64(q.at.Sub(e.now)), int64(t.kind), int64(t.level)} {
			line = append(strconv.AppendInt(line, n, 10), ' ')
		}
		due = append(due, string(append(line, of...)))
	}
	slices.Sort(due)
	return append(b, strings.Join(due, ",")...)
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

// A place is a state that the search has yet to leave.
type place struct {
	*explorer
	way *way
}

// A digest stands for a state: so many of them would take too much memory as they are.
type digest [16]byte

func digestOf(key []byte) digest {
	sum := sha256.Sum256(key)
	return digest(sum[:16])
}

// found is what a search has found.
type found struct {
	states, events int
	sum            digest // of all states, in whatever order they were found
}

// search visits all states of a project, each once. It keeps a copy of each state that it
// has yet to leave. It tells look, if that is not nil, of each state, and how that is
// reached.
func search(t *testing.T, spec [2]*project.Project, b bounds, opts Options, look func(*explorer, *way)) (all found) {
	failed := func(w *way) {
		if t.Failed() {
			_, names := w.events()
			t.Fatalf("the way to it:\n%s", strings.Join(names, "\n"))
		}
	}
	seen := map[digest]bool{}
	var todo []place
	reach := func(e *explorer, w *way) {
		k := digestOf(e.key())
		if seen[k] {
			return
		}
		seen[k] = true
		for i := range k {
			all.sum[i] ^= k[i]
		}
		todo = append(todo, place{e, w})
	}
	ending := [2]map[digest]bool{{}, {}}
	reach(explore(t, spec, b, opts), &way{})
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		e, w := at.explorer, at.way
		all.states++
		if look != nil {
			look(e, w)
		}
		possible := e.events()
		if len(possible) == 0 && e.c.stopping != nil && !e.c.ended() {
			e.fail("nothing will happen any more, and the project stops")
		}
		if !e.c.ended() && (len(possible) == 0 || !e.timed() && len(e.live) == 0) {
			e.still()
		}
		e.copy().close(false, ending[0])
		e.copy().close(true, ending[1])
		failed(w)
		for i := range possible {
			next := e.copy()
			ev := next.events()[i]
			further := &way{w, i, ev.name}
			next.take(ev)
			all.events++
			failed(further)
			reach(next, further)
		}
	}
	return all
}

// close stops the project from where it is, with processes that all do what they are told,
// or with none that does. It must end all the same, in time. Known are states of stopping
// from which it does; close adds those that it comes through.
func (e *explorer) close(good bool, known map[digest]bool) {
	e.c.downAsked()
	e.c.settle()
	var through []digest
	for range 100 {
		at := digestOf(e.stopKey())
		if e.c.ended() || known[at] {
			for _, k := range through {
				known[k] = true
			}
			return
		}
		through = append(through, at)
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

// stopKey is the key of a project that stops, with what its order and its time depend on,
// and without what can't be asked any more.
func (e *explorer) stopKey() []byte {
	left, variant := e.left, e.variant
	e.left, e.variant = bounds{}, 0
	b := e.key()
	e.left, e.variant = left, variant
	if st := e.c.stopping; st != nil {
		b = fmt.Appendf(b, "|%d %d", e.now.Sub(st.since), st.deadline.Sub(st.since))
		for _, level := range st.levels {
			for _, s := range level {
				b = append(append(b, ' '), s.id...)
			}
			b = append(b, '/')
		}
	}
	return b
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

// searched are the projects that were searched before, so that a search of hours goes on
// where it was ended.
type searched struct {
	before map[string]found // by the name of the test
	mu     sync.Mutex
	file   *os.File // nil: nothing is kept
}

// keepSearched reads a file of what was searched, if it is there, and adds to it what
// follows. Who changes the supervisor removes it.
func keepSearched(t *testing.T, name string) *searched {
	s := &searched{before: map[string]found{}}
	if name == "" {
		return s
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	s.file = file
	t.Cleanup(func() { file.Close() }) // once all parts are done
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var test string
		var all found
		if _, err := fmt.Sscanf(scan.Text(), "%s %d %d", &test, &all.states, &all.events); err != nil {
			t.Fatalf("%s: %q: %v", name, scan.Text(), err)
		}
		s.before[test] = all
	}
	return s
}

// add keeps what the search of a test has found.
func (s *searched) add(t *testing.T, all found) {
	if s.file == nil || t.Failed() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.file, t.Name(), all.states, all.events); err != nil {
		t.Error(err)
	}
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
	kept := keepSearched(t, os.Getenv("NIX2GPU_SEARCHED"))
	var states, events, projects atomic.Int64
	t.Cleanup(func() { // once all are done
		t.Attr("R18", fmt.Sprintf("all %d states of %d projects of three services, by %d events", states.Load(), projects.Load(), events.Load()))
	})
	for _, task := range tasks {
		for _, shape := range task.shapes {
			t.Run(fmt.Sprintf("%s, %s, %d requests, %d failures", shape, task.name, task.b.requests, task.b.failures), func(t *testing.T) {
				t.Parallel()
				all, known := kept.before[t.Name()]
				if !known {
					all = search(t, shaped(shapes[shape], task.words, task.condition), task.b, Options{StopBudget: task.budget}, nil)
					kept.add(t, all)
				}
				states.Add(int64(all.states))
				events.Add(int64(all.events))
				projects.Add(1)
				t.Logf("%d states, %d events, all of them %x", all.states, all.events, all.sum)
			})
		}
	}
}
