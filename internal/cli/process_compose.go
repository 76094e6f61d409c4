package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
)

// processCompose is the other name of the program.
const processCompose = "process-compose"

// newProcessCompose makes the command table for the name process-compose: that
// tool's verbs with its flags, and beside them the spellings of ours that people
// type in a container.
func newProcessCompose(env *Env) *cobra.Command {
	env.asProcessCompose = true
	g := &pcGlobals{env: env}
	up := pcOptions{env: env, globals: g}
	root := &cobra.Command{
		Use:   "process-compose [verb]",
		Short: "Run the processes of a process-compose.yaml with nix2gpu",
		Long: `This is nix2gpu under the name process-compose: it has that tool's files, verbs, flags
and PC_* variables. Without a verb it runs everything, like "up".

Verbs find the project of this folder by its control socket. "up --port 8080" listens on
a port as well, where a token is needed: that of --token-file, PC_API_TOKEN or
PC_API_TOKEN_PATH, or else one that is made and kept beside the project. Verbs with --port
ask there. There is no terminal interface; flags about it are accepted, and a note says
that they have no effect.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return up.run(cmd.Context(), args) },
	}
	configure(env, root)
	g.addFlags(root)
	up.addFlags(root)
	addVersionFlag(env, root)

	upOpts := pcOptions{env: env, globals: g}
	upCmd := &cobra.Command{
		Use:               "up [PROCESS...]",
		Short:             "Run processes, with what they depend on",
		ValidArgsFunction: completeServices(env),
		RunE:              func(cmd *cobra.Command, args []string) error { return upOpts.run(cmd.Context(), args) },
	}
	upOpts.addFlags(upCmd)
	ps := newPs(env)
	ps.Aliases = nil // here list is a verb of its own
	attach := newAttach(env)
	acceptFlags(attach, false, append(pcTUIFlags(), pcFlag{name: "log-length", short: "l"}))
	addVerbs(root, upCmd, newPCRun(env, g), newDown(env), newPCList(env), ps, newStatus(env), newTop(env), newPCLogs(env), attach, newStart(env), newStop(env), newRestart(env),
		newKill(env), newWait(env), newEvents(env), newPCGraph(env), newAnalyze(env), newCheck(env), newConfig(env),
		newPCProcess(env), newPCProject(env), newPCNamespace(env), newPCInfo(env), newPCRecipe(),
		newVersion(env), newCompletion(env))
	marksStart(root, upCmd)
	g.askers(root)
	prepare := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if err := prepare(cmd, args); err != nil {
			return err
		}
		return g.read(cmd)
	}
	return root
}

// pcOptions are the options of process-compose's "up".
type pcOptions struct {
	env        *Env
	globals    *pcGlobals
	up         upOptions
	dotenv     bool
	namespaces []string
	keepTUI    bool // what keep-project was called before
	withTUI    bool
	onSuccess  bool
}

func (o *pcOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.addFileFlags(cmd)
	f.StringArrayVarP(&o.namespaces, "namespace", "n", nil, "run only processes of this `namespace`; may be repeated")
	f.StringVar(&o.up.target.container, "container", "", "`name` of the container, if a definition has several")
	f.BoolVarP(&o.up.detach, "detached", "D", false, "run in the background")
	addUpFlags(o.env, cmd, &o.up, "", "") // process-compose's -d and -t mean something else
	f.BoolVar(&o.up.keep, "keep-project", false, "stay when nothing runs any more")
	f.BoolVar(&o.keepTUI, "keep-tui", false, "the same, by its older name")
	f.BoolVar(&o.up.anew, "logs-truncate", false, "remove first what processes have printed in earlier runs")
	f.BoolVar(&o.withTUI, "detached-with-tui", false, "the same as --detached: there is no terminal interface")
	f.BoolVar(&o.onSuccess, "detach-on-success", false, "with --detached-with-tui: the same as --wait")
	for _, name := range []string{"keep-tui", "detached-with-tui", "detach-on-success"} {
		f.MarkHidden(name)
	}
	addModuleFlag(cmd, &o.up.target)
	acceptFlags(cmd, false, pcUpFlags())
}

// addFileFlags adds the flags of verbs that load a file.
func (o *pcOptions) addFileFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&o.up.target.files, "config", "f", nil, "`file` to run; several are merged")
	f.StringArrayVarP(&o.up.target.envFiles, "env", "e", nil, "environment `file`, instead of .env")
	f.BoolVar(&o.dotenv, "disable-dotenv", false, "do not read .env")
}

// runCommand runs a command in place of a process's own, where nothing runs yet.
func (o *pcOptions) runCommand(ctx context.Context, process string, command []string) error {
	o.fromEnvironment()
	t := o.up.target
	t.namespaces, t.noDotEnv, t.services = o.namespaces, o.dotenv, []string{process}
	return execFailed(runRun(ctx, o.env, &copyOptions{target: t, command: command, noDeps: o.up.noDeps, retries: manyExits}))
}

func (o *pcOptions) run(ctx context.Context, args []string) error {
	o.fromEnvironment()
	if o.withTUI {
		o.globals.inVain(noTUI, "--detached-with-tui beside --detached")
		o.globals.say()
		o.up.detach, o.up.wait = true, o.onSuccess
	} else if o.onSuccess {
		return hint(usageError("--detach-on-success needs --detached-with-tui"), "up -D --wait")
	}
	o.up.keep = o.up.keep || o.keepTUI
	if err := o.globals.listens(&o.up); err != nil {
		return err
	}
	t := &o.up.target
	t.namespaces, t.noDotEnv = o.namespaces, o.dotenv
	if err := t.take(ctx, o.env, args); err != nil {
		return err
	}
	return runUp(ctx, o.env, o.up)
}

// fromEnvironment reads PC_* variables for the flags that were not given.
func (o *pcOptions) fromEnvironment() {
	list := func(name string) []string {
		if v := o.env.Getenv(name); v != "" {
			return strings.Split(v, ",")
		}
		return nil
	}
	if len(o.up.target.files) == 0 {
		o.up.target.files = list("PC_CONFIG_FILES")
	}
	if len(o.namespaces) == 0 {
		o.namespaces = list("PC_NAMESPACES")
	}
	o.up.target.disabled = list("PC_DISABLED_PROCESSES")
	set := func(flag *bool, name string) {
		if _, is := o.env.LookupEnv(name); is {
			*flag = true
		}
	}
	set(&o.dotenv, "PC_DISABLE_DOTENV")
	set(&o.up.target.noWatch, "PC_NO_WATCH")
	set(&o.globals.noServer, "PC_NO_SERVER")
}

// newPCRun runs one process to its end: a copy of it beside the project that runs, or else
// the process itself, with what it depends on.
func newPCRun(env *Env, g *pcGlobals) *cobra.Command {
	copied := newRun(env)
	o := pcOptions{env: env, globals: g}
	cmd := &cobra.Command{
		Use:   "run PROCESS [-- ARGUMENT...]",
		Short: "Run a process to its end, with what it depends on",
		Long: `Runs a process in the foreground, and what it depends on; when it has ended, all is stopped,
and its exit code is that of run. Where the project runs already, it runs a copy of the
process, beside which what the process depends on goes on. A command after "--" replaces
the process's own.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, _, err := (&target{files: o.up.target.files}).find(cmd.Context(), env)
			switch {
			case err == nil:
				copied.SetContext(cmd.Context())
				if dash := cmd.ArgsLenAtDash(); dash > 0 {
					args = append(args[:dash:dash], append([]string{"--"}, args[dash:]...)...)
				}
				if err := copied.ParseFlags(args); err != nil {
					return err
				}
				return copied.RunE(copied, copied.Flags().Args())
			case !errors.Is(err, control.ErrNotRunning):
				return err
			case len(args) == 0:
				return usageError("run needs the name of a process")
			case len(args) > 1:
				return o.runCommand(cmd.Context(), args[0], args[1:])
			}
			o.up.codeFrom = args[0]
			return o.run(cmd.Context(), args)
		},
	}
	o.addFileFlags(cmd)
	cmd.Flags().BoolVar(&o.up.noDeps, "no-deps", false, "do not run what the process depends on")
	o.up.logFormat = "text"
	return cmd
}
