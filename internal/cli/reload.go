package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

type reloadOptions struct {
	target  target
	dryRun  bool
	noWait  bool
	output  string
	retries int
}

func newReload(env *Env) *cobra.Command {
	var opts reloadOptions
	cmd := &cobra.Command{
		Use:   "reload [DEFINITION]",
		Short: "Bring what runs to what the definition says now",
		Long: `Reads the definition of a running project again. Services whose definition has changed
are restarted, new ones are started, removed ones are stopped, and all others go on. If
the definition is wrong, it says so and changes nothing. It waits until what it stops has
ended and what it starts is well. "up" does the same and starts
what was stopped as well; on SIGHUP the supervisor does it by itself.

What was given when the project was started goes on, unless you give another: files,
container, modules, environment files, namespaces, and --no-watch; and so do the profiles
that are active now. Services that were not named then stay as they are. The numbers of
replicas are the definition's again: --scale and "scale" last until a reload. What you
give here, profiles apart, counts for this reload: the next one, or a SIGHUP, goes by what
was given at the start again.

With --dry-run it says what would be done to which service, and why, and does nothing.`,
		Example: `  nix2gpu reload --dry-run           what would be restarted, and why?
  nix2gpu reload                     do it, and wait until it is well`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) > 0 {
				return hint(usageError("reload takes a definition, and %q does not look like one", opts.target.services[0]), "nix2gpu restart %s", opts.target.services[0])
			}
			return runReload(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	return cmd
}

// addFlags adds those of verbs that reload.
func (opts *reloadOptions) addFlags(env *Env, cmd *cobra.Command) {
	addTargetFlags(env, cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	addProfileFlag(env, cmd, &opts.target)
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&opts.noWait, "no-wait", false, "return at once")
	addRetries(cmd, &opts.retries)
	addOutputFlag(cmd, &opts.output, "text", "json")
}

func runReload(ctx context.Context, env *Env, opts *reloadOptions) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	if err := notNegative("retries", opts.retries); err != nil {
		return err
	}
	c, layout, err := opts.target.find(ctx, env) // before anything is evaluated
	if err != nil {
		return err
	}
	if c.IsRemote() {
		return opts.reloadThere(ctx, env, c)
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	opts.target.keep(state)
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	if state.Definition != l.name {
		return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("%s runs here, as pid %d, and not %s", state.Definition, state.PID, l.name),
			Hint: "name what runs, or stop it with \"nix2gpu down\""}
	}
	data, err := l.valid.Project().Encode()
	if err != nil {
		return err
	}
	plan, err := reloadOrPlan(ctx, c, data, opts.dryRun)
	if err != nil {
		return err
	}
	l.writeNotes(env)
	return opts.report(ctx, env, c, layout, plan)
}

// report says what a reload has done, or would do, and waits for what it has stopped and
// started.
func (opts *reloadOptions) report(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, plan []control.Planned) error {
	if opts.output == "json" {
		if err := writeJSON(env.Stdout, plan); err != nil {
			return err
		}
	} else {
		writePlan(env, plan, opts.dryRun)
	}
	var begun []string
	ended := map[project.ID]bool{}
	for _, one := range plan {
		switch one.Action {
		case control.PlanStart, control.PlanRestart:
			begun = append(begun, string(one.ID))
		case control.PlanStop:
			ended[one.ID] = true
		}
	}
	if opts.dryRun || opts.noWait {
		return nil
	}
	if len(ended) > 0 {
		if over, err := haveEnded(ctx, env, c, ended, len(begun) > 0); err != nil || over {
			return err
		}
	}
	if len(begun) == 0 {
		return nil
	}
	return settled(ctx, env, c, layout, begun, opts.retries)
}

// reloadOrPlan reloads, unless it is a dry run, and returns what that does. One request
// does both, or the plan might be of a project that has changed meanwhile.
func reloadOrPlan(ctx context.Context, c *client.Client, data []byte, dryRun bool) ([]control.Planned, error) {
	if dryRun {
		return c.Plan(ctx, data)
	}
	changes, err := c.Reload(ctx, data)
	if err != nil {
		return nil, err
	}
	return changes.Plan, nil
}

// writePlan says what is done; of those that go on only a dry run.
func writePlan(env *Env, plan []control.Planned, all bool) {
	idle := true
	for _, one := range plan {
		if one.Action == control.PlanNone && !all {
			continue
		}
		idle = false
		fmt.Fprintf(env.Stdout, "%s: %s\n", one.Label, planText(one))
	}
	if idle {
		fmt.Fprintln(env.Stdout, "nothing has changed")
	}
}

// planText says what becomes of one service, and why.
func planText(one control.Planned) string {
	text := map[control.PlanAction]string{control.PlanStart: "starts", control.PlanRestart: "restarts", control.PlanStop: "stops"}[one.Action]
	switch {
	case text != "":
	case one.State == control.Scheduled:
		text = "waits for its next run"
	case one.State.Active():
		text = "goes on"
	case one.State == control.Waiting:
		text = "waits on"
	default:
		text = "stays " + string(one.State)
	}
	var why []string
	switch one.Cause {
	case control.CauseAdded:
		why = append(why, "it is new")
		if one.Action == control.PlanNone {
			text, why = "does not start", []string{"it is new, and disabled"}
		}
	case control.CauseRemoved:
		why = append(why, "it is not defined any more")
		if one.Action == control.PlanNone {
			text = "is forgotten"
		}
	case control.CauseEnabled:
		why = append(why, "it is not disabled any more")
	case control.CauseDisabled:
		why = append(why, "it is disabled now")
	case control.CauseRetried:
		why = append(why, "what kept it from running may be mended")
	case control.CauseStopped:
		why = append(why, "a start takes "+strings.Join(one.Differs, ", "))
	case control.CauseChanged:
		why = append(why, strings.Join(one.Differs, ", "))
	}
	if len(one.With) > 0 {
		why = append(why, "it restarts with "+strings.Join(one.With, ", "))
	}
	if len(one.Applies) > 0 && one.Cause != control.CauseEnabled && one.Cause != control.CauseDisabled {
		why = append(why, "without a restart it gets "+strings.Join(one.Applies, ", "))
	}
	if one.Refused != "" {
		text, why = "is skipped", append(why, one.Refused)
	}
	if len(why) > 0 {
		text += ": " + strings.Join(why, "; ")
	}
	return text
}
