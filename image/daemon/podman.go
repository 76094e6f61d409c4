package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// findPodman prefers podman's socket, which can be asked what it has without starting a
// process. Without a socket it returns the command.
func findPodman(opts Options) (Engine, error) {
	host := opts.Getenv("CONTAINER_HOST")
	if socket, ok := strings.CutPrefix(host, "unix://"); ok {
		return podmanAPI(socket, true, opts), nil
	} else if host != "" {
		return nil, &Error{Msg: fmt.Sprintf("CONTAINER_HOST is %q: only an engine of this machine can be loaded into, by unix:///PATH", host),
			Hint: "push the image to a registry that the other engine can pull from"}
	}
	socket := "/run/podman/podman.sock"
	if opts.UID != 0 {
		socket = filepath.Join(opts.Getenv("XDG_RUNTIME_DIR"), "podman", "podman.sock")
	}
	if conn, err := opts.Dial(context.Background(), "unix", socket); err == nil {
		conn.Close()
		return podmanAPI(socket, false, opts), nil
	}
	path, err := opts.LookPath("podman")
	if err != nil {
		return nil, &Error{Err: err, Msg: "podman is not here: no such command, and no socket at " + socket,
			Hint: "install it: apt-get install podman"}
	}
	return &command{path, opts}, nil
}

func podmanAPI(socket string, chosen bool, opts Options) *api {
	a := newAPI("podman", socket, opts)
	a.chosen = chosen
	a.start = "start its service: systemctl start podman.socket"
	a.username = "use the service of this user: systemctl --user start podman.socket"
	return a
}

// A command is podman without a socket: its program does the work.
type command struct {
	path string
	opts Options
}

// Name implements Engine.
func (c *command) Name() string { return "podman" }

// Ready implements Engine. The program was found already.
func (c *command) Ready(context.Context) error { return nil }

// Load implements Engine.
func (c *command) Load(ctx context.Context, req Request) (*Result, error) {
	want := req.Platform
	if want == "" {
		want = platform(runtime.GOARCH)
	}
	v, err := req.Source.ForPlatform(want)
	if err != nil {
		return nil, err
	}
	ref := local(req.Ref)
	b, err := newBundle(ref, v.Image)
	if err != nil {
		return nil, err
	}
	id, err := v.Image.ConfigName()
	if err != nil {
		return nil, err
	}
	result := &Result{Engine: "podman", Ref: req.Ref, ID: id.String(), Layers: len(b.layers)}
	if err := c.run(ctx, nil, "image", "exists", id.Hex); err == nil {
		result.Reused = len(b.layers)
		return result, c.run(ctx, nil, "tag", id.Hex, ref)
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	total, err := b.size()
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := b.write(pw, func(n int) {
			result.Sent += int64(n)
			c.opts.Progress(result.Sent, total)
		})
		pw.CloseWithError(err)
		written <- err
	}()
	err = c.run(ctx, pr, "load", "--quiet")
	pr.Close()
	if wrote := <-written; wrote != nil && !errors.Is(wrote, io.ErrClosedPipe) {
		return nil, wrote
	}
	return result, err
}

// run runs podman. Its error has the last line that podman has printed.
func (c *command) run(ctx context.Context, stdin io.Reader, args ...string) error {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Env = c.opts.Environ
	cmd.Stdin = stdin
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	said := strings.TrimPrefix(lines[len(lines)-1], "Error: ")
	if said == "" {
		said = err.Error()
	}
	e := &Error{Err: err, Msg: fmt.Sprintf("podman %s: %s", args[0], said)}
	if strings.Contains(said, syscall.ENOSPC.Error()) {
		e.Msg = "podman has no room left for the image"
		e.Hint = "free some: podman system df shows what takes it, podman system prune removes what nothing uses"
	}
	return e
}

// Run implements Engine. Podman's program uses the terminal itself.
func (c *command) Run(ctx context.Context, run Run) (int, error) {
	args := []string{"run", "--rm", "--interactive"}
	if run.Size != nil {
		args = append(args, "--tty")
	}
	for _, e := range run.Env {
		args = append(args, "--env", e)
	}
	for _, b := range run.Binds {
		mount := fmt.Sprintf("type=bind,source=%s,target=%s", b.From, b.To)
		if b.ReadOnly {
			mount += ",readonly"
		}
		args = append(args, "--mount", mount)
	}
	for _, p := range run.Ports {
		number := fmt.Sprintf("%d:%d/%s", p.Number, p.Number, p.Protocol)
		if p.Any {
			number = fmt.Sprintf("%d/%s", p.Number, p.Protocol)
		}
		args = append(args, "--publish", number)
	}
	if run.GPUs {
		args = append(args, "--device", cdiGPUs)
	}
	args = append(append(args, strings.TrimPrefix(run.Image, "sha256:")), run.Cmd...)
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Env = c.opts.Environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = run.Stdin, run.Stdout, run.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), nil // podman has printed what is wrong
	}
	return 0, err
}
