package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nix2gpu/console"
	"nix2gpu/control"
)

type attachOptions struct {
	target  target
	keys    string
	noStdin bool
}

// keysInContainer detach in a container unless others are given: docker exec keeps Ctrl-P
// Ctrl-Q to itself. It would leave us behind there, attached for good.
const keysInContainer = "ctrl-]"

func newAttach(env *Env) *cobra.Command {
	var opts attachOptions
	cmd := &cobra.Command{
		Use:   "attach [DEFINITION] SERVICE",
		Short: "Connect this terminal to that of a running service",
		Long: `Connects this terminal with that of a service that has one: tty = true in its
definition. What is typed goes to the service, Ctrl-C included, and what it prints comes
here and goes to its log, as always. Several can be attached at once; the terminal has the
size of the one that was attached or resized last.

Ctrl-P Ctrl-Q detaches, and the service goes on. In a container it is Ctrl-], because docker
exec takes the others for itself. attach lasts over restarts of the service. When it has
ended for good, attach ends with its exit code.`,
		Example: `  nix2gpu attach console
  nix2gpu attach --detach-keys ctrl-x console
  nix2gpu attach --no-stdin console   only look`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) != 1 {
				return usageError("attach needs the name of one service")
			}
			if env.isBaked() && !cmd.Flags().Changed("detach-keys") {
				opts.keys = keysInContainer
			}
			keys, err := console.ParseKeys(opts.keys)
			if err != nil {
				return usageError("--detach-keys %v", err)
			}
			return runAttach(cmd.Context(), env, opts, keys)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().StringVar(&opts.keys, "detach-keys", "ctrl-p,ctrl-q", "the `keys` that detach; \"\": none")
	cmd.Flags().BoolVar(&opts.noStdin, "no-stdin", false, "type nothing to the service, so that no terminal is needed")
	return cmd
}

func runAttach(ctx context.Context, env *Env, opts attachOptions, keys *console.Keys) error {
	name := opts.target.services[0]
	c, err := opts.target.running(ctx, env)
	if err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	if copyRuns(state, name) {
		return &control.Error{Code: control.CodeConflict, Msg: name + " is a copy, and nobody can attach to its terminal: whoever runs it has that", Hint: "follow what it prints: nix2gpu logs -f " + name}
	}
	if _, err := pickServices(state.Services, []string{name}); err != nil {
		return err // which no terminal would mend
	}
	if !opts.noStdin && !env.StdinTTY {
		return hint(usageError("stdin is not a terminal"), "attach from one, or only look: nix2gpu attach --no-stdin %s", name)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH) // before the size is read, so that no change is missed
	defer signal.Stop(resized)
	size := sizeOfStdin()
	frames, conn, err := c.Attach(ctx, control.AttachRequest{Service: name, Rows: size.Rows, Cols: size.Cols})
	if err != nil {
		return err
	}
	defer conn.Close()
	ended, err := relayAttached(ctx, env, opts, frames, keys, resized)
	switch {
	case err != nil:
		return err
	case ended == nil:
		fmt.Fprintf(env.Stderr, "\ndetached from %s, which goes on\n", name)
		return nil
	}
	fmt.Fprintf(env.Stderr, "\n%s\n", ended.Why)
	if ended.Code != 0 {
		return &exitError{code: ended.Code}
	}
	return nil
}

// relayAttached carries between our terminal and the service's. It returns nil once
// the keys were typed.
func relayAttached(ctx context.Context, env *Env, opts attachOptions, frames *console.Frames, keys *console.Keys, resized <-chan os.Signal) (*console.Ended, error) {
	type outcome struct {
		ended *console.Ended
		err   error
	}
	over := make(chan outcome, 2)
	if !opts.noStdin {
		said := "attached to " + opts.target.services[0]
		if opts.keys != "" {
			said += "; " + opts.keys + " detaches"
		}
		fmt.Fprintln(env.Stderr, said)
		ours, err := term.MakeRaw(int(os.Stdin.Fd()))
		if err != nil {
			return nil, hint(fmt.Errorf("cannot use this terminal: %w", err), "only look: nix2gpu attach --no-stdin %s", opts.target.services[0])
		}
		defer term.Restore(int(os.Stdin.Fd()), ours)
		go func() {
			if typeAttached(frames, keys) {
				over <- outcome{}
			}
		}()
	}
	go func() {
		ended, err := showAttached(env, frames)
		over <- outcome{ended, err}
	}()
	for {
		select {
		case o := <-over:
			return o.ended, o.err
		case <-resized:
			if size := sizeOfStdin(); size.Rows > 0 {
				_ = frames.WriteJSON(console.Resize, size) // or the end is on its way
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// showAttached prints what comes from the service, to its end.
func showAttached(env *Env, frames *console.Frames) (*console.Ended, error) {
	for {
		kind, data, err := frames.Read()
		if err != nil {
			return nil, &control.Error{Code: control.CodeNotRunning, Msg: "the supervisor went away", Hint: "start the project anew with \"nix2gpu up\""}
		}
		switch kind {
		case console.Text:
			if _, err := env.Stdout.Write(data); err != nil {
				return nil, err
			}
		case console.End:
			var ended console.Ended
			err := json.Unmarshal(data, &ended)
			return &ended, err
		}
	}
}

// typeAttached passes on what is typed. It reports whether the keys were.
func typeAttached(frames *console.Frames, keys *console.Keys) bool {
	buf := make([]byte, 4096)
	for {
		n, err := os.Stdin.Read(buf)
		if pass, detach := keys.Take(buf[:n]); len(pass) > 0 && frames.Write(console.Text, pass) != nil {
			return false // its end is on its way
		} else if detach {
			return true
		}
		if err != nil {
			return true // the terminal is gone
		}
	}
}

// sizeOfStdin is that of our terminal; zero if there is none.
func sizeOfStdin() console.Size {
	rows, cols, err := pty.Getsize(os.Stdin)
	if err != nil {
		return console.Size{}
	}
	return console.Size{Rows: uint16(rows), Cols: uint16(cols)}
}
