package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/spelling"
)

// Main runs the command that env.Args names and returns the exit code. Where we are
// the first process of a machine, and not of a container, it powers the machine off
// instead: the kernel panics when that process ends.
func Main(ctx context.Context, env *Env) int {
	code := run(ctx, env)
	if process.IsMachineInit() {
		say(env.Stderr, "powering off (exit code %d)", code)
		err := process.PowerOff(func() {
			say(env.Stderr, "a disk does not answer: what it has not yet written is lost")
		})
		say(env.Stderr, "cannot power off: %v", err)
	}
	return code
}

// fewFiles is an error where we may open so few files that Go's runtime ends the program
// with a trace at its first wait.
func fewFiles() error {
	const need = 8
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur >= need {
		return nil
	}
	return hint(fmt.Errorf("%d open files are allowed here, and it takes %d to begin at all", limit.Cur, need), "%s", process.FileHint(need))
}

func run(ctx context.Context, env *Env) int {
	if err := fewFiles(); err != nil {
		report(env, &cobra.Command{Use: "nix2gpu"}, err)
		return exitCode(err)
	}
	if ran, err := runHidden(ctx, env, arguments(env)); ran {
		if err != nil {
			report(env, &cobra.Command{Use: "nix2gpu"}, err)
		}
		return exitCode(err)
	}
	// Most commands end before the first collection that this allows. What
	// stays running is a process of its own, started above.
	if env.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	defer env.endProgress()
	if env.name() == nixInstantiate {
		return runInstantiate(ctx, env)
	}
	args := arguments(env)
	var root *cobra.Command
	if env.name() == processCompose {
		root = newProcessCompose(env)
	} else {
		root = newRoot(env, args...)
	}
	root.SetArgs(fileBefore(root, joinArgs(root, args)))
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && env.then != nil {
		root = &cobra.Command{Use: root.Name()} // all that belongs to the old one can go
		err = env.then(ctx)
	}
	if err == nil {
		return exitOK
	}
	// A signal cuts requests off: it is the cause, whatever error came of it.
	var by *interruption
	var end *endError
	if errors.As(context.Cause(ctx), &by) && !errors.As(err, &end) {
		return by.code()
	}
	report(env, root, err)
	return exitCode(err)
}

func arguments(env *Env) []string {
	if len(env.Args) == 0 {
		return nil
	}
	return env.Args[1:]
}

// The groups of verbs on the help page, in its order.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupDefine  = "define"
	groupImage   = "image"
	groupProgram = "program"
)

// A verb is a line of nix2gpu's command table.
type verb struct {
	group string
	name  string
	asks  string // whether it asks a running project, and where that may be
	make  func(*Env) *cobra.Command
}

// nix2gpuVerbs are the verbs, in the order of the help page.
func nix2gpuVerbs() []verb {
	return []verb{
		{groupRun, "up", asksHere, newUp},
		{groupRun, "down", asksAnywhere, newDown},
		{groupRun, "start", asksAnywhere, newStart},
		{groupRun, "stop", asksAnywhere, newStop},
		{groupRun, "restart", asksAnywhere, newRestart},
		{groupRun, "reload", asksAnywhere, newReload},
		{groupRun, "scale", asksAnywhere, newScale},
		{groupRun, "kill", asksAnywhere, newKill},
		{groupRun, "exec", asksHere, newExec},
		{groupRun, "db", asksHere, newDB},
		{groupRun, "attach", asksHere, newAttach},
		{groupRun, "run", asksHere, newRun},
		{groupRun, "boot", "", newBoot},

		{groupLook, "ps", asksAnywhere, newPs},
		{groupLook, "ls", "", newLs},
		{groupLook, "status", asksAnywhere, newStatus},
		{groupLook, "top", asksAnywhere, newTop},
		{groupLook, "ports", asksAnywhere, newPorts},
		{groupLook, "logs", asksAnywhere, newLogs},
		{groupLook, "wait", asksAnywhere, newWait},
		{groupLook, "ready", asksAnywhere, newReady},
		{groupLook, "live", asksAnywhere, newLive},
		{groupLook, "events", asksAnywhere, newEvents},
		{groupLook, "analyze", asksAnywhere, newAnalyze},

		{groupDefine, "check", "", newCheck},
		{groupDefine, "config", "", newConfig},
		{groupDefine, "graph", asksAnywhere, newGraph},
		{groupDefine, "secret", "", newSecret},
		{groupDefine, "eval", "", newEval},
		{groupDefine, "parse", "", newParse},
		{groupDefine, "options", "", newOptions},
		{groupDefine, "flake", "", newFlake},

		{groupImage, "build", "", newBuild},
		{groupImage, "lock", "", newLock},
		{groupImage, "push", "", newPush},
		{groupImage, "load", "", newLoad},
		{groupImage, "shell", "", newShell},
		{groupImage, "image", "", newImage},
		{groupImage, "deploy", "", newDeploy},
		{groupImage, "cache", "", newCache},

		{groupProgram, "version", "", newVersion},
		{groupProgram, completionVerb, "", newCompletion},
		{groupProgram, manVerb, "", newMan},
	}
}

// Two verbs print what is known of all.
const (
	completionVerb = "completion"
	manVerb        = "man"
)

// called returns the verbs that args can need: to make the flags of all takes as long as
// the rest of a short command.
func called(args []string) []verb {
	all := nix2gpuVerbs()
	if len(args) > 0 && args[0] != completionVerb && args[0] != manVerb {
		if i := slices.IndexFunc(all, func(v verb) bool { return v.name == args[0] }); i >= 0 {
			return all[i : i+1]
		}
	}
	return all
}

