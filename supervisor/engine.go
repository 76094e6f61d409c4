package supervisor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// Options tunes an [Engine]. Only World is required.
type Options struct {
	// World makes the world that the engine acts on. The engine calls it
	// once; the world reports what happens to the function it is given.
	World func(report func(Fact)) World

	// Services are those to start, with what they depend on. Nil means all
	// that are not disabled.
	Services []project.ID
	// NoDeps starts exactly Services, and lets none of them wait.
	NoDeps bool
	// Refused are those of them that can't run on this machine, and why. They
	// and what depends on them are skipped, and the project does not end
	// with 0 unless it is stopped by request.
	Refused map[project.ID]string
	// Timed says of what is ready, has completed or is healthy how long that took.
	Timed bool
	// Stay goes on when nothing runs any more, Leave ends then, whatever the project
	// says.
	Stay, Leave bool
	// AbortOnExit ends the project when the first of its services ends, in whatever
	// way, and restarts none: see [core.aborts]. A stop by request is no end.
	AbortOnExit bool
	// ExitCodeFrom is the service whose exit code is that of the project, and whose
	// end counts for AbortOnExit in any case. "": none.
	ExitCodeFrom project.ID
	// StopGrace is, when the whole project stops, from the stop signal to the kill,
	// whatever processes set; nil: as they set it.
	StopGrace *time.Duration

	Grace      time.Duration // from the stop signal to the kill, where a process sets none; default: 10s
	StopBudget time.Duration // of the whole stop, where the project sets none; 0: no bound but the graces
	Settle     time.Duration // how long a service without a probe must run to count as healthy; default: 500ms
	Seed       uint64        // of the jitter of restarts
	Log        *slog.Logger  // changes of state; nil: discard

	// Planned is when services were to run next when the last supervisor was told so:
	// what was missed since is told. Keep is called with what the next one has to know,
	// each time it changes. It must not wait. Both may be nil.
	Planned map[project.ID]Planned
	Keep    func(map[project.ID]Planned)
	// Zone loads a time zone by its name; nil: from the files of this machine.
	Zone func(name string) (*time.Location, error)

	// Settled is called each time when all that was asked for has come about, or has
	// failed: a moment after which little happens. It must not wait.
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

// An Engine runs one project. Make it with [New], start it with [Engine.Run];
// every other method may be called from any goroutine, at any time.
type Engine struct {
	core     *core
	facts    chan Fact
	requests chan func(*core)
	done     chan struct{} // closed when Run has returned
	zone     func(name string) (*time.Location, error)
}

// New prepares an engine. It starts nothing.
func New(p project.Valid, opts Options) *Engine {
	opts.setDefaults()
	e := &Engine{
		facts:    make(chan Fact),
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

// Run starts the services and returns when the project has ended: when
// nothing runs and nothing can start any more, after [Engine.Down], or after
// ctx was cancelled, which is the same as Down. It is called once.
func (e *Engine) Run(ctx context.Context) Result {
	defer close(e.done)
	e.core.begin()
	cancelled := ctx.Done()
	for !e.core.ended() {
		select {
		case f := <-e.facts:
			e.core.fact(f)
		case r := <-e.requests:
			r(e.core)
		case <-cancelled:
			cancelled = nil
			e.core.downAsked()
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
	a := <-answers // the loop answers at once
	return a.value, a.err
}

// StartOptions tunes a start.
type StartOptions struct {
	NoDeps  bool                  // start only these, and let them wait for nothing
	All     bool                  // nobody has named them: what has a schedule waits for its time
	Missing bool                  // leave those alone that have completed, or wait for their time
	Refused map[project.ID]string // as in Options
}

// Start starts services (nil: all that are not disabled) that do not run, and
// what they depend on. One that waits for its next restart starts at once. It returns without waiting for
// them, with the services that it began to start; see [Engine.Settled].
func (e *Engine) Start(ctx context.Context, ids []project.ID, opts StartOptions) ([]project.ID, error) {
	return ask(ctx, e, func(c *core) ([]project.ID, error) { return c.start(ids, opts) })
}

// Stop tells services to stop; those that depend on them go on. A service
// that waits for a dependency or its next restart has stopped at once.
func (e *Engine) Stop(ctx context.Context, ids []project.ID) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.stop(ids) })
	return err
}

// Restart stops services that run and starts them again, and starts those that
// do not run. Their streaks of failures are forgotten. However many ask, one
// process of each service lives.
func (e *Engine) Restart(ctx context.Context, ids []project.ID) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.restart(ids) })
	return err
}

