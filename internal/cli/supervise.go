package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/packages"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/provision"
	"nix2gpu/rundir"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
	"nix2gpu/supervisor"
)

// pid1Budget is what a whole stop may take in a container: docker gives 10 s.
const pid1Budget = 9 * time.Second

// closeTime is how long the end of a run waits for whoever reads stdout.
const closeTime = 2 * time.Second

// runSupervise runs the job in the descriptor args[0], and returns its exit
// code as an error. With args[1] it is detached, and says there when it is up.
func runSupervise(ctx context.Context, env *Env, args []string) error {
	in, err := descriptor(args, 0)
	if err != nil {
		return err
	}
	told, heard := func(error) {}, func() {}
	if len(args) > 1 {
		out, err := descriptor(args, 1)
		if err != nil {
			return err
		}
		var once sync.Once
		told = func(err error) {
			once.Do(func() {
				var h handshake
				if err != nil {
					h = handshake{err.Error(), exitCode(err)}
				}
				json.NewEncoder(out).Encode(h)
			})
		}
		heard = func() { awaitReader(out) }
	}
	j, p, err := readJob(in)
	if err == nil {
		err = supervise(ctx, env, j, p, told, heard)
	}
	told(err)
	return err
}

func descriptor(args []string, i int) (*os.File, error) {
	if i < len(args) {
		if fd, err := strconv.Atoi(args[i]); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
			return os.NewFile(uintptr(fd), "handover"), nil
		}
	}
	return nil, errors.New("supervise is used by \"up\", not by hand")
}

// awaitReader waits until the other end of a pipe is closed, though not for
// long: whoever started us has then seen what the project has become, however
// short its life was.
func awaitReader(out *os.File) {
	fds := []unix.PollFd{{Fd: int32(out.Fd())}}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

// listen opens the control socket. Whoever ends last takes the shared folder of
// the sockets away: when that comes between its making and the socket's, both
// are made again.
func listen(layout rundir.Layout) (net.Listener, error) {
	for try := 0; ; try++ {
		l, err := server.Listen(layout.Socket)
		if !errors.Is(err, fs.ErrNotExist) || try == 9 {
			return l, err
		}
		if err := layout.Prepare(); err != nil {
			return nil, err
		}
	}
}

// supervise runs a project from its first lock to its last file. It says when
// it is up, and ends when that was heard.
func supervise(ctx context.Context, env *Env, j *job, p *project.Project, up func(error), heard func()) (err error) {
	renv := env.rundirEnv()
	if j.Socket != "" {
		renv.Socket = j.Socket
	}
	layout := rundir.Locate(renv, j.Container, j.Root)
	if err := layout.Prepare(); err != nil {
		return err
	}
	lock, err := layout.Lock()
	if err != nil {
		return &control.Error{Code: control.CodeConflict, Msg: err.Error(), Hint: "stop it with \"nix2gpu down\""}
	}
	defer lock.Release()
	defer layout.Clear()
	log, closeLog := openLog(layout)
	defer closeLog()

	self, err := env.selfPath()
	if err != nil {
		return err
	}
	host, err := process.New(process.Options{
		Run: layout.Key, Journal: layout.Journal, Log: log,
		Guard: []string{self, "guard"}, Launch: []string{self, "launch"},
	})
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, host.Close()) }()

	hub, err := servicelog.Open(hubOptions(env, j, layout, log))
	if err != nil {
		return err
	}
	st := stage.New(stage.Places{Root: j.Root, State: layout.State, Run: layout.Run, Self: self},
		&packages.Host{Dir: layout.Packages}, stage.Options{Environ: env.Environ})

	opts := supervisor.Options{
		Services: j.Services, NoDeps: j.NoDeps, Log: log,
		World: supervisor.Machine{Host: host, Stage: st, Hub: hub}.World,
	}
	if process.IsInit() {
		opts.StopBudget = pid1Budget
	}
	engine := supervisor.New(p, opts)
	socket, err := listen(layout)
	if err != nil {
		return err
	}
	srv := server.New(server.Options{
		Engine: engine, Resolve: (*project.Project).ResolveAll, Reload: (*project.Project).Validate, Logs: hub.Reader(),
		Root: j.Root, Definition: j.Definition, Version: Version, Log: log,
	})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(socket) }()
	defer srv.Close()
	keepProject(layout, p, log)
	up(nil)

	again := &reloader{host: host, hub: hub, engine: engine, log: log, env: env.Environ}
	if len(j.Reload) > 0 {
		again.argv = append([]string{self}, j.Reload...)
	}
	stop := handleSignals(engine, again, log)
	result := engine.Run(context.WithoutCancel(ctx)) // signals are handled here, one by one
	stop()
	heard()
	srv.End(control.End{Code: result.Code, Reason: result.Reason})

	flush, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := hub.Close(flush); err != nil {
		log.Warn("output was not written to its end", "err", err)
	}
	if result.Code != 0 {
		return &exitError{code: result.Code}
	}
	return nil
}

