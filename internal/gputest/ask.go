package gputest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Ask runs the stand-in's nvidia-smi on this machine. It is a gpu.Ask.
func (s *Standin) Ask(ctx context.Context, args ...string) (string, int, error) {
	return run(ctx, filepath.Join(s.Dir, "bin", "nvidia-smi"), s.Env(os.Getenv("PATH")), args)
}

func run(ctx context.Context, program string, env, args []string) (string, int, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", 0, ctx.Err()
	case errors.As(err, &exit):
		return string(out), exit.ExitCode(), nil
	}
	return string(out), 0, err
}
