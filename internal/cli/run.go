package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

type copyOptions struct {
	target  target
	command []string
	surroundingOptions
	noTTY   bool
	noDeps  bool
	remove  bool
	detach  bool
	retries int
	guard   int // the pid of that of a project that was begun for the copy
}

func newRun(env *Env) *cobra.Command {
	var opts copyOptions
	cmd := &cobra.Command{
		Use:   "run [DEFINITION] [SERVICE] [--] [COMMAND [ARGUMENT...]]",
		Short: "Run a copy of a service once, or a command",
		Long: `Runs one more process like the main one of a service, once and in the foreground: in
its environment and folder, with its secrets, as its user, under limits of the same
size. With a command, that runs instead of the service's own. Flags of run come before
the name of the service. Without a service, "run -- COMMAND" has the container's own
environment.

What the service depends on is started first, and stays. Where nothing runs, the project
is begun with only that, and goes down after the last copy, unless somebody has started
something meanwhile. --no-deps starts nothing but the copy.

What it prints is kept as well: "nix2gpu logs SERVICE-run-1" shows the first copy's,
and the last 20 of each service are there. At a terminal the command gets one of its own,
of the same size. Its exit code is that of run. It ends with the project at the latest.

With -d it runs in the background, without a terminal; run prints its name once it runs.
In ps, status, wait, logs, stop and kill a copy is called by its name, "api-run-1"; "wait
--for exited" has its exit code. down ends it, too. Where nothing ran before, the project
goes down after it, in the background.

A copy is not supervised: its probes are not asked, and it is not restarted. One that
would need the ports of the running service is refused; with a command of its own it is
not, since only that knows where it listens.`,
		Example: `  nix2gpu run api -- npm test     the tests, beside the database that api needs
  nix2gpu run --rm api bash       a shell; nothing of it is kept
  nix2gpu run -d api -- make all  in the background: "logs -f api-run-1", "stop api-run-1"
  nix2gpu run --no-deps migrate   the service's own command, once more
  nix2gpu run -- env              what every service of the container has`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if cmd.ArgsLenAtDash() == 0 { // nothing stands before it
				opts.command = args
				err = opts.target.take(cmd.Context(), env, nil)
			} else {
				opts.command, err = opts.target.takeCommand(cmd.Context(), env, args)
			}
			if err != nil {
				return err
			}
			if len(opts.target.services) == 0 && len(opts.command) == 0 {
				return usageError("run needs the name of a service, or \"--\" and a command")
			}
			if err := notNegative("retries", opts.retries); err != nil {
				return err
			}
			return execFailed(runRun(cmd.Context(), env, &opts))
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().SetInterspersed(false)
	opts.addFlags(cmd)
	cmd.Flags().BoolVarP(&opts.noTTY, "no-tty", "T", false, "give the command no terminal of its own")
	cmd.Flags().BoolVar(&opts.noDeps, "no-deps", false, "do not start what the service depends on, nor wait for it")
	cmd.Flags().BoolVarP(&opts.detach, "detach", "d", false, "run it in the background, and print its name once it runs")
	cmd.Flags().BoolVar(&opts.remove, "rm", false, "keep nothing of what it prints")
	addRetries(cmd, &opts.retries)
	return cmd
}

func runRun(ctx context.Context, env *Env, opts *copyOptions) error {
	if opts.detach && env.handshake == nil {
		return opts.detachCopy(ctx, env)
	}
	if err := opts.needsTerminal(env); err != nil {
		return err
	}
	own, err := variables(env, opts.env)
	if err != nil {
		return err
	}
	c, layout, err := opts.target.find(ctx, env)
	none := errors.Is(err, control.ErrNotRunning) && err != error(errBooting) && env.remote.host == ""
	if err == nil {
		err = opts.in(ctx, env, c, layout, own)
	}
	if none || errors.Is(err, errEnding) {
		return opts.begin(ctx, env, own)
	}
	return err
}

// in runs the copy in a project that runs, and tells it how the copy has ended. If that is
// about to end, the error is errEnding.
func (opts *copyOptions) in(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, own []string) error {
	state, err := c.State(ctx)
	switch {
	case errors.Is(err, control.ErrNotRunning), err == nil && state.Phase != control.PhaseRunning:
		return errEnding
	case err != nil:
		return err
	}
	copied, err := opts.ask(ctx, env, c, layout)
	if err != nil {
		return err
	}
	exit, err := opts.live(ctx, env, copied, own)
	if err != nil {
		exit = project.Exit{Code: exitCode(execFailed(err)), Error: err.Error()}
	}
	// What fails is only that nobody learns it; it does if the project is ending.
	_ = tellEnd(ctx, c, control.EndedCopy{Name: copied.Name, Exit: &exit})
	if err != nil || exit.Success() {
		return err
	}
	return &endError{&exitError{code: exit.Code}}
}

// ask lets what the copy depends on be started, and asks what it is. Meanwhile it says
// for whom is waited.
func (opts *copyOptions) ask(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout) (*control.Copy, error) {
	req := control.RunRequest{Service: strings.Join(opts.target.services, ""), Command: opts.command, User: opts.user, Dir: opts.dir, NoDeps: opts.noDeps, Detached: opts.detach}
	needs, err := opts.needs(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(needs) == 0 {
		return c.Run(ctx, req)
	}
	var copied *control.Copy
	v := newWaiter(env, needs, string(project.Ready), opts.retries)
	over, err := v.beside(ctx, c, func(ctx context.Context) (err error) {
		copied, err = c.Run(ctx, req)
		return err
	})
	if over {
		return nil, v.fail(ctx, layout)
	}
	if err == nil {
		return copied, nil
	}
	if errors.Is(err, control.ErrFailed) {
		if state, err := c.State(ctx); err == nil {
			v.take(control.Message{State: state})
			if v.spared = false; v.anyLost() {
				v.explain(ctx, layout)
			}
		}
	}
	return nil, err
}

// needs are the ids of what the service depends on.
func (opts *copyOptions) needs(ctx context.Context, c *client.Client) (ids []string, err error) {
	if opts.noDeps || len(opts.target.services) == 0 {
		return nil, nil
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	named, err := pickServices(state.Services, opts.target.services)
	if err != nil || len(named) != 1 {
		return nil, err // that it is not one, is said by the supervisor
	}
	details, err := c.Details(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range details {
		if slices.Contains(d.Dependants, named[0].Label) {
			ids = append(ids, string(d.ID))
		}
	}
	return ids, nil
}

// live runs the copy to its end. The error says why it could not be run.
func (opts *copyOptions) live(ctx context.Context, env *Env, copied *control.Copy, own []string) (exit project.Exit, err error) {
	signals := make(chan os.Signal, 16)
	// PIPE is among them so that a reader of ours who goes away ends the command, and
	// not us before it.
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGPIPE)
	defer signal.Stop(signals)
	if err := handOver(ctx); err != nil {
		return exit, err
	}
	self, err := env.selfPath()
	if err != nil {
		return exit, err
	}
	host, err := process.New(process.Options{Launch: []string{self, "launch"}, Spare: opts.guard})
	if err != nil {
		return exit, err
	}
	defer host.Close()
	spec := specIn(&copied.Surroundings, own)
	spec.Name, spec.Path, spec.Argv, spec.StopSignal = copied.Name, copied.Path, copied.Argv, copied.Stop
	spec.Limits = process.LimitsOf(copied.Limits)
	for _, kv := range copied.Env {
		if cookie, ok := strings.CutPrefix(kv, process.CookieVar+"="); ok {
			spec.Cookie = cookie
		}
	}
	r := &relay{terminal: env.StdinTTY && env.StdoutTTY && !opts.noTTY, stderr: os.Stderr}
	if opts.detach {
		r.stderr = os.Stdout // which leads nowhere: ours is lent until the copy runs
	}
	if !opts.remove {
		if err := r.keep(copied.Logs, copied.Name); err != nil {
			fmt.Fprintf(env.Stderr, "nix2gpu: what it prints is not kept: %v\n", err)
		}
	}
	defer r.close()
	if err := r.open(&spec); err != nil {
		return exit, err
	}
	p, err := host.Start(spec)
	if err != nil {
		return exit, err
	}
	if err := p.Unlimited(); err != nil {
		fmt.Fprintf(env.Stderr, "nix2gpu: %v\n", err)
	}
	if r.log != nil {
		fmt.Fprintf(env.Stderr, "%s: started; \"nix2gpu logs %[1]s\" shows its output\n", copied.Name)
	}
	if err := r.begin(p.PID()); err != nil {
		return exit, err
	}
	if opts.detach {
		if err := env.detached(copied.Name); err != nil {
			return exit, err
		}
	}
	exit = attend(p, r, signals, time.Duration(copied.Grace))
	if len(p.Left()) == 0 { // else a process that can't be ended has the other end
		r.await(signals)
	}
	return exit, nil
}

// hangUpGrace is what a copy gets when its project or our terminal goes: whoever ends
// us then, waits for half a second.
const hangUpGrace = 300 * time.Millisecond

// attend waits for the end of a copy, and passes signals on: to all of it, as Ctrl-C at
// a terminal is.
func attend(p *process.Process, r *relay, signals <-chan os.Signal, grace time.Duration) project.Exit {
	for {
		select {
		case s := <-signals:
			switch s {
			case syscall.SIGWINCH:
				r.resize()
			case syscall.SIGPIPE: // the write says so
			case syscall.SIGTERM:
				_ = p.Terminate(0, false) // it may have ended just now
				time.AfterFunc(grace, p.Kill)
			case syscall.SIGHUP:
				_ = p.SignalGroup(project.SIGHUP)
				_ = p.Terminate(0, false)
				time.AfterFunc(hangUpGrace, p.Kill)
			default:
				_ = p.SignalGroup(project.Signal(s.(syscall.Signal)))
			}
		case <-p.Done():
			return p.Exit()
		}
	}
}

// errNoTerminal says why a command got no terminal.
func errNoTerminal(err error) error {
	return hint(errors.New("cannot open a terminal for the command: "+err.Error()), "run it without one: -T")
}
