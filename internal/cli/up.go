package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/catalog"
	"nix2gpu/compose"
	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

type upOptions struct {
	target      target
	detach      bool
	wait        bool
	waitTimeout time.Duration
	retries     int
	dryRun      bool
	noDeps      bool
	install     bool
	strict      bool
	logFormat   string
	keep        bool // stay when no service runs any more, whatever the definition says
	ending
	listen listenFlags
	token  string // of the control API over TCP, which a variable holds
	anew   bool   // what was printed before is removed
	guard  int    // the pid of the guard that detach has started
}

func newUp(env *Env) *cobra.Command {
	var opts upOptions
	cmd := &cobra.Command{
		Use:   "up [DEFINITION] [SERVICE...]",
		Short: "Run the services of a definition",
		Long: `Runs the services of a definition, in the order of their dependencies, and prints
what they print. Ctrl-C stops them in reverse order; a second one kills them.

With names, only those services and what they depend on. What can't run on this
machine (because a package, a program or a user is missing, or a port is taken) is
refused: ps says why, the others run, and the exit code is 1 in the end; with
--strict nothing is started.

When the project already runs, up makes it what the definition says now, starts
what is missing, and then follows the logs.`,
		Example: `  nix2gpu up                         everything in flake.nix or nix2gpu.nix
  nix2gpu up postgresql              only the database
  nix2gpu up ./stack.nix#web -d      in the background
  nix2gpu up -d --wait               the same, and return when all is healthy
  nix2gpu up --exit-code-from tests  until they have ended, with their exit code
  nix2gpu up --dry-run               print what would run`,
		ValidArgsFunction: completeDefined(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runUp(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	addUpFlags(env, cmd, &opts, "d", "t")
	return cmd
}

// addUpFlags adds the flags of "up" that both names of the program have. detach and
// timeout are the one-letter forms of --detach and --timeout, or "".
func addUpFlags(env *Env, cmd *cobra.Command, opts *upOptions, detach, timeout string) {
	f := cmd.Flags()
	f.BoolVarP(&opts.detach, "detach", detach, false, "run in the background; return when the services were started")
	f.BoolVar(&opts.wait, "wait", false, "run in the background; return when all are healthy")
	f.DurationVar(&opts.waitTimeout, "wait-timeout", 0, "give up waiting after this `duration`; exit code 124")
	addRetries(cmd, &opts.retries)
	f.BoolVar(&opts.dryRun, "dry-run", false, "print what would run, as process-compose YAML with secrets masked")
	f.BoolVar(&opts.noDeps, "no-deps", false, "run only the named services, and let them wait for nothing")
	addNoWatchFlag(cmd, &opts.target)
	f.BoolVar(&opts.install, "install", false, "install missing packages with apt-get")
	f.BoolVar(&opts.strict, "strict", false, "start nothing if one of the services can't run on this machine")
	opts.ending.addFlags(env, cmd, timeout)
	addProfileFlag(env, cmd, &opts.target)
	addScaleFlag(cmd, &opts.target)
	opts.listen.addFlags(cmd)
	f.StringVar(&opts.logFormat, "log-format", "text", "`format` of the output: text or json")
	cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// addNoWatchFlag adds what makes "watch" have no effect.
func addNoWatchFlag(cmd *cobra.Command, t *target) {
	cmd.Flags().BoolVar(&t.noWatch, "no-watch", false, "do not restart services when files change, whatever \"watch\" says")
}

func runUp(ctx context.Context, env *Env, opts upOptions) error {
	if err := oneOf("log-format", opts.logFormat, "text", "json"); err != nil {
		return err
	}
	if opts.noDeps && len(opts.target.services) == 0 {
		return usageError("--no-deps needs the name of a service")
	}
	switch limit := opts.waitTimeout; {
	case limit < 0:
		return usageError("--wait-timeout must be more than 0, not %v", limit)
	case limit > 0 && !opts.wait && !opts.detach:
		return usageError("--wait-timeout needs --wait or --detach")
	}
	if err := notNegative("retries", opts.retries); err != nil {
		return err
	}
	if opts.logFormat != "text" && (opts.wait || opts.detach) {
		return hint(usageError("--log-format is for output that is shown, and with --detach or --wait there is none"), "nix2gpu logs -o json")
	}
	if opts.leave && opts.keep {
		return usageError("--exit-when-complete and --keep-project exclude each other")
	}
	var early *ahead
	if !opts.detach && !opts.wait && !opts.dryRun && !opts.target.isBaked(env) {
		early = startAhead(env)
		defer func() { early.leave() }()
	}
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	ids, err := l.selected(opts.target.services, opts.noDeps)
	if err != nil {
		return err
	}
	end, err := opts.ending.of(l, ids)
	if err != nil {
		return err
	}
	over, err := opts.listen.of(env)
	if err != nil {
		return err
	}
	if opts.dryRun {
		l.writeNotes(env)
		return dryRun(env, l.asDefined(), ids)
	}
	if err := l.finishBoot(ctx, env); err != nil {
		return err
	}
	u := &upRun{
		env: env, opts: &opts, def: l, job: opts.job(env, l, ids, end, over),
		layout: rundir.Locate(env.rundirEnv(), l.instance(), l.root), early: early,
		notes: sync.OnceFunc(func() {
			l.writeNotes(env)
			l.writeHostPython(env)
			l.noteTailscale(env, ids)
			l.noteStartup(env)
		}),
	}
	return untilOurs(ctx, u.layout, u.join, u.begin)
}

// finishBoot runs, in an image of ours, the steps of boot that have not run yet.
func (l *loaded) finishBoot(ctx context.Context, env *Env) error {
	if !l.baked {
		return nil
	}
	m, err := l.initialise(ctx, env, "info", nil)
	if err == nil {
		env.Environ = m.Environ
	}
	return err
}

// An upRun is one run of "up", once it is known what to run.
type upRun struct {
	env    *Env
	opts   *upOptions
	def    *loaded
	job    *session.Job
	layout rundir.Layout
	early  *ahead // nil: the supervisor starts once all is known
	notes  func() // prints the notes, the first time
}

// job describes for the supervisor what to run, and how.
func (o *upOptions) job(env *Env, l *loaded, ids []project.ID, end session.Ending, over *project.Listen) *session.Job {
	given := o.target.given(env, l)
	return &session.Job{
		Project: l.valid, Services: ids, Named: len(o.target.services) > 0, Token: o.token, TruncateLogs: o.anew, NoDeps: o.noDeps, Stay: o.keep, Ending: end, Listen: over,
		Root: l.root, Container: l.instance(), Definition: l.name, Files: l.shownFiles(), Socket: env.rundirEnv().Socket,
		LogJSON: o.logFormat == "json", Color: env.colorMode(),
		Terminal: env.StdoutTTY && o.logFormat != "json" && !env.inContainer(), // a container's log is the same with and without a terminal
		Reload:   o.target.again(l, given), Given: given, Detached: o.detach || o.wait, Untested: !o.strict,
	}
}

// join makes the running project what the definition says, and follows it for as
// long as the flags ask for.
func (u *upRun) join(ctx context.Context) error {
	u.early.leave()
	u.notes()
	c := client.New(u.layout.Socket)
	if u.opts.listen.Address != "" {
		return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("a project runs here already, as pid %d: --listen is for one that starts now", u.layout.Holder()),
			Hint: "stop it first with \"nix2gpu down\""}
	}
	if err := converge(ctx, u.env, u.job, c, u.layout); err != nil {
		return err
	}
	if u.opts.detach || u.opts.wait {
		return awaitUp(ctx, u.env, u.opts, c, u.layout, u.job.Services, func() {})
	}
	return followAll(ctx, u.env, c, u.layout, u.job)
}

// begin starts the supervisor: in the background, or in place of this process.
func (u *upRun) begin(ctx context.Context) error {
	switch {
	case len(u.job.Services) > 0:
	case u.opts.staysIdle(u.def.project):
		u.job.Stay = true
		fmt.Fprintf(u.env.Stderr, "note: every process is disabled; %q starts one\n", u.env.name()+" start NAME")
	default:
		u.notes()
		fmt.Fprintln(u.env.Stderr, u.def.nothing())
		return nil
	}
	u.job.Tested = map[project.ID]string{}
	refusal, err := preflight(ctx, u.env, u.def, u.layout, u.job.Services, u.opts,
		func(id project.ID, digest string) { u.job.Tested[id] = digest })
	if (refusal != nil || err != nil) && u.layout.Holder() != 0 {
		// The ports and folders may be taken by the one that began meanwhile.
		return &takenError{hint(errors.New("another project began here"), "try again")}
	}
	if err != nil {
		return err // the notes would only distract from it
	}
	u.job.Refused = nil // an earlier try may have set it
	if refusal != nil {
		writeFaults(u.env, u.def.root, faults(refusal))
		u.job.Refused = session.Reasons(refusal.Unmet)
	}
	u.notes()
	if u.opts.detach || u.opts.wait {
		return detach(ctx, u.env, u.opts, u.job, u.layout)
	}
	return become(ctx, u.env, u.job, u.early)
}

// staysIdle reports whether a project of which nothing is enabled runs all the same: its
// processes can be started by name. What namespaces leave out can't be meant by that.
func (o *upOptions) staysIdle(p *project.Project) bool {
	return p.Compose && len(p.Services) > 0 && len(p.Profiles()) == 0 && len(o.target.namespaces) == 0 && !o.leave
}

// writeNotes prints the notes on a definition, and who may write to it.
func (l *loaded) writeNotes(env *Env) {
	for _, n := range l.notes {
		fmt.Fprintln(env.Stderr, n)
	}
	l.writeWriters(env)
}

// nothingDefined is the message for a definition without services.
const nothingDefined = "no services defined, nothing to run"

// nothing returns why there is nothing to run. The project holds no service that is
// not enabled, so these are looked for among the options.
func (l *loaded) nothing() string {
	if profiles := l.project.Profiles(); len(profiles) > 0 {
		return fmt.Sprintf("every service has a profile, nothing to run\nhint: --profile %s", profiles[0])
	}
	var defined []string
	if l.config != nil {
		for _, typ := range l.config.Keys("services") {
			if t, ok := catalog.Find(typ); ok && t.Name != typ {
				continue // an alias: its instances are listed under the type's name too
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

// again returns the arguments that evaluate the same definition again, from any folder, but
// for what may change while it runs: see session.kept.
func (t *target) again(l *loaded, given *control.Given) []string {
	args := []string{"config", "--output", "project"}
	add := func(flag string, values []string) {
		for _, v := range values {
			args = append(args, flag, v)
		}
	}
	add("--file", l.files)
	if l.container != "" {
		add("--container", []string{l.container})
	}
	if given != nil {
		add("--module", given.Modules)
		add("--env", given.EnvFiles)
		add("--namespace", given.Namespaces)
		add("--disabled", given.Disabled)
		if given.NoDotEnv {
			args = append(args, "--disable-dotenv")
		}
	}
	return args
}

// given is what was given of that beside the definition; nil: nothing.
func (t *target) given(env *Env, l *loaded) *control.Given {
	g := &control.Given{Namespaces: t.namespaces, Disabled: t.disabled, NoDotEnv: t.noDotEnv}
	for _, m := range t.modules {
		g.Modules = append(g.Modules, env.path(m))
	}
	for _, f := range t.envFiles {
		g.EnvFiles = append(g.EnvFiles, absolute(l.root, f))
	}
	if len(g.Modules)+len(g.EnvFiles)+len(g.Namespaces)+len(g.Disabled) == 0 && !g.NoDotEnv {
		return nil
	}
	return g
}

// addGivenFlags adds what a supervisor passes on of the project that runs.
func addGivenFlags(cmd *cobra.Command, t *target) {
	f := cmd.Flags()
	addNoWatchFlag(cmd, t)
	f.StringArrayVar(&t.envFiles, "env", nil, "")
	f.BoolVar(&t.noDotEnv, "disable-dotenv", false, "")
	f.StringArrayVar(&t.namespaces, "namespace", nil, "")
	f.StringArrayVar(&t.disabled, "disabled", nil, "")
	f.StringArrayVar(&t.keptProfiles, "kept-profile", nil, "")
	for _, name := range []string{"no-watch", "env", "disable-dotenv", "namespace", "disabled", "kept-profile"} {
		f.MarkHidden(name)
	}
}

// keep makes t that of a project that runs, where t says nothing else.
func (t *target) keep(state *control.State) {
	t.keptProfiles, t.noWatch = state.Profiles, state.NoWatch
	g := state.Given
	if g == nil {
		return
	}
	if len(t.modules) == 0 {
		t.modules = g.Modules
	}
	if len(t.envFiles) == 0 {
		t.envFiles = g.EnvFiles
	}
	if len(t.namespaces) == 0 {
		t.namespaces = g.Namespaces
	}
	t.disabled, t.noDotEnv = g.Disabled, g.NoDotEnv
}
