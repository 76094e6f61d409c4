package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/rundir"
)

func newLs(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the projects that run on this machine",
		Long: `Lists all of your projects that run on this machine, wherever they were started: their
state, the pid of the supervisor, and the definition. Root sees everybody's.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLs(cmd.Context(), env, output) },
	}
	addOutputFlag(cmd, &output, "table", "json", "name")
	return cmd
}

// A projectRow is a row of "ls".
type projectRow struct {
	Name       string `json:"name"`
	State      string `json:"state"` // "healthy", "not healthy", "stopping", "no answer"
	Services   int    `json:"services"`
	PID        int    `json:"pid"`
	Age        string `json:"-"`
	Definition string `json:"definition"`
	Socket     string `json:"socket"`
	Why        string `json:"why,omitempty"`
}

func runLs(ctx context.Context, env *Env, output string) error {
	if err := oneOf("output", output, "table", "json", "name"); err != nil {
		return err
	}
	found := rundir.All(env.rundirEnv())
	all := make([]projectRow, len(found))
	var asked sync.WaitGroup // all at once, because one may hang
	for i, f := range found {
		asked.Go(func() { all[i] = look(ctx, f) })
	}
	asked.Wait()
	switch output {
	case "json":
		return writeJSON(env.Stdout, all)
	case "name":
		for _, p := range all {
			fmt.Fprintln(env.Stdout, p.Name)
		}
		return nil
	}
	if len(all) == 0 {
		fmt.Fprintln(env.Stderr, "no project is running on this machine")
		return nil
	}
	rows := [][]string{{"NAME", "STATE", "SERVICES", "PID", "AGE", "DEFINITION"}}
	for _, p := range all {
		rows = append(rows, []string{p.Name, p.State, fmt.Sprint(p.Services), fmt.Sprint(p.PID), dash(p.Age), p.Definition})
	}
	writeColumns(env, rows)
	for _, p := range all {
		if p.Why != "" {
			fmt.Fprintln(env.Stdout, env.fill(p.Name+": "+p.Why, 2))
		}
	}
	return nil
}

// look asks a project for its state.
func look(ctx context.Context, f rundir.Found) projectRow {
	p := projectRow{Name: f.Key, State: "no answer", PID: f.PID, Definition: f.Owner, Socket: f.Socket}
	state, err := ask(ctx, client.New(f.Socket))
	if err != nil {
		p.Why = err.Error()
		if errors.Is(err, control.ErrNotRunning) {
			p.Why = "its control socket is not at " + f.Socket
		}
		return p
	}
	p.Name, p.Definition, p.Age = state.Project, absolute(state.Root, state.Definition), span(state.At.Sub(state.Since))
	p.State = "not healthy"
	switch {
	case state.Phase != control.PhaseRunning:
		p.State = string(state.Phase)
	case state.Healthy:
		p.State = "healthy"
	case !state.Settled:
		p.State = "starting"
	}
	for _, s := range state.Services {
		if s.Wanted && !s.System {
			p.Services++
		}
	}
	return p
}
