package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/session"
)

// machine is where the services of l are to run, with all that can be asked here.
func (l *loaded) machine(ctx context.Context, env *Env, m session.Machine) session.Machine {
	m.Root, m.Environ, m.GPU = l.root, env.Environ, askGPUs(ctx, env)
	m.Trial = func(ctx context.Context, t process.Trial, environ []string) (string, int, error) {
		return runTrial(ctx, m.Self, t, environ)
	}
	return m
}

// runTrial runs the test of a configuration.
func runTrial(ctx context.Context, self string, t process.Trial, environ []string) (output string, code int, err error) {
	args, err := t.Args()
	if err != nil {
		return "", 0, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env, cmd.Dir = environ, "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // whoever keeps the pipe open is not waited for
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), exit.ExitCode(), nil
	}
	return out.String(), 0, err
}

// noteUntested says of which service the configuration could not be tested.
func noteUntested(env *Env) func(*project.Service, string) {
	return func(s *project.Service, why string) {
		fmt.Fprintf(env.Stderr, "note: the configuration of %s was not tested: %s\n", s.Label, why)
	}
}
