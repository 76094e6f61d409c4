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
	chosen  bool // cond was given
	timeout time.Duration
	retries int
}

// waitStates returns the states that can be waited for and are no conditions of
// depends_on.
func waitStates() []string {
	return []string{"waiting", "starting", "running", "unready", "backoff", "stopping", "failed", "skipped"}
}

// waitWords returns all that can be waited for, the conditions of depends_on first.
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
		Long: `Waits until all of the services (without names: all that were started) are in the state
that --for names. It fails at once if one of them never will be, and after three exits in
a row of one that has to become ready, or of another one that it waits for. Then it
prints how that ended, and the project goes on by its own policy. In a container that is
still booting, it waits for that first. Every five seconds it prints what it waits for,
and why.

With --for completed or exited, the exit code is the service's own. After --timeout it is
124. For a copy that "run" makes, such as api-run-1, it waits until that has ended; the
ends of the last 20 of each service are known as long as the project runs.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			opts.chosen = cmd.Flags().Changed("for")
			return runWait(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().StringVar(&opts.cond, "for", "ready", "`condition`: "+strings.Join(waitWords(), ", "))
	cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(waitWords(), cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().DurationVarP(&opts.timeout, "timeout", "t", 0, "give up after this `duration`; exit code 124")
	addRetries(cmd, &opts.retries)
	return cmd
}

func runWait(ctx context.Context, env *Env, opts waitOptions) error {
	if c, err := project.ParseCondition(opts.cond); err == nil {
		opts.cond = string(c) // it was process-compose's name of a condition
	}
	if err := oneOf("for", opts.cond, waitWords()...); err != nil {
		return err
	}
	ctx, cancel := limited(ctx, opts.timeout)
	defer cancel()
	if err := notNegative("retries", opts.retries); err != nil {
		return err
	}
	c, layout, err := opts.target.booted(ctx, env)
	if err != nil {
		return err
	}
	names := opts.target.services
	if len(names) == 0 {
		if names, err = wanted(ctx, c); err != nil {
			return err
		}
	} else if names, err = waitCopies(ctx, env, c, &opts); err != nil || len(names) == 0 {
		return err
	}
	v := newWaiter(env, names, opts.cond, opts.retries)
	var services []control.Service
	over, err := v.beside(ctx, c, func(ctx context.Context) (err error) {
		if slices.Contains(waitStates(), opts.cond) {
			return waitState(ctx, c, names, opts.cond)
		}
		for {
			if services, err = c.Wait(ctx, names, opts.cond); err != nil || opts.cond != string(project.Ready) {
				return err
			}
			// Without a probe a program is ready as soon as it runs, also one that fails
			// a moment later.
			if stay, err := stayUp(ctx, env, c, names); err != nil || stay {
				return err
			}
		}
	})
	if over {
		return v.fail(ctx, layout)
	}
	if errors.Is(err, control.ErrFailed) {
		if state, err := c.State(ctx); err == nil {
			v.take(control.Message{State: state})
			v.spared = false
			v.explain(ctx, layout)
		}
	}
	if (errors.Is(err, control.ErrFailed) || err == nil) && (opts.cond == "completed" || opts.cond == "exited") {
		return ownCode(ctx, c, names, services, err)
	}
	return err
}

// newWaiter makes the waiter for a wait for cond. Failures are left to the supervisor,
// which answers the request; the waiter only ends waits for a service that exits
// again and again.
func newWaiter(env *Env, names []string, cond string, retries int) *waiter {
	w := &waiter{env: env, of: byName(names), arrived: hasSettled, retries: retries, spared: true}
	switch cond {
	case control.ForStopped:
		w.retries = 0
		w.arrived = func(s control.Service, _ time.Time) bool { return !s.State.Active() && s.State != control.Waiting }
	case "completed":
		w.arrived = func(s control.Service, _ time.Time) bool {
			return s.State == control.Completed || s.LastRun == control.RunSucceeded && s.State == control.Scheduled
		}
	case "exited":
		w.arrived = func(s control.Service, _ time.Time) bool {
			return s.State == control.Completed || s.State == control.Failed || s.State == control.Scheduled && s.LastRun != ""
		}
	case "ready", "log_ready", "started", control.ForSettled:
	default: // the name of a state
		if cond != string(control.Running) {
			w.retries = 0
		}
		w.arrived = func(s control.Service, _ time.Time) bool { return string(s.State) == cond }
	}
	return w
}

// stayUp reports whether services that are ready have been so for long enough to be
// believed; if not, it returns after a moment.
func stayUp(ctx context.Context, env *Env, c *client.Client, names []string) (bool, error) {
	state, err := c.State(ctx)
	if err != nil {
		return false, err
	}
	services, err := pickServices(state.Services, names)
	if err != nil {
		return false, err
	}
	doubtful := func(s control.Service) bool {
		return s.State != control.Completed && s.State != control.Scheduled && (s.State != control.Running || !hasSettled(s, env.Now()))
	}
	if !slices.ContainsFunc(services, doubtful) {
		return true, nil
	}
	select {
	case <-time.After(calm / 5):
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// addRetries adds --retries.
func addRetries(cmd *cobra.Command, retries *int) {
	cmd.Flags().IntVar(retries, "retries", manyExits, "stop waiting after so many exits in a row of a service that was never ready; 0: wait on")
}

func notNegative(flag string, n int) error {
	if n < 0 {
		return usageError("--%s must be 0 or more, not %d", flag, n)
	}
	return nil
}

// wanted returns the ids of all services of the definition that were started.
func wanted(ctx context.Context, c *client.Client) ([]string, error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range state.Services {
		if s.Wanted && !s.System {
			ids = append(ids, string(s.ID))
		}
	}
	return ids, nil
}

// ownCode returns an error with the exit code of the first service that failed; cause
// if there is none.
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
		if s.Exit != nil && s.Exit.Code != 0 && (s.State == control.Failed || s.State == control.Completed || s.State == control.Scheduled) {
			if cause == nil {
				cause = fmt.Errorf("%s: %s", s.Label, s.Exit)
			}
			return &exitError{s.Exit.Code, cause}
		}
	}
	return cause
}

// isFinal reports whether a service leaves a state only on request.
func isFinal(s control.ServiceState) bool {
	return s == control.Completed || s == control.Failed || s == control.Skipped
}

// errSeen ends the event stream once all services were seen in the state.
var errSeen = errors.New("seen")

// waitState waits until each service has been in the state at least once.
func waitState(ctx context.Context, c *client.Client, names []string, state string) error {
	missing := map[project.ID]bool{}
	seen := func(s control.Service) error {
		if string(s.State) == state {
			delete(missing, s.ID)
		} else if missing[s.ID] && isFinal(s.State) {
			return &control.Error{Code: control.CodeFailed, Msg: fmt.Sprintf("%s will not be %s: it is %s", s.Label, state, describe(s)),
				Hint: fmt.Sprintf("\"nix2gpu status %s\" says why", s.Label)}
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
