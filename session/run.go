package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/console"
	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/logcopy"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// pid1Budget limits how long a whole stop takes in a container, which docker kills
// after 10 s.
const pid1Budget = 9 * time.Second

// Options are what a session knows of the process that it runs in. RunDir, Self and
// Stdout are required.
type Options struct {
	RunDir  rundir.Env
	Environ []string // "NAME=value"; for services, and for the evaluation of a reload
	Self    string   // the path of our own binary, for as long as the session lasts
	Stdout  io.Writer
	Version string
	Wire    server.Wire // how process-compose's clients describe processes; nil: not at all
	Guard   int         // the descriptor of our guard; 0: there is none

	Up    func() // called once the control socket is open, just before services start; may be nil
	Heard func() // called at the end; returns once the process that waited for Up has seen how it went; may be nil
}

// A session holds the parts of one run, in the order in which they are opened.
type session struct {
	Machine
	opts       Options
	job        *Job
	log        *slog.Logger
	host       *process.Host
	hub        *servicelog.Hub
	engine     *supervisor.Engine
	rehearsal  *rehearsal // nil: everything was tested before
	server     *server.Server
	watch      watch
	memory     oomKills
	signals    signalHandler
	copies     copies
	alive      context.Context // until the engine has ended
	ended      func()          // ends it
	reloading  sync.Mutex      // of the engine and of what goes with it
	evaluating sync.Mutex
	meter      meter
	keeping    sync.WaitGroup // of what is written when all has settled
	planned    planned
	made       madeEnv
	files      fileWatches
	consoles   console.Set
	logCopies  logcopy.Set
	startups   struct {
		sync.Mutex
		kept [sha256.Size]byte // what was written last
	}
	stuck  bool           // what could not be ended lives on, and was named
	flush  func()         // writes what is left of the output, the first time
	closes []func() error // undo what was opened, last first
}

// Run runs the job, and returns the code that the project ended with. The error says
// why it could not be run, or not be closed. When ctx ends, the project is stopped in
// order, as by SIGTERM.
func Run(ctx context.Context, opts Options, j *Job) (code int, err error) {
	if j.Socket != "" {
		opts.RunDir.Socket = j.Socket
	}
	s := &session{opts: opts, job: j, signals: signalHandler{now: time.Now, terminal: hasTerminal()}, Machine: Machine{
		Layout: rundir.Locate(opts.RunDir, j.Container, j.Root), Root: j.Root, Self: opts.Self, Environ: opts.Environ,
	}}
	// The end of ctx must stop the project in order, and not the engine at once.
	s.alive, s.ended = context.WithCancel(context.WithoutCancel(ctx))
	defer s.ended()
	s.copies.closed = s.alive.Done()
	if j.For != 0 {
		s.copies.begunBy(j.For, func() { asked{s.engine, s}.Down() })
	}
	defer func() {
		err = cmp.Or(err, s.close())
		if s.stuck {
			code = 1
		}
	}()
	supervise := func() error { return s.supervise(ctx) }
	for _, step := range []func() error{s.lock, s.processes, s.logs, supervise, s.serve, s.listenTCP} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	for id, digest := range j.Tested {
		keepTested(s.Layout, id, digest)
	}
	s.watch.add("the project cannot be kept", keepProject(s.Layout, j.Project.Project().WithRuns()))
	if opts.Up != nil {
		opts.Up()
	}
	result := s.run(ctx)
	s.keeping.Go(s.keepStartups)
	if opts.Heard != nil {
		opts.Heard()
	}
	s.server.End(control.End{Code: result.Code, Reason: result.Reason})
	s.flush() // before the server closes, so that followers get the last lines
	return result.Code, nil
}

// onClose adds what undoes a step.
func (s *session) onClose(f func() error) { s.closes = append(s.closes, f) }

// close undoes every step that was done, and returns the first error.
func (s *session) close() (err error) {
	for i := len(s.closes) - 1; i >= 0; i-- {
		err = cmp.Or(err, s.closes[i]())
	}
	return err
}

// lock makes sure that this session is the only one, and makes its folders.
func (s *session) lock() error {
	lock, err := s.Layout.Lock()
	if err != nil {
		return err
	}
	s.onClose(func() error {
		s.Layout.Clear()
		lock.Release()
		return nil
	})
	if err := s.Layout.Prepare(); err != nil {
		return err
	}
	log, err := s.Layout.OpenLog()
	if err != nil {
		return err
	}
	s.onClose(log.Close)
	s.onClose(func() error { s.keeping.Wait(); return nil }) // after all else, and before the next session may begin
	s.log = slog.New(slog.NewTextHandler(log, nil))
	s.watch.add("", lock.Check)
	s.watch.add("the supervisor's log cannot be written", log.Check)
	return nil
}

