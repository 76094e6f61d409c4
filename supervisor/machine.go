package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nix2gpu/console"
	"nix2gpu/control"
	"nix2gpu/gpu"
	"nix2gpu/logcopy"
	"nix2gpu/probe"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
)

// A Machine is the real world: its parts prepare, run, probe and log the processes of one
// project. Its method World is for [Options].
type Machine struct {
	Host  *process.Host
	Stage *stage.Stage
	Hub   *servicelog.Hub

	// NotifyDir is the folder of notification sockets, which services of any user must
	// be able to enter. Empty: sockets are abstract.
	NotifyDir string

	// GPU asks nvidia-smi; nil: nobody can.
	GPU gpu.Ask

	// Explain finds in the last lines of a process that rejects its configuration what
	// is wrong, and where the user has written that; nil: nobody can.
	Explain func(p *project.Project, proc *project.Process, lines []string) (pos project.Pos, text string, ok bool)

	// Admit waits until a main process may be executed, or cancel is closed. The error
	// says why it never may, mostly a [*RejectedError]. Nil: all may at once.
	Admit func(p *project.Project, main *project.Process, cancel <-chan struct{}) error

	// Consoles are those of services with a terminal; nil: nobody is attached to one.
	Consoles *console.Set
	// Copies are the copies of logs; whoever has made them closes them. Nil: its own.
	Copies *logcopy.Set

	// Files shares out our descriptors; nil: as many as the system allows.
	Files *process.Files
}

// drainTime is how long to wait for the last output of a dead process.
const drainTime = 2 * time.Second

// World makes the world of one engine.
func (m Machine) World(report func(Fact)) World {
	if m.Copies == nil {
		m.Copies = new(logcopy.Set)
	}
	if m.Consoles == nil {
		m.Consoles = new(console.Set)
	}
	if m.Files == nil {
		m.Files = process.NewFiles(process.FileLimit(), filesPatience)
	}
	w := &machine{Machine: m, report: report, runs: make(map[RunID]*execution), warned: make(map[project.ID]bool), tracer: newTracer()}
	w.starts.mu = &w.mu
	return w
}

// machine is the World of one engine. The engine's goroutine calls its methods. What takes
// time happens in a goroutine for each run.
type machine struct {
	Machine
	report func(Fact)

	mu     sync.Mutex
	runs   map[RunID]*execution
	warned map[project.ID]bool // processes of which it was announced that a limit is not enforced

	starts     starts
	signals    []groupSignal // to be sent
	signalling int           // how many goroutines do so

	memory gpuMemory
	tracer tracer
}

// execution is one run on this machine.
type execution struct {
	Run
	m      *machine
	cancel chan struct{}   // closed by Cancel and Kill
	killed bool            // under m.mu: by Kill
	over   context.Context // done when the main program has ended
	end    context.CancelFunc

	// Set before Spawned is reported, and read after that.
	proc     *process.Process
	probes   *probe.Group
	lacks    *stage.Error // as in stage.Launch
	terminal *terminal    // nil: it has none

	told atomic.Bool // somebody has asked it to end

	asking chan struct{} // closed when the shutdown command is over; nil: there was none

	notify  *probe.Notify
	readyFD *probe.ReadyFD
	closes  []func() // to call at the end, the last first
	// Only daemons have these two.
	up   chan struct{} // closed when Spawned is reported
	gone chan struct{} // closed when the run of one that runs elsewhere is to end
	// They close cancel and gone once.
	cancelOnce, goneOnce sync.Once
}

func (m *machine) Now() time.Time { return time.Now() }

// Clock returns the time without a monotonic reading, by which Go would compare it.
func (m *machine) Clock() time.Time { return time.Now().Round(0) }

func (m *machine) After(d time.Duration, f Fact) func() {
	if d <= 0 { // a timer would wake another thread first
		go m.report(f)
		return func() {}
	}
	t := time.AfterFunc(d, func() { m.report(f) })
	return func() { t.Stop() }
}

func (m *machine) Say(line string, tone servicelog.Tone) { m.Hub.SayAs(tone, line) }

