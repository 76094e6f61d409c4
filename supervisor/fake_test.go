package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// act is what a fake process does.
type act struct {
	err     string         // it can't be started
	hint    string         // and this may help
	said    string         // the line that tells why it ended
	lasts   time.Duration  // then it ends by itself; 0: it runs on
	code    int            // with this exit code
	signal  project.Signal // or this signal
	ready   time.Duration  // from its start to ready, where it has a probe; <0: never
	deaf    bool           // it ignores its stop signal
	linger  time.Duration  // from its stop signal to its end
	dying   time.Duration  // from SIGKILL to its end
	quits   bool           // its stop signal ends it with exit code 0
	refuses bool           // its shutdown command fails
	staging time.Duration  // from Spawn to Spawned
	launch  time.Duration  // of a daemon, from Spawned to Launched; <0: never
}

// fake is a world of processes that follow a script, in the time of a
// synctest bubble.
type fake struct {
	report func(Fact)
	began  time.Time
	script func(id project.ID, attempt int) act

	mu    sync.Mutex
	lines []string
	procs map[RunID]*fakeProc
	pids  int
	dead  map[RunID]bool
	twice []string // two live executions of one process

	signals []string // "a SIGTERM"
	skew    time.Duration
}

type fakeProc struct {
	run  Run
	term chan project.Signal
	kill chan struct{}
	up   chan struct{} // closed once it was executed
}

func newFake(script func(project.ID, int) act) *fake {
	return &fake{began: time.Now(), script: script, procs: map[RunID]*fakeProc{}, dead: map[RunID]bool{}}
}

func (w *fake) Now() time.Time { return time.Now() }

// Clock is Now, and what the test has set it to.
func (w *fake) Clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Round(0).Add(w.skew)
}

// set sets the clock forward, or back.
func (w *fake) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew += by
}

func (w *fake) After(d time.Duration, f Fact) func() {
	t := time.AfterFunc(d, func() { w.report(f) })
	return func() { t.Stop() }
}

func (w *fake) Spawn(r Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.procs {
		if p.run.Process.ID == r.Process.ID {
			w.twice = append(w.twice, string(r.Process.ID))
		}
	}
	p := &fakeProc{run: r, term: make(chan project.Signal, 8), kill: make(chan struct{}), up: make(chan struct{})}
	w.procs[r.ID] = p
	w.pids++
	go w.live(p, w.pids+100)
}

func (w *fake) live(p *fakeProc, pid int) {
	a := w.scripted(p.run.Process.ID, p.run.Attempt)
	exit := project.Exit{Code: a.code, Said: a.said}
	if a.signal != 0 {
		exit = project.KilledBy(a.signal)
	}
	var since time.Time
	defer func() {
		w.mu.Lock()
		delete(w.procs, p.run.ID)
		w.dead[p.run.ID] = true
		w.mu.Unlock()
		if !since.IsZero() {
			exit.At, exit.Ran = time.Now(), project.Duration(time.Since(since))
		}
		w.report(Fact{Kind: Exited, Run: p.run.ID, Exit: exit})
	}()
	if a.staging > 0 {
		select {
		case <-time.After(a.staging):
		case <-p.kill:
			exit = project.Exit{Error: "stopped before it was started", Code: 127}
			return
		}
	}
	if a.err != "" {
		exit = project.Exit{Error: a.err, Hint: a.hint, Code: 127}
		return
	}
	w.report(Fact{Kind: Spawned, Run: p.run.ID, PID: pid})
	close(p.up)
	since = time.Now()
	if p.run.Process.Daemon != nil && a.launch >= 0 {
		w.After(a.launch, Fact{Kind: Launched, Run: p.run.ID, PID: pid + 1000})
	}
	var end <-chan time.Time
	if a.lasts > 0 {
		end = time.After(a.lasts)
	}
	for {
		select {
		case <-end:
			return
		case sig := <-p.term:
			if a.deaf && sig == project.SIGTERM || sig == project.SIGHUP {
				continue
			}
			if a.linger > 0 {
				select {
				case <-time.After(a.linger):
				case <-p.kill:
					exit = project.KilledBy(project.SIGKILL)
					time.Sleep(a.dying)
					return
				}
			}
			if !a.quits {
				exit = project.KilledBy(project.SIGTERM)
			}
			return
		case <-p.kill:
			exit = project.KilledBy(project.SIGKILL)
			time.Sleep(a.dying)
			return
		}
	}
}

// setScript changes what processes do from now on.
func (w *fake) setScript(script func(project.ID, int) act) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script = script
}

func (w *fake) scripted(id project.ID, attempt int) act {
	w.mu.Lock()
	script := w.script
	w.mu.Unlock()
	return script(id, attempt)
}

