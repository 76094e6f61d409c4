package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// machine returns what this machine is to the project, whose places are layout.
func (l *loaded) machine(env *Env, layout rundir.Layout) (session.Machine, error) {
	self, err := env.selfPath()
	return session.Machine{Layout: layout, Root: l.root, Self: self, Environ: env.Environ}, err
}

// tryingMachine is machine with what asks for GPUs and runs servers' tests from here.
func (l *loaded) tryingMachine(ctx context.Context, env *Env, layout rundir.Layout) (session.Machine, error) {
	m, err := l.machine(env, layout)
	m.GPU = askGPUs(ctx, env)
	m.Trial = func(ctx context.Context, t process.Trial, environ []string) (string, int, error) {
		return runTrial(ctx, env.Self, t, environ)
	}
	return m, err
}

// runTrial runs a server's test of its configuration, and returns what it printed and
// its exit code.
func runTrial(ctx context.Context, self string, t process.Trial, environ []string) (output string, code int, err error) {
	args, err := t.Args()
	if err != nil {
		return "", 0, err
	}
	l, err := session.Listen()
	if err != nil {
		return "", 0, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env, cmd.Dir = environ, "/"
	cmd.Stdout, cmd.Stderr = l.End, l.End
	err = cmd.Start()
	l.End.Close()
	if err != nil {
		return "", 0, err
	}
	err = cmd.Wait()
	printed := l.Printed()
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return printed, exit.ExitCode(), nil
	}
	return printed, 0, err
}

// noteUntested returns a function that prints of which service the configuration was
// not tested, and why.
func noteUntested(env *Env) func(*project.Service, string) {
	return func(s *project.Service, why string) {
		fmt.Fprintf(env.Stderr, "note: the configuration of %s was not tested: %s\n", s.Label, why)
	}
}

// noteShared returns a function that prints that tests were not kept from the network,
// and why.
func noteShared(env *Env) func(string) {
	return func(why string) {
		fmt.Fprintf(env.Stderr, "note: servers tested their configuration with the network of this machine in reach; it gives them none of their own: %s\n", why)
	}
}
