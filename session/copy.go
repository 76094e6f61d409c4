package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
	"nix2gpu/supervisor"
)

// copyGrace is what a copy gets from its stop signal to the kill where its service
// sets nothing.
const copyGrace = 10 * time.Second

// runCopy starts what a service depends on, waits for it, and looks up what a copy of
// the service is. Who asked runs it. Without an id it is one of the container.
func (s *session) runCopy(ctx context.Context, id project.ID, req control.RunRequest, pid int) (*control.Copy, error) {
	p, err := s.engine.Project(ctx)
	if err != nil {
		return nil, err
	}
	defer s.copies.prepare(pid)()
	// Nothing begins while the project stops, whatever it depends on.
	if _, err := s.engine.Start(ctx, []project.ID{}, supervisor.StartOptions{}); err != nil {
		return nil, err
	}
	name, live := "run", false
	proc := &project.Process{ID: "run", Service: "run", Role: project.Main, User: p.Container.User}
	if service := p.Services[id]; service != nil {
		if live, err = s.copyable(service, p.Apart(service), len(req.Command) > 0); err != nil {
			return nil, err
		}
		if !req.NoDeps {
			if err := s.bring(ctx, service.DependsOn); err != nil {
				return nil, err
			}
		}
		name, proc = string(id)+"-run", p.Processes[service.Main]
	} else if id != "" {
		return nil, &supervisor.UnknownError{Service: id}
	}
	launch, err := s.launchCopy(p, proc, req, id != "" && !live)
	if err != nil {
		return nil, stageError(err)
	}
	info := control.RunningCopy{Command: req.Command, Detached: req.Detached}
	if service := p.Services[id]; service != nil {
		info.Service = service.Label
	}
	out := &control.Copy{Name: s.copyName(p, name, pid, info), Path: launch.Path, Argv: launch.Argv,
		Limits: launch.Limits, Stop: cmp.Or(proc.Shutdown.Signal, project.SIGTERM), Grace: project.Duration(copyGrace), Logs: s.Layout.Logs}
	if t := proc.Shutdown.Timeout; t != nil {
		out.Grace = *t
	}
	if out.Surroundings, err = surroundings(launch); err != nil {
		return nil, err
	}
	if proc.Settings.Network != "" {
		out.NetworkOf, _ = s.mainRuns(id) // where that does not run, the copy has a network of its own
	}
	cookie, _, err := s.lend(out.Name, pid)
	if err != nil {
		return nil, err
	}
	out.Env = append(out.Env, cookie)
	return out, nil
}

// copyable says why there can be no copy of a service, which may have a network apart from
// ours, unless a command is given that it runs instead of the service's, and whether the
// service itself lives.
func (s *session) copyable(service *project.Service, apart, given bool) (live bool, err error) {
	i := slices.IndexFunc(s.engine.Snapshot().Services, func(svc control.Service) bool { return svc.ID == service.ID && svc.State.Live() })
	live = i >= 0
	const stopFirst = "stop it first with \"nix2gpu stop %s\", or give the copy a command of its own: nix2gpu run %[1]s -- COMMAND"
	const ownCommand = "give the copy a command of its own: nix2gpu run %s -- COMMAND"
	conflict := func(msg, cure string) (bool, error) {
		return live, &control.Error{Code: control.CodeConflict, Msg: msg, Hint: fmt.Sprintf(cure, service.Label)}
	}
	switch {
	case given:
		return live, nil
	case service.Unsupported != "":
		return conflict(fmt.Sprintf("%s cannot run here: %s", service.Label, service.Unsupported), ownCommand)
	case len(service.Init)+len(service.Setup) > 0:
		return conflict(fmt.Sprintf("%s is set up around each start, and a copy is not", service.Label),
			"start the service itself with \"nix2gpu start %s\", or give the copy a command of its own: nix2gpu run %[1]s -- COMMAND")
	}
	for _, port := range service.Ports {
		if live {
			return conflict(fmt.Sprintf("%s runs and has port %d, which a copy of it would want as well", service.Label, port.Port), stopFirst)
		}
		if h, taken := process.Listener(port.Port, port.Address); taken && !apart && port.Protocol != "udp" {
			return conflict(fmt.Sprintf("a copy of %s would want port %d, which %s has", service.Label, port.Port, h), ownCommand)
		}
	}
	return live, nil
}

// bring starts what a service depends on, where it does not run, and returns when each
// is what the service waits for. What has completed is not repeated.
func (s *session) bring(ctx context.Context, needs map[project.ID]project.Dependency) error {
	ids := slices.Sorted(maps.Keys(needs))
	if len(ids) == 0 {
		return nil
	}
	if _, err := (asked{s.engine, s}).start(ctx, ids, supervisor.StartOptions{Missing: true}); err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.engine.Wait(ctx, id, needs[id].Condition); err != nil {
			return err
		}
	}
	return nil
}

