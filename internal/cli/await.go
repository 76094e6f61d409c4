package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// awaitUp waits until the services have been started or, with --wait, have
// settled. It prints each with its state, and fails with the last lines of those
// that are not up. It calls attached once it can no longer miss an event.
func awaitUp(ctx context.Context, env *Env, opts *upOptions, c *client.Client, layout rundir.Layout, ids []project.ID, attached func()) error {
	ctx, cancel := limited(ctx, opts.waitTimeout)
	defer cancel()
	w := &waiter{env: env, of: byID(ids), arrived: hasStarted, brief: true, toEnd: opts.endsByItself()}
	if opts.wait {
		w.arrived, w.brief, w.retries = hasSettled, false, opts.retries
	}
	if err := w.follow(ctx, c, attached); err != nil {
		return err
	}
	if w.end != nil {
		if w.end.Code != 0 {
			fmt.Fprintf(env.Stderr, "the project ended: %s\n", w.end.Reason)
		}
		if err := gone(ctx, c, layout); err != nil {
			return err
		}
	}
	list, err := w.write(ctx, layout)
	if err != nil {
		return err
	}
	if w.end != nil && opts.endsByItself() {
		if w.end.Code != 0 {
			return &exitError{code: w.end.Code}
		}
		return nil
	}
	if err := w.outcome(list); err != nil {
		return err
	}
	stopped := slices.ContainsFunc(list, func(s control.Service) bool {
		return s.State == control.Stopped || s.State == control.Stopping
	})
	switch {
	case w.end != nil && w.end.Code != 0:
		return &exitError{code: w.end.Code}
	case w.end != nil && stopped:
		return hint(&exitError{exitFailed, errors.New("the project was stopped meanwhile")}, "start it again with \"nix2gpu up\"")
	}
	return nil
}

// byID picks services by their ids. What works for others when its time comes, such as getting
// certificates, keeps nobody waiting: an authority may be away for hours.
func byID(ids []project.ID) func([]control.Service) ([]control.Service, error) {
	return func(all []control.Service) ([]control.Service, error) {
		return slices.DeleteFunc(all, func(s control.Service) bool {
			return !slices.Contains(ids, s.ID) || s.System && s.Schedule != ""
		}), nil
	}
}

// byName picks services by what a user may call them.
func byName(names []string) func([]control.Service) ([]control.Service, error) {
	return func(all []control.Service) ([]control.Service, error) { return pickServices(all, names) }
}

// write prints one line for each service. Those that failed come first, each with
// the end of its log.
func (w *waiter) write(ctx context.Context, layout rundir.Layout) ([]control.Service, error) {
	list, err := w.services()
	if err != nil {
		return nil, err
	}
	sort.SliceStable(list, func(i, j int) bool { return w.rank(list[i]) < w.rank(list[j]) })
	for _, s := range list {
		fmt.Fprintf(w.env.Stdout, "%s: %s\n", s.Label, w.became(s))
		w.tail(ctx, layout, s)
	}
	return list, nil
}

// tail prints the last lines of a service that failed by itself, and not because
// of another.
func (w *waiter) tail(ctx context.Context, layout rundir.Layout, s control.Service) {
	if w.rank(s) == 0 && s.State != control.Skipped {
		of := s.ID
		if s.Exit != nil && s.Exit.Process != "" { // the output of the one-shot that failed, not of what ended because of it
			of = s.Exit.Process
		}
		if c, err := w.env.remote.client(w.env); c != nil && err == nil {
			tailThere(ctx, w.env.Stderr, c, string(s.ID), w.since, failLines)
			return
		}
		printTail(ctx, w.env.Stderr, layout, labels(layout), of, w.since, failLines)
	}
}
