package cli

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"nix2gpu/gpu"
)

// toolGrace is what a program gets to die in that was killed: one that a driver
// keeps in the kernel never does.
const toolGrace = time.Second

// askGPUs asks nvidia-smi, before anything is supervised, until ctx is done.
func askGPUs(ctx context.Context, env *Env) gpu.Ask {
	return func(limit context.Context, args ...string) (string, int, error) {
		limit, cancel := context.WithCancel(limit)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		program, ok := gpu.Find("/", env.Getenv("PATH"))
		if !ok {
			return "", 0, gpu.Absent(env.inContainer())
		}
		return execTool(limit, env.Environ, append([]string{program}, args...)...)
	}
}

// execTool runs one of the machine's own programs to its end, with an
// environment, and returns all that it printed and its exit code. At the end of
// ctx the program is killed, and left behind when that does not end it. It is
// not for the process that supervises.
func execTool(ctx context.Context, environ []string, argv ...string) (out string, code int, err error) {
	var printed strings.Builder
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, &printed, &printed
	cmd.WaitDelay = toolGrace
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(toolGrace):
		}
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", 0, ctx.Err()
	case errors.As(err, &exit):
		return printed.String(), exit.ExitCode(), nil
	case err != nil:
		return "", 0, err
	}
	return printed.String(), 0, nil
}