func (w *fake) find(id RunID) *fakeProc {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.procs[id]
}

func (w *fake) Probe(id RunID) {
	p := w.find(id)
	if p == nil || p.run.Process.Readiness == nil {
		return
	}
	a := w.scripted(p.run.Process.ID, p.run.Attempt)
	if a.ready < 0 {
		return
	}
	w.After(a.ready, Fact{Kind: Probed, Run: id, News: true, Probe: control.Probe{Role: project.ReadinessProbe, OK: true}})
}

func (w *fake) Signal(id RunID, signal project.Signal, group bool) {
	if p := w.find(id); p != nil {
		w.mu.Lock()
		w.signals = append(w.signals, fmt.Sprintf("%s %s", p.run.Process.ID, signal))
		w.mu.Unlock()
		p.term <- signal
	}
}

func (w *fake) Shutdown(id RunID, c project.Shutdown) {
	if c.Command != nil {
		w.Say("(shutdown command: "+c.Command.Shell.String()+")", servicelog.Plain)
	} else {
		w.Say("(typed: "+c.Keys+")", servicelog.Plain)
	}
	f := Fact{Kind: ShutdownDone, Run: id}
	if p := w.find(id); p != nil && w.scripted(p.run.Process.ID, p.run.Attempt).refuses {
		f.Exit.Code = 1
	}
	w.After(time.Millisecond, f)
}

func (w *fake) Cancel(id RunID) {
	if p := w.find(id); p != nil {
		select {
		case <-p.up: // too late
		default:
			w.Kill(id)
		}
	}
}

func (w *fake) Kill(id RunID) {
	if p := w.find(id); p != nil {
		select {
		case <-p.kill:
		default:
			close(p.kill)
		}
	}
}

func (w *fake) GiveUp(id RunID) string {
	if w.find(id) == nil {
		return ""
	}
	return "sh (pid 7, state D in disk_wait)"
}

// Say keeps the line with the time since the beginning.
func (w *fake) Say(line string, _ servicelog.Tone) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%v %s", time.Since(w.began).Round(time.Millisecond), line))
}

func (w *fake) transcript() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// probe lets the probe of a live main process check, without a change of mind.
func (w *fake) probe(t *testing.T, id project.ID, p control.Probe) {
	t.Helper()
	w.verdict(t, id, p, false)
}

// news lets it change its mind.
func (w *fake) news(t *testing.T, id project.ID, p control.Probe) {
	t.Helper()
	w.verdict(t, id, p, true)
}

func (w *fake) verdict(t *testing.T, id project.ID, p control.Probe, news bool) {
	t.Helper()
	w.tell(t, id, Fact{Kind: Probed, Probe: p, News: news})
}

// tell reports a fact about the live run of a process.
func (w *fake) tell(t *testing.T, id project.ID, f Fact) {
	t.Helper()
	w.mu.Lock()
	for _, q := range w.procs {
		if q.run.Process.ID == id {
			f.Run = q.run.ID
		}
	}
	w.mu.Unlock()
	if f.Run == 0 {
		t.Fatalf("%s does not run", id)
	}
	w.report(f)
	synctest.Wait()
}

// scene is an engine in its bubble, for one test.
type scene struct {
	*testing.T
	*Engine
	world  *fake
	result chan Result
}

// play runs a test in a bubble with an engine over a fake world. What test
// leaves running is stopped, and must end.
func play(t *testing.T, p *project.Project, acts map[project.ID]any, opts Options, test func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFake(func(id project.ID, attempt int) act {
			switch a := acts[id].(type) {
			case act:
				return a
			case []act:
				return a[min(attempt, len(a))-1]
			}
			return act{}
		})
		opts.World = func(report func(Fact)) World { w.report = report; return w }
		valid, err := project.Validated(p)
		if err != nil {
			t.Fatal(err)
		}
		s := &scene{t, New(valid, opts), w, make(chan Result, 1)}
		go func() { s.result <- s.Engine.Run(t.Context()) }()
		synctest.Wait()
		test(s)
		s.Down()
		select {
		case r := <-s.result:
			s.result <- r
		case <-time.After(time.Hour):
			t.Errorf("the project did not end: %+v", s.Snapshot())
		}
		if len(w.twice) > 0 {
			t.Errorf("two live executions of %v", w.twice)
		}
		synctest.Wait()
	})
}

// signals are those sent so far, as "a SIGTERM".
func (s *scene) signals() []string {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return slices.Clone(s.world.signals)
}