// say prints a warning about the service of a run.
func (m *machine) say(x *execution, line string) {
	m.Say(serviceLine(x.Service, line), servicelog.Warning)
}

func (m *machine) Spawn(r Run) {
	x := &execution{Run: r, m: m, cancel: make(chan struct{})}
	if r.Process.Daemon != nil {
		x.up, x.gone = make(chan struct{}), make(chan struct{})
	}
	x.over, x.end = context.WithCancel(context.Background())
	m.mu.Lock()
	m.runs[r.ID] = x
	m.starts.add(x)
	m.mu.Unlock()
}

// running returns a run whose program was started.
func (m *machine) running(id RunID) *execution {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.runs[id]; x != nil && x.proc != nil {
		return x
	}
	return nil
}

// run returns a run that is not over.
func (m *machine) run(id RunID) *execution {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id]
}

func (m *machine) Cancel(id RunID) {
	if x := m.run(id); x != nil {
		x.cancelOnce.Do(func() { close(x.cancel) })
	}
}

func (m *machine) Kill(id RunID) {
	x := m.run(id)
	if x == nil {
		return
	}
	x.cancelOnce.Do(func() { close(x.cancel) })
	m.mu.Lock()
	again, p := x.killed, x.proc
	x.killed = true
	m.mu.Unlock()
	if p != nil && !again {
		go p.Kill() // it reads /proc
	}
	x.release()
}

func (m *machine) GiveUp(id RunID) string {
	if x := m.running(id); x != nil {
		return process.Describe(x.proc.GiveUp())
	}
	return ""
}

func (m *machine) Signal(id RunID, signal project.Signal, group bool) {
	x := m.running(id)
	if x == nil {
		return
	}
	x.told.Store(true)
	x.release()
	if !group {
		_ = x.proc.Signal(signal) // it may have ended just now
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signals = append(m.signals, groupSignal{x.proc, signal})
	if m.signalling < 2 { // as many as nearly any machine does at a time
		m.signalling++
		go m.signalGroups()
	}
}

// A groupSignal is a signal for a process and its descendants.
type groupSignal struct {
	to     *process.Process
	signal project.Signal
}

// signalGroups sends signals until there are none. It is not the engine that does so, since
// /proc is read for descendants that have left their group.
func (m *machine) signalGroups() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.signals) > 0 {
		next := m.signals[0]
		m.signals = m.signals[1:]
		m.mu.Unlock()
		_ = next.to.Terminate(next.signal, false) // it may have ended just now
		m.mu.Lock()
	}
	m.signals = nil
	m.signalling--
}

func (m *machine) Probe(id RunID) {
	x := m.running(id)
	if x == nil || x.probes == nil {
		return
	}
	go x.probes.Run(x.over, func(v probe.Verdict) {
		m.report(Fact{Kind: Probed, Run: id, News: v.Changed, Probe: control.Probe{
			Role: v.Role, OK: v.State == probe.Passing, Failing: v.State == probe.Failing, Failed: !v.OK, Output: oneLine(v.Message), At: time.Now(), Took: project.Duration(v.Latency),
		}})
	})
}

func (m *machine) Shutdown(id RunID, how project.Shutdown) {
	x := m.running(id)
	if x == nil {
		return
	}
	x.told.Store(true)
	if how.Command == nil {
		go x.typeKeys(how.Keys)
		return
	}
	asking := make(chan struct{})
	m.mu.Lock()
	x.asking = asking
	m.mu.Unlock()
	go func() {
		defer close(asking)
		f := Fact{Kind: ShutdownDone, Run: id}
		if err := x.shutdown(*how.Command); err != nil {
			m.say(x, sayShutdownFailed(err))
			f.Exit.Code = 1
		} else if x.proc.Main() == 0 {
			x.release()
		}
		m.report(f)
	}()
}