// processes starts to reap children, and ends what a killed session has left running.
func (s *session) processes() error {
	opts := process.Options{
		Run: s.Layout.Key, Journal: s.Layout.Journal, Log: s.log,
		Guard: s.opts.Guard, Launch: []string{s.Self, "launch"},
	}
	if s.inside() { // elsewhere our control group is a login's, and kills in it may not be ours
		opts.OutOfMemory = s.memory.add
	}
	host, err := process.New(opts)
	if err != nil {
		return err
	}
	s.host = host
	s.copies.takeBack = host.TakeBack
	s.GPU = s.askGPUs
	s.Trial = s.runTrial
	s.Passed = func(id project.ID, digest string) { keepTested(s.Layout, id, digest) }
	s.Shared = func(why string) { s.log.Info("servers tested their configuration in our network", "reason", why) }
	s.onClose(func() error {
		err := host.Close()
		if s.stuck = errors.As(err, new(*process.ToldError)); s.stuck {
			return nil
		}
		return err
	})
	s.watch.add("the journal cannot be written", host.CheckJournal)
	return nil
}

// keepLogs bounds the logs of all processes, each and together, also of those that print nothing,
// and of further runs that an earlier session made.
func (s *session) keepLogs(p *project.Project) {
	for id, proc := range p.WithRuns().Processes {
		s.hub.Keep(string(id), supervisor.LogLimits(proc.Log))
	}
	total := int64(0)
	if p.Logs != nil {
		total = p.Logs.MaxTotal
	}
	s.hub.Bound(total)
}

// rotateCopies has the files of log_location follow a project that has changed: those who
// write to them on may not be those who say how they are rotated.
func (s *session) rotateCopies(p *project.Project) {
	st, rotations := s.Stage(), map[string]*project.LogRotation{}
	for _, proc := range p.Processes {
		if r := p.RotationOf(proc); r != nil {
			if path, err := st.Resolve(p, proc.Log.File); err == nil {
				rotations[absolute(s.Root, path)] = r
			}
		}
	}
	s.logCopies.Follow(rotations)
}

// logs opens the place where the output of services goes.
func (s *session) logs() error {
	p := s.job.Project.Project().WithRuns()
	opts := servicelog.Options{Dir: s.Layout.Logs}
	if !s.job.Detached {
		opts.Stdout = s.opts.Stdout
	}
	if s.job.LogJSON {
		opts.Format = servicelog.JSON
	}
	if s.job.Terminal {
		opts.Labels = servicelog.NewLabels(p.Labels())
	}
	switch s.job.Color {
	case "labels":
		opts.Color = servicelog.ColorLabels
	case "never":
		opts.Color = servicelog.ColorNever
	}
	hub, err := servicelog.Open(opts)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		// Not even the folder could be made. This run only prints its output.
		unkept := fmt.Errorf("this run does not keep the output of services: %w", err)
		s.watch.add("", func() error { return unkept })
		opts.Dir = ""
		hub, err = servicelog.Open(opts)
	}
	if err != nil {
		return err
	}
	s.hub = hub
	if s.job.TruncateLogs {
		for id := range p.Processes {
			if err := hub.Truncate(string(id)); err != nil {
				return fmt.Errorf("cannot remove the log of %s: %w", id, err)
			}
		}
	}
	s.keepLogs(s.job.Project.Project())
	s.memory.announce(hub.Say)
	s.flush = sync.OnceFunc(func() {
		// The reader of stdout gets all of it, unless a signal cuts it short.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		defer s.signals.handle(s.log, func(a action) {
			switch a {
			case stop:
				s.hasten()
			case stopNow:
				cancel()
			}
		})()
		if err := hub.Close(ctx); err != nil {
			s.log.Warn("output was not written to its end", "err", err)
		}
	})
	s.onClose(func() error { s.flush(); return nil })
	s.watch.addSince(hub.Degraded)
	return nil
}

// hasten shortens how long we wait for a reader of stdout that has stopped reading,
// because somebody waits for our end; most of all in a container, which is killed
// after 10 s.
func (s *session) hasten() {
	stall := 10 * time.Second
	if process.IsInit() {
		stall = 2 * time.Second
	}
	s.hub.Hasten(stall)
}

