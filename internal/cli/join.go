package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// untilOurs lets a project run here: by joining the one that does or, where
// there is none, by beginning one. Whoever else tries the same meanwhile may be
// faster, and what is joined may be about to end: then it is tried again.
func untilOurs(ctx context.Context, layout rundir.Layout, join, begin func(context.Context) error) error {
	for tries := 0; ; {
		if layout.Holder() != 0 {
			if err := join(ctx); !errors.Is(err, errEnding) {
				return err
			}
			if err := gone(ctx, client.New(layout.Socket), layout); err != nil {
				return err
			}
			continue
		}
		err := begin(ctx)
		var taken *takenError
		if !errors.As(err, &taken) {
			return err
		}
		// It has not said who it is, or has ended already. One that never does,
		// in another container say, can't be joined.
		if tries++; tries > 50 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A takenError says that another supervisor was faster.
type takenError struct{ err error }

func (e *takenError) Error() string { return e.err.Error() }
func (e *takenError) Unwrap() error { return e.err }

// errEnding says that what runs is about to end: it can't be joined, only
// waited for.
var errEnding = errors.New("the project is ending")

// converge brings a running project to what the job says.
func converge(ctx context.Context, env *Env, j *session.Job, c *client.Client, layout rundir.Layout) error {
	state, err := awaitAnswer(ctx, c, layout)
	if err != nil {
		return err
	}
	if state.Phase != "running" {
		return errEnding
	}
	if state.Definition != j.Definition {
		return hint(&control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("%s runs here already, as pid %d", state.Definition, state.PID)},
			"stop it with \"nix2gpu down\", or put %s into a folder of its own", j.Definition)
	}
	data, err := j.Project.Project().Encode()
	if err != nil {
		return err
	}
	changes, err := c.Reload(ctx, data)
	if errors.Is(err, control.ErrNotRunning) {
		return errEnding // between the question and this
	}
	if err != nil {
		return err
	}
	for _, c := range []struct {
		verb  string
		names []string
	}{{"added", changes.Added}, {"changed", changes.Changed}, {"removed", changes.Removed}} {
		for _, name := range c.names {
			fmt.Fprintf(env.Stderr, "%s: %s\n", name, c.verb)
		}
	}
	start := c.StartMissing
	if j.Named {
		start = c.Start // what is asked for by name runs again, completed or not
	}
	if j.Detached {
		fmt.Fprintf(env.Stderr, "already running as pid %d\n", state.PID)
	} else {
		fmt.Fprintln(env.Stderr, "attached; Ctrl-C leaves it running")
	}
	if len(j.Services) == 0 {
		return nil
	}
	if state, err = c.State(ctx); err != nil {
		return err
	}
	if idle := idle(state.Services, j); len(idle) > 0 {
		fmt.Fprintf(env.Stderr, "starting: %s\n", strings.Join(idle, ", "))
	}
	_, err = start(ctx, names(j.Services), j.NoDeps)
	return err
}

// idle are the labels of those services of a job that a start of them begins.
func idle(all []control.Service, j *session.Job) (labels []string) {
	for _, s := range all {
		switch {
		case !slices.Contains(j.Services, s.ID), s.State.Live() && s.State != control.Stopping, s.State == control.Waiting:
		case s.State == control.Completed && !j.Named:
		default:
			labels = append(labels, s.Label)
		}
	}
	return labels
}

// names are ids as requests have them.
func names(ids []project.ID) (list []string) {
	for _, id := range ids {
		list = append(list, string(id))
	}
	return list
}

// followHere is for one that was to supervise, in the foreground, when another
// was faster: it joins that one, as its own "up" would have.
func followHere(ctx context.Context, env *Env, j *session.Job, layout rundir.Layout) error {
	c := client.New(layout.Socket)
	if err := converge(ctx, env, j, c, layout); err != nil {
		return err
	}
	asked := *env // the flags of "up" are in the job
	if asked.colors = j.Color; j.Color == "labels" {
		asked.colors = "always"
	}
	return followAll(ctx, &asked, c, layout, j)
}

// awaitAnswer waits for a supervisor that holds the lock and has not opened
// its socket yet, or is about to end.
func awaitAnswer(asked context.Context, c *client.Client, layout rundir.Layout) (*control.State, error) {
	ctx, cancel := context.WithTimeout(asked, 5*time.Second)
	defer cancel()
	for {
		state, err := c.State(ctx)
		if pid := layout.Holder(); err != nil && ctx.Err() != nil && asked.Err() == nil && pid != 0 {
			return nil, elsewhere(layout, pid) // the time was up in the middle of a question
		}
		if err == nil || !errors.Is(err, control.ErrNotRunning) {
			return state, err
		}
		pid := layout.Holder()
		if pid == 0 {
			return nil, errEnding
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, elsewhere(layout, pid)
		}
	}
}
