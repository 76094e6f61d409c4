package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// newPCList lists processes as process-compose does: their names, or with -o more.
func newPCList(env *Env) *cobra.Command {
	var t target
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the names of processes, or with -o their states", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPCList(cmd.Context(), env, t, output) },
	}
	addTargetFlags(env, cmd, &t, "f")
	addOutputFlag(cmd, &output, "name", "json", "wide")
	return cmd
}

func runPCList(ctx context.Context, env *Env, t target, output string) error {
	if err := oneOf("output", output, "name", "json", "wide"); err != nil {
		return err
	}
	c, state, err := askState(ctx, env, &t)
	if err != nil {
		return err
	}
	switch output {
	case "json":
		usage, err := c.OwnUsage(ctx)
		if err != nil {
			return err
		}
		list := []control.ProcessState{}
		for i := range state.Services {
			var used *control.ServiceUsage
			if at := slices.IndexFunc(usage.Services, func(u control.ServiceUsage) bool { return u.ID == state.Services[i].ID }); at >= 0 {
				used = &usage.Services[at]
			}
			list = append(list, control.NewProcessState(&state.Services[i], state.At, used))
		}
		return writeJSON(env.Stdout, list)
	case "wide":
		writeTable(env, psRows(state, true), nil, state)
	default:
		for _, s := range state.Services {
			fmt.Fprintln(env.Stdout, s.Label)
		}
	}
	return nil
}

// newPCLogs is logs with several processes in one argument, and with process-compose's
// flags.
func newPCLogs(env *Env) *cobra.Command {
	cmd := newLogs(env)
	cmd.Use = "logs [PROCESS[,PROCESS...]...]"
	run := cmd.RunE
	var namespaced string
	f := cmd.Flags()
	raw := f.Bool("raw-log", false, "print lines without the name of the process")
	f.StringVarP(&namespaced, "namespace", "N", "", "also those of all processes of this `namespace`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *raw {
			f.Set("no-log-prefix", "true")
		}
		names := splitNames(cmd.Context(), env, args)
		if namespaced != "" {
			_, ids, err := inNamespace(cmd.Context(), env, namespaced)
			if err != nil {
				return err
			}
			names = append(names, ids...)
		}
		return run(cmd, names)
	}
	addVerbs(cmd, &cobra.Command{
		Use: "truncate PROCESS[,PROCESS...]", Short: "Remove what a process has printed so far", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := splitNames(cmd.Context(), env, args)
			if len(names) == 0 {
				return usageError("truncate needs the name of a process")
			}
			c, err := new(target).running(cmd.Context(), env)
			if err != nil {
				return err
			}
			done, err := c.Truncate(cmd.Context(), names)
			for _, s := range done {
				fmt.Fprintf(env.Stdout, "%s: log removed\n", s.Label)
			}
			return err
		},
	})
	return cmd
}

// splitNames parts arguments that are names with commas between them.
func splitNames(ctx context.Context, env *Env, args []string) (names []string) {
	var labelled []string
	if slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, ",") }) {
		c, layout, err := new(target).find(ctx, env)
		if err != nil {
			labelled = labels(layout).project.Names()
		} else if state, err := c.State(ctx); err == nil { // else what follows says why not
			for _, s := range state.Services {
				labelled = append(labelled, s.Label)
			}
		}
	}
	for _, arg := range args {
		names = append(names, control.SplitNames(arg, labelled)...)
	}
	return names
}

// newPCGraph prints the graph of the project that runs, in process-compose's formats.
func newPCGraph(env *Env) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "graph", Short: "Show what processes of the running project wait for", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "ascii", "mermaid", "json", "yaml"); err != nil {
				return err
			}
			c, err := new(target).running(cmd.Context(), env)
			if err != nil {
				return err
			}
			g, err := c.Graph(cmd.Context())
			if err != nil {
				return err
			}
			if format == "ascii" || format == "mermaid" {
				return newServiceGraph(g).write(env, map[string]string{"ascii": "tree", "mermaid": "mermaid"}[format])
			}
			state, err := c.State(cmd.Context())
			if err != nil {
				return err
			}
			nested, err := control.NewProcessGraph(g, state.Services)
			if err != nil {
				return err
			}
			if format == "yaml" {
				return writeYAML(env.Stdout, nested)
			}
			return writeJSON(env.Stdout, nested)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "ascii", "`format`: ascii, mermaid, json or yaml")
	return cmd
}

// newPCProcess makes "process-compose process …".
func newPCProcess(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "process", Short: "Look at and act on processes", Args: unknownVerb, RunE: help}
	list := newPCList(env)
	list.Aliases = append(list.Aliases, "ps")
	var output string
	get := &cobra.Command{
		Use: "get PROCESS", Short: "Print the state of a process", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("get needs the name of one process")
			}
			return runPCList(cmd.Context(), env, target{services: args}, output)
		},
	}
	addOutputFlag(get, &output, "wide", "json")
	stop := newStop(env)
	stop.Flags().BoolP("verbose", "v", true, "say for each process what became of it")
	addVerbs(cmd, list, get, newStart(env), stop, newRestart(env), newPCLogs(env), newPCScale(env), newPCPorts(env), newPCMonitor(env), newPCKeys(env))
	return cmd
}

