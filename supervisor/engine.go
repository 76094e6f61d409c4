package supervisor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// Options tunes an [Engine]. Only World is required.
type Options struct {
	// World makes the World of the engine. It is called once. The World reports facts
	// by the function that it gets.
	World func(report func(Fact)) World

	// Services are those to start, together with those that they depend on. Nil means
	// all that are not disabled.
	Services []project.ID
	// NoDeps starts exactly Services, without waiting for anything.
	NoDeps bool
	// Refused are the services that can't run on this machine, with the reason. They and
	// their dependants are skipped. The result of the project is then not 0 unless it
	// is stopped by request.
	Refused map[project.ID]string
	// Timed adds to lines about what is ready, completed or healthy how long that took.
	Timed bool
	// Stay keeps the project going when nothing runs any more, and Leave ends it then,
	// whatever the project says.
	Stay, Leave bool
	// AbortOnExit ends the project when its first service ends in any way but by
	// request, and restarts none. See [core.aborts] for exceptions.
	AbortOnExit bool
	// ExitCodeFrom is the service whose exit code is that of the project, and whose
	// end counts for AbortOnExit in any case. "": none.
	ExitCodeFrom project.ID
	// StopGrace is the time between stop signal and kill when the whole project stops.
	// Nil: as each process sets it.
	StopGrace *time.Duration

	Grace time.Duration // between stop signal and kill, for processes that set none; default: 10s
	// StopBudget is the time for the stop of a project that sets none; 0: only graces
	// bound it. Unless it is 0, somebody kills us soon after that time, also if the
	// project sets it, so that what can't be killed is waited for no longer.
	StopBudget time.Duration
	Settle     time.Duration // how long a service without a probe must run to count as healthy; default: 500ms
	Seed       uint64        // for the jitter of restarts
	Log        *slog.Logger  // for changes of state; nil: discard

	// Planned is when services were to run next when the last supervisor was told so:
	// what was missed since is told. Keep is called with what the next one has to know,
	// each time it changes. It must not wait. Both may be nil.
	Planned map[project.ID]Planned
	Keep    func(map[project.ID]Planned)
	// Zone loads a time zone by its name; nil: from the files of this machine.
	Zone func(name string) (*time.Location, error)

	// Settled is called each time all that was asked for has come about or has failed:
	// after that, little happens. It must not wait.
	Settled func()
}

func (o *Options) setDefaults() {
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.Settle = cmp.Or(o.Settle, 500*time.Millisecond)
	if o.Zone == nil {
		o.Zone = time.LoadLocation
	}
	o.Planned = maps.Clone(o.Planned)
	if o.Settled == nil {
		o.Settled = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// A Result is how a project ended.
type Result struct {
	Code   int    // for os.Exit: 0, or that of the first service that failed for good
	Reason string // one line, as it was announced
}

// An Engine runs one project. Make it with [New] and start it with [Engine.Run]. All other
// methods may be called from any goroutine at any time.
type Engine struct {
	core     *core
	facts    chan Fact
	requests chan func(*core)
	done     chan struct{} // closed when Run has returned
	zone     func(name string) (*time.Location, error)
}

// factsQueued is how many facts wait for the engine before those who report them do. When
// many services end at a time, each would wake the engine otherwise.
const factsQueued = 64

// New prepares an engine. It starts nothing.
func New(p project.Valid, opts Options) *Engine {
	opts.setDefaults()
	e := &Engine{
		facts:    make(chan Fact, factsQueued),
		requests: make(chan func(*core)),
		done:     make(chan struct{}),
		zone:     opts.Zone,
	}
	world := opts.World(func(f Fact) {
		select {
		case e.facts <- f:
		case <-e.done:
		}
	})
	e.core = newCore(p.Project(), world, opts)
	return e
}

// Run starts the services and returns when the project has ended: when nothing runs and
// nothing can start any more, after [Engine.Down], or after ctx is cancelled, which means
// Down. Call it once.
func (e *Engine) Run(ctx context.Context) Result {
	defer close(e.done)
	e.core.begin()
	cancelled := ctx.Done()
	for !e.core.ended() {
		select {
		case f := <-e.facts: // before requests, whose answers are of all that was reported
			e.core.fact(f)
		default:
			select {
			case f := <-e.facts:
				e.core.fact(f)
			case r := <-e.requests:
				r(e.core)
			case <-cancelled:
				cancelled = nil
				e.core.downAsked()
			}
		}
		e.core.settle()
	}
	e.core.close()
	return e.core.result
}

// ask runs f in the engine's goroutine and waits for its answer.
func ask[T any](ctx context.Context, e *Engine, f func(*core) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	request := func(c *core) {
		v, err := f(c)
		answers <- answer{v, err}
	}
	var zero T
	select {
	case e.requests <- request:
	case <-e.done:
		return zero, ErrEnded
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	a := <-answers // it comes at once: f never waits
	return a.value, a.err
}

// StartOptions tunes a start.
type StartOptions struct {
	NoDeps  bool                  // start only these, without waiting for anything
	All     bool                  // nobody has named them: what has a schedule waits for its time
	Missing bool                  // leave those alone that have completed, or wait for their time
	Refused map[project.ID]string // as in Options
}

// Start starts services that do not run (nil: all that are not disabled), and what they
// depend on. One that waits for its next restart starts at once. It returns the services
// that it has begun to start, without waiting for them: see [Engine.Settled].
func (e *Engine) Start(ctx context.Context, ids []project.ID, opts StartOptions) ([]project.ID, error) {
	return ask(ctx, e, func(c *core) ([]project.ID, error) { return c.start(ids, opts) })
}

// Stop tells services to stop. Their dependants go on. A service that waits for a
// dependency or its next restart is stopped at once.
func (e *Engine) Stop(ctx context.Context, ids []project.ID) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.stop(ids) })
	return err
}

