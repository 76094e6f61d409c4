package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/rundir"
)

// detach starts the supervisor as a process of its own session, waits until it
// has opened its socket, and then for the services. The one that evaluated
// ends; nothing is shared with its terminal.
func detach(ctx context.Context, env *Env, opts *upOptions, j *job, layout rundir.Layout) error {
	j.Detached = true
	f, err := j.file()
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
		return fmt.Errorf("cannot start the supervisor: %v; see %s", err, supervisorLog(layout))
	}
	if said.Error != "" {
		return &exitError{said.Code, errors.New(said.Error)}
	}
	names := make([]string, len(j.Services))
	for i, id := range j.Services {
		names[i] = string(id)
	}
	return awaitUp(ctx, env, opts, client.New(layout.Socket), layout, names)
}

// errUp ends the stream of events when everything is as it was asked for.
var errUp = errors.New("up")

// awaitUp waits until the services were started or, with --wait, have
// settled, prints what is up, and fails with the last lines of what is not.
func awaitUp(ctx context.Context, env *Env, opts *upOptions, c *client.Client, layout rundir.Layout, ids []string) error {
	ctx, cancel := limited(ctx, opts.waitTimeout)
	defer cancel()
	services := map[string]control.Service{}
	arrived := func() bool {
		for _, s := range services {
			if !hasArrived(s, opts.wait) {
				return false
			}
		}
		return true
	}
	var end *control.End
	err := c.Events(ctx, func(m control.Message) error {
		switch {
		case m.State != nil:
			picked, err := pickServices(m.State.Services, ids)
			if err != nil {
				return err
			}
			for _, s := range picked {
				services[s.ID] = s
			}
		case m.Event != nil:
			if _, ours := services[m.Event.Service.ID]; ours {
				services[m.Event.Service.ID] = m.Event.Service
			}
		case m.End != nil:
			end = m.End
		}
		if end == nil && arrived() {
			return errUp
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errUp):
		for _, id := range ids {
			if s, ok := services[id]; ok && !hasArrived(s, opts.wait) {
				fmt.Fprintf(env.Stderr, "%s: %s\n", s.Label, describe(s))
			}
		}
		return err
	case end != nil && end.Code != 0:
		fmt.Fprintf(env.Stderr, "the project ended: %s\n", end.Reason)
	}
	return writeUp(ctx, env, layout, ids, services, end)
}

// hasArrived reports whether a service is where "up -d" has brought it: it was
// started or, with --wait, stays as it is.
func hasArrived(s control.Service, wait bool) bool {
	switch s.State {
	case "running", "completed", "failed", "skipped":
		return true
	case "stopped":
		return s.Starts > 0
	}
	return !wait && s.Starts > 0
}

// writeUp prints a line a service, and the end of the log of those that failed.
func writeUp(ctx context.Context, env *Env, layout rundir.Layout, ids []string, services map[string]control.Service, end *control.End) error {
	failed := 0
	for _, id := range ids {
		s, ok := services[id]
		if !ok {
			continue
		}
		fmt.Fprintf(env.Stdout, "%s: %s\n", s.Label, describe(s))
		if s.State != "failed" && s.State != "skipped" {
			continue
		}
		failed++
		if s.State == "failed" {
			printTail(ctx, env.Stderr, layout, s, statusLines)
		}
	}
	switch {
	case failed > 0:
		return &exitError{exitFailed, fmt.Errorf("%d of %d services failed", failed, len(ids))}
	case end != nil && end.Code != 0:
		return &exitError{code: end.Code}
	}
	return nil
}
