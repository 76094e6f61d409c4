package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
)

// processCompose is the other name of the program.
const processCompose = "process-compose"

// newProcessCompose makes the command table for the name process-compose: that
// tool's verbs with its flags, and beside them the spellings of ours that people
// type in a container.
func newProcessCompose(env *Env) *cobra.Command {
	up := pcOptions{env: env}
	root := &cobra.Command{
		Use:   "process-compose [verb]",
		Short: "Run the processes of a process-compose.yaml with nix2gpu",
		Long: `This is nix2gpu under the name process-compose: it has that tool's files, verbs, flags
and PC_* variables. Without a verb it runs everything, like "up". There is no terminal
interface and no HTTP port; flags about them are accepted and have no effect.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return up.run(cmd.Context(), args) },
	}
	configure(env, root)
	up.addFlags(root)
	addVersionFlag(env, root)

	upOpts := pcOptions{env: env}
	upCmd := &cobra.Command{
		Use:               "up [PROCESS...]",
		Short:             "Run processes, with what they depend on",
		ValidArgsFunction: completeServices(env),
		RunE:              func(cmd *cobra.Command, args []string) error { return upOpts.run(cmd.Context(), args) },
	}
	upOpts.addFlags(upCmd)
	ps := newPs(env)
	ps.Aliases = append(ps.Aliases, "ls") // as in process-compose
	addVerbs(root, upCmd, newDown(env), ps, newStatus(env), newTop(env), newPCLogs(env), newAttach(env), newStart(env), newStop(env), newRestart(env),
		newKill(env), newWait(env), newEvents(env), newCheck(env), newConfig(env),
		newPCProcess(env), newPCProject(env), newPCNamespace(env),
		newVersion(env), newCompletion(env))
	for _, cmd := range root.Commands() {
		acceptRemote(cmd)
	}
	return root
}

// newPCLogs is logs with several processes in one argument, as process-compose has it.
func newPCLogs(env *Env) *cobra.Command {
	cmd := newLogs(env)
	cmd.Use = "logs [DEFINITION] [PROCESS[,PROCESS...]...]"
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, arg := range args {
			names = append(names, strings.Split(arg, ",")...) // no name has a comma
		}
		return run(cmd, names)
	}
	return cmd
}

// acceptRemote accepts flags that name an HTTP server. They have no effect: there
// is no such server, and the project is found by its folder or its socket.
func acceptRemote(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		acceptRemote(sub)
	}
	if !cmd.Runnable() {
		return
	}
	f := cmd.Flags()
	if f.Lookup("address") == nil {
		f.StringP("address", "", "", "")
		f.MarkHidden("address")
	}
}

// pcOptions are the options of process-compose's "up".
type pcOptions struct {
	env        *Env
	up         upOptions
	dotenv     bool
	namespaces []string
}

func (o *pcOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&o.up.target.files, "config", "f", nil, "`file` to run; several are merged")
	f.StringArrayVarP(&o.up.target.envFiles, "env", "e", nil, "environment `file`, instead of .env")
	f.StringArrayVarP(&o.namespaces, "namespace", "n", nil, "run only processes of this `namespace`; may be repeated")
	f.StringVar(&o.up.target.container, "container", "", "`name` of the container, if a definition has several")
	f.BoolVar(&o.dotenv, "disable-dotenv", false, "do not read .env")
	f.BoolVarP(&o.up.detach, "detached", "D", false, "run in the background")
	addUpFlags(o.env, cmd, &o.up, "", "") // process-compose's -d and -t mean something else
	f.BoolVar(&o.up.keep, "keep-project", false, "stay when nothing runs any more")
	f.BoolP("hide-disabled", "d", false, "accepted; there is no terminal interface")
	addModuleFlag(cmd, &o.up.target)
	// These are about its terminal interface and its server, which we don't have.
	f.BoolP("tui", "t", false, "accepted; there is no terminal interface")
	f.BoolP("use-uds", "U", true, "accepted; the control socket is always a unix socket")
	f.StringVarP(&o.env.socket, "unix-socket", "u", o.env.socket, "`path` of the control socket")
	for _, name := range []string{"no-server", "ordered-shutdown", "disable-tui", "detach-on-success", "read-only", "logs-truncate", "no-watch", "recursive-metrics", "reverse", "detached-with-tui"} {
		f.Bool(name, false, "")
		f.MarkHidden(name)
	}
	for _, short := range []struct{ name, short string }{{"port", "p"}, {"log-file", "L"}, {"ref-rate", "r"}, {"sort", "S"}, {"theme", ""}, {"token-file", ""}, {"shortcuts", ""}} {
		f.StringP(short.name, short.short, "", "")
		f.MarkHidden(short.name)
	}
}

func (o *pcOptions) run(ctx context.Context, args []string) error {
	o.fromEnvironment()
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
	if _, set := o.env.LookupEnv("PC_DISABLE_DOTENV"); set {
		o.dotenv = true
	}
}

// newPCProcess makes "process-compose process …".
func newPCProcess(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "process", Short: "Look at and act on processes", Args: unknownVerb, RunE: help}
	list := newPs(env)
	list.Use, list.Aliases = "list", []string{"ls", "ps"}
	var get psOptions
	getCmd := &cobra.Command{
		Use: "get PROCESS", Short: "Print the state of a process", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("get needs the name of one process")
			}
			get.target.services = args
			return runPs(cmd.Context(), env, get)
		},
	}
	addPsFlags(env, getCmd, &get)
	addVerbs(cmd, list, getCmd, newStart(env), newStop(env), newRestart(env), newPCLogs(env))
	return cmd
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// newPCProject makes "process-compose project …".
func newPCProject(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "project", Short: "Look at the project", Args: unknownVerb, RunE: help}
	addVerbs(cmd, &cobra.Command{
		Use: "state", Short: "Print the state of the project as JSON", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runPs(cmd.Context(), env, psOptions{output: "json"})
		},
	})
	var wait bool
	ready := &cobra.Command{
		Use: "is-ready", Short: "Exit 0 when all processes are ready", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runIsReady(cmd.Context(), env, wait) },
	}
	ready.Flags().BoolVar(&wait, "wait", false, "wait until they are")
	addVerbs(cmd, ready)
	return cmd
}

func runIsReady(ctx context.Context, env *Env, wait bool) error {
	c, layout, err := new(target).find(ctx, env)
	if err != nil {
		return err
	}
	if wait {
		names, err := wanted(ctx, c)
		if err != nil {
			return err
		}
		return settled(ctx, env, c, layout, names, 0)
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	if !state.Healthy {
		return hint(&exitError{exitFailed, fmt.Errorf("not ready: %s", orElse(state.Summary, "services are starting"))}, "--wait waits until they are")
	}
	return nil
}

// newPCNamespace makes "process-compose namespace …".
func newPCNamespace(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "namespace", Aliases: []string{"ns"}, Short: "Act on all processes of a namespace", Args: unknownVerb, RunE: help}
	addVerbs(cmd, &cobra.Command{
		Use: "list", Short: "List the namespaces", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			members, _, err := namespaces(cmd.Context(), env)
			if err != nil {
				return err
			}
			var names []string
			for name := range members {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				fmt.Fprintln(env.Stdout, name)
			}
			return nil
		},
	})
	for _, act := range []struct {
		verb string
		do   func(context.Context, *Env, *client.Client, *actOptions) error
	}{{"start", runStart}, {"stop", runStop}, {"restart", runRestart}} {
		verb, do := act.verb, act.do
		addVerbs(cmd, &cobra.Command{
			Use: verb + " NAMESPACE", Short: strings.ToUpper(verb[:1]) + verb[1:] + " all processes of a namespace",
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) != 1 {
					return usageError("%s needs the name of one namespace", verb)
				}
				members, c, err := namespaces(cmd.Context(), env)
				if err != nil {
					return err
				}
				_, layout, err := new(target).find(cmd.Context(), env)
				if err != nil {
					return err
				}
				ids, ok := members[args[0]]
				if !ok {
					return &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no namespace %q", args[0]), Hint: "\"process-compose namespace list\" shows them"}
				}
				return do(cmd.Context(), env, c, &actOptions{target: target{services: ids}, retries: manyExits, layout: layout})
			},
		})
	}
	return cmd
}

// namespaces lists the running project's services by namespace.
func namespaces(ctx context.Context, env *Env) (map[string][]string, *client.Client, error) {
	c, err := new(target).running(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	members := map[string][]string{}
	for _, s := range state.Services {
		for ns := range strings.SplitSeq(orElse(s.Namespace, "default"), ",") {
			members[ns] = append(members[ns], string(s.ID))
		}
	}
	return members, c, nil
}
