package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// detach starts the supervisor as a process of its own session, waits until it
// has opened its socket, and then for the services. The one that evaluated
// ends; nothing is shared with its terminal.
func detach(ctx context.Context, env *Env, opts *upOptions, j *session.Job, layout rundir.Layout) error {
	j.Detached = true
	f, err := j.File()
	if err != nil {
		return err
	}
	defer f.Close()
	null, err := devNull()
	if err != nil {
		return err
	}
	defer null.Close()
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := &exec.Cmd{
		Path:       env.Self,
		Args:       []string{env.Args[0], "supervise", fmt.Sprint(jobFD), fmt.Sprint(readyFD)},
		Env:        env.Environ,
		Dir:        "/", // it must not hold a file system that the user wants to unmount
		Stdin:      null,
		Stdout:     null,
		Stderr:     null,
		ExtraFiles: []*os.File{f, told},
		// Its own session: no terminal's hang-up or Ctrl-C reaches it.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	told.Close()
	if err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	go cmd.Wait() // so that one that dies early is no zombie of ours
	var said handshake
	if err := json.NewDecoder(ready).Decode(&said); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended at once")
		}
		return fmt.Errorf("cannot start the supervisor: %v; see %s", err, session.LogFile(layout))
	}
	if said.Error != "" {
		return &exitError{said.Code, errors.New(said.Error)}
	}
	names := make([]string, len(j.Services))
	for i, id := range j.Services {
		names[i] = string(id)
	}
	return awaitUp(ctx, env, opts, client.New(layout.Socket), layout, names, func() { ready.Close() })
}

// awaitUp waits until the services were started or, with --wait, have
// settled, prints what is up, and fails with the last lines of what is not.
// It calls attached when it will see whatever happens.
func awaitUp(ctx context.Context, env *Env, opts *upOptions, c *client.Client, layout rundir.Layout, ids []string, attached func()) error {
	ctx, cancel := limited(ctx, opts.waitTimeout)
	defer cancel()
	messages, failed := stream(ctx, c)
	// The start of a program is no change of state, so it is looked for.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	giveUp := env.Now().Add(startPatience)
	report := time.NewTimer(patience)
	defer report.Stop()
	services := map[string]control.Service{}
	missing := func() (list []control.Service) {
		for _, id := range ids {
			if s, ok := services[id]; ok && !hasArrived(s, opts.wait, env.Now()) {
				list = append(list, s)
			}
		}
		return list
	}
	var began time.Time
	var end *control.End
	for end == nil {
		select {
		case m := <-messages:
			if end = m.End; end != nil {
				break
			}
			if m.Event != nil {
				if _, ours := services[m.Event.Service.ID]; ours {
					services[m.Event.Service.ID] = m.Event.Service
				}
				break
			}
			attached()
			began = m.State.Since
			picked, err := pickServices(m.State.Services, ids)
			if err != nil {
				return err
			}
			for _, s := range picked {
				services[s.ID] = s
			}
		case <-look.C:
			state, err := c.State(ctx)
			if err != nil {
				break // the stream says why
			}
			for _, s := range state.Services {
				if _, ours := services[s.ID]; ours {
					services[s.ID] = s
				}
			}
		case <-report.C: // once: ps can say it again
			for _, s := range missing() {
				fmt.Fprintf(env.Stderr, "%s: still %s\n", s.Label, describe(s))
			}
		case err := <-failed:
			for _, s := range missing() {
				fmt.Fprintf(env.Stderr, "%s: %s\n", s.Label, describe(s))
			}
			return err
		}
		if len(services) > 0 && allArrived(services, opts.wait, env.Now()) {
			break
		}
		if !opts.wait && env.Now().After(giveUp) {
			break // they go on in the background, and what they wait for is printed
		}
	}
	if end != nil {
		if end.Code != 0 {
			fmt.Fprintf(env.Stderr, "the project ended: %s\n", end.Reason)
		}
		if err := gone(ctx, c, layout); err != nil {
			return err
		}
	}
	return writeUp(ctx, env, layout, ids, services, began, end)
}

// stream follows the events in the background. What ends them early is failed.
func stream(ctx context.Context, c *client.Client) (messages <-chan control.Message, failed <-chan error) {
	ms, errs := make(chan control.Message), make(chan error, 1)
	go func() {
		err := c.Events(ctx, func(m control.Message) error {
			select {
			case ms <- m:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err != nil {
			errs <- err
		}
	}()
	return ms, errs
}

func allArrived(services map[string]control.Service, wait bool, now time.Time) bool {
	for _, s := range services {
		if !hasArrived(s, wait, now) {
			return false
		}
	}
	return true
}

// startPatience is how long "up -d" waits for services whose dependencies are
// slow. With --wait there is no such bound but the user's.
const startPatience = 10 * time.Second

// patience is how long a verb waits before it says for whom.
const patience = 5 * time.Second

// calm is how long a service without a probe must run to count as healthy.
const calm = 500 * time.Millisecond

// hasArrived reports whether a service is where "up -d" was to bring it: its
// program runs or, with --wait, it stays as it is.
func hasArrived(s control.Service, wait bool, now time.Time) bool {
	switch s.State {
	case "running":
		// Without a probe, a program that dies in its first moments is only
		// known by waiting them out.
		return !wait || s.Health != "" || now.Sub(s.Since) > calm
	case "completed", "failed", "skipped":
		return true
	case "stopped":
		return s.Starts > 0
	case "starting":
		return !wait && s.PID != 0
	case "setup", "unready", "backoff":
		return !wait
	case "waiting":
		// For the end of another service: that can be hours away, and needs
		// nobody who waits for it here.
		return !wait && slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool {
			return u.Condition == "completed" || u.Condition == "exited"
		})
	}
	return false
}

// writeUp prints a line a service, and the end of the log of those that failed.
func writeUp(ctx context.Context, env *Env, layout rundir.Layout, ids []string, services map[string]control.Service, began time.Time, end *control.End) error {
	failed, stopped := 0, 0
	for _, id := range ids {
		s, ok := services[id]
		if !ok {
			continue
		}
		fmt.Fprintf(env.Stdout, "%s: %s\n", s.Label, describe(s))
		if s.State == "stopped" || s.State == "stopping" {
			stopped++
		}
		if s.State != "failed" && s.State != "skipped" {
			continue
		}
		failed++
		if s.State == "failed" {
			printTail(ctx, env.Stderr, layout, s, began, statusLines)
		}
	}
	switch {
	case failed > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %s failed", failed, count(len(ids), "service"))}
	case end != nil && end.Code != 0:
		return &exitError{code: end.Code}
	case end != nil && stopped > 0:
		return &exitError{exitFailed, errors.New("the project was stopped meanwhile")}
	}
	return nil
}