// begin opens all that the program needs, and starts it.
func (x *execution) begin() (*process.Process, *servicelog.Run, error) {
	launch, err := patiently(x.cancel, x.prepare)
	if err != nil {
		return nil, nil, err
	}
	if err := x.admitted(); err != nil {
		return nil, nil, err
	}
	if err := x.awaitGPU(); err != nil {
		return nil, nil, err
	}
	if err := x.checkPorts(); err != nil {
		return nil, nil, err
	}
	x.lacks = launch.Lacks
	begun, err := x.takeFiles()
	if err != nil {
		return nil, nil, err
	}
	defer begun()
	spec, err := x.spec(launch)
	if err != nil {
		return nil, nil, err
	}
	log, err := x.openLog()
	if err != nil {
		return nil, nil, err
	}
	spec.Stdout, spec.Stderr = log.Stdout, log.Stderr
	if x.Process.TTY {
		end, err := x.openTerminal(spec, log)
		if err != nil {
			log.Started()
			return nil, nil, err
		}
		defer end.Close()
	}
	p, err := patiently(x.cancel, func() (*process.Process, error) { return x.m.Host.Start(*spec) })
	if err == nil {
		log.Begin(x.logProcess(p))
	}
	log.Started()
	if x.terminal != nil && err == nil {
		x.terminal.begin()
	}
	if x.readyFD != nil {
		x.readyFD.Child.Close()
	}
	return p, log, err
}

// admitted waits until the process may be executed.
func (x *execution) admitted() error {
	if x.m.Admit == nil || x.Process.Role != project.Main {
		return nil
	}
	if err := x.m.Admit(x.Project, x.Process, x.cancel); err != nil {
		return err
	}
	select {
	case <-x.cancel:
		return errStopped
	default:
		return nil
	}
}

// A RejectedError says that a process is not executed because its server rejects the
// configuration that it would get.
type RejectedError struct{ Msg, Hint string }

func (e *RejectedError) Error() string { return e.Msg }

// takeFiles waits for the descriptors that the run needs. begun gives back those that are
// only needed to begin it.
func (x *execution) takeFiles() (begun func(), err error) {
	files := filesOf(x.Process)
	if err := x.m.Files.Take(files+filesBegin, x.cancel); errors.Is(err, process.ErrGone) {
		return nil, errStopped
	} else if err != nil {
		return nil, err
	}
	x.onClose(func() { x.m.Files.Give(files) })
	return func() { x.m.Files.Give(filesBegin) }, nil
}

// openLog opens the log of the run, and the copy if the process asks for one.
func (x *execution) openLog() (*servicelog.Run, error) {
	source := x.source()
	open := func() (*os.File, error) { return openLogFile(x.m.Stage, x.Project, x.Process, os.O_CREATE) }
	file, err := open()
	if err != nil {
		return nil, err
	}
	var copyTo *logcopy.File
	if file != nil {
		copyTo = x.m.Copies.Use(file, x.Project.RotationOf(x.Process), open)
		x.onClose(copyTo.Close)
	}
	return patiently(x.cancel, func() (*servicelog.Run, error) { return source.Open(x.watch(copyTo)) })
}

// onClose makes close call f.
func (x *execution) onClose(f func()) { x.closes = append(x.closes, f) }

// close releases what the run has opened, the last first.
func (x *execution) close() {
	for i := len(x.closes) - 1; i >= 0; i-- {
		x.closes[i]()
	}
}

// prepare stages the process. That may take long and can't be interrupted: if the run is
// cancelled meanwhile, prepare returns and leaves it to itself.
func (x *execution) prepare() (*stage.Launch, error) {
	type outcome struct {
		launch *stage.Launch
		err    error
	}
	staged := make(chan outcome, 1)
	go func() {
		l, err := x.m.Stage.Prepare(x.Project, x.Process)
		staged <- outcome{l, err}
	}()
	select {
	case o := <-staged:
		select {
		case <-x.cancel:
			return nil, errStopped
		default:
			return o.launch, o.err
		}
	case <-x.cancel:
		return nil, errStopped
	}
}

