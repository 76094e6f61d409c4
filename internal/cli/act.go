package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// actOptions are the options of start, stop, restart and kill.
type actOptions struct {
	target  target
	noDeps  bool
	noWait  bool
	signal  string
	timeout time.Duration
	retries int
	layout  rundir.Layout // of the project
}

func newStart(env *Env) *cobra.Command {
	var opts actOptions
	cmd := newAct(env, "start", "Start services of a running project, with what they depend on", &opts, runStart)
	cmd.Flags().BoolVar(&opts.noDeps, "no-deps", false, "start only these, and let them wait for nothing")
	addRetries(cmd, &opts.retries)
	return cmd
}

func newStop(env *Env) *cobra.Command {
	var opts actOptions
	return newAct(env, "stop", "Stop services of a running project; the others go on", &opts, runStop)
}

func newRestart(env *Env) *cobra.Command {
	var opts actOptions
	cmd := newAct(env, "restart", "Stop services of a running project and start them again", &opts, runRestart)
	addRetries(cmd, &opts.retries)
	return cmd
}

func newKill(env *Env) *cobra.Command {
	var opts actOptions
	cmd := newAct(env, "kill", "Send a signal to services of a running project", &opts, runKill)
	cmd.Flags().StringVarP(&opts.signal, "signal", "s", project.SIGKILL.String(), "`signal` to send: a name or a number")
	cmd.RegisterFlagCompletionFunc("signal", completeSignals)
	cmd.Flags().MarkHidden("no-wait")
	cmd.Flags().MarkHidden("timeout")
	return cmd
}

func newAct(env *Env, verb, short string, opts *actOptions, run func(context.Context, *Env, *client.Client, *actOptions) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " [DEFINITION] SERVICE...",
		Short:             short,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) == 0 {
				return usageError("%s needs the name of a service", verb)
			}
			if opts.signal != "" {
				if _, err := opts.toSend(); err != nil {
					return err // a wrong signal is a usage error, whatever runs
				}
			}
			if err := notNegative("retries", opts.retries); err != nil {
				return err
			}
			c, layout, err := opts.target.find(cmd.Context(), env)
			if err != nil {
				return err
			}
			opts.layout = layout
			ctx, cancel := limited(cmd.Context(), opts.timeout)
			defer cancel()
			return run(ctx, env, c, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().BoolVar(&opts.noWait, "no-wait", false, "return at once")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "give up waiting after this `duration`")
	return cmd
}

// limited ends ctx after d with a timeout error; zero means no limit.
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, &control.Error{Code: control.CodeTimeout, Msg: fmt.Sprintf("timed out after %v", d),
		Hint: "\"nix2gpu ps\" says what each service waits for"})
}

func runStart(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	return act(ctx, env, c, opts, "started", func() error {
		if _, err := c.Start(ctx, opts.target.services, opts.noDeps); err != nil || opts.noWait {
			return err
		}
		return settled(ctx, env, c, opts.layout, opts.target.services, opts.retries)
	})
}

func runRestart(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	return act(ctx, env, c, opts, "restarted", func() error {
		if _, err := c.Restart(ctx, opts.target.services); err != nil || opts.noWait {
			return err
		}
		return settled(ctx, env, c, opts.layout, opts.target.services, opts.retries)
	})
}

func runStop(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	if err := opts.stopCopies(ctx, env, c); err != nil || len(opts.target.services) == 0 {
		return err
	}
	return act(ctx, env, c, opts, "stopped", func() error {
		if _, err := c.Stop(ctx, opts.target.services); err != nil || opts.noWait {
			return err
		}
		_, err := newWaiter(env, opts.target.services, control.ForStopped, 0).beside(ctx, c, func(ctx context.Context) error {
			_, err := c.Wait(ctx, opts.target.services, control.ForStopped)
			return err
		})
		return err
	})
}

// act runs do and prints the outcome for each service, in the past tense of done.
func act(ctx context.Context, env *Env, c *client.Client, opts *actOptions, done string, do func() error) error {
	look := func() ([]control.Service, error) {
		state, err := c.State(ctx)
		if err != nil {
			return nil, err
		}
		if done == "stopped" {
			return pickRuns(state.Services, opts.target.services)
		}
		return pickServices(state.Services, opts.target.services)
	}
	before, err := look()
	if err != nil {
		return err
	}
	began := env.Now()
	if err := do(); err != nil {
		return err // it names those that failed
	}
	after, err := look()
	if err != nil {
		return err
	}
	was := make(map[project.ID]control.Service, len(before))
	for _, s := range before {
		was[s.ID] = s
	}
	for _, s := range after {
		fmt.Fprintf(env.Stdout, "%s: %s\n", s.Label, outcome(done, was[s.ID], s, began))
	}
	return nil
}

// outcome describes what do has made of a service, in the word for what was asked.
func outcome(done string, before, after control.Service, began time.Time) string {
	took := fmt.Sprintf(" (%s)", briefly(after.Since.Sub(began)))
	switch {
	case done == "stopped" && !after.State.Live() && !before.State.Active() && before.State != control.Waiting:
		if before.State == control.Stopped {
			return "already stopped"
		}
		return "stopped (it had " + past(before) + ")"
	case done == "stopped" && after.State == control.Stopped:
		return done + took
	case done == "started" && after.PID != 0 && after.PID == before.PID:
		return "already " + string(after.State)
	case after.State == control.Running:
		return done + took
	case after.State == control.Completed:
		return string(after.State) + took
	case done != "stopped" && after.State == control.Scheduled && after.LastRun == control.RunSucceeded && after.Starts > before.Starts:
		return string(control.Completed) + took
	}
	return describe(after) // it was not waited for
}

// past describes a service that had already ended before it was asked to.
func past(s control.Service) string {
	switch s.State {
	case control.Skipped:
		return "been skipped"
	}
	return string(s.State)
}

// briefly formats the time since began in tenths of a second.
func briefly(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 50*time.Millisecond:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return span(d)
}

// toSend parses the signal that kill was asked to send.
func (opts *actOptions) toSend() (project.Signal, error) {
	s, err := project.ParseSignal(opts.signal)
	if err != nil {
		return 0, usageError("--signal %v", err)
	}
	return s, nil
}

func runKill(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	signal, err := opts.toSend()
	if err != nil {
		return err
	}
	copies, err := opts.copies(ctx, c)
	if err != nil {
		return err
	}
	if len(copies) > 0 {
		if _, err := c.Kill(ctx, copies, signal); err != nil {
			return err
		}
		for _, name := range copies {
			fmt.Fprintf(env.Stdout, "%s: got %s\n", name, signal)
		}
		if len(opts.target.services) == 0 {
			return nil
		}
	}
	services, err := c.Kill(ctx, opts.target.services, signal)
	for _, s := range services {
		fmt.Fprintf(env.Stdout, "%s: got %s\n", s.Label, signal)
	}
	return err
}

// describe formats a service's state with the reason for it, cut after a line or two:
// status has all of it.
func describe(s control.Service) string {
	return stateAnd(s.State, shortened(firstLine(s.Why), longestWhy))
}

// stateAnd formats a state with its reason, which may begin with the state.
func stateAnd(state control.ServiceState, why string) string {
	switch name := string(state); {
	case why == "":
		return name
	case strings.HasPrefix(why, name):
		return why
	default:
		return name + " (" + why + ")"
	}
}
