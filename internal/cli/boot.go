package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/catalog"
	"nix2gpu/container"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
	"nix2gpu/session"
	"nix2gpu/stage"
)

type bootOptions struct {
	command      []string
	withServices bool
	logLevel     string
}

func newBoot(env *Env) *cobra.Command {
	var opts bootOptions
	cmd := &cobra.Command{
		Use:   "boot [COMMAND...]",
		Short: "Initialise a container, then run its services or a command",
		Long: `The entrypoint of an image. It initialises the container, then runs the services that
the image was built with. If there are none, it runs a shell at a terminal; without a
terminal the container stays until it is stopped. With a command, it initialises the
container and runs the command, but no services.

Nothing is evaluated: the project is in the image, as ` + container.ProjectFile + `.
A second boot does nothing twice.

` + stepsDoc(),
		Example: `  docker run -d shop                       the services
  docker run -it shop bash                 a shell, and no service
  docker run -it shop --with-services bash both`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.command = args
			return runBoot(cmd.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // flags behind the command belong to the command
	f.BoolVar(&opts.withServices, "with-services", false, "run the services beside the command")
	f.StringVar(&opts.logLevel, "log-level", "info", "`level` of the boot log: info, or debug, which prints it as well")
	return cmd
}

func stepsDoc() string {
	var b strings.Builder
	b.WriteString("The initialisation, in this order:\n")
	for _, s := range container.Steps() {
		fmt.Fprintf(&b, "\n    %-15s  %s", s.Name, s.Doc)
	}
	return b.String()
}

// say prints a message in the form of the supervisor's, before that runs.
func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "[nix2gpu] "+format+"\n", args...)
}

func runBoot(ctx context.Context, env *Env, opts bootOptions) error {
	// Boot changes accounts and keys, which must not happen to a host by mistake.
	if !env.inContainer() {
		return hint(usageError("boot runs inside an image, and this machine is not one: there is no %s", env.Baked),
			"here, services are started by \"nix2gpu up\"")
	}
	say(env.Stdout, "container initialization starting...")
	marked := container.MarkBoot(env.UID, true)
	if err := oneOf("log-level", opts.logLevel, "info", "debug"); err != nil {
		return err
	}
	if opts.withServices && len(opts.command) == 0 {
		return hint(usageError("--with-services is for a command: without one, the services run anyway"), "leave it out, or write a command behind it")
	}
	l, err := readBaked(env.Baked, nil)
	if err != nil {
		return err
	}
	named := target{takesProfiles: true}
	if err := named.narrow(env, l); err != nil {
		return err
	}
	if err := named.checkProfiles(env, l); err != nil {
		return err
	}
	l.writeNotes(env)
	m, err := l.initialise(ctx, env, opts.logLevel, marked)
	if ctx.Err() != nil {
		say(env.Stdout, "stopped during initialization")
		return nil // stopped as it was asked to: exit code 0
	}
	if err != nil {
		return err
	}
	env.Environ = m.Environ
	layout := rundir.Locate(env.rundirEnv(), l.instance(), l.root)
	b := &boot{env: env, opts: opts, loaded: l, layout: layout, keys: m.HasKeys}
	err = b.run(ctx)
	var ran *endError
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &ran) { // before anything was started
		say(env.Stdout, "stopped during initialization")
		return nil // stopped as it was asked to: exit code 0
	}
	return err
}

// A boot is the part of the verb that follows once the container is initialised.
type boot struct {
	*loaded
	env    *Env
	opts   bootOptions
	layout rundir.Layout
	keys   bool            // there are keys to log in with
	listen *project.Listen // as variables say; nil: as the project does
}