// spec returns what to start: the launch, and all that only a supervised process has.
func (x *execution) spec(l *stage.Launch) (*process.Spec, error) {
	spec := baseSpec(x.Process, l)
	spec.Name = string(x.Process.ID)
	spec.Env = x.m.tracer.trace(x.Run, spec.Env)
	if x.Process.KillMode == project.KillProcess {
		spec.Mode = process.OnlyMain
	}
	if x.Process.Daemon != nil {
		x.daemonSpec(spec)
	}
	if x.Process.Role == project.Setup && spec.Loopback {
		spec.NetworkOf = x.m.mainOf(x.Service.ID)
	}
	spec.StopSignal = x.Process.Shutdown.Signal
	spec.OutOfMemory = func(kills int) { x.m.report(Fact{Kind: OutOfMemory, Run: x.ID, Kills: kills}) }
	if err := x.notifiers(spec); err != nil {
		return nil, err
	}
	var err error
	x.probes, err = probe.New(x.Process, probe.Deps{
		Run:     x.check,
		Resolve: func(t project.Text) (string, error) { return x.m.Stage.Resolve(x.Project, t) },
		Notify:  x.notify,
		FD:      x.readyFD,
		GPU:     x.m.GPU,
	})
	return spec, err
}

func baseSpec(p *project.Process, l *stage.Launch) *process.Spec {
	spec := &process.Spec{
		Path: l.Path, Argv: l.Argv, Env: l.Env, Dir: l.Dir,
		NoNewPrivs: l.NoNewPrivs,
		Limits:     process.LimitsOf(l.Limits),
	}
	if l.SetUser {
		spec.User = &process.User{UID: int(l.UID), GID: int(l.GID)}
		for _, g := range l.Groups {
			spec.User.Groups = append(spec.User.Groups, int(g))
		}
	}
	spec.Set(l.Settings, l.Caps, l.Read, l.Write)
	return spec
}

// notifiers opens the sockets or descriptors by which a process says itself that it is
// ready.
func (x *execution) notifiers(spec *process.Spec) error {
	for _, pr := range x.Process.Probes() {
		if pr.Notify == nil {
			continue
		}
		var err error
		if n := pr.Notify; n.Socket && x.notify == nil {
			path := fmt.Sprintf("@nix2gpu/%s/%s", x.m.Host.Run(), x.Process.ID)
			if x.m.NotifyDir != "" {
				path = filepath.Join(x.m.NotifyDir, x.Process.ID.FileName()+".notify")
			}
			if x.notify, err = probe.ListenNotify(path); err != nil {
				return errNotifySocket(err)
			}
			x.onClose(func() { x.notify.Close() })
			spec.Env = append(spec.Env, "NOTIFY_SOCKET="+path)
		} else if n.FD >= 3 && x.readyFD == nil {
			if x.readyFD, err = probe.NewReadyFD(); err != nil {
				return errNotifyFD(err)
			}
			x.onClose(func() { x.readyFD.Close() })
			spec.ExtraFiles = make([]*os.File, n.FD-2) // the process does not get those before it
			spec.ExtraFiles[n.FD-3] = x.readyFD.Child
		}
	}
	return nil
}

func (x *execution) source() *servicelog.Source {
	l := x.Process.Log
	opts := servicelog.SourceOptions{Limits: LogLimits(l), Quiet: x.Service.System}
	if r := l.Rate; r != nil {
		opts.Rate = servicelog.Rate{Lines: r.Lines, Bytes: r.Bytes, Interval: time.Duration(r.Interval)}
	}
	return x.m.Hub.Source(string(x.Process.ID), x.Service.Label, opts)
}

// logProcess is what the log tells of the process of this run.
func (x *execution) logProcess(p *process.Process) servicelog.Process {
	return servicelog.Process{PID: p.PID(), Restart: x.Attempt - 1}
}

// watch returns what is called with each line of output; nil if there is no need.
func (x *execution) watch(copyTo *logcopy.File) servicelog.Watch {
	if copyTo == nil && !x.probes.WantsLines() {
		return nil
	}
	var line []byte
	format := logcopy.NewFormatter(x.Process.Log.Format)
	return func(stream servicelog.Stream, text []byte) {
		x.probes.Line(text)
		if copyTo != nil {
			line = format.Append(line[:0], stream, text, time.Now())
			copyTo.Write(line)
		}
	}
}

