package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// A reloader evaluates the definition again, in a child, and hands the result
// to the engine. What is wrong with it is said, and changes nothing.
type reloader struct {
	host   *process.Host
	hub    *servicelog.Hub
	engine *supervisor.Engine
	log    *slog.Logger
	argv   []string // empty: it is not known how
	env    []string
}

// maxEvaluated bounds what is read from the child.
const maxEvaluated = 64 << 20

func (r *reloader) run(ctx context.Context) {
	p, err := r.evaluate()
	if err != nil {
		r.hub.Say("reload failed, all goes on as before: " + err.Error())
		r.log.Warn("reload failed", "err", err)
		return
	}
	changes, err := r.engine.Reload(ctx, p)
	switch {
	case err != nil:
		r.hub.Say("reload failed: " + err.Error())
	case changes.IsEmpty():
		r.hub.Say("reloaded: nothing has changed")
	default:
		r.hub.Sayf("reloaded: %d added, %d removed, %d changed", len(changes.Added), len(changes.Removed), len(changes.Changed))
	}
}

// evaluate runs our own program. Its memory, and what goes wrong in it, is not
// ours.
func (r *reloader) evaluate() (*project.Project, error) {
	if len(r.argv) == 0 {
		return nil, fmt.Errorf("not supported: a reload of what was started with namespaces or environment files")
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	complaint, complaintEnd, err := os.Pipe()
	if err != nil {
		outEnd.Close()
		return nil, err
	}
	defer complaint.Close()
	child, err := r.host.Start(process.Spec{
		Name: "reload", Argv: r.argv, Env: r.env, Dir: "/", Stdout: outEnd, Stderr: complaintEnd,
	})
	outEnd.Close()
	complaintEnd.Close()
	if err != nil {
		return nil, err
	}
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(complaint, 64<<10))
		said <- text
	}()
	data, err := io.ReadAll(io.LimitReader(out, maxEvaluated))
	if err != nil {
		return nil, err
	}
	why := strings.TrimSpace(string(<-said))
	<-child.Done()
	if exit := child.Exit(); !exit.Success() {
		if why == "" {
			why = exit.String()
		}
		return nil, fmt.Errorf("%s", why)
	}
	p, err := project.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return p, p.Validate()
}
