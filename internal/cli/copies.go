package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

// detachCopy runs the same command again in a session of its own. That one owns the copy, and
// says what is wrong at our terminal until the copy runs. Then it has our handshake, the
// name, and is at no terminal any more.
func (opts *copyOptions) detachCopy(ctx context.Context, env *Env) error {
	if opts.tty {
		return hint(usageError("-d and -t exclude each other"), "leave out -t: what runs in the background has no terminal")
	}
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(env.Self)
	cmd.Args = append([]string{env.Args[0], "detached", "3"}, arguments(env)...)
	cmd.Env, cmd.Dir, cmd.Stderr, cmd.ExtraFiles = env.Environ, env.Dir, env.Stderr, []*os.File{told}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no hang-up and no Ctrl-C of a terminal reaches it
	err = cmd.Start()
	told.Close()
	if err != nil {
		return fmt.Errorf("cannot run in the background: %v", err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	name, err := io.ReadAll(ready)
	if len(name) > 0 {
		fmt.Fprintf(env.Stdout, "%s\n", name)
		return nil
	}
	if ended := cmd.Wait(); ended != nil {
		err = ended
	}
	var end *exec.ExitError
	switch {
	case errors.As(err, &end) && end.Exited():
		return &endError{&exitError{code: end.ExitCode()}} // it has said why
	case err != nil:
		return fmt.Errorf("cannot run in the background: %v", err)
	}
	return nil
}

// detached tells whoever has started us that the copy runs, and lets go of the terminal.
func (env *Env) detached(name string) error {
	null, err := devNull()
	if err != nil {
		return err
	}
	defer null.Close()
	_, _ = env.handshake.WriteString(name) // nobody may wait for it any more
	env.handshake.Close()
	return unix.Dup3(int(null.Fd()), int(os.Stderr.Fd()), 0)
}

// copies are those of the named that are copies and run; the other names stay.
func (opts *actOptions) copies(ctx context.Context, c *client.Client) (names []string, err error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	opts.target.services = slices.DeleteFunc(opts.target.services, func(name string) bool {
		if copyRuns(state, name) {
			names = append(names, name)
			return true
		}
		return false
	})
	return names, nil
}

// copyRuns reports whether there is a copy of a name.
func copyRuns(state *control.State, name string) bool {
	return slices.ContainsFunc(state.Copies, func(c control.RunningCopy) bool { return c.Name == name })
}

// stopCopies stops those of the named that are copies.
func (opts *actOptions) stopCopies(ctx context.Context, env *Env, c *client.Client) error {
	names, err := opts.copies(ctx, c)
	if err != nil || len(names) == 0 {
		return err
	}
	began := env.Now()
	if _, err := c.Stop(ctx, names); err != nil {
		return err
	}
	for _, name := range names {
		if opts.noWait {
			fmt.Fprintf(env.Stdout, "%s: stopping\n", name)
			continue
		}
		// Its project may have been begun for it, and be gone with it.
		if _, err := c.WaitCopy(ctx, name); err != nil && !errors.Is(err, control.ErrNotRunning) {
			return err
		}
		fmt.Fprintf(env.Stdout, "%s: stopped (%s)\n", name, briefly(env.Now().Sub(began)))
	}
	return nil
}

// waitCopies waits for the end of those of the named that are copies, and returns the others.
// The error is the exit code of the first that failed, where how it ended is asked for.
func waitCopies(ctx context.Context, env *Env, c *client.Client, opts *waitOptions) (others []string, err error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	forEnd := opts.cond == string(project.Exited) || opts.cond == string(project.Completed)
	for _, name := range opts.target.services {
		if _, err := pickServices(state.Services, []string{name}); err == nil || !isCopyName(name) {
			others = append(others, name)
			continue
		}
		if opts.chosen && opts.cond != control.ForStopped && !forEnd {
			return nil, hint(usageError("not supported: wait --for %s for a copy, which is not supervised", opts.cond), "leave out --for, or wait --for exited %s, which has its exit code", name)
		}
		end, err := c.WaitCopy(ctx, name)
		switch {
		case err != nil && exitCode(err) == exitTimeout:
			fmt.Fprintf(env.Stderr, "%s: running\n", name)
			return nil, err
		case err != nil:
			return nil, err
		case !forEnd:
		case end.Exit == nil:
			return nil, hint(fmt.Errorf("nobody knows how %s ended: whoever ran it was killed", name), "nix2gpu logs %s", name)
		case !end.Exit.Success():
			return nil, &exitError{end.Exit.Code, fmt.Errorf("%s: %s", name, end.Exit)}
		}
	}
	return others, nil
}

// copyOf says what a copy is.
func copyOf(c control.RunningCopy) string {
	of := "a copy of " + c.Service
	if c.Service == "" {
		of = "in the container's environment"
	}
	if len(c.Command) > 0 {
		of += ": " + strings.Join(c.Command, " ")
	}
	return of
}

// writeCopy prints the block of status about a copy, but for what it has printed.
func writeCopy(env *Env, c control.RunningCopy, at time.Time, log string) {
	b := block{env: env}
	fmt.Fprintln(env.Stdout, env.fill(c.Name+": running, "+shortened(firstLine(copyOf(c)), longestWhy), 4))
	b.line("since", "%s, %s ago", clock(c.Since), span(at.Sub(c.Since)))
	b.line("pid", "%d", c.PID)
	if log != "" {
		b.line("log", "%s", log)
	}
}

// copyRows are the rows of ps about copies that run.
func copyRows(state *control.State, wide bool) (rows [][]string) {
	for _, c := range state.Copies {
		row := []string{c.Name, string(control.Running), "-", "-", fmt.Sprint(c.PID), span(state.At.Sub(c.Since))}
		if wide {
			row = append(row, "-", "-", clock(c.Since))
		}
		rows = append(rows, append(row, shortened(firstLine(copyOf(c)), longestWhy)))
	}
	return rows
}
