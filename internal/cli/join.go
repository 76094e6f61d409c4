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

// untilOurs joins the project that runs here or, where none does, begins one. It
// tries again when somebody else has begun one meanwhile, and when the one to join
// is about to end.
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
		// The other one has not yet written its pid, or has ended already. One
		// that never writes it, in another container say, can't be joined.
		if tries++; tries > 50 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A takenError says that another supervisor got the lock first.
type takenError struct{ err error }

func (e *takenError) Error() string { return e.err.Error() }
func (e *takenError) Unwrap() error { return e.err }

// errEnding says that the running project is about to end. It can't be joined, only
// waited for.
var errEnding = errors.New("the project is ending")

// converge makes a running project what the job says: it reloads it, and starts the
// job's services.
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
	if flag := endingFlag(j.Ending); flag != "" {
		return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("a project runs here already, as pid %d: %s is for one that starts now", state.PID, flag),
			Hint: "stop it first with \"nix2gpu down\""}
	}
	data, err := j.Project.Project().Encode()
	if err != nil {
		return err
	}
	changes, err := c.Reload(ctx, data)
	if errors.Is(err, control.ErrNotRunning) {
		return errEnding // it began to end after it had answered
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
		start = c.Start // a service that was named runs again even if it has completed
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

// idle returns the labels of those services of a job that starting them will in
// fact start.
func idle(all []control.Service, j *session.Job) (labels []string) {
	for _, s := range all {
		switch {
		case !slices.Contains(j.Services, s.ID), s.State.Live() && s.State != control.Stopping, s.State == control.Waiting:
		case (s.State == control.Completed || s.State == control.Scheduled) && !j.Named:
		default:
			labels = append(labels, s.Label)
		}
	}
	return labels
}

// names converts ids to the strings that requests hold.
func names(ids []project.ID) (list []string) {
	for _, id := range ids {
		list = append(list, string(id))
	}
	return list
}

// followHere is for a supervisor in the foreground that did not get the lock: it
// joins the project of the one that did, as "up" would have done.
func followHere(ctx context.Context, env *Env, j *session.Job, layout rundir.Layout) error {
	c := client.New(layout.Socket)
	if err := converge(ctx, env, j, c, layout); err != nil {
		return err
	}
	asked := *env // the flags of "up" came with the job
	if asked.colors = j.Color; j.Color == "labels" {
		asked.colors = "always"
	}
	return followAll(ctx, &asked, c, layout, j)
}

// awaitAnswer waits for the answer of a supervisor that holds the lock. It may not
// have opened its socket yet, or may be about to end. The limit is five seconds.
func awaitAnswer(asked context.Context, c *client.Client, layout rundir.Layout) (*control.State, error) {
	ctx, cancel := context.WithTimeout(asked, 5*time.Second)
	defer cancel()
	for {
		state, err := c.State(ctx)
		if pid := layout.Holder(); err != nil && ctx.Err() != nil && asked.Err() == nil && pid != 0 {
			return nil, elsewhere(layout, pid) // our limit ended in the middle of a request
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