// newPCScale scales a process of the project that runs.
func newPCScale(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "scale PROCESS COUNT", Short: "Run more or fewer replicas of a process", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError("scale needs the name of a process, and a number")
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usageError("the number of replicas must be 1 or more, not %q", args[1])
			}
			c, state, err := askState(cmd.Context(), env, &target{services: args[:1]})
			if err != nil {
				return err
			}
			family := args[0]
			if s := state.Services[0]; s.Family != "" {
				family = s.Family
			}
			changes, err := c.Scale(cmd.Context(), map[string]int{family: n})
			if err != nil {
				return err
			}
			writePlan(env, changes.Plan, false)
			return nil
		},
	}
}

// newPCPorts prints on which ports a process listens.
func newPCPorts(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "ports PROCESS", Short: "Print the TCP ports on which a process listens", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("ports needs the name of one process")
			}
			opts := psOptions{target: target{services: args}, output: "table"}
			_, usage, err := opts.use(cmd.Context(), env)
			if err != nil {
				return err
			}
			ports := []int{}
			for _, u := range usage.Services {
				for _, l := range u.Listens {
					if l.Protocol == "tcp" {
						ports = append(ports, l.Port)
					}
				}
			}
			slices.Sort(ports)
			fmt.Fprintf(env.Stdout, "Process %s TCP ports: %v\n", args[0], slices.Compact(ports))
			return nil
		},
	}
}

// newPCMonitor prints changes of processes.
func newPCMonitor(env *Env) *cobra.Command {
	var output string
	var quiet bool
	cmd := &cobra.Command{
		Use: "monitor [PROCESS...]", Short: "Print the states of processes, and changes as they happen", ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			c, err := new(target).running(cmd.Context(), env)
			if err != nil {
				return err
			}
			return monitor(cmd.Context(), env, c, args, output == "json", quiet)
		},
	}
	addOutputFlag(cmd, &output, "text", "json")
	cmd.Flags().BoolVar(&quiet, "no-snapshot", false, "only changes, not the states at the beginning")
	return cmd
}

func monitor(ctx context.Context, env *Env, c *client.Client, names []string, asJSON, quiet bool) error {
	type event struct {
		Snapshot bool                 `json:"snapshot,omitempty"`
		State    control.ProcessState `json:"state"`
	}
	last := map[string]control.ProcessState{}
	show := func(s control.Service, at time.Time, snapshot bool) {
		st := control.NewProcessState(&s, at, nil)
		before, known := last[st.Name]
		last[st.Name] = st
		kind, text := "status", st.Status
		switch {
		case snapshot:
			kind = "snapshot"
		case !known, before.Status != st.Status:
			if s.State.Rests() {
				text += fmt.Sprintf("   exit=%d restarts=%d", st.ExitCode, st.Restarts)
			}
		case before.IsReady != st.IsReady:
			kind, text = "health", st.IsReady
		default:
			return
		}
		if asJSON {
			json.NewEncoder(env.Stdout).Encode(event{snapshot, st})
			return
		}
		fmt.Fprintf(env.Stdout, "%s  %-20s  %-8s  %s\n", s.Since.Format(time.RFC3339), st.Name, kind, text)
	}
	only := map[string]bool{}
	return c.Events(ctx, func(m control.Message) error {
		switch {
		case m.State != nil:
			services, err := pickServices(m.State.Services, names)
			if err != nil {
				return err
			}
			for _, s := range services {
				if only[s.Label] = true; quiet {
					last[s.Label] = control.NewProcessState(&s, m.State.At, nil)
				} else {
					show(s, m.State.At, true)
				}
			}
		case m.Event != nil && only[m.Event.Service.Label]:
			show(m.Event.Service, env.Now(), false)
		}
		return nil
	})
}

// newPCKeys types into the terminal of a process.
func newPCKeys(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "send-keys PROCESS KEYS", Short: "Type into the terminal of a process", ValidArgsFunction: completeServices(env),
		Long: `Types into the terminal of a process that has is_interactive or is_tty. KEYS may have
escapes: \xHH, \r (Enter), \n, \t, \e (Esc), \0, \\, \a, \b, \f and \v. No line end is added.`,
		Example: `  process-compose process send-keys viewer q
  process-compose process send-keys shell 'exit\r'
  process-compose process send-keys shell '\x03'   Ctrl-C`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError("send-keys needs the name of a process, and what is typed")
			}
			if _, err := project.ParseTyped(args[1]); err != nil {
				return hint(usageError("what is typed %v", err), "process-compose process send-keys %s 'q\\r'", args[0])
			}
			c, err := new(target).running(cmd.Context(), env)
			if err != nil {
				return err
			}
			return c.SendKeys(cmd.Context(), args[0], args[1])
		},
	}
}