// launchCopy makes a process, with what the request changes of it, ready to be run.
// Where the service lives, its folders and files are there, and are not touched.
func (s *session) launchCopy(p *project.Project, proc *project.Process, req control.RunRequest, fresh bool) (*stage.Launch, error) {
	own := *proc
	if len(req.Command) > 0 {
		own.Command = project.Command{}
		for _, word := range req.Command {
			own.Command.Exec = append(own.Command.Exec, project.Lit(word))
		}
	}
	if req.Dir != "" {
		own.Dir = project.Lit(req.Dir)
	}
	st := s.Stage()
	if fresh { // as the service's own user, whose they are
		if launch, err := st.Prepare(p, &own); err != nil || req.User == "" {
			return launch, err
		}
	}
	own.User = cmp.Or(req.User, own.User)
	return st.PrepareExec(p, &own, own.Command, own.Dir)
}

// copyName names a copy, and so its log. Of the logs of earlier ones the last are kept.
func (s *session) copyName(p *project.Project, base string, pid int, info control.RunningCopy) string {
	logs := servicelog.NewReader(s.Layout.Logs)
	sources, _ := logs.Sources() // a folder that can't be read has none to be kept
	taken := func(name string) bool {
		return p.Processes[project.ID(name)] != nil || p.Services[project.ID(name)] != nil
	}
	name, old := s.copies.next(base, sources, taken, pid, info)
	go s.copies.watch(s.alive, name)
	for _, source := range old {
		if err := logs.Remove(source); err != nil {
			s.log.Warn("the log of an old copy cannot be removed", "log", source, "err", err)
		}
	}
	return name
}

// keptCopies is how many logs of copies of one service are kept, and ends of them.
const keptCopies = 20

// copies numbers the copies of services, and knows which run and how the last of them
// ended. Its zero value is ready to use.
type copies struct {
	mu   sync.Mutex
	last map[string]int     // the highest number of this session, by base
	runs map[string]*lender // who runs a copy, or did, by the copy's name

	closed   <-chan struct{} // the project has ended; nil: never
	takeBack func(pid int)   // the process goes on after its copy, and not with the project; may be nil

	// The others are about a project that was begun for copies. It ends with the last of
	// them, unless somebody has started more meanwhile.
	lone      bool
	beginner  int         // the pid of who has begun it, until that has run its copy, or none
	preparing map[int]int // how many requests for a copy are not answered yet, by who asks
	end       func()
}

// A lender is a process that runs a copy.
type lender struct {
	pid   int
	start uint64
	info  control.RunningCopy
	over  chan struct{} // closed once the copy has ended
	how   control.EndedCopy
}

// lives reports whether the copy still runs.
func (l *lender) lives() bool {
	select {
	case <-l.over:
		return false
	default:
	}
	info, err := process.Inspect(l.pid)
	return err == nil && info.Start == l.start && info.State != 'Z'
}

// begunBy says, before anybody can ask for anything, that the project is begun by the process
// pid for the copies that it and others run. end is called once there is none any more.
func (c *copies) begunBy(pid int, end func()) {
	c.lone, c.beginner, c.end = true, pid, end
}

// watchBeginner waits until who has begun the project has ended.
func (c *copies) watchBeginner(ctx context.Context, pid int) {
	if info, err := process.Inspect(pid); err == nil {
		process.AwaitEnd(ctx, pid, info.Start)
	}
	if ctx.Err() != nil {
		return // it has ended without us
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginner = 0
	c.endIfLast()
}

// joined says that somebody has asked for more than copies.
func (c *copies) joined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lone = false
}

// prepare says that a copy for the process pid is about to be run; what it returns, that it
// runs, or never will.
func (c *copies) prepare(pid int) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.preparing == nil {
		c.preparing = map[int]int{}
	}
	c.preparing[pid]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.preparing[pid]--; c.preparing[pid] <= 0 {
			delete(c.preparing, pid)
		}
		c.endIfLast()
	}
}

// endIfLast ends a project that was begun for copies once there is none. The lock is held.
func (c *copies) endIfLast() {
	if !c.lone || c.beginner != 0 || len(c.preparing) > 0 {
		return
	}
	for _, by := range c.runs {
		if by.lives() {
			return
		}
	}
	c.lone = false
	c.end()
}

// watch waits until whoever runs a copy has ended. If it was killed, it has not told how the
// copy ended.
func (c *copies) watch(ctx context.Context, name string) {
	c.mu.Lock()
	by := c.runs[name]
	c.mu.Unlock()
	if by == nil {
		return
	}
	process.AwaitEnd(ctx, by.pid, by.start)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	by.ended(control.EndedCopy{Name: name})
	c.endIfLast()
}

