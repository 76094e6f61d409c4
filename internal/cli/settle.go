package cli

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// settled waits until services that were asked to start have reached a state that
// lasts, or can no longer do so. It prints why for those that failed.
func settled(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, names []string, retries int) error {
	w := &waiter{env: env, of: byName(names), arrived: hasSettled, retries: retries, probes: retries > 0}
	if err := w.follow(ctx, c, nil); err != nil {
		return err
	}
	if w.end != nil {
		return w.endedFirst()
	}
	return w.fail(ctx, layout)
}

// haveEnded waits for services that a reload stops, most of which are not defined any more.
// The project may end with them: over says that it did, and is an error if more was to
// come, or if something has failed.
func haveEnded(ctx context.Context, env *Env, c watched, ids map[project.ID]bool, more bool) (over bool, err error) {
	w := &waiter{env: env, spared: true,
		of: func(all []control.Service) ([]control.Service, error) {
			return slices.DeleteFunc(all, func(s control.Service) bool { return !ids[s.ID] }), nil
		},
		// One that is wanted again was started by somebody else, and may run for ever.
		arrived: func(s control.Service, _ time.Time) bool { return !s.State.Live() || s.Wanted },
	}
	if err := w.follow(ctx, c, nil); err != nil {
		return false, err
	}
	if w.end != nil && (more || w.end.Code != 0) {
		return true, w.endedFirst()
	}
	list, _ := w.services()
	for _, s := range list {
		if s.Wanted && w.end == nil {
			fmt.Fprintf(env.Stderr, "%s: was started again meanwhile\n", s.Label)
		}
	}
	return w.end != nil, nil
}

// endedFirst is the error of a wait during which the project has ended.
func (w *waiter) endedFirst() error {
	return &control.Error{Code: control.CodeFailed, Msg: "the project ended first: " + w.end.Reason}
}

// fail explains a wait that failed, and returns its error; nil if it did not fail.
func (w *waiter) fail(ctx context.Context, layout rundir.Layout) error {
	list, err := w.services()
	if err != nil {
		return err
	}
	err = w.outcome(list)
	if err == nil {
		return nil
	}
	if w.explain(ctx, layout) {
		err = hint(err, "it goes on in the background; \"nix2gpu wait --retries 0\" keeps waiting")
	}
	return err
}

// explain prints for each lost service why, with its last lines, and then what runs.
// It reports whether all lost services may still recover, because the supervisor
// goes on trying.
func (w *waiter) explain(ctx context.Context, layout rundir.Layout) (lasting bool) {
	list, _ := w.services()
	sort.SliceStable(list, func(i, j int) bool { return w.rank(list[i]) < w.rank(list[j]) })
	lasting = true
	for _, s := range list {
		if !w.lost(s.ID) {
			continue
		}
		fmt.Fprintf(w.env.Stderr, "%s: %s\n", s.Label, w.became(s))
		w.tail(ctx, layout, s)
		lasting = lasting && s.State != control.Failed && s.State != control.Skipped && s.State != control.Scheduled
	}
	var runs []string
	for _, s := range w.all {
		if s.State == control.Running {
			runs = append(runs, s.Label)
		}
	}
	if slices.Sort(runs); len(runs) > 0 {
		fmt.Fprintf(w.env.Stderr, "running: %s\n", strings.Join(runs, ", "))
	}
	return lasting
}