// newRoot makes the command table of nix2gpu, as far as args need it. Without args it is
// whole.
func newRoot(env *Env, args ...string) *cobra.Command {
	root := &cobra.Command{
		Use:   "nix2gpu <verb> [DEFINITION] [SERVICE...]",
		Short: "Run the services of a container definition written in Nix",
		Long: `nix2gpu reads a container definition written in Nix, or a process-compose.yaml,
and runs its services: in order, watched, restarted when they fail.

    nix2gpu up                  run everything in flake.nix, here, until Ctrl-C
    nix2gpu up -d --wait        in the background, until all is healthy
    nix2gpu ps                  what runs, what waits, and why
    nix2gpu logs -f api         follow what a service prints
    nix2gpu down                stop everything

DEFINITION is a file or a folder, with #NAME for one of several containers. A word is a
definition, and not a service, if it contains # or /, starts with a dot, or ends in .nix,
.yaml, .yml or .json; or if it is a folder with a definition and no service has its name.
Without one, nix2gpu takes flake.nix, nix2gpu.nix or process-compose.yaml of the current
folder, or of the nearest parent folder that has one.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	configure(env, root)
	addVersionFlag(env, root)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run services:"},
		&cobra.Group{ID: groupLook, Title: "See what they do:"},
		&cobra.Group{ID: groupDefine, Title: "Work on a definition:"},
		&cobra.Group{ID: groupImage, Title: "Make images of it:"},
		&cobra.Group{ID: groupProgram, Title: "About the program:"},
	)
	for _, v := range called(args) {
		cmd := v.make(env)
		cmd.GroupID = v.group
		addVerbs(root, cmd)
		if v.asks != "" {
			asks(v.asks, cmd)
		}
	}
	root.SetHelpCommandGroupID(groupProgram)
	noFiles(root)
	addRemoteFlags(env, root)
	prepare := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if err := prepare(cmd, args); err != nil {
			return err
		}
		return env.remote.read(env, cmd)
	}
	return root
}

// configure sets what the command tables of both names have in common.
func configure(env *Env, root *cobra.Command) {
	root.SilenceErrors = true // Main prints them, once
	root.SilenceUsage = true
	root.DisableAutoGenTag = true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return flagError(cmd, err)
	})
	root.SetHelpCommand(newHelp())
	root.SetUsageFunc(func(cmd *cobra.Command) error { return writeUsage(cmd, env.helpWidth()) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd, env.helpWidth()) })
	root.PersistentFlags().StringVar(&env.colors, "color", "auto", "colour the output: auto, always or never")
	root.PersistentFlags().StringVar(&env.socket, "socket", "", "`path` of the control socket, instead of the project's own")
	noColor := root.PersistentFlags().Bool("no-color", false, "the same as --color never")
	root.PersistentFlags().MarkHidden("no-color")
	root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if *noColor {
			env.colors = "never"
		}
		return oneOf("color", env.colors, "auto", "always", "never")
	}
}

// flagError adds to an error about a flag which one may be meant.
func flagError(cmd *cobra.Command, err error) error {
	cure := fmt.Sprintf("see %q", cmd.CommandPath()+" --help")
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return hint(usageError("unknown flag %q", "-"+name), "%s", cure)
		}
		var names []string
		add := func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		}
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		if near := spelling.Nearest(name, names); near != "" {
			cure = fmt.Sprintf("did you mean %q?", "--"+near)
		}
		return hint(usageError("unknown flag %q", "--"+name), "%s", cure)
	case errors.As(err, &bare):
		return hint(usageError("--%s needs a value", bare.GetFlag().Name), "%s", cure)
	case errors.As(err, &wrong):
		f := wrong.GetFlag()
		kind := map[string]string{
			"duration": "a length of time such as 500ms, 30s or 2m", "bool": "true or false", "int": "a whole number",
			"seconds": "a number of seconds, 0 or more, or a length of time such as 500ms",
			"scale":   fmt.Sprintf("SERVICE=NUMBER, at most %d", control.MaxReplicas),
		}[f.Value.Type()]
		if kind != "" {
			return hint(usageError("--%s must be %s, not %q", f.Name, kind, wrong.GetValue()), "%s", cure)
		}
	}
	return hint(&exitError{exitUsage, err}, "%s", cure)
}

// unknownVerb rejects arguments that name no verb.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usageError("unknown verb %q", args[0])
	var names []string
	for _, v := range verbs(cmd) {
		names = append(append(names, v.Name()), v.Aliases...)
	}
	if cmd.Root() == cmd {
		if cure := foreignVerb(args[0], cmd.Name()); cure != "" {
			return hint(err, "%s", cure)
		}
	}
	if near := spelling.Begun(args[0], names); len(near) > 0 {
		return hint(err, "did you mean %s?", alternatives(near))
	}
	if near := spelling.Nearest(args[0], names); near != "" {
		return hint(err, "did you mean %q?", near)
	}
	return hint(err, "see %q", cmd.CommandPath()+" --help")
}

// noArgs is [cobra.NoArgs] with a message of our own.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s takes no arguments, got %q", cmd.Name(), args[0])
	}
	return nil
}

// oneOf rejects a flag's value that is not one of the permitted ones.
func oneOf(flag, value string, permitted ...string) error {
	for _, p := range permitted {
		if value == p {
			return nil
		}
	}
	last := len(permitted) - 1
	return usageError("--%s must be %s or %s, not %q", flag, strings.Join(permitted[:last], ", "), permitted[last], value)
}