// supervise makes the engine. It starts nothing yet.
func (s *session) supervise(ctx context.Context) error {
	st := s.Stage()
	s.watch.add("", s.made.failed)
	p, made := s.makeEnv(ctx, s.job.Project)
	s.made.take(made)
	opts := supervisor.Options{
		Services: s.job.Services, NoDeps: s.job.NoDeps, Refused: s.job.Refused, Stay: s.job.Stay,
		Leave: s.job.Leave, AbortOnExit: s.job.AbortOnExit, ExitCodeFrom: s.job.ExitCodeFrom, StopGrace: s.job.StopGrace, Timed: s.job.Terminal, Log: s.log,
		Settled: func() {
			s.keeping.Go(s.keepStartups)
			go giveBack()
		},
		Planned: s.readPlanned(), Keep: s.keepPlanned,
		World: supervisor.Machine{Host: s.host, Stage: st, Hub: s.hub, GPU: s.GPU, Explain: s.Explain, Admit: s.admit, Consoles: &s.consoles, Copies: &s.logCopies}.World,
	}
	if process.IsInit() {
		opts.StopBudget = pid1Budget
	}
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.logCopies.Close(ctx)
		return nil
	})
	s.engine = supervisor.New(p, opts)
	s.watch.add("", s.files.failed)
	s.onClose(s.files.close)
	s.watchFiles(p.Project())
	return nil
}

// serve opens the control socket.
func (s *session) serve() error {
	socket, err := listen(s.Layout)
	if err != nil {
		return err
	}
	s.server = server.New(server.Options{
		Engine: asked{s.engine, s}, Resolve: (*project.Project).ResolveAll, Reload: s.reload, Evaluate: s.evaluated, Logs: s.hub.Reader(), Truncate: s.hub.Truncate,
		Degraded: s.watch.look, Usage: s.usage, Measure: s.measure, Exec: s.exec, Run: s.runCopy, Copies: &s.copies, Attach: s.attach, Type: s.typeKeys, OutOfMemory: s.memory.report, Confined: process.Confined,
		Wire: s.opts.Wire, Root: s.Root, Definition: s.job.Definition, Given: s.job.Given, Files: s.job.Files, Version: s.opts.Version, Log: s.log,
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.server.Serve(socket); err != nil {
			s.log.Error("control socket", "err", err)
		}
	}()
	s.onClose(func() error {
		s.server.Close()
		<-served
		return nil
	})
	return nil
}

// listen opens the control socket. The last session that ends removes the folder that
// sessions share for their sockets. If that happens just before the socket is made,
// the folder and the socket are made again.
func listen(layout rundir.Layout) (l net.Listener, err error) {
	err = layout.Within(func() (err error) {
		l, err = server.Listen(layout.Socket)
		return err
	})
	return l, err
}

// run runs the engine to its end, and handles signals meanwhile.
func (s *session) run(ctx context.Context) supervisor.Result {
	running := s.alive
	reloads := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-reloads:
				s.evaluateAgain(running)
			case <-running.Done():
				return
			}
		}
	}()
	end := s.signals.handle(s.log, func(a action) {
		switch a {
		case stop:
			asked{s.engine, s}.Down()
		case stopNow:
			asked{s.engine, s}.DownNow()
		case reload:
			select {
			case reloads <- struct{}{}:
			default: // one is pending already, and will see all changes
			}
		}
	})
	defer end()
	// A signal that came before handle listened has ended ctx.
	defer context.AfterFunc(ctx, asked{s.engine, s}.Down)()
	go s.whenAbandoned(running)
	var watching sync.WaitGroup
	watching.Go(func() { s.watch.run(running, s.log, s.hub.Say) })
	rehearsed := s.rehearse(running)
	if s.job.For != 0 {
		go s.copies.watchBeginner(running, s.job.For)
	}
	result := s.engine.Run(running)
	s.ended()
	rehearsed()
	watching.Wait() // it writes into folders that the next session may have then
	return result
}

// abandonedGrace is how long services have between their stop signal and SIGKILL when
// somebody has killed our guard: that was meant for all of us.
const abandonedGrace = 800 * time.Millisecond

func (s *session) whenAbandoned(ctx context.Context) {
	select {
	case <-s.host.Abandoned():
	case <-ctx.Done():
		return
	}
	s.log.Warn("the guard was killed")
	asked{s.engine, s}.Down()
	select {
	case <-time.After(abandonedGrace):
		s.engine.DownNow()
	case <-ctx.Done():
	}
}