func (b *boot) run(ctx context.Context) error {
	ids, err := b.selected(nil, false)
	if err != nil {
		return err
	}
	if b.listen, err = (&listenFlags{}).of(b.env); err != nil {
		return err
	}
	shell := len(ids) == 0 && len(b.opts.command) == 0 && b.env.StdinTTY
	if shell {
		say(b.env.Stdout, "no services defined, starting interactive shell")
		b.opts.command = []string{"bash"}
	}
	if pid := b.layout.Holder(); pid != 0 {
		return b.second(ctx, pid, shell)
	}
	var refused map[project.ID]string
	if len(b.opts.command) > 0 && !b.opts.withServices {
		ids = nil
	} else if len(ids) > 0 {
		refusal, err := preflight(ctx, b.env, b.loaded, b.layout, ids, &upOptions{}, nil)
		if pid := b.layout.Holder(); pid != 0 && (refusal != nil || err != nil) {
			return b.second(ctx, pid, shell) // what is taken, the one has taken that began meanwhile
		}
		if err := cmp.Or(ctx.Err(), err); err != nil {
			return err
		}
		if refusal != nil {
			writeFaults(b.env, b.root, faults(refusal))
			refused = session.Reasons(refusal.Unmet)
		}
	} else {
		say(b.env.Stdout, "no services defined, staying until stopped")
	}
	stay := len(ids) == 0
	if b.startsSSHD(ctx) {
		ids = append(slices.Clone(ids), catalog.SSHD)
	}
	ids, refused = b.withTailscale(ctx, ids, refused)
	if len(b.opts.command) > 0 {
		return b.foreground(ctx, ids, refused, shell)
	}
	err = b.supervise(ctx, b.job(ids, refused, stay))
	var locked *rundir.LockedError
	if errors.As(err, &locked) && locked.Socket == "" { // another boot got the lock first
		say(b.env.Stdout, "already running as pid %d", locked.PID)
		return nil
	}
	return err
}

// second is a boot beside one that runs already, as pid. It changes nothing.
func (b *boot) second(ctx context.Context, pid int, shell bool) error {
	if len(b.opts.command) > 0 {
		return b.foreground(ctx, nil, nil, shell)
	}
	say(b.env.Stdout, "already running as pid %d", pid)
	return nil
}

func (b *boot) job(ids []project.ID, refused map[project.ID]string, stay bool) *session.Job {
	return &session.Job{
		Project: b.valid, Services: ids, Refused: refused, Stay: stay, Listen: b.listen, Once: true, Root: b.root, Container: b.container,
		Definition: b.name, Socket: b.env.rundirEnv().Socket, Color: b.env.bootColors(),
		Reload: []string{"config", "--output", "project"}, Untested: true,
	}
}

// supervise runs the job. PID 1 runs it in this process: nothing was evaluated, so
// there is no memory to give back, and no signal is lost between two programs.
func (b *boot) supervise(ctx context.Context, j *session.Job) error {
	if !process.IsInit() {
		return become(ctx, b.env, j, nil)
	}
	self, err := b.env.selfPath()
	if err != nil {
		return err
	}
	if b.env.Getenv("GOGC") == "" { // Main lets the heap grow, for commands that end soon
		debug.SetGCPercent(100)
	}
	code, err := session.Run(ctx, session.Options{
		RunDir: b.env.rundirEnv(), Environ: b.env.Environ, Self: self, Stdout: b.env.Stdout, Version: Version, Wire: newPCWire(b.env, j),
	}, j)
	if err != nil {
		return &endError{err}
	}
	if code != 0 {
		return &endError{&exitError{code: code}}
	}
	return nil
}

// startsSSHD reports whether the container's own sshd is to run. Where somebody
// could log in and it can't run, it prints why.
func (b *boot) startsSSHD(ctx context.Context) bool {
	s := b.project.Services[catalog.SSHD]
	switch {
	case s == nil || !s.System || b.env.UID != 0:
		return false
	case !b.keys && !namesKeys(b.project.Container.SSHDConfig):
		return false // there is nothing to log in with
	}
	m, err := b.machine(b.env, b.layout)
	if err != nil {
		return false
	}
	unmet, err := m.Preconditions(ctx, b.project, []project.ID{catalog.SSHD}, nil)
	// A port that is taken may become free: the supervisor names the holder and tries again.
	unmet = slices.DeleteFunc(unmet, func(u session.Precondition) bool { return u.Kind == session.PortTaken })
	if err == nil && len(unmet) > 0 {
		err = errors.New(unmet[0].Msg)
	}
	if err == nil {
		err = b.checkSSHD(m)
	}
	if err != nil {
		say(b.env.Stderr, "sshd is not started: %v", err)
		return false
	}
	return true
}

// namesKeys reports whether a configuration of sshd names a source of keys.
func namesKeys(config string) bool {
	config = strings.ToLower(config)
	for _, word := range []string{"authorizedkeysfile", "authorizedkeyscommand", "trustedusercakeys"} {
		if strings.Contains(config, word) {
			return true
		}
	}
	return false
}

