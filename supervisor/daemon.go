package supervisor

import (
	"nix2gpu/process"
	"nix2gpu/project"
)

// daemonSpec makes spec that of a daemon's command.
func (x *execution) daemonSpec(spec *process.Spec) {
	spec.Mode, spec.Success = process.Daemon, x.Process.SuccessCode
	spec.Launched = func(pid int) {
		select {
		case <-x.up: // a command may end before we know that it was executed
			x.m.report(Fact{Kind: Launched, Run: x.ID, PID: pid})
		case <-x.over.Done():
		}
	}
}

// attend returns when a daemon has ended. One of which nothing runs here, as after "docker
// run -d", ends with its shutdown command.
func (x *execution) attend(p *process.Process) {
	<-p.Done()
	if x.leftNothing(p) && x.Process.Shutdown.Command != nil {
		x.m.report(Fact{Kind: Launched, Run: x.ID})
		<-x.gone
	}
}

// leftNothing reports whether a command that should have launched a daemon has succeeded
// and has left nothing running, at no time.
func (x *execution) leftNothing(p *process.Process) bool {
	exit, _ := p.End()
	failed := end{exit: exit, success: x.Process.SuccessCode}.failed()
	return !p.Launched() && !failed && !p.Killed() && !x.told.Load()
}

// release ends the run of a daemon that runs elsewhere.
func (x *execution) release() {
	if x.Process.Daemon != nil {
		x.goneOnce.Do(func() { close(x.gone) })
	}
}

// exitOf returns how the process of a run has ended.
func (x *execution) exitOf(p *process.Process) project.Exit {
	exit, known := p.End()
	switch {
	case x.Process.Daemon == nil:
	case !known:
		return project.Exit{Code: 1, At: exit.At, Ran: exit.Ran, Because: "it is a daemon, and how it has ended is not known"}
	case x.leftNothing(p) && x.Process.Shutdown.Command == nil:
		exit.Error = "its command has ended and has left nothing running, although it is to launch a daemon"
		exit.Hint = "if the daemon runs elsewhere, as after \"docker run -d\", give it a shutdown command that ends it; if nothing is to stay, it is no daemon"
	}
	return exit
}