// Restart stops services that run and starts them again, and starts those that do not
// run. It resets their streaks of failures. However often it is called, a service never
// has more than one process.
func (e *Engine) Restart(ctx context.Context, ids []project.ID) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.restart(ids) })
	return err
}

// Kill sends a signal to the main processes of services. If a process ends by it, that is
// like any other end.
func (e *Engine) Kill(ctx context.Context, ids []project.ID, signal project.Signal) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.signal(ids, signal) })
	return err
}

// Touch tells that a file has changed that a service watches. Unless the service was
// stopped, it restarts. Touch reports whether it does.
func (e *Engine) Touch(ctx context.Context, id project.ID, path string) (bool, error) {
	return ask(ctx, e, func(c *core) (bool, error) { return c.touch(id, path), nil })
}

// Down stops the whole project in reverse order of dependencies, and Run returns. More
// calls change nothing.
func (e *Engine) Down() {
	e.post(func(c *core) { c.downAsked() })
}

// DownNow is Down without grace: it kills what lives at once. A second Ctrl-C means it.
func (e *Engine) DownNow() {
	e.post(func(c *core) { c.downNow() })
}

func (e *Engine) post(f func(*core)) {
	select {
	case e.requests <- f:
	case <-e.done:
	}
}

// Snapshot returns a copy of the state of everything. After the end, it is the last one.
func (e *Engine) Snapshot() control.Snapshot {
	s, err := ask(context.Background(), e, func(c *core) (control.Snapshot, error) { return c.snapshot(), nil })
	if err != nil {
		return e.core.last // it was written before done was closed
	}
	return s
}

// Details returns a closer look at each service, by label.
func (e *Engine) Details(ctx context.Context) ([]control.Detail, error) {
	return ask(ctx, e, func(c *core) ([]control.Detail, error) { return c.details(), nil })
}

// Startups returns how the last starts of all services went, by label, also after the
// end.
func (e *Engine) Startups(ctx context.Context) (control.Startups, error) {
	s, err := ask(ctx, e, func(c *core) (control.Startups, error) { return c.startups(), nil })
	if errors.Is(err, ErrEnded) {
		return e.core.lastStartups, nil // it was written before done was closed
	}
	return s, err
}

// A Subscription is a stream of events that begins at a moment.
type Subscription struct {
	Snapshot control.Snapshot // at that moment
	Seq      uint64           // of the last event before it
	// Resumed says that Missed has all events between the one that was asked for and
	// that moment. If not, there were too many, or the number is unknown.
	Resumed bool
	Missed  []control.Event
	// Events follow Snapshot. Nothing waits for a slow reader, who loses events and
	// learns how many. The channel is closed by Cancel and at the end of the project.
	Events <-chan control.Event
	Cancel func()
}

