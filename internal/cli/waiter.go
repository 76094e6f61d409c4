package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// manyExits is the default of --retries: how many exits in a row, without being ready
// in between, end a wait.
const manyExits = 3

// patience is how often a verb that waits prints what it waits for.
const patience = 5 * time.Second

// startPatience limits how long "up -d" waits for services with slow dependencies,
// and how long any wait goes on for the other services once one is lost.
const startPatience = 10 * time.Second

// calm is how long a service without a probe must run to count as healthy.
const calm = 500 * time.Millisecond

// watched is the part of [client.Client] that a waiter uses.
type watched interface {
	State(ctx context.Context) (*control.State, error)
	Events(ctx context.Context, each func(control.Message) error) error
}

// A waiter watches services while a verb waits for them. It prints now and then what
// is waited for, and ends when waiting has become useless.
type waiter struct {
	env *Env
	of  func([]control.Service) ([]control.Service, error) // selects the services to watch from all
	// arrived reports whether a service has reached the state that is waited for.
	arrived func(s control.Service, now time.Time) bool
	retries int  // exits in a row after which a service is lost; 0: never
	probes  bool // a service is lost, too, once its probe has reached its failure threshold
	// brief gives up after startPatience, because dependencies may be slow.
	brief bool

	// toEnd waits, once a service has failed, for the end of the project, which follows.
	toEnd bool

	// spared is for waits whose aim may be a failure: a service that has failed or
	// was skipped is not lost.
	spared bool

	began time.Time                      // when the waiting began
	since time.Time                      // when the project was started; zero before the first state
	all   map[project.ID]control.Service // nil before the first state
	first map[project.ID]baseline
	end   *control.End // how the project ended; nil while it runs
}

// A baseline is the point from which the restarts of a service are counted: the start of
// the waiting or, if the service was first seen in the middle of a row of exits, of the
// project's.
type baseline struct {
	restarts int
	at       time.Time
}

// follow returns when all services have arrived or are lost, when the project has
// ended, or when startPatience is over. It calls attached, which may be nil, once it
// can no longer miss an event.
func (w *waiter) follow(ctx context.Context, c watched, attached func()) error {
	w.began = w.env.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	messages, failed := stream(ctx, c)
	// Only time tells that a service without a probe stays up, and a stream that is
	// read too slowly loses events. So the whole state is asked for now and then.
	look := time.NewTicker(calm / 2)
	defer look.Stop()
	report := time.NewTicker(patience)
	defer report.Stop()
	var giveUp <-chan time.Time
	if w.brief {
		giveUp = time.After(startPatience)
	}
	whole := false // v.all is one state, and no event has come since
	for {
		missing, err := w.missing()
		switch {
		case err != nil:
			return err
		case w.end != nil:
			return nil
		case w.toEnd && w.anyFailed(): // the end comes
		case w.all != nil && len(missing) == 0:
			if !w.anyLost() || whole {
				return nil
			}
			// A lost service takes others with it, whose events may still be on
			// their way. A whole state has them all.
			state, err := c.State(ctx)
			if whole = true; err == nil {
				w.take(control.Message{State: state})
			}
			continue
		case giveUp == nil && w.anyLost():
			// The wait has failed. The other services get time to start, so that
			// the message can say what runs.
			w.arrived = hasStarted
			giveUp = time.After(startPatience)
			continue
		}
		whole = false
		select {
		case m := <-messages:
			w.take(m)
			if m.State != nil && attached != nil {
				attached()
			}
		case <-look.C:
			if state, err := c.State(ctx); err == nil { // an error ends the stream as well
				w.take(control.Message{State: state})
			}
		case <-report.C:
			w.report("still ")
		case <-giveUp:
			return nil // the services go on starting in the background
		case err := <-failed:
			if exitCode(err) == exitTimeout {
				w.reportLast(ctx, c)
			}
			return err
		}
	}
}

