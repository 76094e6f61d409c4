package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

type waitOptions struct {
	target  target
	cond    string
	timeout time.Duration
}

// waitStates are the states that can be waited for and have no condition.
func waitStates() []string {
	return []string{"waiting", "starting", "running", "unready", "backoff", "stopping", "failed", "skipped"}
}

// waitWords are all that can be waited for, the conditions of depends_on first.
func waitWords() (words []string) {
	for _, c := range project.Conditions() {
		words = append(words, string(c))
	}
	return append(append(words, control.ForStopped, control.ForSettled), waitStates()...)
}

func newWait(env *Env) *cobra.Command {
	var opts waitOptions
	cmd := &cobra.Command{
		Use:   "wait [DEFINITION] [SERVICE...]",
		Short: "Wait until services are ready, completed or stopped",
		Long: `Waits until all of the services (without names: all that were started) are what
--for says, and fails at once when one of them never will be. In a container that is
still booting, it waits for that first.

With --for completed or exited the exit code is the service's own. When --timeout
passes, it is 124.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runWait(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().StringVar(&opts.cond, "for", "ready", "`condition`: "+strings.Join(waitWords(), ", "))
	cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(waitWords(), cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "give up after this `duration`; exit code 124")
	return cmd
}

func runWait(ctx context.Context, env *Env, opts waitOptions) error {
	if c, err := project.ParseCondition(opts.cond); err == nil {
		opts.cond = string(c) // process-compose's word
	}
	if err := oneOf("for", opts.cond, waitWords()...); err != nil {
		return err
	}
	ctx, cancel := limited(ctx, opts.timeout)
	defer cancel()
	c, err := opts.target.booted(ctx, env)
	if err != nil {
		return err
	}
	names := opts.target.services
	if len(names) == 0 {
		if names, err = wanted(ctx, c); err != nil {
			return err
		}
	}
	if slices.Contains(waitStates(), opts.cond) {
		err := waitState(ctx, c, names, opts.cond)
		if err != nil && exitCode(err) == exitTimeout {
			writeMissing(env, c, names, opts.cond, "")
		}
		return err
	}
	services, err := c.Wait(ctx, names, opts.cond)
	if err != nil && exitCode(err) == exitTimeout {
		writeMissing(env, c, names, opts.cond, "")
	}
	if errors.Is(err, control.ErrFailed) || err == nil {
		if opts.cond == "completed" || opts.cond == "exited" {
			return ownCode(ctx, c, names, services, err)
		}
	}
	return err
}

// writeMissing says what those are that a wait still waits for.
func writeMissing(env *Env, c *client.Client, names []string, cond, still string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state, err := c.State(ctx)
	if err != nil {
		return
	}
	services, _ := pickServices(state.Services, names)
	for _, s := range services {
		there := string(s.State) == cond
		if cond == control.ForSettled || cond == "ready" {
			there = hasArrived(s, true, env.Now())
		}
		if !there {
			fmt.Fprintf(env.Stderr, "%s: %s%s\n", s.Label, still, describe(s))
		}
	}
}

// wanted are the ids of all services that were started.
func wanted(ctx context.Context, c *client.Client) ([]string, error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range state.Services {
		if s.Wanted {
			ids = append(ids, string(s.ID))
		}
	}
	return ids, nil
}

// ownCode ends with the exit code of the first service that did not end well.
func ownCode(ctx context.Context, c *client.Client, names []string, services []control.Service, cause error) error {
	if services == nil {
		state, err := c.State(ctx)
		if err != nil {
			return cause
		}
		if services, err = pickServices(state.Services, names); err != nil {
			return cause
		}
	}
	for _, s := range services {
		if s.Exit != nil && s.Exit.Code != 0 && (s.State == control.Failed || s.State == control.Completed) {
			if cause == nil {
				cause = fmt.Errorf("%s: %s", s.Label, s.Exit)
			}
			return &exitError{s.Exit.Code, cause}
		}
	}
	return cause
}

// errSeen ends the stream of events when what was waited for has come.
var errSeen = errors.New("seen")

// waitState waits until each service was seen in the state.
func waitState(ctx context.Context, c *client.Client, names []string, state string) error {
	missing := map[project.ID]bool{}
	seen := func(s control.Service) error {
		if string(s.State) == state {
			delete(missing, s.ID)
		}
		if len(missing) == 0 {
			return errSeen
		}
		return nil
	}
	err := c.Events(ctx, func(m control.Message) error {
		switch {
		case m.State != nil:
			services, err := pickServices(m.State.Services, names)
			if err != nil {
				return err
			}
			for _, s := range services {
				missing[s.ID] = true
			}
			for _, s := range services {
				if err := seen(s); err != nil {
					return err
				}
			}
		case m.Event != nil && missing[m.Event.Service.ID]:
			return seen(m.Event.Service)
		case m.End != nil:
			return &control.Error{Code: control.CodeFailed, Msg: "the project ended first: " + m.End.Reason}
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}
