package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
)

type execOptions struct {
	target  target
	command []string
	without []string // what the names of variables begin with that the command does not get
	surroundingOptions
}

// surroundingOptions are what may be changed of a command in the surroundings of a
// service.
type surroundingOptions struct {
	env  []string
	dir  string
	user string
	tty  bool
}

func newExec(env *Env) *cobra.Command {
	var opts execOptions
	cmd := &cobra.Command{
		Use:   "exec [DEFINITION] SERVICE [--] COMMAND [ARGUMENT...]",
		Short: "Run a command in the environment of a running service",
		Long: `Runs a command with the environment of a service, secrets included, in its folder, as
its user and under its limits. The service must be running; it is neither started nor
stopped. "nix2gpu run" does the same where it is not. Flags of exec come before the name of the service.

The command replaces nix2gpu at your terminal, so an interactive one needs no flag, and
the exit code is the command's. -i and -t are accepted, as in docker; with -t, stdin must
be a terminal. The command ends with the project at the latest, and with the service if
that has limits of memory, CPUs or processes.`,
		Example: `  nix2gpu exec postgresql -- psql shop       a client, as the server's own user
  nix2gpu exec api env                       what the service's environment is
  nix2gpu exec -u root -w /tmp api bash      a shell beside it, as another user`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return execFailed(runExec(cmd.Context(), env, opts))
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().SetInterspersed(false)
	opts.addFlags(cmd)
	cmd.Flags().StringSliceVar(&opts.without, "without", nil, "variables that begin with one of these `words` are not the command's") // for db
	_ = cmd.Flags().MarkHidden("without")
	return cmd
}

// addFlags adds what may be changed of a command in the surroundings of a service.
func (opts *surroundingOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&opts.env, "env", "e", nil, "set a variable, as `name=value`; the name alone takes ours; may be repeated")
	cmd.Flags().StringVarP(&opts.dir, "workdir", "w", "", "start in this `folder`")
	cmd.Flags().StringVarP(&opts.user, "user", "u", "", "run as this `user`, a name or a number")
	cmd.Flags().BoolP("interactive", "i", false, "accepted: stdin is always the command's")
	cmd.Flags().BoolVarP(&opts.tty, "tty", "t", false, "fail unless stdin is a terminal")
}

// needsTerminal says that -t has none.
func (opts *surroundingOptions) needsTerminal(env *Env) error {
	if opts.tty && !env.StdinTTY {
		return hint(usageError("stdin is not a terminal"), "leave out -t: a command gets the terminal wherever there is one")
	}
	return nil
}

// take sorts the arguments: a definition, a service, and the command.
func (opts *execOptions) take(ctx context.Context, env *Env, args []string) (err error) {
	if opts.command, err = opts.target.takeCommand(ctx, env, args); err != nil {
		return err
	}
	if len(opts.target.services) == 0 {
		return usageError("exec needs the name of a service")
	}
	if len(opts.command) == 0 {
		return hint(usageError("exec needs a command"), "nix2gpu exec %s -- COMMAND", opts.target.services[0])
	}
	return nil
}

// takeCommand takes a definition and a service, and returns what follows: a command.
func (t *target) takeCommand(ctx context.Context, env *Env, args []string) (command []string, err error) {
	n := slices.IndexFunc(args, func(arg string) bool {
		return arg == "--" || t.isService(ctx, env, arg)
	})
	if n >= 0 && args[n] != "--" {
		n++
	}
	if n < 0 {
		n = len(args)
	}
	if err := t.take(ctx, env, args[:n]); err != nil {
		return nil, err
	}
	command = args[n:]
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	return command, nil
}

// runExec replaces this process by the command, and returns only if that fails.
func runExec(ctx context.Context, env *Env, opts execOptions) error {
	if err := opts.needsTerminal(env); err != nil {
		return err
	}
	own, err := variables(env, opts.env)
	if err != nil {
		return err
	}
	c, err := opts.target.running(ctx, env)
	if err != nil {
		return err
	}
	s, err := c.Exec(ctx, control.ExecRequest{Service: opts.target.services[0], User: opts.user, Dir: opts.dir})
	if err != nil {
		return err
	}
	if err := process.JoinGroups(s.Cgroups); err != nil {
		fmt.Fprintf(env.Stderr, "nix2gpu: the limits of the service are not enforced on this command: %v\n", err)
	}
	spec := specIn(s, own)
	spec.Argv = opts.command
	spec.Env = slices.DeleteFunc(spec.Env, func(kv string) bool {
		return slices.ContainsFunc(opts.without, func(word string) bool { return strings.HasPrefix(kv, word) })
	})
	return process.Exec(spec)
}

// specIn is a program without a name in the surroundings of a service, with further
// variables.
func specIn(s *control.Surroundings, own []string) process.Spec {
	spec := process.Spec{
		Env: overlay(s.Env, own), Dir: s.Dir,
		User:       &process.User{UID: s.UID, GID: s.GID, Groups: s.Groups},
		NoNewPrivs: s.NoNewPrivs, Limits: process.LimitsOf(project.Limits{NoFile: s.NoFile, Rlimits: s.Rlimits}),
	}
	spec.Set(s.Settings, s.Caps, s.Read, s.Write)
	spec.NetworkOf = s.NetworkOf
	return spec
}

// variables are those of the command line, and those that describe our terminal:
// the supervisor has another one, or none.
func variables(env *Env, given []string) ([]string, error) {
	var out []string
	if term, ok := env.LookupEnv("TERM"); ok && env.StdinTTY {
		out = append(out, "TERM="+term)
	}
	for _, kv := range given {
		name, _, given := strings.Cut(kv, "=")
		if name == "" {
			return nil, usageError("--env must be name=value or the name of a variable, not %q", kv)
		}
		if !given {
			value, ok := env.LookupEnv(name)
			if !ok {
				return nil, hint(usageError("--env names %q, which is not set here", name), "export %s, or write --env %s=VALUE", name, name)
			}
			kv = name + "=" + value
		}
		out = append(out, kv)
	}
	return out, nil
}

// overlay merges two lists of variables: each name once, above before below.
func overlay(below, above []string) []string {
	set := map[string]bool{}
	var out []string
	for i := len(above) - 1; i >= 0; i-- { // the last one wins
		if name, _, _ := strings.Cut(above[i], "="); !set[name] {
			set[name] = true
			out = append(out, above[i])
		}
	}
	for _, kv := range below {
		if name, _, _ := strings.Cut(kv, "="); !set[name] {
			out = append(out, kv)
		}
	}
	return out
}

// execFailed gives an error the exit code that docker exec has: 126 and 127 when the
// command can't be run, 125 for our own failures. "nothing runs" and "no such
// service" keep the codes that they have with all verbs.
func execFailed(err error) error {
	var end *endError
	if errors.As(err, &end) {
		return err // the command ran, and its code is its own
	}
	var start *process.StartError
	if errors.As(err, &start) {
		code := exitOurs
		switch start.Reason {
		case process.NotFound:
			code = exitNotFound
		case process.NotExecutable, process.BadFormat, process.NoInterpreter:
			code = exitNotExec
		}
		return &exitError{code, &control.Error{Msg: fmt.Sprintf("cannot start %q: %s", start.Program, start.Detail), Hint: start.Hint}}
	}
	if code := exitCode(err); code == exitFailed || code == exitTimeout {
		return &exitError{exitOurs, err}
	}
	return err
}
