package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

type downOptions struct {
	target  target
	now     bool
	timeout time.Duration
}

func newDown(env *Env) *cobra.Command {
	var opts downOptions
	cmd := &cobra.Command{
		Use:   "down [DEFINITION]",
		Short: "Stop everything",
		Long: `Stops all services of a running project, in reverse order of their dependencies,
and its supervisor. It returns when nothing is left. Meanwhile it prints what it waits
for.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) > 0 {
				return hint(usageError("down stops everything, and takes no service"),
					"to stop only %s: nix2gpu stop %[1]s", strings.Join(opts.target.services, " "))
			}
			c, layout, err := opts.target.find(cmd.Context(), env)
			if errors.Is(err, control.ErrNotRunning) && err != error(errBooting) && env.remote.host == "" {
				fmt.Fprintln(env.Stdout, "nothing is running here") // exit code 0: the aim is reached
				return nil
			}
			if err != nil {
				return err
			}
			return runDown(cmd.Context(), env, c, layout, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().BoolVar(&opts.now, "now", false, "kill at once, without a grace period")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "kill what is left after this `duration`")
	return cmd
}

// tellAfter is how long a stop takes before down names what it waits for.
const tellAfter = time.Second

func runDown(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, opts downOptions) error {
	follow, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, failed := stream(follow, c)
	d := stopPrinter{env: env, began: env.Now()}
	select {
	case m := <-messages: // the first message is the state; no event after it is missed
		d.take(m)
	case err := <-failed:
		switch {
		case errors.Is(err, control.ErrNotRunning):
			return d.end(ctx, c, layout) // it stopped since we found it
		case !errors.Is(err, control.ErrBusy):
			return err
		}
		messages, failed = nil, nil // with no stream left for us, the ticker below sees the end
	}
	if err := c.Down(ctx, opts.now); errors.Is(err, control.ErrNotRunning) {
		return d.end(ctx, c, layout) // it stopped before we asked
	} else if err != nil {
		return err
	}
	var kill <-chan time.Time
	if opts.timeout > 0 {
		kill = time.After(opts.timeout)
	}
	tell := time.NewTicker(tellAfter)
	defer tell.Stop()
	said := ""
	for {
		select {
		case m := <-messages:
			if d.take(m); m.End != nil {
				return d.end(ctx, c, layout)
			}
		case <-failed: // the connection broke before the last message
			return d.end(ctx, c, layout)
		case <-kill:
			if err := c.Down(ctx, true); err != nil {
				return err
			}
		case <-tell.C:
			state, err := c.State(ctx)
			if errors.Is(err, control.ErrNotRunning) {
				return d.end(ctx, c, layout)
			}
			if err != nil || state.Stop == nil || len(state.Stop.WaitingFor) == 0 {
				continue
			}
			if line := "waiting for " + strings.Join(state.Stop.WaitingFor, ", "); line != said {
				fmt.Fprintln(env.Stderr, line)
				said = line
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A stopPrinter prints what stops, as it stops.
type stopPrinter struct {
	env   *Env
	began time.Time
	name  string              // of the project
	live  map[project.ID]bool // the services that still run
}

func (d *stopPrinter) take(m control.Message) {
	switch {
	case m.State != nil:
		d.name, d.live = m.State.Project, map[project.ID]bool{}
		for _, s := range m.State.Services {
			d.live[s.ID] = s.State.Live()
		}
	case m.Event != nil:
		s := m.Event.Service
		if d.live[s.ID] && !s.State.Live() {
			fmt.Fprintf(d.env.Stdout, "%s: %s (%s)\n", s.Label, s.State, briefly(s.Since.Sub(d.began)))
		}
		d.live[s.ID] = s.State.Live()
	}
}

// end waits until the supervisor itself has ended.
func (d *stopPrinter) end(ctx context.Context, c *client.Client, layout rundir.Layout) error {
	if err := gone(ctx, c, layout); err != nil {
		return err
	}
	fmt.Fprintf(d.env.Stdout, "%s: down (%s)\n", orElse(d.name, "the project"), briefly(d.env.Now().Sub(d.began)))
	return nil
}

// gone returns when the supervisor neither answers nor holds its lock, so that
// another can be started.
func gone(ctx context.Context, c *client.Client, layout rundir.Layout) error {
	for wait := time.Millisecond; c.Running(ctx) || layout.Holder() != 0; wait = min(2*wait, 50*time.Millisecond) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
