package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/gpu"
)

func newTop(env *Env) *cobra.Command {
	var opts psOptions
	cmd := &cobra.Command{
		Use:   "top [DEFINITION] [SERVICE...]",
		Short: "Show what services use now: CPU time, memory, GPU memory",
		Long: `Shows what each running service uses, with all of its processes: CPU time, resident
memory (shared memory counts for each process), and GPU memory if there is an
nvidia-smi; then the GPUs. It prints this once. Nothing is measured unless you ask.

The nvidia-smi of older drivers prints the host's pids. In a container with pids of its
own, it is then not known which service holds GPU memory, and a note says so: run the
container with --pid=host.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runTop(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "table", "json")
	return cmd
}

func runTop(ctx context.Context, env *Env, opts psOptions) error {
	_, usage, err := opts.use(ctx, env)
	if err != nil {
		return err
	}
	if opts.output == "json" {
		return writeJSON(env.Stdout, usage)
	}
	if len(usage.Services) == 0 {
		fmt.Fprintln(env.Stderr, "no service runs now")
		writeGPUs(env.Stdout, usage)
		return nil
	}
	head := []string{"NAME", "PROCESSES", "CPU", "MEMORY"}
	if len(usage.GPUs) > 0 {
		head = append(head, "GPU MEMORY")
	}
	rows := [][]string{head}
	for _, u := range usage.Services {
		row := []string{u.Label, fmt.Sprint(len(u.PIDs)), lasted(u.CPU), memory(u.Memory)}
		if len(usage.GPUs) > 0 {
			row = append(row, dash(gpuShares(u)))
		}
		rows = append(rows, row)
	}
	writeColumns(env, rows)
	writeGPUs(env.Stdout, usage)
	return nil
}

// use asks for the services that were named, or all, and for their current usage.
func (opts *psOptions) use(ctx context.Context, env *Env) ([]control.Service, *control.Usage, error) {
	if err := oneOf("output", opts.output, "table", "json"); err != nil {
		return nil, nil, err
	}
	c, state, err := askState(ctx, env, &opts.target)
	if err != nil {
		return nil, nil, err
	}
	usage, err := c.Usage(ctx)
	if err != nil {
		return nil, nil, err
	}
	usage.Services = slices.DeleteFunc(usage.Services, func(u control.ServiceUsage) bool {
		return !slices.ContainsFunc(state.Services, func(s control.Service) bool { return s.ID == u.ID })
	})
	return state.Services, usage, nil
}

// gpuShares formats how much memory of which GPU a service holds.
func gpuShares(u control.ServiceUsage) string {
	var parts []string
	for _, share := range u.GPU {
		parts = append(parts, fmt.Sprintf("%s of GPU %d", gpu.Bytes(share.Memory), share.Index))
	}
	return strings.Join(parts, ", ")
}

// writeGPUs prints the GPUs of the machine, and what is not known about them.
func writeGPUs(w io.Writer, u *control.Usage) {
	for _, card := range u.GPUs {
		line := gpu.Card{Index: card.Index, Name: card.Name}.String()
		if card.Used >= 0 && card.Memory >= 0 {
			line += fmt.Sprintf(": %s of %s in use", gpu.Bytes(card.Used), gpu.Bytes(card.Memory))
		}
		fmt.Fprintln(w, line)
	}
	for _, note := range u.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
