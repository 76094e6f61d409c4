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
)

// actOptions are those of start, stop, restart and kill.
type actOptions struct {
	target  target
	noDeps  bool
	noWait  bool
	signal  string
	timeout time.Duration
}

func newStart(env *Env) *cobra.Command {
	var opts actOptions
	cmd := newAct(env, "start", "Start services of a running project, with what they depend on", &opts, runStart)
	cmd.Flags().BoolVar(&opts.noDeps, "no-deps", false, "start only these, and let them wait for nothing")
	return cmd
}

func newStop(env *Env) *cobra.Command {
	var opts actOptions
	return newAct(env, "stop", "Stop services of a running project; the others go on", &opts, runStop)
}

func newRestart(env *Env) *cobra.Command {
	var opts actOptions
	return newAct(env, "restart", "Stop services of a running project and start them anew", &opts, runRestart)
}

func newKill(env *Env) *cobra.Command {
	var opts actOptions
	cmd := newAct(env, "kill", "Send a signal to services of a running project", &opts, runKill)
	cmd.Flags().StringVarP(&opts.signal, "signal", "s", project.SIGKILL.String(), "`signal` to send: a name or a number")
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
			if err := opts.target.take(args); err != nil {
				return err
			}
			if len(opts.target.services) == 0 {
				return usageError("%s needs the name of a service", verb)
			}
			if opts.signal != "" {
				if _, err := opts.toSend(); err != nil {
					return err // before anything is looked for
				}
			}
			c, err := opts.target.running(cmd.Context(), env)
			if err != nil {
				return err
			}
			ctx, cancel := limited(cmd.Context(), opts.timeout)
			defer cancel()
			return run(ctx, env, c, opts)
		},
	}
	addTargetFlags(cmd, &opts.target, "f")
	cmd.Flags().BoolVar(&opts.noWait, "no-wait", false, "return at once")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "give up waiting after this `duration`")
	return cmd
}

// limited bounds a context; zero is no bound.
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, &control.Error{Code: control.CodeTimeout, Msg: fmt.Sprintf("timed out after %v", d)})
}

func runStart(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	if _, err := c.Start(ctx, opts.target.services, opts.noDeps); err != nil || opts.noWait {
		return err
	}
	return settled(ctx, env, c, opts.target.services, true)
}

func runRestart(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	if _, err := c.Restart(ctx, opts.target.services); err != nil || opts.noWait {
		return err
	}
	return settled(ctx, env, c, opts.target.services, true)
}

func runStop(ctx context.Context, env *Env, c *client.Client, opts *actOptions) error {
	if _, err := c.Stop(ctx, opts.target.services); err != nil || opts.noWait {
		return err
	}
	_, err := patient(ctx, env, c, opts.target.services, control.ForStopped)
	return err
}

// toSend is the signal of kill.
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
	_, err = c.Kill(ctx, opts.target.services, signal)
	return err
}

// patient waits for what was asked for, and says once for whom when it takes
// long, and when it took too long.
func patient(ctx context.Context, env *Env, c *client.Client, names []string, cond string) ([]control.Service, error) {
	report := time.AfterFunc(patience, func() { writeMissing(env, c, names, cond, "still ") })
	services, err := c.Wait(ctx, names, cond)
	report.Stop()
	if err != nil && exitCode(err) == exitTimeout {
		writeMissing(env, c, names, cond, "")
	}
	return services, err
}

// describe is a service's state with its reason.
func describe(s control.Service) string {
	state := string(s.State)
	switch {
	case s.Why == "":
		return state
	case strings.HasPrefix(s.Why, state):
		return s.Why
	}
	return state + " (" + s.Why + ")"
}

// completeServices completes the names of services that run.
func completeServices(env *Env) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var t target
		if t.take(args) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		c, err := t.running(ctx, env)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		state, err := c.State(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var names []string
		for _, s := range state.Services {
			names = append(names, s.Label)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