// pass lets time go by.
func (s *scene) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// state is a service's state, with why.
func (s *scene) status(id project.ID) control.Service {
	for _, st := range s.Snapshot().Services {
		if st.ID == id {
			return st
		}
	}
	s.Fatalf("no service %q", id)
	return control.Service{}
}

func (s *scene) wantState(id project.ID, want control.ServiceState, why string) {
	s.Helper()
	if st := s.status(id); st.State != want || st.Why != why {
		s.Errorf("%s is %s (%s), want %s (%s)", id, st.State, st.Why, want, why)
	}
}

// wantLines compares everything that was said with the lines of want.
func (s *scene) wantLines(want string) {
	s.Helper()
	var clean []string
	for line := range strings.Lines(strings.TrimSpace(want)) {
		clean = append(clean, strings.TrimSpace(line))
	}
	if got, want := s.world.transcript(), strings.Join(clean, "\n"); got != want {
		s.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// after is a line that was said, with its time, which is left to chance.
func (s *scene) after(line string) string {
	s.Helper()
	found := ""
	for said := range strings.Lines(s.world.transcript()) {
		if strings.HasSuffix(strings.TrimSpace(said), "s "+line) {
			found = strings.TrimSpace(said) // the last one
		}
	}
	if found == "" {
		s.Errorf("%q was not said", line)
	}
	return found
}

// wantEnd waits for the end of the project by itself.
func (s *scene) wantEnd(code int, reason string) {
	s.Helper()
	r := <-s.result
	s.result <- r
	if r != (Result{code, reason}) {
		s.Errorf("the project ended with %+v, want %d, %q", r, code, reason)
	}
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// services makes a project from lines such as "api: db=ready +probe
// restart=always max=3", in which "x=ready" is a dependency. A name with a
// dot is a type and an instance.
func services(lines ...string) *project.Project {
	p := &project.Project{
		Version: project.Version, Name: "test",
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
	}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ":")
		typ, instance, dotted := strings.Cut(name, ".")
		if !dotted {
			typ, instance = "custom", name
		}
		id := project.ID(name)
		s := &project.Service{ID: id, Type: typ, Instance: instance, Main: id, DependsOn: map[project.ID]project.Dependency{}}
		m := &project.Process{ID: id, Service: id, Role: project.Main, Command: project.Command{Shell: project.Lit("x")}}
		p.Services[id], p.Processes[id] = s, m
		schedule := func() *project.Schedule {
			if s.Schedule == nil {
				s.Schedule = &project.Schedule{}
			}
			return s.Schedule
		}
		oneshot := func(role project.Role) project.ID {
			pid := project.ID(fmt.Sprintf("%s-%s", id, role))
			for p.Processes[pid] != nil {
				pid += "2"
			}
			p.Processes[pid] = &project.Process{ID: pid, Service: id, Role: role, Command: m.Command}
			return pid
		}
		for _, word := range strings.Fields(rest) {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "+probe":
				m.Readiness = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
			case "+init":
				s.Init = append(s.Init, oneshot(project.Init))
			case "+setup":
				s.Setup = append(s.Setup, oneshot(project.Setup))
			case "cron": // with _ for spaces
				schedule().Cron = strings.ReplaceAll(value, "_", " ")
			case "every":
				d, _ := time.ParseDuration(value)
				schedule().Interval = project.Duration(d)
			case "zone":
				schedule().Zone = value
			case "+atstart":
				schedule().AtStart = true
			case "most":
				fmt.Sscan(value, &schedule().Concurrent)
			case "overlap":
				schedule().Overlap = project.Overlap(value)
			case "watch":
				s.Watch = &project.Watch{Paths: []project.WatchPath{{Path: project.Lit(value)}}}
			case "+cascade":
				s.Watch.Cascade = true
			case "daemon":
				m.Daemon = &project.Daemon{}
				if d, _ := time.ParseDuration(value); d > 0 {
					m.Daemon.LaunchTimeout = project.For(d)
				}
			case "+end":
				m.ExitOnEnd = true
			case "+skipend":
				m.ExitOnSkipped = true
			case "+disabled":
				s.Disabled = true
			case "restart":
				m.Restart.Policy = project.RestartPolicy(value)
			case "max":
				fmt.Sscan(value, &m.Restart.Max)
			case "delay":
				d, _ := time.ParseDuration(value)
				m.Restart.Delay = project.For(d)
			case "grace":
				d, _ := time.ParseDuration(value)
				m.Shutdown.Timeout = project.For(d)
			default:
				value, again := strings.CutSuffix(value, "+restart")
				s.DependsOn[project.ID(key)] = project.Dependency{Condition: project.Condition(value), Restart: again}
			}
		}
	}
	p.AssignLabels()
	return p
}

var ctx = context.Background()