// beside makes a request that the supervisor answers once what is waited for has
// happened. Meanwhile it prints what is waited for. When a service is lost, it
// cancels the request, and over is true.
func (w *waiter) beside(ctx context.Context, c watched, request func(context.Context) error) (over bool, err error) {
	w.began = w.env.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- request(ctx) }()
	messages, failed := stream(ctx, c)
	report := time.NewTicker(patience)
	defer report.Stop()
	for {
		select {
		case err := <-answer:
			if err != nil && exitCode(err) == exitTimeout {
				w.reportLast(ctx, c)
			}
			return false, err
		case m := <-messages:
			if w.take(m); w.anyLost() {
				return true, nil
			}
		case <-report.C:
			w.report("still ")
		case <-failed:
			failed = nil // the request fails for the same reason
		}
	}
}

// take updates the waiter from a message of the event stream.
func (w *waiter) take(m control.Message) {
	switch {
	case m.End != nil:
		w.end = m.End
	case m.Event != nil && w.all != nil:
		w.all[m.Event.Service.ID] = m.Event.Service
	case m.State != nil:
		if w.all == nil {
			w.first = make(map[project.ID]baseline)
		}
		w.since = m.State.Since
		w.all = make(map[project.ID]control.Service, len(m.State.Services))
		for _, s := range m.State.Services {
			w.all[s.ID] = s
			if _, known := w.first[s.ID]; !known {
				w.first[s.ID] = baseline{s.Restarts - s.Streak, w.began}
				if s.Streak > 0 {
					w.first[s.ID] = baseline{s.Restarts - s.Streak, w.since}
				}
			}
		}
	}
}

// services returns the services that are watched, by label.
func (w *waiter) services() ([]control.Service, error) {
	if w.all == nil {
		return nil, nil
	}
	all := slices.Collect(maps.Values(w.all))
	sort.SliceStable(all, func(i, j int) bool {
		return cmp.Or(cmp.Compare(all[i].Label, all[j].Label), cmp.Compare(all[i].ID, all[j].ID)) < 0
	})
	return w.of(all)
}

// missing returns the services that have not arrived but still may.
func (w *waiter) missing() ([]control.Service, error) {
	list, err := w.services()
	return slices.DeleteFunc(list, func(s control.Service) bool {
		return w.arrived(s, w.env.Now()) || w.lost(s.ID)
	}), err
}

// anyLost reports whether one of the services is lost.
func (w *waiter) anyLost() bool {
	list, _ := w.services()
	return slices.ContainsFunc(list, func(s control.Service) bool { return w.lost(s.ID) })
}

// anyFailed reports whether one has failed for good.
func (w *waiter) anyFailed() bool {
	list, _ := w.services()
	return slices.ContainsFunc(list, func(s control.Service) bool { return s.State == control.Failed })
}

// lost reports whether waiting for a service is useless: it has failed, was skipped,
// has exited again and again, or waits for another one that is lost.
func (w *waiter) lost(id project.ID) bool { return w.lostBut(id, map[project.ID]bool{}) }

func (w *waiter) lostBut(id project.ID, seen map[project.ID]bool) bool {
	s, ok := w.all[id]
	if !ok || seen[id] {
		return false
	}
	seen[id] = true
	switch s.State {
	case control.Failed, control.Skipped:
		return !w.spared
	case control.Scheduled:
		return s.LastRun == control.RunFailed && !w.spared
	case control.Starting, control.Unready:
		return w.probes && s.Probe != nil && s.Probe.Failing
	case control.Backoff:
		return w.retries > 0 && s.Streak >= w.retries
	case control.Waiting:
		return slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool { return u.Hopeless || w.lostBut(u.Service, seen) })
	}
	return false
}

// report prints what is waited for, and why.
func (w *waiter) report(still string) {
	missing, _ := w.missing()
	for _, s := range missing {
		fmt.Fprintf(w.env.Stderr, "%s: %s\n", s.Label, w.reason(s, still))
	}
}

// reportLast is the report at the end of the time. If that came before the first state,
// it asks for one, so that it can say anything.
func (w *waiter) reportLast(ctx context.Context, c watched) {
	if w.all == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if state, err := c.State(ctx); err == nil {
			w.take(control.Message{State: state})
		}
	}
	w.report("")
}

