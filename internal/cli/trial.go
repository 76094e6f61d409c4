package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/session"
)

// machine completes m with all that can be found out about this machine from here.
func (l *loaded) machine(ctx context.Context, env *Env, m session.Machine) session.Machine {
	m.Root, m.Environ, m.GPU = l.root, env.Environ, askGPUs(ctx, env)
	m.Trial = func(ctx context.Context, t process.Trial, environ []string) (string, int, error) {
		return runTrial(ctx, env.Self, t, environ)
	}
	return m
}

// runTrial runs a server's test of its configuration, and returns what it printed and
// its exit code.
func runTrial(ctx context.Context, self string, t process.Trial, environ []string) (output string, code int, err error) {
	args, err := t.Args()
	if err != nil {
		return "", 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	_ = w.Chmod(0o666) // as in a run, servers open /dev/stdout again, as another user
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env, cmd.Dir = environ, "/"
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return "", 0, err
	}
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&out, r)
	}()
	err = cmd.Wait()
	_ = r.SetReadDeadline(time.Now().Add(time.Second)) // a descendant may keep the pipe open
	<-read
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), exit.ExitCode(), nil
	}
	return out.String(), 0, err
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
