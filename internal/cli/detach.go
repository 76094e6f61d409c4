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

	"nix2gpu/control/client"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// detach starts the supervisor in a session of its own, so that it shares nothing
// with our terminal. It waits until the control socket is open, and then for the
// services.
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
		Args:       []string{env.Args[0], "guard", "supervise", fmt.Sprint(jobFD), fmt.Sprint(readyFD)},
		Env:        env.Environ,
		Dir:        "/", // so that it keeps no file system from being unmounted
		Stdin:      null,
		Stdout:     null,
		Stderr:     null,
		ExtraFiles: []*os.File{f, told},
		// In a session of its own, no hang-up and no Ctrl-C of a terminal reaches it.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	told.Close()
	if err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	opts.guard = cmd.Process.Pid
	go cmd.Wait() // reaps it if it dies early
	var said handshake
	if err := json.NewDecoder(ready).Decode(&said); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended at once")
		}
		return fmt.Errorf("cannot start the supervisor: %v; see %s", err, layout.Log)
	}
	if said.Error != "" {
		err := error(&exitError{said.Code, errors.New(said.Error)})
		if said.Hint != "" {
			err = hint(err, "%s", said.Hint)
		}
		if said.Taken {
			return &takenError{err}
		}
		return err
	}
	return awaitUp(ctx, env, opts, client.New(layout.Socket), layout, j.Services, func() { ready.Close() })
}

// The descriptors that a detached supervisor inherits.
const (
	jobFD   = 3
	readyFD = 4
)

// A handshake is the one message of a detached supervisor to the process that
// started it: that it is up, or why not.
type handshake struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code,omitempty"`
	Taken bool   `json:"taken,omitempty"` // another supervisor got the lock first, and can be joined
}

// devNull opens what a detached supervisor has for stdin, stdout and stderr.
func devNull() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