// exit returns how a run has ended, and what may be the cause.
func (x *execution) exit(p *process.Process, log *servicelog.Run) project.Exit {
	exit := x.exitOf(p)
	if !exit.Success() && !p.Killed() && !x.told.Load() {
		x.blame(&exit, log.Last())
	}
	if left := p.Left(); len(left) > 0 {
		x.m.say(x, sayLeft(process.Describe(left)))
		x.m.Host.Named(left)
	}
	if !exit.Success() && !p.Killed() && !x.told.Load() {
		x.sayXids(time.Duration(exit.Ran))
	}
	if x.Process.Role == project.Main && !exit.Success() && !p.Killed() && time.Duration(exit.Ran) < 10*time.Second {
		exit.Hint = cmp.Or(exit.Hint, x.portHint())
	}
	if kills := p.OutOfMemory(); kills > 0 && !p.Killed() {
		// They have not been announced before. If it has failed, they may be the cause.
		if line := sayOOMKills(kills, x.Process.Limits.Memory); exit.Success() {
			x.m.say(x, line)
		} else {
			exit.Hint = line
		}
	}
	blameLack(&exit, x.lacks)
	return exit
}

// blame adds to exit what the last lines of a process say about its end.
func (x *execution) blame(exit *project.Exit, lines []string) {
	exit.Said = telling(lines)
	exit.Final = refuses(x.Process, lines)
	if !exit.Final || x.m.Explain == nil {
		return // servers also name lines of their files in mere warnings
	}
	if pos, text, ok := x.m.Explain(x.Project, x.Process, lines); ok {
		exit.Said, exit.Hint = pos.String()+": "+text, sayMend(pos)
	}
}

// refuses reports whether a process has said that it rejects its configuration. In the
// texts of Refusals, "…" stands for anything.
func refuses(p *project.Process, lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return slices.ContainsFunc(p.Refusals, func(text string) bool {
			rest, ok := line, true
			for part := range strings.SplitSeq(text, "…") {
				if _, rest, ok = strings.Cut(rest, part); !ok {
					return false
				}
			}
			return true
		})
	})
}

// blameLack adds to exit that a shell has not found nvidia-smi. If the exit code says so,
// the exit is as if the program had been started without a shell.
func blameLack(exit *project.Exit, lacks *stage.Error) {
	const notFound = 127
	switch {
	case lacks == nil || exit.Success():
	case exit.Code == notFound && exit.Signal == 0:
		exit.Error, exit.Hint = lacks.Msg, lacks.Hint
	case exit.Hint == "":
		exit.Hint = sayLacksGPU(lacks)
	}
}

// checkPorts keeps a service of the container's own from starting while somebody listens on
// its port. sshd binds IPv4 and IPv6 separately and is content with one of them: until its
// end, it would only answer there.
func (x *execution) checkPorts() error {
	if !x.Service.System {
		return nil
	}
	for _, port := range x.Service.Ports {
		if port.Address != "*" {
			continue
		}
		if h, ok := process.Listener(port.Port, port.Address); ok {
			return &portTakenError{hintPort(port.Port, h)}
		}
	}
	return nil
}

// A portTakenError says who has the port.
type portTakenError struct{ hint string }

func (e *portTakenError) Error() string { return e.hint }

// portHint returns who listens on a port of a service that has just died; "" if nobody
// does.
func (x *execution) portHint() string {
	if x.Project.Apart(x.Service) { // who listens here is in another network
		return ""
	}
	for _, port := range x.Service.Ports {
		if port.Protocol != "" && port.Protocol != "tcp" {
			continue
		}
		if h, ok := process.Listener(port.Port, port.Address); ok {
			return hintPort(port.Port, h)
		}
	}
	return ""
}

