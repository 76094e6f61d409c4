package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"nix2gpu/gpu"
	"nix2gpu/project"
)

// A Verdict is what one check found, and what the results add up to.
type Verdict struct {
	Role    project.ProbeRole
	State   State
	Changed bool // the state has changed with this check
	OK      bool // this check's own result
	Message string
	Latency time.Duration

	// Resource is set when the check could not be made because we ourselves
	// lack something, such as descriptors. It counts neither way.
	Resource bool
}

// A Checker makes one check. It returns nil when all is well; it must return
// soon after ctx is done.
type Checker interface {
	Check(ctx context.Context) error
}

// A Runner runs a check's command in a process group of its own, writes what
// it prints to output, and returns nil when it has exited with 0. When ctx is
// done it kills the group. It returns when nothing of the group is left.
type Runner func(ctx context.Context, check *project.ExecCheck, output io.Writer) error

// Deps is what checks need from outside. Fields that no probe of the process
// uses may be nil.
type Deps struct {
	Run     Runner
	Resolve func(project.Text) (string, error) // for the paths of sockets
	Notify  *Notify                            // the process's notification socket
	FD      *ReadyFD                           // the process's notification descriptor
	GPU     gpu.Ask                            // asks nvidia-smi
}

// ResourceError says that a check could not be made because we lack something
// ourselves. It says nothing about the process.
type ResourceError struct{ Err error }

func (e *ResourceError) Error() string { return "cannot check: " + e.Err.Error() }
func (e *ResourceError) Unwrap() error { return e.Err }

// isResource reports whether err says that we lack resources ourselves.
func isResource(err error) bool {
	var res *ResourceError
	if errors.As(err, &res) {
		return true
	}
	for _, no := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// prober is one probe of a process.
type prober struct {
	role    project.ProbeRole
	check   Checker
	latch   *latch // instead of check: once set, the probe passes for good
	pace    *pace
	limit   Threshold
	timeout time.Duration
}

// A Group is the probes of one process, for one run of it.
type Group struct {
	startup *prober
	others  []*prober
	lines   []*logWatch
}

// New makes the probes of a process, before it is started. It fails when one
// of them can't work, whatever the process does.
func New(p *project.Process, deps Deps) (*Group, error) {
	g := &Group{}
	for role, of := range p.Probes() {
		pr, err := g.prober(role, of, deps)
		if err != nil {
			return nil, fmt.Errorf("%s probe of %q: %w", role, p.ID, err)
		}
		if role == project.StartupProbe {
			g.startup = pr
		} else {
			g.others = append(g.others, pr)
		}
	}
	return g, nil
}

// prober makes one probe. Unset fields have the defaults of Kubernetes, except for
// the timeout of a check of GPUs.
func (g *Group) prober(role project.ProbeRole, p *project.Probe, deps Deps) (*prober, error) {
	period := time.Duration(p.Period)
	if period <= 0 {
		period = 10 * time.Second
	}
	pr := &prober{role: role, timeout: time.Duration(p.Timeout)}
	if pr.timeout <= 0 {
		pr.timeout = time.Second
		if p.GPU != nil {
			pr.timeout = gpu.Limit
		}
	}
	var initial time.Duration
	if p.InitialDelay != nil {
		initial = time.Duration(*p.InitialDelay)
	}
	pr.pace = newPace(initial, period, p.Exec != nil || p.GPU != nil)
	pr.limit = Threshold{Success: p.SuccessThreshold, Failure: p.FailureThreshold}
	switch {
	case p.Log != nil:
		w, err := newLogWatch(p.Log)
		if err != nil {
			return nil, err
		}
		g.lines = append(g.lines, w)
		pr.latch = &w.latch
		return pr, nil
	case p.Notify != nil && p.Notify.Socket && deps.Notify != nil && role == project.LivenessProbe:
		pr.check = watchdog{deps.Notify, period}
		return pr, nil
	case p.Notify != nil && p.Notify.Socket && deps.Notify != nil:
		pr.latch = &deps.Notify.ready
		return pr, nil
	case p.Notify != nil && p.Notify.FD > 0 && deps.FD != nil:
		pr.latch = &deps.FD.ready
		return pr, nil
	case p.Notify != nil:
		return nil, errors.New("there is no notification socket or descriptor")
	}
	var err error
	pr.check, err = NewChecker(p, deps)
	return pr, err
}

// Line shows the group a line of the process's output. Have the log call it
// from before the process starts, so that no line is missed.
func (g *Group) Line(line []byte) {
	for _, w := range g.lines {
		w.line(line)
	}
}

// WantsLines reports whether a probe waits for a line: if none does, Line need
// not be called.
func (g *Group) WantsLines() bool { return len(g.lines) > 0 }

// Run probes from the start of the process until ctx is done. The startup
// probe runs first, and alone until it passes. Report is called for every
// result, one call at a time.
func (g *Group) Run(ctx context.Context, report func(Verdict)) {
	born := time.Now()
	var mu sync.Mutex
	one := func(v Verdict) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil { // a check that we ended ourselves says nothing
			report(v)
		}
	}
	if g.startup != nil && !g.startup.run(ctx, born, one) {
		return
	}
	var all sync.WaitGroup
	for _, p := range g.others {
		all.Go(func() { p.run(ctx, born, one) })
	}
	all.Wait()
}

// run probes until ctx is done. A startup probe, and one that waits for a line
// or a notification, ends when it has passed.
func (p *prober) run(ctx context.Context, born time.Time, report func(Verdict)) (passed bool) {
	if p.latch != nil {
		select {
		case <-p.latch.set():
			report(Verdict{Role: p.role, State: Passing, Changed: true, OK: true,
				Message: p.latch.message(), Latency: time.Since(born)})
			return true
		case <-ctx.Done():
			return false
		}
	}
	timer := time.NewTimer(max(0, p.pace.first()-time.Since(born)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
		began := time.Now()
		v := p.once(ctx)
		v.Latency = time.Since(began)
		if ctx.Err() != nil {
			return false
		}
		switch {
		case v.Resource:
			v.State = p.limit.State()
		case v.OK || p.pace.counts(time.Since(born)):
			v.State, v.Changed = p.limit.Add(v.OK)
		default:
			v.State = p.limit.State()
		}
		if v.State == Passing {
			p.pace.passed()
		}
		report(v)
		if p.role == project.StartupProbe && v.State == Passing {
			return true
		}
		timer.Reset(p.pace.next(time.Since(born), v.Latency))
	}
}

// once makes one check within the timeout.
func (p *prober) once(ctx context.Context) Verdict {
	v := Verdict{Role: p.role}
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	err := p.check.Check(limited)
	switch {
	case err == nil:
		v.OK = true
	case isResource(err):
		v.Resource, v.Message = true, err.Error()
	case limited.Err() != nil:
		v.Message = fmt.Sprintf("timed out after %v", p.timeout)
		var out *OutputError
		if errors.As(err, &out) && out.Output != "" {
			v.Message += ": " + out.Output
		}
	default:
		v.Message = err.Error()
	}
	return v
}