// checkSSHD lets sshd test its own configuration.
func (b *boot) checkSSHD(m session.Machine) error {
	return m.Aside(func(st *stage.Stage) error {
		proc := b.project.Processes[catalog.SSHD]
		launch, err := st.PrepareExec(b.project, proc, proc.Command, nil)
		if err != nil {
			return err
		}
		argv := slices.DeleteFunc(slices.Clone(launch.Argv[1:]), func(arg string) bool { return arg == "-D" })
		cmd := exec.Command(launch.Path, append([]string{"-t"}, argv...)...)
		cmd.Args[0] = launch.Argv[0]
		cmd.Env = launch.Env
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) > 0 {
			file := argv[len(argv)-1] // which is removed again
			said := strings.ReplaceAll(strings.TrimSpace(string(out)), file, filepath.Base(file))
			return errors.New(strings.Join(strings.FieldsFunc(said, func(r rune) bool { return r == '\r' || r == '\n' }), "; "))
		}
		return err
	})
}

// initialise runs the boot steps that have not yet run in this life of the
// container. marked is the error of marking that we boot, which others look for.
func (l *loaded) initialise(ctx context.Context, env *Env, level string, marked error) (*container.Machine, error) {
	log, end := l.bootLog(env, level)
	defer end()
	if marked != nil {
		log.Info("others are not told of this boot", "err", marked)
	}
	m := &container.Machine{
		UID: env.UID, Environ: env.Environ, CPUs: runtime.NumCPU(), Log: log,
		Tell: func(line, hint string) {
			say(env.Stderr, "%s", line)
			if hint != "" {
				say(env.Stderr, "hint: %s", hint)
			}
		},
	}
	m.Project = l.asDefined()
	m.Exec = execTool
	m.Startup = func(ctx context.Context) error { return l.startup(ctx, env, m) }
	err := m.Run(ctx)
	var failed *container.StepError
	if errors.As(err, &failed) {
		err = hint(fmt.Errorf("%w; boot does not go on", err), "to look inside the image without booting it: docker run -it --entrypoint bash IMAGE")
	}
	return m, err
}

// bootLog opens the log of the boot steps: a file beside the supervisor's log, and
// at level debug stderr as well.
func (l *loaded) bootLog(env *Env, level string) (log *slog.Logger, end func()) {
	opts := &slog.HandlerOptions{}
	var to []io.Writer
	if level == "debug" {
		opts.Level = slog.LevelDebug
		to = append(to, env.Stderr)
	}
	end = func() {}
	state := rundir.Locate(env.rundirEnv(), l.instance(), l.root).State
	if os.MkdirAll(filepath.Dir(state), 0o755) == nil && safefile.MakeFolder(state, 0o755) == nil {
		if f, err := safefile.Append(filepath.Join(state, "boot.log"), 0o600); err == nil {
			to = append(to, f)
			end = func() { f.Close() }
		}
	}
	return slog.New(slog.NewTextHandler(io.MultiWriter(to...), opts)), end
}

// startup runs extraStartupScript. What it leaves in the background goes on
// running, unless the script itself was stopped.
func (l *loaded) startup(ctx context.Context, env *Env, m *container.Machine) error {
	machine, err := l.machine(env, rundir.Locate(env.rundirEnv(), l.instance(), l.root))
	if err != nil {
		return err
	}
	machine.Environ = m.Environ // with what the steps before have added
	proc := &project.Process{ID: "startup", Service: "startup", Role: project.Init}
	launch, err := machine.Stage().PrepareExec(l.project, proc, project.Command{
		Shell: l.project.Container.Startup, ShellArgv: []string{"bash", "-c"},
	}, project.RootPath(""))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, launch.Path, launch.Argv[1:]...)
	cmd.Args[0], cmd.Env, cmd.Dir = launch.Argv[0], launch.Env, launch.Dir
	cmd.Stdin = nil
	cmd.Stdout, cmd.Stderr = env.Stdout, env.Stderr
	// The script has a process group of its own, so that a signal reaches what it
	// runs: a shell waits for that before it acts on a signal. Unless we are PID 1,
	// it would outlive us as well.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var deadline time.Time
	cmd.Cancel = func() error {
		deadline = time.Now().Add(scriptGrace)
		return process.SignalGroup(cmd.Process.Pid, project.SIGTERM)
	}
	cmd.WaitDelay = scriptGrace
	err = cmd.Run()
	if !deadline.IsZero() && !process.IsInit() { // the end of PID 1 ends everything anyway
		for process.SignalGroup(cmd.Process.Pid, 0) == nil && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		_ = process.SignalGroup(cmd.Process.Pid, project.SIGKILL) // whatever is left of it
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errors.New(strings.Replace(exit.String(), "exit status", "exit code", 1))
	}
	return err
}

// scriptGrace is how long a script has, after SIGTERM, when the container is stopped.
const scriptGrace = 500 * time.Millisecond
