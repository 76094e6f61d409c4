package supervisor

import (
	"context"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// live begins a run. While its program runs, nothing waits for that: the stack of a
// goroutine would be most of what a service takes.
func (x *execution) live() {
	p, log, err := x.begin()
	if err != nil {
		x.finish(startError(err))
		return
	}
	x.m.warnLimits(x, p)
	x.m.mu.Lock()
	x.proc = p
	killed := x.killed
	x.m.mu.Unlock()
	x.m.report(Fact{Kind: Spawned, Run: x.ID, PID: p.PID(), Unlimited: p.Unlimited()})
	if x.up != nil {
		close(x.up)
	}
	if killed {
		p.Kill()
	}
	p.AfterExit(func() {
		if x.isOver(p, log) {
			x.finish(x.exit(p, log))
			return
		}
		go func() {
			x.await(p, log)
			x.finish(x.exit(p, log))
		}()
	})
}

// isOver reports whether there is nothing to wait for at the end of a run, as at that of
// most: then the reaper ends it, which may not wait.
func (x *execution) isOver(p *process.Process, log *servicelog.Run) bool {
	select {
	case <-p.Done():
	default:
		return false
	}
	switch exit := p.Exit(); {
	case x.Process.Daemon != nil || x.terminal != nil || len(x.closes) > 1: // one gives back the descriptors
		return false
	case exit.Success():
	case x.told.Load() || p.Killed():
		if len(x.Service.Ports) > 0 { // perhaps somebody else has one: see exit
			return false
		}
	default: // reasons are looked for
		return false
	}
	x.m.mu.Lock()
	asking := x.asking
	x.m.mu.Unlock()
	return asking == nil && log.Over()
}

// finish is the end of a run.
func (x *execution) finish(exit project.Exit) {
	x.close()
	x.end()
	x.m.mu.Lock()
	delete(x.m.runs, x.ID)
	x.m.mu.Unlock()
	x.m.report(Fact{Kind: Exited, Run: x.ID, Exit: exit})
}

// await returns when nothing of the process, whose program has ended, is left, and all
// that it printed was read.
func (x *execution) await(p *process.Process, log *servicelog.Run) {
	if x.Process.Daemon != nil {
		x.attend(p)
	}
	x.end()
	<-p.Done()
	if x.terminal != nil {
		x.terminal.finish()
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = log.Drain(drain) // somebody else may keep the pipe open for ever
	x.m.mu.Lock()
	asking := x.asking
	x.m.mu.Unlock()
	if asking != nil { // what the shutdown command has said belongs to this run
		select {
		case <-asking:
		case <-drain.Done():
		}
	}
}
