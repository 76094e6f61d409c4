package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// awaitUp waits until the services were started or, with --wait, have
// settled, prints what is up, and fails with the last lines of what is not.
// It calls attached when it will see whatever happens.
func awaitUp(ctx context.Context, env *Env, opts *upOptions, c *client.Client, layout rundir.Layout, ids []project.ID, attached func()) error {
	ctx, cancel := limited(ctx, opts.waitTimeout)
	defer cancel()
	a := &arrival{env: env, wait: opts.wait, ids: ids, services: make(map[project.ID]control.Service)}
	if err := a.follow(ctx, c, attached); err != nil {
		a.report("")
		return err
	}
	if a.end != nil {
		if a.end.Code != 0 {
			fmt.Fprintf(env.Stderr, "the project ended: %s\n", a.end.Reason)
		}
		if err := gone(ctx, c, layout); err != nil {
			return err
		}
	}
	return a.write(ctx, layout)
}

// An arrival is what is known of services that "up -d" waits for.
type arrival struct {
	env      *Env
	wait     bool // until they have settled
	ids      []project.ID
	services map[project.ID]control.Service // empty before the first state
	began    time.Time                      // when the supervisor did
	end      *control.End                   // of the project
}

// follow watches the services until all have arrived, the project has ended or,
// without --wait, some take their time. It says once for whom it waits.
func (a *arrival) follow(ctx context.Context, c *client.Client, attached func()) error {
	messages, failed := stream(ctx, c)
	// A service without a probe is known to stay up by waiting, and a stream that
	// is read too slowly loses events: so the whole is looked at now and then.
	look := time.NewTicker(calm / 2)
	defer look.Stop()
	report := time.NewTimer(patience)
	defer report.Stop()
	var giveUp <-chan time.Time
	if !a.wait {
		giveUp = time.After(startPatience)
	}
	for !a.done() {
		select {
		case m := <-messages:
			a.take(m)
			if m.State != nil {
				attached()
			}
		case <-look.C:
			if state, err := c.State(ctx); err == nil { // else the stream says why
				a.update(state.Services)
			}
		case <-report.C: // once: ps can say it again
			a.report("still ")
		case <-giveUp:
			return nil // they go on in the background, and what they wait for is printed
		case err := <-failed:
			return err
		}
	}
	return nil
}

// take learns from a message of the event stream.
func (a *arrival) take(m control.Message) {
	switch {
	case m.End != nil:
		a.end = m.End
	case m.Event != nil:
		a.update([]control.Service{m.Event.Service})
	case m.State != nil:
		a.began = m.State.Since
		for _, s := range m.State.Services {
			if slices.Contains(a.ids, s.ID) {
				a.services[s.ID] = s
			}
		}
	}
}

// update takes the news of services that are waited for.
func (a *arrival) update(services []control.Service) {
	for _, s := range services {
		if _, ours := a.services[s.ID]; ours {
			a.services[s.ID] = s
		}
	}
}

// done reports whether there is nothing to wait for any more.
func (a *arrival) done() bool {
	return a.end != nil || len(a.services) > 0 && len(a.missing()) == 0
}

// missing lists the services that have not arrived.
func (a *arrival) missing() (list []control.Service) {
	for _, id := range a.ids {
		if s, ok := a.services[id]; ok && !hasArrived(s, a.wait, a.env.Now()) {
			list = append(list, s)
		}
	}
	return list
}

// report says what those are that are missing.
func (a *arrival) report(still string) {
	for _, s := range a.missing() {
		fmt.Fprintf(a.env.Stderr, "%s: %s%s\n", s.Label, still, describe(s))
	}
}

// write prints a line a service, and the end of the log of those that failed.
func (a *arrival) write(ctx context.Context, layout rundir.Layout) error {
	failed, stopped := 0, 0
	names := labels(layout)
	for _, id := range a.ids {
		s, ok := a.services[id]
		if !ok {
			continue
		}
		fmt.Fprintf(a.env.Stdout, "%s: %s\n", s.Label, describe(s))
		if s.State == control.Stopped || s.State == control.Stopping {
			stopped++
		}
		if s.State != control.Failed && s.State != control.Skipped {
			continue
		}
		failed++
		if s.State == control.Failed {
			printTail(ctx, a.env.Stderr, layout, names, s, a.began, statusLines)
		}
	}
	switch {
	case failed > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %s failed", failed, count(len(a.ids), "service"))}
	case a.end != nil && a.end.Code != 0:
		return &exitError{code: a.end.Code}
	case a.end != nil && stopped > 0:
		return &exitError{exitFailed, errors.New("the project was stopped meanwhile")}
	}
	return nil
}

// stream follows the events in the background. What ends them early is failed.
func stream(ctx context.Context, c *client.Client) (messages <-chan control.Message, failed <-chan error) {
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

// startPatience is how long "up -d" waits for services whose dependencies are
// slow. With --wait there is no such bound but the user's.
const startPatience = 10 * time.Second

// patience is how long a verb waits before it says for whom.
const patience = 5 * time.Second

// calm is how long a service without a probe must run to count as healthy.
const calm = 500 * time.Millisecond

// hasArrived reports whether a service is where "up -d" was to bring it: its
// program runs or, with --wait, it stays as it is.
func hasArrived(s control.Service, wait bool, now time.Time) bool {
	switch s.State {
	case control.Running:
		// Without a probe, a program that dies in its first moments is only
		// known by waiting them out.
		return !wait || s.Health != "" || now.Sub(s.Since) > calm
	case control.Completed, control.Failed, control.Skipped:
		return true
	case control.Stopped:
		return s.Starts > 0
	case control.Starting:
		return !wait && s.PID != 0
	case control.Setup, control.Unready, control.Backoff:
		return !wait
	case control.Waiting:
		// For the end of another service: that can be hours away, and needs
		// nobody who waits for it here.
		return !wait && slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool {
			return u.Condition == project.Completed || u.Condition == project.Exited
		})
	}
	return false
}
