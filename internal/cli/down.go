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
and its supervisor. Returns when nothing is left, and says meanwhile for whom it waits.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(args); err != nil {
				return err
			}
			if len(opts.target.services) > 0 {
				return hint(usageError("down stops everything, and takes no service"),
					"to stop only %s: nix2gpu stop %[1]s", strings.Join(opts.target.services, " "))
			}
			c, layout, err := opts.target.find(cmd.Context(), env)
			if err != nil {
				return err
			}
			return runDown(cmd.Context(), env, c, layout, opts)
		},
	}
	addTargetFlags(cmd, &opts.target, "f")
	cmd.Flags().BoolVar(&opts.now, "now", false, "kill at once, without grace")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "kill what is left after this `duration`")
	return cmd
}

// tellAfter is how long a stop may take before down says what it waits for.
const tellAfter = time.Second

func runDown(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, opts downOptions) error {
	ended := make(chan struct{})
	go func() {
		err := c.Events(ctx, func(control.Message) error { return nil })
		if !errors.Is(err, control.ErrBusy) { // then the ticker sees the end
			close(ended)
		}
	}()
	if err := c.Down(ctx, opts.now); err != nil {
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
		case <-ended: // or it went away before it could say so
			return gone(ctx, c, layout)
		case <-kill:
			if err := c.Down(ctx, true); err != nil {
				return err
			}
		case <-tell.C:
			state, err := c.State(ctx)
			if errors.Is(err, control.ErrNotRunning) {
				return gone(ctx, c, layout)
			}
			if err != nil || state.Stop == nil || len(state.Stop.WaitingFor) == 0 {
				continue
			}
			if line := "waiting for " + strings.Join(state.Stop.WaitingFor, ", "); line != said {
				fmt.Fprintln(env.Stderr, line)
				said = line
			}
		}
	}
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