// Subscribe returns the events from now on. With after, the number of an event, also
// those since that one, as long as they are kept.
func (e *Engine) Subscribe(ctx context.Context, after uint64) (Subscription, error) {
	s, err := ask(ctx, e, func(c *core) (Subscription, error) {
		sub := c.subscribe()
		s := Subscription{Snapshot: c.snapshot(), Seq: c.seq, Events: sub.ch, Cancel: func() { e.post(func(c *core) { c.unsubscribe(sub) }) }}
		s.Missed, s.Resumed = c.history.since(after, c.seq)
		return s, nil
	})
	if errors.Is(err, ErrEnded) { // the final state, and no more events
		none := make(chan control.Event)
		close(none)
		s := Subscription{Snapshot: e.core.last, Seq: e.core.seq, Events: none, Cancel: func() {}}
		s.Missed, s.Resumed = e.core.history.since(after, e.core.seq)
		return s, nil
	}
	return s, err
}

// Wait returns when a service meets a condition, at once if it does already. The error is
// a *HopelessError if it can't any more.
func (e *Engine) Wait(ctx context.Context, id project.ID, cond project.Condition) error {
	return e.await(ctx, func(c *core) (bool, error) {
		s := c.services[id]
		if s == nil {
			return true, &UnknownError{id}
		}
		unmet, why, hopeless := met(s.facts(), cond)
		switch {
		case !unmet:
			return true, nil
		case hopeless:
			return true, &HopelessError{Service: id, Label: s.spec.Label, Condition: cond, Why: why}
		}
		return false, nil
	})
}

// Settled waits until none of the services (nil: all that are wanted) is on its way to
// another state, and returns their states. A service that restarts is not settled.
func (e *Engine) Settled(ctx context.Context, ids []project.ID) ([]control.Service, error) {
	var statuses []control.Service
	err := e.await(ctx, func(c *core) (bool, error) {
		list, err := c.pick(ids)
		if err != nil {
			return true, err
		}
		statuses = nil
		for _, s := range list {
			if !s.state.Settled() {
				return false, nil
			}
			statuses = append(statuses, c.status(s))
		}
		return true, nil
	})
	return statuses, err
}

// Stopped returns when none of the services (nil: all) has a process or waits for
// something.
func (e *Engine) Stopped(ctx context.Context, ids []project.ID) error {
	return e.await(ctx, func(c *core) (bool, error) {
		list, err := c.pick(ids)
		if err != nil {
			return true, err
		}
		if ids == nil {
			list = slices.Clone(c.order)
		}
		for _, s := range list {
			list = append(list, c.runsOf(s)...)
		}
		for _, s := range list {
			if s.state.Active() || s.state == control.Waiting {
				return false, nil
			}
		}
		return true, nil
	})
}

// await returns when check returns done. check is called in the engine's goroutine after
// each change.
func (e *Engine) await(ctx context.Context, check func(*core) (done bool, err error)) error {
	w := &waiter{check: check, answer: make(chan error, 1)}
	if _, err := ask(ctx, e, func(c *core) (struct{}, error) { c.wait(w); return struct{}{}, nil }); err != nil {
		return err
	}
	select {
	case err := <-w.answer:
		return err
	case <-ctx.Done():
		e.post(func(c *core) { c.forget(w) })
		return ctx.Err()
	case <-e.done:
		select {
		case err := <-w.answer: // the last change has answered it
			return err
		default:
			return ErrEnded
		}
	}
}

// Reload makes the engine run p instead. It stops services that are gone, starts new ones,
// and restarts changed ones; all others go on. Services that were refused, or have failed
// for good, are tried again, because somebody may have corrected the cause. refused is as
// in [Options].
func (e *Engine) Reload(ctx context.Context, p project.Valid, refused map[project.ID]string) (Reloaded, error) {
	zones := schedules(p.Project(), e.zone) // here, because it reads files
	return ask(ctx, e, func(c *core) (done Reloaded, err error) {
		done.Plan = c.plan(p.Project(), refused) // before the reload changes the states
		done.Changes, err = c.reload(p.Project(), zones, refused)
		return done, err
	})
}

// Reloaded is what a reload has done.
type Reloaded struct {
	project.Changes
	Plan []control.Planned // what [Engine.Plan] would have returned right before
}

// Plan returns what Reload would do with the same arguments, by label.
func (e *Engine) Plan(ctx context.Context, p project.Valid, refused map[project.ID]string) ([]control.Planned, error) {
	return ask(ctx, e, func(c *core) ([]control.Planned, error) {
		if err := c.errStopping(); err != nil {
			return nil, err
		}
		return c.plan(p.Project(), refused), nil
	})
}

// Project returns the project that runs. It must not be changed.
func (e *Engine) Project(ctx context.Context) (*project.Project, error) {
	return ask(ctx, e, func(c *core) (*project.Project, error) { return c.project, nil })
}
