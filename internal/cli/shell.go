package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"nix2gpu/image/daemon"
	"nix2gpu/project"
)

type shellOptions struct {
	loadOptions
	gpus    string
	noPorts bool
	command []string
}

func newShell(env *Env) *cobra.Command {
	var opts shellOptions
	cmd := &cobra.Command{
		Use:   "shell [DEFINITION] [-- COMMAND...]",
		Short: "Open a shell in the image",
		Long: `Opens a shell in a container of the image, in docker or podman, and removes it when
the shell ends. The image is built and loaded first, if it has changed. No service
runs: "process-compose up" in the shell starts them.

The container has the definition's folder as its working directory (/workspace), its
exposed ports (ssh's under a number that the engine chooses), and all GPUs if the
definition uses them and this machine has some. Secrets come from the same files and
variables as with "up". The engine learns the path of a file, and nothing of a variable.

With a COMMAND, that is run instead of a shell. The exit code is the command's.`,
		Example: `  nix2gpu shell                      a shell in this folder's only container
  nix2gpu shell .#web -- nvidia-smi  a command in that of web`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				args, opts.command = args[:n], args[n:]
				if len(opts.command) == 0 {
					return hint(usageError("no command after --"), "write one, or leave out --")
				}
			}
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			if err := opts.builtAlready(cmd, opts.from, "platform"); err != nil {
				return err
			}
			if err := oneOf("gpus", opts.gpus, "auto", "all", "none"); err != nil {
				return err
			}
			return runShell(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	cmd.Flags().StringVar(&opts.from, "from", "", "use this `image` instead of building one: an OCI layout folder or an archive")
	cmd.Flags().StringVar(&opts.into, "into", "", "the `engine`: docker or podman")
	cmd.Flags().StringVar(&opts.gpus, "gpus", "auto", "`which` GPUs: all, none, or auto: all if the definition uses them and there are some")
	cmd.Flags().BoolVar(&opts.noPorts, "no-ports", false, "publish no ports")
	cmd.RegisterFlagCompletionFunc("into", cobra.FixedCompletions([]string{"docker", "podman"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("gpus", cobra.FixedCompletions([]string{"auto", "all", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runShell(ctx context.Context, env *Env, opts *shellOptions) error {
	l, engine, err := opts.prepare(ctx, env)
	if err != nil {
		return err
	}
	names, err := opts.names(l)
	if err != nil {
		return err
	}
	src, err := opts.image(ctx, env, l, opts.from)
	if err != nil {
		return err
	}
	defer src.Close()
	loaded, err := engine.Load(ctx, daemon.Request{Source: src, Ref: names[0], Platform: strings.Join(opts.platforms, "")})
	if err != nil {
		return imageError(err)
	}
	if loaded.Reused < loaded.Layers {
		fmt.Fprintf(env.Stderr, "loaded into %s: %s\n", loaded.Engine, moved(loaded))
	}
	withGPUs := opts.wantsGPUs(env, l)
	env.endProgress() // from here on the container writes to stderr
	run := daemon.Run{Image: loaded.ID, Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, GPUs: withGPUs}
	if !opts.noPorts {
		if run.Ports, err = shellPorts(l.project); err != nil {
			return err
		}
	}
	command := opts.command
	if len(command) == 0 {
		command = []string{"bash"}
	}
	binds, variables := shellSecrets(env, l)
	run.Binds = append([]daemon.Bind{{From: l.root, To: workingDirOf(l.project)}}, binds...)
	run.Cmd = command
	if len(variables) > 0 {
		file, err := writeVariables(env, variables)
		if err != nil {
			return err
		}
		defer os.Remove(file)
		run.Binds = append(run.Binds, daemon.Bind{From: file, To: variablesFile, ReadOnly: true})
		run.Cmd = append([]string{"sh", "-c", ". " + variablesFile + ` && exec "$@"`, "sh"}, command...)
	}
	if env.StdinTTY && env.StdoutTTY {
		defer env.terminal(&run)()
	}
	code, err := engine.Run(ctx, run)
	if err != nil {
		return imageError(err)
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// prepare loads the definition and finds the engine, before anything is built.
func (o *shellOptions) prepare(ctx context.Context, env *Env) (*loaded, daemon.Engine, error) {
	if o.into != "" {
		if err := oneOf("into", o.into, "docker", "podman"); err != nil {
			return nil, nil, err
		}
	}
	if len(o.platforms) > 1 {
		return nil, nil, hint(usageError("a shell runs on one platform, and --platform names %s", strings.Join(o.platforms, " and ")), "name one of them")
	}
	l, err := o.target.load(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	l.writeNotes(env)
	if l.none {
		return nil, nil, hint(usageError("%s defines no container: there is nothing to open a shell in", l.name), defineContainer)
	}
	engine, err := env.engine(ctx, o.into, true)
	return l, engine, err
}

// wantsGPUs decides whether the container gets GPUs.
func (o *shellOptions) wantsGPUs(env *Env, l *loaded) bool {
	uses := l.project.Container.CUDA != "" || slices.ContainsFunc(l.project.Enabled(), func(id project.ID) bool { return l.project.Services[id].GPUs != nil })
	switch {
	case o.gpus != "auto":
		return o.gpus == "all"
	case !uses:
		return false
	case !env.daemonOptions().HasGPU():
		fmt.Fprintln(env.Stderr, "warning: the definition uses GPUs, and this machine has none for containers")
		return false
	}
	return true
}

func workingDirOf(p *project.Project) string { return orElse(p.Container.WorkingDir, "/workspace") }

// shellPorts returns the ports that the definition exposes, each published under its
// own number, without ssh's: on most machines that is taken.
func shellPorts(p *project.Project) ([]daemon.Port, error) {
	var out []daemon.Port
	for _, text := range p.Container.ExposedPorts {
		numbers, protocol, _ := strings.Cut(text, "/")
		low, high, isRange := strings.Cut(numbers, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return nil, fmt.Errorf("exposed port %q must be like \"8080/tcp\"", text)
		}
		to, err := strconv.Atoi(high)
		if err != nil {
			return nil, fmt.Errorf("exposed port %q must be like \"8080/tcp\"", text)
		}
		for n := from; n <= to; n++ {
			out = append(out, daemon.Port{Number: n, Protocol: orElse(protocol, "tcp"), Any: n == 22})
		}
	}
	return out, nil
}

// shellSecrets returns the files of secrets outside the definition's folder, and the
// variables of secrets. Those that don't exist here are left out, and the services
// will report them.
func shellSecrets(env *Env, l *loaded) (binds []daemon.Bind, variables map[string]string) {
	variables = map[string]string{}
	file := func(what string, t project.Text) {
		name, ok := t.Literal()
		if !ok || !path.IsAbs(name) || slices.ContainsFunc(binds, func(b daemon.Bind) bool { return b.To == name }) {
			return // the container has the folder
		}
		from, err := filepath.EvalSymlinks(name)
		if err != nil {
			fmt.Fprintf(env.Stderr, "warning: the container lacks %s: there is no file %s here\n", what, name)
			return
		}
		binds = append(binds, daemon.Bind{From: from, To: name, ReadOnly: true})
	}
	for _, name := range slices.Sorted(maps.Keys(l.project.Secrets)) {
		s := l.project.Secrets[name]
		what := fmt.Sprintf("secret %q", name)
		switch {
		case s.Env != "":
			if value, ok := env.LookupEnv(s.Env); ok {
				variables[s.Env] = value
			} else {
				fmt.Fprintf(env.Stderr, "warning: the container lacks %s: %s is not set here\n", what, s.Env)
			}
		case len(s.File) > 0:
			file(what, s.File)
		default:
			there := slices.IndexFunc(s.Identities, func(t project.Text) bool {
				name, ok := t.Literal()
				_, err := os.Stat(name)
				return ok && err == nil
			})
			if there < 0 {
				fmt.Fprintf(env.Stderr, "warning: the container lacks %s: none of its keys is here\n", what)
				continue
			}
			file("the key of "+what, s.Identities[there])
		}
	}
	return binds, variables
}

// variablesFile is the file that a shell in the container reads secret variables
// from. Given to the engine instead, they would stay in its records.
const variablesFile = "/run/nix2gpu-variables"

// writeVariables writes variables to a file that only we can read, in memory if
// there is a folder for that.
func writeVariables(env *Env, variables map[string]string) (string, error) {
	dir := env.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/dev/shm"
	}
	f, err := os.CreateTemp(dir, "nix2gpu-shell-") // its mode is 0600
	if err != nil {
		if f, err = os.CreateTemp("", "nix2gpu-shell-"); err != nil {
			return "", fmt.Errorf("cannot write the variables of secrets: %w", err)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(variables[name], "'", `'\''`))
	}
	_, err = io.WriteString(f, b.String())
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// terminal connects a run to our terminal, until undo is called.
func (e *Env) terminal(run *daemon.Run) (undo func()) {
	in, isFile := e.Stdin.(*os.File)
	out, outIsFile := e.Stdout.(*os.File)
	if !isFile || !outIsFile {
		return func() {}
	}
	run.Size = func() (columns, rows int) {
		columns, rows, _ = term.GetSize(int(out.Fd()))
		return columns, rows
	}
	run.Raw = func() (func(), error) {
		state, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, err
		}
		return func() { _ = term.Restore(int(in.Fd()), state) }, nil
	}
	if name := e.Getenv("TERM"); name != "" {
		run.Env = append(run.Env, "TERM="+name)
	}
	signals, resized := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, unix.SIGWINCH)
	go func() {
		for range signals {
			select {
			case resized <- struct{}{}:
			default: // one is pending, and the reader asks for the newest size
			}
		}
	}()
	run.Resized = resized
	return func() { signal.Stop(signals); close(signals) }
}