// Kill sends a signal to the main processes of services that
// run. What comes of it is handled as any other end of a process.
func (e *Engine) Kill(ctx context.Context, ids []project.ID, signal project.Signal) error {
	_, err := ask(ctx, e, func(c *core) (struct{}, error) { return struct{}{}, c.signal(ids, signal) })
	return err
}

// Down stops the whole project in reverse order of dependencies; Run then
// returns. Repeated calls change nothing.
func (e *Engine) Down() {
	e.post(func(c *core) { c.downAsked() })
}

// DownNow is Down without grace: whatever lives is killed at once. It is what
// a second Ctrl-C means.
func (e *Engine) DownNow() {
	e.post(func(c *core) { c.downNow() })
}

func (e *Engine) post(f func(*core)) {
	select {
	case e.requests <- f:
	case <-e.done:
	}
}

// Snapshot copies the state of everything. After the end it is the last one.
func (e *Engine) Snapshot() control.Snapshot {
	s, err := ask(context.Background(), e, func(c *core) (control.Snapshot, error) { return c.snapshot(), nil })
	if err != nil {
		return e.core.last // written before done was closed
	}
	return s
}

// Details looks closely at every service, by label.
func (e *Engine) Details(ctx context.Context) ([]control.Detail, error) {
	return ask(ctx, e, func(c *core) ([]control.Detail, error) { return c.details(), nil })
}

// Startups says how the starts of all services went, by label. After the end it is the
// last that was known.
func (e *Engine) Startups(ctx context.Context) (control.Startups, error) {
	s, err := ask(ctx, e, func(c *core) (control.Startups, error) { return c.startups(), nil })
	if errors.Is(err, ErrEnded) {
		return e.core.lastStartups, nil // written before done was closed
	}
	return s, err
}

// A Subscription is the events of an engine from a moment on.
type Subscription struct {
	Snapshot control.Snapshot // at that moment
	Seq      uint64           // of the last event before it
	// Resumed says that Missed are all events between the one that was asked for and
	// that moment. Otherwise too many came meanwhile, or it is not known.
	Resumed bool
	Missed  []control.Event
	// Events follow Snapshot. A reader that is too slow loses events, and is told how
	// many; nothing waits for it. The channel is closed by Cancel, and at the end of
	// the project.
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
	if errors.Is(err, ErrEnded) { // how it ended, and no further event
		none := make(chan control.Event)
		close(none)
		s := Subscription{Snapshot: e.core.last, Seq: e.core.seq, Events: none, Cancel: func() {}}
		s.Missed, s.Resumed = e.core.history.since(after, e.core.seq)
		return s, nil
	}
	return s, err
}

// Wait returns when a service meets a condition, at once when it does
// already. The error says why it can't any more, or is the context's.
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

// Settled returns when none of the services (nil: all that are wanted) is on
// its way to another state, with what became of them. Waiting goes on through
// restarts.
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

// Stopped returns when nothing of the services (nil: of all) lives or waits.
func (e *Engine) Stopped(ctx context.Context, ids []project.ID) error {
	return e.await(ctx, func(c *core) (bool, error) {
		list, err := c.pick(ids)
		if err != nil {
			return true, err
		}
		if ids == nil {
			list = c.order
		}
		for _, s := range list {
			if s.state.Active() || s.state == control.Waiting {
				return false, nil
			}
		}
		return true, nil
	})
}

// await returns when check, called in the engine's goroutine after each
// change, is done.
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
		case err := <-w.answer: // answered by the last step
			return err
		default:
			return ErrEnded
		}
	}
}

// Reload makes the engine run p instead: services that are gone are stopped,
// new ones are started, changed ones are restarted; all others go on. Those that
// were refused, or failed in a way that is not retried, are tried again: what was
// wrong may be mended. Refused is as in [Options].
func (e *Engine) Reload(ctx context.Context, p project.Valid, refused map[project.ID]string) (Reloaded, error) {
	zones := schedules(p.Project(), e.zone) // which are files
	return ask(ctx, e, func(c *core) (done Reloaded, err error) {
		done.Plan = c.plan(p.Project(), refused) // before what it decides by is gone
		done.Changes, err = c.reload(p.Project(), zones, refused)
		return done, err
	})
}

// Reloaded is what a reload has done.
type Reloaded struct {
	project.Changes
	Plan []control.Planned // what Plan would have said right before
}

// Plan says what Reload would do with the same arguments, by label.
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
