package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/gpu"
)

// statusLines is how much of a service's output its status shows.
const statusLines = 5

func runStatus(ctx context.Context, env *Env, opts psOptions) error {
	c, state, err := askState(ctx, env, &opts.target)
	if err != nil {
		return err
	}
	usage := usageOf(ctx, env, c, state.Services)
	code := exitOK
	for i, s := range state.Services {
		if i > 0 {
			fmt.Fprintln(env.Stdout)
		}
		writeStatus(env.Stdout, state, s)
		writeShares(env.Stdout, usage, s)
		if err := tailOf(ctx, env, &opts.target, s, state.Since, statusLines); err != nil {
			fmt.Fprintf(env.Stderr, "log of %s: %v\n", s.Label, err)
		}
		if s.State == control.Failed || s.State == control.Skipped {
			code = exitFailed
		}
	}
	if usage != nil {
		for _, note := range usage.Notes {
			fmt.Fprintf(env.Stdout, "note: %s\n", note)
		}
	}
	writeDegraded(env.Stdout, state)
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// usageOf asks for what services use, where one of them runs on GPUs: how much
// of their memory it holds is nowhere else to be seen. nil: nobody was asked.
func usageOf(ctx context.Context, env *Env, c *client.Client, services []control.Service) *control.Usage {
	if !slices.ContainsFunc(services, func(s control.Service) bool { return s.GPU && s.PID != 0 }) {
		return nil
	}
	usage, err := c.Usage(ctx)
	if err != nil {
		fmt.Fprintf(env.Stderr, "memory of GPUs: %v\n", err)
		return nil
	}
	return usage
}

// writeShares prints what a service holds of GPUs.
func writeShares(w io.Writer, usage *control.Usage, s control.Service) {
	if usage == nil {
		return
	}
	for _, u := range usage.Services {
		if u.ID != s.ID {
			continue
		}
		for _, share := range u.GPU {
			fmt.Fprintf(w, "  %-10s %s of %s\n", "gpu:", gpu.Bytes(share.Memory), cardName(usage, share.Index))
		}
	}
}

func cardName(usage *control.Usage, index int) string {
	for _, card := range usage.GPUs {
		if card.Index == index {
			return gpu.Card{Index: card.Index, Name: card.Name}.String()
		}
	}
	return fmt.Sprintf("GPU %d", index)
}

// writeStatus prints all that is known of a service, and nothing that isn't.
func writeStatus(w io.Writer, state *control.State, s control.Service) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	title := s.Label
	if string(s.ID) != s.Label {
		title += fmt.Sprintf(" (%s)", s.ID)
	}
	what := describe(s)
	if len(s.WaitsFor) > 0 {
		what = string(s.State) // each has a line below
	}
	fmt.Fprintf(w, "%s: %s\n", title, what)
	if !s.Since.IsZero() {
		line("since", "%s, %s ago", clock(s.Since), span(state.At.Sub(s.Since)))
	}
	if s.Health != "" {
		line("health", "%s", s.Health)
	}
	for _, u := range s.WaitsFor {
		line("waits for", "%s to be %s: it %s", u.Label, u.Condition, u.Why)
	}
	if s.PID != 0 {
		line("pid", "%d", s.PID)
	}
	if p := ports(s); p != "" {
		line("ports", "%s", p)
	}
	if s.Starts > 0 {
		line("starts", "%s", starts(s))
	}
	if x := s.Exit; x != nil {
		text := x.String()
		if x.Process != "" && x.Process != s.ID {
			text = string(x.Process) + ": " + text
		}
		if x.Ran != 0 {
			text += " after " + lasted(x.Ran)
		}
		text += ", " + clock(x.At)
		if x.Because != "" {
			text += ": " + x.Because
		}
		line("last exit", "%s", text)
		if x.Memory != 0 {
			line("it used", "%s of CPU time, at most %s of memory", lasted(x.CPU), memory(x.Memory))
		}
	}
	if m := s.OutOfMemory; m != nil {
		line("memory", "the kernel has killed %s of it for lack of memory, the last %s ago", processes(m.Kills), span(state.At.Sub(m.Last)))
	}
	if p := s.Probe; p != nil {
		verdict := "passed"
		if !p.OK {
			verdict = "failed"
			if p.Output != "" {
				verdict += ": " + strings.TrimSpace(p.Output)
			}
		}
		line("probe", "%s %s", p.Role, verdict)
	}
}

// starts counts those that nobody asked for apart.
func starts(s control.Service) string {
	switch s.Restarts {
	case 0:
		return fmt.Sprint(s.Starts)
	case 1:
		return fmt.Sprintf("%d, 1 of them an automatic restart", s.Starts)
	}
	return fmt.Sprintf("%d, %d of them automatic restarts", s.Starts, s.Restarts)
}
