package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"nix2gpu/container"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/session"
	"nix2gpu/stage"
)

// stopGrace is how long a command has between SIGTERM and SIGKILL. It is less than
// the 10 s after which docker kills the container.
const stopGrace = 8 * time.Second

// foreground runs the command of boot, or a shell, beside the services ids, and
// ends with its exit code. A shell that was told to stop ends with 0.
func (b *boot) foreground(ctx context.Context, ids []project.ID, refused map[project.ID]string, shell bool) error {
	launch, err := b.launch(shell)
	if err != nil {
		return &exitError{exitNotFound, err}
	}
	j := b.job(ids, refused, true)
	if len(ids) == 0 { // "wait" must not wait for services that never come
		_ = container.MarkBoot(b.env.UID, false) // if it could be set, it can be removed
	}
	if !process.IsInit() {
		return b.inPlace(ctx, launch, j)
	}
	host, err := process.New(process.Options{})
	if err != nil {
		return err
	}
	defer host.Close()
	var services *process.Process
	if len(ids) > 0 {
		if services, err = b.beside(host, j); err != nil {
			return err
		}
	}
	exit, asked, err := b.attend(ctx, host, launch)
	if services != nil {
		services.Terminate(project.SIGTERM, true)
		<-services.Done()
	}
	switch {
	case err != nil:
		return &exitError{exitNotFound, err}
	case exit.Success() || shell && asked:
		return nil
	}
	return &endError{&exitError{code: exit.Code}}
}

// launch resolves the command and its environment.
func (b *boot) launch(shell bool) (*stage.Launch, error) {
	m, err := b.machine(b.env, b.layout)
	if err != nil {
		return nil, err
	}
	st := m.Stage()
	proc := &project.Process{ID: "command", Service: "command", Role: project.Main, User: b.project.Container.User}
	dir := project.Lit(b.env.Dir) // docker run --workdir sets it
	words := func(argv ...string) project.Command {
		var c project.Command
		for _, arg := range argv {
			c.Exec = append(c.Exec, project.Lit(arg))
		}
		return c
	}
	l, err := st.PrepareExec(b.project, proc, words(b.opts.command...), dir)
	if err != nil && shell {
		return st.PrepareExec(b.project, proc, words("sh"), dir)
	}
	return l, err
}

// beside starts the supervisor as a process of its own.
func (b *boot) beside(host *process.Host, j *session.Job) (*process.Process, error) {
	f, err := j.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	self, err := b.env.selfPath()
	if err != nil {
		return nil, err
	}
	return host.Start(process.Spec{
		Name: "supervisor", Path: self, Argv: []string{b.env.Args[0], "guard", "supervise", fmt.Sprint(jobFD), attached},
		Env: b.env.Environ, Dir: "/", Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{f},
		Mode: process.OnlyMain, // the supervisor ends its own descendants
	})
}

// attend runs the command to its end, and passes signals on. asked reports that
// one of them was SIGTERM.
func (b *boot) attend(ctx context.Context, host *process.Host, l *stage.Launch) (exit project.Exit, asked bool, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	spec := process.Spec{
		Path: l.Path, Argv: l.Argv, Env: l.Env, Dir: l.Dir,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	if l.SetUser {
		spec.User = &process.User{UID: int(l.UID), GID: int(l.GID)}
		for _, g := range l.Groups {
			spec.User.Groups = append(spec.User.Groups, int(g))
		}
	}
	if b.env.StdinTTY {
		process.YieldTerminal()
		spec.Terminal = process.OwnTerminal
	} else {
		signal.Notify(signals, syscall.SIGHUP)
	}
	p, err := host.Start(spec)
	if err != nil {
		return exit, false, err
	}
	stop := func() {
		asked = true
		if b.env.StdinTTY { // a shell at a terminal ignores TERM
			p.SignalGroup(project.SIGHUP)
		}
		p.Terminate(project.SIGTERM, false)
		time.AfterFunc(stopGrace, p.Kill)
	}
	if ctx.Err() != nil { // SIGTERM came before signals were passed on
		stop()
	}
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				stop()
				continue
			}
			p.SignalGroup(project.Signal(s.(syscall.Signal)))
		case <-p.Done():
			return p.Exit(), asked, nil
		}
	}
}

// inPlace starts the services, if there are any, in the background and replaces
// this process by the command. Another process is PID 1, which reaps and passes
// signals on.
func (b *boot) inPlace(ctx context.Context, l *stage.Launch, j *session.Job) error {
	if len(j.Services) > 0 {
		quiet := *b.env
		quiet.Stdout = io.Discard // stdout is the command's
		if err := detach(ctx, &quiet, &upOptions{}, j, b.layout); err != nil {
			return err
		}
	}
	if l.SetUser {
		var groups []int
		for _, g := range l.Groups {
			groups = append(groups, int(g))
		}
		for _, become := range []func() error{
			func() error { return syscall.Setgroups(groups) },
			func() error { return syscall.Setgid(int(l.GID)) },
			func() error { return syscall.Setuid(int(l.UID)) },
		} {
			if err := become(); err != nil {
				return fmt.Errorf("cannot become user %d: %v", l.UID, err)
			}
		}
	}
	if err := os.Chdir(l.Dir); err != nil {
		return err
	}
	err := syscall.Exec(l.Path, l.Argv, l.Env)
	return &exitError{exitNotExec, fmt.Errorf("cannot execute %s: %v", l.Path, err)}
}