// startError returns the exit of a process that could not be started.
func startError(err error) project.Exit {
	exit := project.Exit{Error: oneLine(err.Error()), Code: 127}
	var staged *stage.Error
	var refused *process.StartError
	var logFile *LogFileError
	var taken *portTakenError
	var rejected *RejectedError
	switch {
	case errors.As(err, &rejected):
		exit.Code, exit.Hint, exit.Final = 1, rejected.Hint, true
	case errors.As(err, &taken):
		exit.Hint = taken.hint
	case errors.As(err, &logFile):
		exit.Hint = logFile.Hint
	case errors.As(err, &staged):
		exit.Error, exit.Hint = staged.Msg, staged.Hint
		exit.Final = staged.Kind.Lasts()
		if staged.Kind == stage.NotExecutable || staged.Kind == stage.NoFormat {
			exit.Code = 126
		}
	case errors.As(err, &refused):
		exit.Error, exit.Hint = refused.Detail, refused.Hint
		if refused.Reason == process.NotExecutable || refused.Reason == process.BadFormat {
			exit.Code = 126
		}
	}
	return exit
}

// warnLimits announces, once for each process, which of its limits are not enforced.
func (m *machine) warnLimits(x *execution, p *process.Process) {
	err := p.Unlimited()
	if err == nil {
		return
	}
	m.mu.Lock()
	known := m.warned[x.Process.ID]
	m.warned[x.Process.ID] = true
	m.mu.Unlock()
	if !known {
		m.say(x, err.Error())
	}
}

// check runs the command of an exec probe.
func (x *execution) check(ctx context.Context, c *project.ExecCheck, output io.Writer) error {
	launch, err := x.m.Stage.PrepareExec(x.Project, x.Process, c.Command, c.Dir)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	spec := baseSpec(x.Process, launch)
	spec.Name = string(x.Process.ID) + "-probe"
	x.beside(spec)
	spec.Stdout, spec.Stderr = w, w
	p, err := x.m.Host.Start(*spec)
	w.Close()
	if err != nil {
		return err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(output, r)
	}()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		p.Kill()
	}
	<-p.Done()
	<-copied
	switch e := p.Exit(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case !e.Success():
		return errors.New(e.String())
	}
	return nil
}

// beside makes a command run in the network of the running process, if that has its own.
func (x *execution) beside(spec *process.Spec) {
	if spec.Loopback {
		spec.NetworkOf = x.proc.Main()
	}
}

// mainOf returns the pid of the main process of a service; 0 if none runs.
func (m *machine) mainOf(id project.ID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.runs {
		if x.Service.ID == id && x.Process.Role == project.Main && x.proc != nil {
			return x.proc.Main()
		}
	}
	return 0
}

// shutdown runs a shutdown command, which gets the pid of the main process as MAINPID. It
// is killed a moment after the end of that process.
func (x *execution) shutdown(c project.Command) error {
	launch, err := x.m.Stage.PrepareExec(x.Project, x.Process, c, nil)
	if err != nil {
		return err
	}
	log, err := patiently(x.over.Done(), func() (*servicelog.Run, error) { return x.source().Open(nil) })
	if err != nil {
		return err
	}
	spec := baseSpec(x.Process, launch)
	spec.Name = string(x.Process.ID) + "-shutdown"
	x.beside(spec)
	spec.Env = append(spec.Env, "MAINPID="+strconv.Itoa(x.proc.Main()))
	spec.Stdout, spec.Stderr = log.Stdout, log.Stderr
	p, err := patiently(x.over.Done(), func() (*process.Process, error) { return x.m.Host.Start(*spec) })
	log.BeginAside(x.logProcess(x.proc))
	log.Started()
	if err != nil {
		return err
	}
	killed := false
	select {
	case <-p.Done():
	case <-x.over.Done():
		select {
		case <-p.Done():
		case <-time.After(time.Second):
			p.Kill()
			killed = true
		}
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = log.Drain(drain)
	if killed { // it may not end at all
		return nil
	}
	if e := p.Exit(); !e.Success() && !p.Killed() {
		return errors.New(e.String())
	}
	return nil
}

// oneLine joins lines that programs have printed into one for a status, without colours
// and what else a terminal would act on.
func oneLine(text string) string {
	return servicelog.Safe(strings.Join(strings.Fields(text), " "))
}