// hubOptions say where the output of services goes.
func hubOptions(env *Env, j *job, layout rundir.Layout, log *slog.Logger) servicelog.Options {
	opts := servicelog.Options{Dir: layout.Logs, Degraded: func(source string, err error) {
		if err != nil {
			log.Warn("log file can not be written", "process", source, "err", err)
		} else {
			log.Info("log file is written again", "process", source)
		}
	}}
	if !j.Detached {
		opts.Stdout = env.Stdout
	}
	if j.LogJSON {
		opts.Format = servicelog.JSON
	}
	switch j.Color {
	case "labels":
		opts.Color = servicelog.ColorLabels
	case "never":
		opts.Color = servicelog.ColorNever
	}
	return opts
}

// supervisorLog is where the supervisor itself logs.
func supervisorLog(layout rundir.Layout) string { return filepath.Join(layout.State, "supervisor.log") }

// maxOwnLog is when the supervisor's own log is begun anew.
const maxOwnLog = 4 << 20

// openLog opens the supervisor's own log. Without one it goes on: the state
// folder was writable a moment ago, and services matter more.
func openLog(layout rundir.Layout) (*slog.Logger, func()) {
	path := supervisorLog(layout)
	if info, err := os.Lstat(path); err == nil && info.Size() > maxOwnLog {
		os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }
}

// projectFile is the project of the last run, in the state folder.
const projectFile = "project.json"

// keepProject leaves the project, without its secrets, for those who look
// when nothing runs any more: labels for "logs".
func keepProject(layout rundir.Layout, p *project.Project, log *slog.Logger) {
	data, err := p.Masked().Encode()
	if err == nil {
		tmp := filepath.Join(layout.State, projectFile+".new")
		if err = os.WriteFile(tmp, data, 0o600); err == nil {
			err = os.Rename(tmp, filepath.Join(layout.State, projectFile))
		}
	}
	if err != nil {
		log.Warn("project was not kept", "err", err)
	}
}

// onePress is how close two interrupts are when they are one Ctrl-C: a terminal
// sends it to the whole group, and a program around us, such as timeout or npm,
// passes it on at once. A person, and a script that means it, is slower.
const onePress = 50 * time.Millisecond

// handleSignals turns signals into requests to the engine, until stop.
//
// TERM stops, however often it comes. INT, which a person types, stops, and
// kills the second time; so does QUIT at once. HUP stops when our terminal has
// gone, and else is for a reload.
func handleSignals(engine *supervisor.Engine, again *reloader, log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	ctx, done := context.WithCancel(context.Background())
	reloads := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-reloads:
				again.run(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		var interrupted time.Time // when Ctrl-C was pressed first
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGPIPE { // nobody reads our stdout, which its writer knows
					continue
				}
				log.Info("signal", "signal", s.String())
				switch s {
				case syscall.SIGINT:
					switch {
					case interrupted.IsZero():
						interrupted = time.Now()
						engine.Down()
					case time.Since(interrupted) > onePress:
						engine.DownNow()
					}
				case syscall.SIGTERM:
					engine.Down()
				case syscall.SIGQUIT:
					engine.DownNow()
				case syscall.SIGHUP:
					if hasTerminal() {
						engine.Down()
						continue
					}
					select {
					case reloads <- struct{}{}:
					default: // one is at work, and another waits: that one will see it all
					}
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { signal.Stop(signals); done() }
}

// hasTerminal reports whether a terminal controls us.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// runHidden runs the verbs that the program uses itself, if args name one.
func runHidden(ctx context.Context, env *Env, args []string) (ran bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	// Executed anew by way of /proc/self/exe, we would be "exe" to ps, top and
	// pgrep. Where it can't be written, that is all that is lost.
	os.WriteFile("/proc/self/comm", []byte("nix2gpu"), 0)
	switch args[0] {
	case "supervise":
		return true, runSupervise(ctx, env, args[1:])
	case "guard":
		return true, process.GuardMain()
	case "launch":
		return true, process.LaunchMain(args[1:])
	case "provision":
		return true, provision.Main(ctx, args[1:], provision.Stdio{Out: env.Stdout, Err: env.Stderr})
	}
	return false, nil
}