// ended notes how a copy ended, the first time.
func (l *lender) ended(how control.EndedCopy) {
	select {
	case <-l.over:
	default:
		l.how = how
		close(l.over)
	}
}

// Tell takes from the process pid how the copy that it has run ended; without a name, that it
// runs none, also if it has asked for one and did not wait for the answer.
func (c *copies) Tell(how control.EndedCopy, pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch by := c.runs[how.Name]; {
	case how.Name == "":
		delete(c.preparing, pid)
		for name, by := range c.runs {
			if by.pid == pid {
				by.ended(control.EndedCopy{Name: name})
			}
		}
	case by != nil && by.pid == pid:
		by.ended(how)
	default:
		return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("pid %d runs no copy %q", pid, how.Name), Hint: copiesListed}
	}
	if c.takeBack != nil {
		c.takeBack(pid)
	}
	if c.beginner == pid {
		c.beginner = 0
	}
	c.endIfLast()
	return nil
}

// copiesListed is where the names of copies are.
const copiesListed = "\"nix2gpu ps\" lists those that run"

// Ended reports whether a copy has ended, and how is known.
func (c *copies) Ended(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := c.runs[name]
	return by != nil && !by.lives()
}

// Await returns how a copy ended, once it has.
func (c *copies) Await(ctx context.Context, name string) (control.EndedCopy, error) {
	c.mu.Lock()
	by := c.runs[name]
	c.mu.Unlock()
	if by == nil {
		return control.EndedCopy{}, &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("there is no copy %q", name), Hint: copiesListed}
	}
	select {
	case <-by.over:
		return by.how, nil
	case <-c.closed:
		select {
		case <-by.over: // before that, perhaps
			return by.how, nil
		default:
		}
		return control.EndedCopy{}, &control.Error{Code: control.CodeFailed, Msg: "the project ended first", Hint: "\"nix2gpu logs\" shows what the copy has printed"}
	case <-ctx.Done():
		return control.EndedCopy{}, context.Cause(ctx)
	}
}

// Running returns the copies that run, in the order in which they began.
func (c *copies) Running() []control.RunningCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []control.RunningCopy
	for name, by := range c.runs {
		if by.lives() {
			one := by.info
			one.Name, one.PID = name, by.program()
			one.Since = byClock(one.Since)
			list = append(list, one)
		}
	}
	sort.SliceStable(list, func(i, j int) bool {
		return cmp.Or(list[i].Since.Compare(list[j].Since), cmp.Compare(list[i].Name, list[j].Name)) < 0
	})
	return list
}

// Signal sends a signal to the command of a copy; 0 stops it, as whoever runs it does:
// with its own signal, and a grace before it is killed. It reports whether it runs.
func (c *copies) Signal(name string, sig project.Signal) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by, ok := c.runs[name]
	if !ok || !by.lives() {
		return false, nil
	}
	if sig == 0 {
		return true, process.SignalLent(by.pid, project.SIGTERM)
	}
	return true, process.SignalLent(by.program(), sig)
}

// program is the pid of what the lender runs; before it runs anything, its own. If it has
// begun this project, our guard is a child of it, too.
func (l *lender) program() int { return cmp.Or(process.FirstChild(l.pid, os.Getppid()), l.pid) }

// next is the name of the next copy, which pid runs: higher than all of which there
// are logs. old are the logs that are too many; none of a copy that still runs.
func (c *copies) next(base string, sources []string, taken func(string) bool, pid int, of control.RunningCopy) (name string, old []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last, c.runs = map[string]int{}, map[string]*lender{}
	}
	var numbers []int
	for _, source := range sources {
		if n, ok := numbered(source, base); ok && !taken(source) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	n := c.last[base]
	if len(numbers) > 0 {
		n = max(n, numbers[len(numbers)-1])
	}
	for n++; taken(base + "-" + strconv.Itoa(n)); n++ {
	}
	c.last[base] = n
	for name, by := range c.runs {
		if ended, ok := numbered(name, base); ok && ended <= n-keptCopies && !by.lives() {
			delete(c.runs, name)
		}
	}
	for _, n := range numbers[:max(0, len(numbers)+1-keptCopies)] {
		source := base + "-" + strconv.Itoa(n)
		if by := c.runs[source]; by == nil || !by.lives() {
			old = append(old, source)
		}
	}
	name = base + "-" + strconv.Itoa(n)
	if info, err := process.Inspect(pid); err == nil {
		of.Since = time.Now()
		c.runs[name] = &lender{pid: pid, start: info.Start, info: of, over: make(chan struct{})}
	}
	return name, old
}

// numbered is the number of the copy of base that a log is of.
func numbered(source, base string) (int, bool) {
	digits, ok := strings.CutPrefix(source, base+"-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == digits
}