// reason returns why a service has not arrived: how it exits, if it does so again and
// again, or else its state and for how long.
func (w *waiter) reason(s control.Service, still string) string {
	if text := w.exits(s); text != "" && s.State != control.Waiting {
		return text
	}
	text := still + describe(s)
	if !s.Since.IsZero() && s.State != control.Waiting {
		text += ", " + wordsOf(w.env.Now().Sub(s.Since))
	}
	return text
}

// exits describes a row of exits: "exit code 1, 3 restarts in 10 s: cannot load
// certificate key". It is "" if there is none.
func (w *waiter) exits(s control.Service) string {
	first := w.first[s.ID]
	n := s.Restarts - first.restarts
	if s.Exit == nil || s.Streak == 0 || n <= 0 {
		return ""
	}
	text := fmt.Sprintf("%s, %s in %s", s.Exit, count(n, "restart"), wordsOf(w.env.Now().Sub(first.at)))
	if s.Exit.Said != "" {
		text += ": " + s.Exit.Said
	}
	return text
}

// wordsOf formats a duration for a sentence: "8 s", "2 min 5 s", "1 h 2 min".
func wordsOf(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute), " 0 min")
}

// rank orders services for a report: first those that failed by themselves, then
// those that failed because of others, then the rest.
func (w *waiter) rank(s control.Service) int {
	switch {
	case !w.lost(s.ID):
		return 2
	case s.State == control.Waiting, s.State == control.Skipped && !s.Refused:
		return 1
	}
	return 0
}

// became describes the state of a service at the end of a wait.
func (w *waiter) became(s control.Service) string {
	if text := w.exits(s); text != "" && s.State == control.Backoff && w.lost(s.ID) {
		return "restarting (" + text + ")"
	}
	return describe(s)
}

// outcome returns an error with the number of lost services; nil if there are none.
// A skipped service is not counted as failed.
func (w *waiter) outcome(list []control.Service) error {
	failed, skipped, waiting := 0, 0, 0
	for _, s := range list {
		switch {
		case !w.lost(s.ID):
		case s.State == control.Skipped:
			skipped++
		case s.State == control.Waiting:
			waiting++
		default:
			failed++
		}
	}
	var parts []string
	all := " of " + count(len(list), "service")
	for _, group := range []struct {
		n    int
		word string
	}{{failed, " failed"}, {skipped, " skipped"}, {waiting, " waiting for one that failed"}} {
		if group.n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s%s", group.n, all, group.word))
			all = ""
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return &exitError{exitFailed, fmt.Errorf("%s", strings.Join(parts, ", "))}
}

// stream follows the events in the background. An error that ends them is sent on
// failed.
func stream(ctx context.Context, c watched) (messages <-chan control.Message, failed <-chan error) {
	ms, errs := make(chan control.Message), make(chan error, 1)
	go func() {
		err := c.Events(ctx, func(m control.Message) error {
			select {
			case ms <- m:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err != nil {
			errs <- err
		}
	}()
	return ms, errs
}

// hasSettled reports whether a service stays in its state, as far as can be known.
func hasSettled(s control.Service, now time.Time) bool {
	switch s.State {
	case control.Running:
		// Without a probe, only waiting tells whether a program dies in its first
		// moments.
		return s.Health != control.HealthStarting && (s.Health != "" || now.Sub(s.Since) > calm)
	case control.Completed, control.Failed, control.Skipped, control.Scheduled:
		return true
	case control.Stopped:
		return s.Starts > 0
	}
	return false
}

// hasStarted reports whether the program of a service runs, or waits for something
// that may take long.
func hasStarted(s control.Service, now time.Time) bool {
	switch s.State {
	case control.Running, control.Setup, control.Unready, control.Backoff:
		return true
	case control.Starting:
		return s.PID != 0
	case control.Waiting:
		// The end of another service can be hours away.
		return slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool {
			return u.Condition == project.Completed || u.Condition == project.Exited
		})
	}
	return hasSettled(s, now)
}
