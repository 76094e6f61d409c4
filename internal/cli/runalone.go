package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// begin runs the copy where nothing runs: it begins the project, which starts only what
// the copy needs and goes down with the last copy.
func (opts *copyOptions) begin(ctx context.Context, env *Env, own []string) error {
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	for _, name := range opts.target.services {
		if _, err := l.project.ResolveOne(name); err != nil {
			return &exitError{exitNoService, err}
		}
	}
	up := upOptions{target: opts.target, logFormat: "text", keep: true}
	over, err := up.listen.of(env)
	if err != nil {
		return err
	}
	if err := l.finishBoot(ctx, env); err != nil {
		return err
	}
	job := up.job(env, l, []project.ID{}, session.Ending{}, over)
	job.For = os.Getpid()
	layout := rundir.Locate(env.rundirEnv(), l.instance(), l.root)
	c := client.New(layout.Socket)
	return untilOurs(ctx, layout, func(ctx context.Context) error {
		if _, err := awaitAnswer(ctx, c, layout); err != nil {
			return err
		}
		return opts.in(ctx, env, c, layout, own)
	}, func(ctx context.Context) error {
		l.writeNotes(env)
		quiet := *env
		quiet.Stdout = io.Discard // stdout is the copy's
		if err := detach(ctx, &quiet, &up, job, layout); err != nil {
			return err
		}
		opts.guard = up.guard
		return opts.last(ctx, &quiet, c, layout, opts.in(ctx, env, c, layout, own))
	})
}

// last ends the project that was begun for the copy, whose end is ended, and returns when
// it is down. It stays if others use it.
func (opts *copyOptions) last(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, ended error) error {
	_ = handOver(ctx) // another Ctrl-C ends only us: the project goes down all the same
	ctx = context.WithoutCancel(ctx)
	err := tellEnd(ctx, c, control.EndedCopy{})
	switch state, asked := c.State(ctx); {
	case err != nil || asked != nil: // it ends, or does not answer; then it does when we have ended
		ctx, cancel := limited(ctx, time.Minute)
		defer cancel()
		err = gone(ctx, c, layout)
	case state.Phase == control.PhaseRunning:
		fmt.Fprintln(env.Stderr, "the project stays, because others use it; \"nix2gpu down\" ends it")
	default:
		err = runDown(ctx, env, c, layout, downOptions{})
	}
	if ended != nil {
		return ended
	}
	return err
}

// tellLimit bounds how long a supervisor may take to hear how a copy has ended.
const tellLimit = 5 * time.Second

// tellEnd tells the supervisor how a copy has ended; without a name, that we run none.
func tellEnd(ctx context.Context, c *client.Client, end control.EndedCopy) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellLimit)
	defer cancel()
	return c.Ended(ctx, end)
}
