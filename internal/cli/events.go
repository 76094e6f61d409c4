package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
)

type eventsOptions struct {
	target target
	output string
}

func newEvents(env *Env) *cobra.Command {
	var opts eventsOptions
	cmd := &cobra.Command{
		Use:   "events [DEFINITION] [SERVICE...]",
		Short: "Print changes of state as they happen",
		Long: `Prints a line for each change of a service's state, until the project ends or
Ctrl-C. With -o json it prints a JSON object in each line; the first is the whole state.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runEvents(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "text", "json")
	return cmd
}

func runEvents(ctx context.Context, env *Env, opts eventsOptions) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	c, err := opts.target.running(ctx, env)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.Stdout)
	enc.SetEscapeHTML(false)
	only := map[project.ID]bool{}
	return c.Events(ctx, func(m control.Message) error {
		if m.State != nil {
			services, err := pickServices(m.State.Services, opts.target.services)
			if err != nil {
				return err
			}
			for _, s := range services {
				only[s.ID] = true
			}
		}
		if m.Event != nil && !only[m.Event.Service.ID] {
			return nil
		}
		if opts.output == "json" {
			return enc.Encode(m)
		}
		switch {
		case m.Event != nil:
			ev := m.Event
			if ev.Lost > 0 {
				fmt.Fprintf(env.Stdout, "%d events lost\n", ev.Lost)
			}
			if ev.From == ev.Service.State {
				break // it is only that a process of the service has started
			}
			fmt.Fprintf(env.Stdout, "%s %s: %s -> %s\n", clock(ev.Service.Since), ev.Service.Label, ev.From, describe(ev.Service))
		case m.End != nil:
			fmt.Fprintf(env.Stdout, "the project ended: %s\n", m.End.Reason)
		}
		return nil
	})
}
