package supervisor

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/cron"
	"nix2gpu/project"
)

// copy returns the same state in a world of its own: what happens there happens only there.
// The dead, and timers that were cancelled, are left out: nothing asks for them again.
func (e *explorer) copy() *explorer {
	x := *e
	inner := *e.sim
	x.sim = &inner
	x.over = map[int]bool{}
	x.queue = slices.DeleteFunc(slices.Clone(e.queue), func(q queued) bool { return e.over[q.seq] })
	slices.SortFunc(x.queue, func(a, b queued) int { return a.compare(b) }) // which is a heap

	x.procs, x.live = make(map[RunID]*simProc, len(e.live)), make(map[project.ID]*simProc, len(e.live))
	x.told, x.early, x.bye = make(map[RunID]bool, len(e.live)), map[RunID]bool{}, map[RunID]bool{}
	for id, p := range e.procs {
		if p.dead {
			continue
		}
		own := *p
		x.procs[id] = &own
		if e.live[p.run.Process.ID] == p {
			x.live[p.run.Process.ID] = &own
		}
		for of, is := range map[*map[RunID]bool]bool{&x.told: e.told[id], &x.early: e.early[id], &x.bye: e.bye[id]} {
			if is {
				(*of)[id] = true
			}
		}
	}
	x.past = make(map[project.ID]*history, len(e.past))
	for id, h := range e.past {
		own := *h
		x.past[id] = &own
	}
	x.free = maps.Clone(e.free)

	dice := *e.dice
	x.dice = &dice
	x.c = e.c.copy(&x)
	x.c.rand = rand.New(x.dice)
	for id, t := range x.c.timers {
		t.cancel = nil
		if i := slices.IndexFunc(x.queue, func(q queued) bool { return q.fact.timer == id }); i >= 0 {
			t.cancel = x.cancels(x.queue[i].seq)
		}
		x.c.timers[id] = t
	}
	return &x
}

// copy returns the core for another world, without cancel functions of timers. Events that were
// published, and what is counted for metrics, are shared or left out: no decision looks at them.
func (c *core) copy(w World) *core {
	n := *c
	n.world = w
	n.changed, n.waiters, n.subscribers = slices.Clip(c.changed), nil, nil

	services := make(map[*service]*service, len(c.services))
	var serviceOf func(*service) *service
	runs := make(map[*run]*run, len(c.runs))
	runOf := func(r *run) *run {
		if r == nil {
			return nil
		}
		if runs[r] == nil {
			own := *r
			runs[r] = &own
			own.timers = slices.Clone(r.timers)
			own.service = serviceOf(r.service)
			return &own
		}
		return runs[r]
	}
	serviceOf = func(s *service) *service {
		if s == nil {
			return nil
		}
		if services[s] == nil {
			own := *s
			services[s] = &own
			own.exit, own.pending, own.memory = pointerTo(s.exit), pointerTo(s.pending), pointerTo(s.memory)
			own.results, own.verdicts, own.startup.steps = slices.Clone(s.results), slices.Clone(s.verdicts), slices.Clone(s.startup.steps)
			own.process, own.oneshot = runOf(s.process), runOf(s.oneshot)
			own.counts = counts{}
			return &own
		}
		return services[s]
	}
	list := func(of []*service) []*service {
		out := make([]*service, len(of))
		for i, s := range of {
			out[i] = serviceOf(s)
		}
		return out
	}
	n.services = make(map[project.ID]*service, len(c.services))
	for id, s := range c.services {
		n.services[id] = serviceOf(s)
	}
	n.order, n.changed = list(c.order), list(c.changed)
	n.users = make(map[project.ID][]*service, len(c.users))
	for id, of := range c.users {
		n.users[id] = list(of)
	}
	n.runs = make(map[RunID]*run, len(c.runs))
	for id, r := range c.runs {
		n.runs[id] = runOf(r)
	}
	n.timers = maps.Clone(c.timers)
	n.summary.moving = serviceOf(c.summary.moving)
	n.planned = maps.Clone(c.planned)
	if n.stopping = pointerTo(c.stopping); n.stopping != nil {
		n.stopping.levels = make([][]*service, len(c.stopping.levels))
		for i, level := range c.stopping.levels {
			n.stopping.levels[i] = list(level)
		}
	}
	return &n
}

// pointerTo returns a pointer to a copy.
func pointerTo[T any](p *T) *T {
	if p == nil {
		return nil
	}
	own := *p
	return &own
}

// TestCopies wants a copy of a state to be the same, and to share no memory with it that
// anything writes to, so a field that is new in the engine has to be thought of; and a state
// to which copies have led to be that to which the same way leads from the start.
func TestCopies(t *testing.T) {
	words := [3]string{"restart=on_failure max=1 delay=1s +init watch=src", "restart=no +probe +setup", "restart=no every=3s"}
	spec, b, opts := shaped(shapes["chain"], words, "ready"), bounds{0, 1}, Options{StopBudget: 5 * time.Second}
	all := search(t, spec, b, opts, func(e *explorer, w *way) {
		want := e.key()
		replayed := explore(t, spec, b, opts)
		list, names := w.events()
		for _, i := range list {
			replayed.events()[i].do()
			replayed.c.settle()
		}
		if got := replayed.key(); !bytes.Equal(got, want) {
			t.Errorf("by copies:\n%s\nfrom the start:\n%s\nby\n%s", want, got, strings.Join(names, "\n"))
		}

		x, cancelled := e.copy(), len(e.over)
		if got := x.key(); !bytes.Equal(got, want) {
			t.Errorf("a copy of\n%s is\n%s", want, got)
		}
		mine, its := memory{}, memory{}
		mine.add(reflect.ValueOf(e), "state")
		its.add(reflect.ValueOf(x), "state")
		for at, path := range its {
			if mine[at] != "" {
				t.Errorf("the copy's %s is the original's %s", path, mine[at])
			}
		}
		for _, timer := range x.c.timers {
			timer.cancel()
		}
		if len(x.over) != len(x.c.timers) || len(e.over) != cancelled {
			t.Errorf("of %d timers of a copy, %d are cancelled there, and %d of the original", len(x.c.timers), len(x.over), len(e.over)-cancelled)
		}
	})
	t.Logf("%d states", all.states)
}

// memory is what can be reached from somewhere, and how.
type memory map[uintptr]string

// add adds what can be reached from v, but for what nobody changes.
func (m memory) add(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() || v.Kind() == reflect.Slice && v.Cap() == 0 {
			return
		}
		switch v.Type() {
		case reflect.TypeFor[*project.Project](), reflect.TypeFor[*project.Service](), reflect.TypeFor[*project.Process](),
			reflect.TypeFor[*testing.T](), reflect.TypeFor[*time.Location](), reflect.TypeFor[*cron.Schedule]():
			return // nobody writes to them
		}
		if m[v.Pointer()] != "" {
			return
		}
		m[v.Pointer()] = path
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			m.add(v.Elem(), path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch field := v.Type().Field(i); v.Type().String() + "." + field.Name {
			case "supervisor.core.history", "supervisor.service.counts", // decide nothing
				"supervisor.core.opts", "supervisor.core.log", "supervisor.sim.rand": // the search writes to none of them
			default:
				m.add(v.Field(i), path+"."+field.Name)
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			m.add(it.Value(), path+"[]")
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			m.add(v.Index(i), path+"[]")
		}
	}
}