// newPCRecipe refuses what only process-compose has.
func newPCRecipe() *cobra.Command {
	return &cobra.Command{
		Use: "recipe", Short: "Not supported: recipes of process-compose", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return hint(usageError("not supported: recipes, which are files in process-compose's own repository"), "download one, and name it with -f")
		},
	}
}

// newPCInfo prints where the project of this folder has its files.
func newPCInfo(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "info", Short: "Print where logs, state and the control socket are", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, layout, err := new(target).find(cmd.Context(), env)
			if err != nil && !errors.Is(err, control.ErrNotRunning) {
				return err
			}
			line := func(name, value string) { fmt.Fprintf(env.Stdout, "%-15s %s\n", name+":", value) }
			fmt.Fprintln(env.Stdout, "nix2gpu as process-compose")
			line("Logs", layout.Logs)
			line("Own log", layout.Log)
			line("Control socket", layout.Socket)
			return nil
		},
	}
}

// newPCProject makes "process-compose project …".
func newPCProject(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "project", Short: "Look at the project", Args: unknownVerb, RunE: help}
	var memory bool
	state := &cobra.Command{
		Use: "state", Short: "Print the state of the project", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := new(target).running(cmd.Context(), env)
			if err != nil {
				return err
			}
			return writeProjectState(cmd.Context(), env, c, memory)
		},
	}
	state.Flags().BoolVar(&memory, "with-memory", false, "also the memory of the supervisor")
	var wait bool
	ready := &cobra.Command{
		Use: "is-ready", Short: "Exit 0 when all processes are ready", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runIsReady(cmd.Context(), env, wait) },
	}
	ready.Flags().BoolVar(&wait, "wait", false, "wait until they are")
	var opts reloadOptions
	update := &cobra.Command{
		Use: "update", Short: "Bring what runs to what its files say now", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.target.take(cmd.Context(), env, nil); err != nil {
				return err
			}
			if env.remote.host != "" && len(opts.target.files) > 0 {
				return hint(usageError("--config names a file here, and %s a project elsewhere", env.remote.name), "leave out --config: it reads its own files again")
			}
			opts.output, opts.noWait, opts.retries = "text", true, manyExits
			return runReload(cmd.Context(), env, &opts)
		},
	}
	f := update.Flags()
	f.StringArrayVarP(&opts.target.files, "config", "f", nil, "`file` to read instead of those that were read at the start; several are merged")
	f.StringArrayVarP(&opts.target.namespaces, "namespace", "n", nil, "only processes of this `namespace`; may be repeated")
	f.BoolP("verbose", "v", true, "say for each process what became of it")
	addVerbs(cmd, state, ready, update)
	return cmd
}

// writeProjectState prints what process-compose prints of a project.
func writeProjectState(ctx context.Context, env *Env, c *client.Client, memory bool) error {
	s, err := c.ProjectState(ctx, memory)
	if err != nil {
		return err
	}
	line := func(name, value string) { fmt.Fprintf(env.Stdout, "%-18s %s\n", name+":", value) }
	line("Project", s.Project)
	line("User", s.User)
	line("Version", s.Version)
	line("Up Time", s.UpTime.Round(time.Second).String())
	line("Processes", strconv.Itoa(s.Processes))
	line("Running Processes", strconv.Itoa(s.Running))
	fmt.Fprintln(env.Stdout, "File Names:")
	for _, file := range s.Files {
		fmt.Fprintf(env.Stdout, "\t - %s\n", file)
	}
	if m := s.Memory; m != nil {
		line("Allocated MB", strconv.FormatUint(m.Allocated, 10))
		line("Total Alloc MB", strconv.FormatUint(m.Total, 10))
		line("System MB", strconv.FormatUint(m.System, 10))
		line("GC Cycles", strconv.FormatUint(uint64(m.Cycles), 10))
	}
	return nil
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
		Use: "list", Aliases: []string{"ls"}, Short: "List the namespaces", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, members, err := namespaces(cmd.Context(), env)
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(members)) {
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
				c, ids, err := inNamespace(cmd.Context(), env, args[0])
				if err != nil {
					return err
				}
				_, layout, err := new(target).find(cmd.Context(), env)
				if err != nil {
					return err
				}
				return do(cmd.Context(), env, c, &actOptions{target: target{services: ids}, retries: manyExits, layout: layout})
			},
		})
	}
	return cmd
}

// inNamespace returns the services of a namespace.
func inNamespace(ctx context.Context, env *Env, name string) (*client.Client, []string, error) {
	c, members, err := namespaces(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	ids, ok := members[name]
	if !ok {
		return nil, nil, &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no namespace %q", name), Hint: "\"process-compose namespace list\" shows them"}
	}
	return c, ids, nil
}

// namespaces lists the running project's services by namespace.
func namespaces(ctx context.Context, env *Env) (*client.Client, map[string][]string, error) {
	c, err := new(target).running(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	members := map[string][]string{}
	for i := range state.Services {
		for _, name := range control.NamespacesOf(&state.Services[i]) {
			members[name] = append(members[name], string(state.Services[i].ID))
		}
	}
	return c, members, nil
}
