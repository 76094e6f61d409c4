package cli

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"nix2gpu/gpu"
)

// toolGrace is how long we wait for a program that was killed: one that is stuck in a
// driver never ends.
const toolGrace = time.Second

// askGPUs returns a function that runs nvidia-smi, for as long as ctx lasts. It is
// not for the process that supervises.
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

// execTool runs one of the machine's programs and returns what it printed and its
// exit code. When ctx ends, the program is killed, and abandoned if that does not end
// it. It is not for the process that supervises, which has one reaper.
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
