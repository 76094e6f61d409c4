package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nix2gpu/catalog"
	"nix2gpu/compose"
	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

type upOptions struct {
	target      target
	detach      bool
	wait        bool
	waitTimeout time.Duration
	dryRun      bool
	noDeps      bool
	install     bool
	strict      bool
	logFormat   string
	keep        bool // stay when nothing runs any more, whatever the definition says
}

func newUp(env *Env) *cobra.Command {
	var opts upOptions
	cmd := &cobra.Command{
		Use:   "up [DEFINITION] [SERVICE...]",
		Short: "Run the services of a definition",
		Long: `Runs the services of a definition, in the order of their dependencies, and prints
what they print. Ctrl-C stops them in reverse order; a second one kills them.

With names, only those services and what they depend on. What can't run on this
machine (a package, a program, a user or a port that is not there to be had) is
refused: ps says why, the others run, and the exit code is 1 in the end; with
--strict nothing is started.

When the project already runs, up brings it to what the definition says now, starts
what is missing and then follows the logs.`,
		Example: `  nix2gpu up                         everything in flake.nix or nix2gpu.nix
  nix2gpu up postgresql              only the database
  nix2gpu up ./stack.nix#web -d      in the background
  nix2gpu up -d --wait               the same, and return when all is healthy
  nix2gpu up --dry-run               print what would run`,
		ValidArgsFunction: completeDefined(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(args); err != nil {
				return err
			}
			return runUp(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	addUpFlags(cmd, &opts, "d")
	return cmd
}

// addUpFlags adds the flags of up that both names of the program have.
func addUpFlags(cmd *cobra.Command, opts *upOptions, detach string) {
	f := cmd.Flags()
	f.BoolVarP(&opts.detach, "detach", detach, false, "run in the background; return when the services were started")
	f.BoolVar(&opts.wait, "wait", false, "run in the background; return when all are healthy")
	f.DurationVar(&opts.waitTimeout, "wait-timeout", 0, "give up waiting after this `duration`; exit code 124")
	f.BoolVar(&opts.dryRun, "dry-run", false, "print what would run, as process-compose YAML with secrets masked")
	f.BoolVar(&opts.noDeps, "no-deps", false, "run only the named services, and let them wait for nothing")
	f.BoolVar(&opts.install, "install", false, "install missing packages with apt-get")
	f.BoolVar(&opts.strict, "strict", false, "start nothing when one of the services can't run on this machine")
	f.StringVar(&opts.logFormat, "log-format", "text", "`format` of the output: text or json")
}

func runUp(ctx context.Context, env *Env, opts upOptions) error {
	if err := oneOf("log-format", opts.logFormat, "text", "json"); err != nil {
		return err
	}
	if opts.noDeps && len(opts.target.services) == 0 {
		return usageError("--no-deps needs the name of a service")
	}
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	ids, err := l.selected(opts.target.services, opts.noDeps)
	if err != nil {
		return err
	}
	if opts.dryRun {
		l.writeNotes(env)
		return dryRun(env, l.project, ids)
	}
	renv := env.rundirEnv()
	layout := rundir.Locate(renv, l.container, l.root)
	notes := sync.OnceFunc(func() { l.writeNotes(env) })
	for tries := 0; ; {
		if layout.Holder() != 0 {
			notes()
			c := client.New(layout.Socket)
			if err := converge(ctx, env, &opts, l, ids, c, layout); !errors.Is(err, errEnding) {
				return err
			}
			if err := gone(ctx, c, layout); err != nil {
				return err
			}
			continue
		}
		if len(ids) == 0 {
			notes()
			fmt.Fprintln(env.Stderr, l.nothing())
			return nil
		}
		refusal, err := preflight(ctx, env, l, layout, ids, &opts)
		if (refusal != nil || err != nil) && layout.Holder() != 0 {
			continue // what stands in the way may be of one that began meanwhile
		}
		if err != nil {
			return err // which says more than the notes
		}
		var refused map[project.ID]string
		if refusal != nil {
			writeFaults(env.Stderr, env.Dir, l.root, faults(refusal))
			refused = session.Reasons(refusal.Unmet)
		}
		notes()
		err = begin(ctx, env, &opts, l, ids, refused, layout)
		var taken *takenError
		if !errors.As(err, &taken) {
			return err
		}
		// It has not said who it is, or has ended already. One that never does,
		// in another container say, can't be joined.
		if tries++; tries > 50 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// begin starts the supervisor, in the background or in our place.
func begin(ctx context.Context, env *Env, opts *upOptions, l *loaded, ids []project.ID, refused map[project.ID]string, layout rundir.Layout) error {
	j := &session.Job{
		Project: l.valid, Services: ids, NoDeps: opts.noDeps, Refused: refused, Stay: opts.keep, Root: l.root, Container: l.container,
		Definition: l.name, Socket: env.rundirEnv().Socket,
		LogJSON: opts.logFormat == "json", Color: env.colorMode(),
		Reload: opts.target.again(env, l),
	}
	if opts.detach || opts.wait {
		return detach(ctx, env, opts, j, layout)
	}
	return become(env, j)
}

// writeNotes prints what a reader of the definition should know.
func (l *loaded) writeNotes(env *Env) {
	for _, n := range l.notes {
		fmt.Fprintln(env.Stderr, n)
	}
}

// nothingDefined is said of a definition without services.
const nothingDefined = "no services defined, nothing to run"

// nothing says why there is nothing to run. A service that is not enabled is
// no part of the project, so its options are looked through.
func (l *loaded) nothing() string {
	var defined []string
	if l.config != nil {
		for _, typ := range l.config.Keys("services") {
			if t, ok := catalog.Find(typ); ok && t.Name != typ {
				continue // another name of a type that comes anyway
			}
			for _, instance := range l.config.Keys("services", typ) {
				defined = append(defined, "services."+typ+"."+strconv.Quote(instance))
			}
		}
	} else if n := len(l.project.Services); n > 0 {
		return fmt.Sprintf("no service is enabled, nothing to run: %s defined", count(n, "service"))
	}
	if len(defined) == 0 {
		return nothingDefined
	}
	return fmt.Sprintf("no service is enabled, nothing to run: %s defined\nhint: %s.enable = true;", count(len(defined), "service"), defined[0])
}

func dryRun(env *Env, p *project.Project, ids []project.ID) error {
	data, err := compose.Encode(p.Masked(), compose.EncodeOptions{Services: ids})
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(data)
	return err
}

// become replaces this process, and all that evaluation has left in its
// memory, by the guard of the one that supervises or, as PID 1, by that one.
func become(env *Env, j *session.Job) error {
	f, err := j.File()
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		return err
	}
	args := []string{env.Args[0], "guard", "supervise", fmt.Sprint(f.Fd()), attached}
	if process.IsInit() { // its end is the container's
		args = []string{env.Args[0], "supervise", fmt.Sprint(f.Fd())}
	}
	err = syscall.Exec(env.Self, args, env.Environ)
	return fmt.Errorf("cannot execute %s anew: %v", env.Self, err)
}

// again are the arguments that evaluate the same definition anew, from any
// folder; none when they can't say it.
func (t *target) again(env *Env, l *loaded) []string {
	if len(t.namespaces)+len(t.envFiles)+len(t.disabled) > 0 || t.noDotEnv {
		return nil
	}
	args := []string{"config", "--output", "project"}
	for _, f := range l.files {
		args = append(args, "--file", f)
	}
	if l.container != "" {
		args = append(args, "--container", l.container)
	}
	for _, m := range t.modules {
		args = append(args, "--module", env.path(m))
	}
	return args
}

// errEnding says that what runs is about to end: it can't be joined, only
// waited for.
var errEnding = errors.New("the project is ending")

// converge brings a running project to what the definition says now.
func converge(ctx context.Context, env *Env, opts *upOptions, l *loaded, ids []project.ID, c *client.Client, layout rundir.Layout) error {
	state, err := awaitAnswer(ctx, c, layout)
	if err != nil {
		return err
	}
	if state.Phase != "running" {
		return errEnding
	}
	if state.Definition != l.name {
		return hint(&control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("%s runs here already, as pid %d", state.Definition, state.PID)},
			"stop it with \"nix2gpu down\", or put %s into a folder of its own", l.name)
	}
	data, err := l.project.Encode()
	if err != nil {
		return err
	}
	changes, err := c.Reload(ctx, data)
	if errors.Is(err, control.ErrNotRunning) {
		return errEnding // between the question and this
	}
	if err != nil {
		return err
	}
	for _, c := range []struct {
		verb  string
		names []string
	}{{"added", changes.Added}, {"changed", changes.Changed}, {"removed", changes.Removed}} {
		for _, name := range c.names {
			fmt.Fprintf(env.Stderr, "%s: %s\n", name, c.verb)
		}
	}
	var names []string
	for _, id := range ids {
		names = append(names, string(id))
	}
	start := c.StartMissing
	if len(opts.target.services) > 0 {
		start = c.Start // what is asked for by name runs again, completed or not
	}
	fmt.Fprintf(env.Stderr, "already running as pid %d: starting what is missing\n", state.PID)
	if len(names) > 0 {
		if _, err := start(ctx, names, opts.noDeps); err != nil {
			return err
		}
	}
	if opts.detach || opts.wait {
		return awaitUp(ctx, env, opts, c, layout, ids, func() {})
	}
	return followAll(ctx, env, c, layout, names)
}

// awaitAnswer waits for a supervisor that holds the lock and has not opened
// its socket yet, or is about to end.
func awaitAnswer(ctx context.Context, c *client.Client, layout rundir.Layout) (*control.State, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		state, err := c.State(ctx)
		if err == nil || !errors.Is(err, control.ErrNotRunning) {
			return state, err
		}
		pid := layout.Holder()
		if pid == 0 {
			return nil, errEnding
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, elsewhere(layout, pid)
		}
	}
}

// completeDefined completes files and, where something runs, its services.
func completeDefined(env *Env) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	services := completeServices(env)
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		names, _ := services(cmd, args, typed)
		return names, cobra.ShellCompDirectiveDefault
	}
}

// handover names the descriptors that a detached supervisor inherits.
const (
	jobFD   = 3
	readyFD = 4
)

// A handshake is what a detached supervisor says before it is on its own.
type handshake struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code,omitempty"`
	Taken bool   `json:"taken,omitempty"` // another was faster: it can be joined
}

// A takenError says that another supervisor was faster.
type takenError struct{ err error }

func (e *takenError) Error() string { return e.err.Error() }
func (e *takenError) Unwrap() error { return e.err }

// devNull is what a detached supervisor has for streams.
func devNull() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
