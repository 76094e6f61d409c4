package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

type readyOptions struct {
	target  target
	timeout time.Duration
}

func newReady(env *Env) *cobra.Command {
	var opts readyOptions
	cmd := &cobra.Command{
		Use:   "ready [DEFINITION] [SERVICE...]",
		Short: "Report by the exit code whether services are healthy now",
		Long: `Ends with 0 if all of the services (without names: all that were started) are healthy or
have completed; otherwise with 1, and a line for each that is not. It does not wait: it
is for an image's HEALTHCHECK and a readiness probe of Kubernetes.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runReady(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 4*time.Second, "give up after this `duration` without an answer; exit code 124")
	return cmd
}

func runReady(ctx context.Context, env *Env, opts readyOptions) error {
	ctx, cancel := limited(ctx, opts.timeout)
	defer cancel()
	c, err := opts.target.running(ctx, env)
	if err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	services := state.Services
	if names := opts.target.services; len(names) > 0 {
		if services, err = pickServices(services, names); err != nil {
			return err
		}
	}
	unready := 0
	for _, s := range services {
		if len(opts.target.services) == 0 && (!s.Wanted || s.System) || s.Healthy() {
			continue
		}
		unready++
		fmt.Fprintf(env.Stdout, "%s: %s\n", s.Label, describe(s)) // docker inspect shows what a health check printed
	}
	if unready > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

func newLive(env *Env) *cobra.Command {
	var opts readyOptions
	cmd := &cobra.Command{
		Use:   "live [DEFINITION]",
		Short: "Report by the exit code whether the supervisor answers",
		Long: `Ends with 0 if the supervisor answers, whatever its services do. It is for a liveness
probe of Kubernetes: services that fail are restarted by the supervisor.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			ctx, cancel := limited(cmd.Context(), opts.timeout)
			defer cancel()
			c, err := opts.target.running(ctx, env)
			if err != nil {
				return err
			}
			_, err = c.State(ctx)
			return err
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 4*time.Second, "give up after this `duration` without an answer; exit code 124")
	return cmd
}
