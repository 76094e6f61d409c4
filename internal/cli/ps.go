package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/gpu"
	"nix2gpu/project"
)

type psOptions struct {
	target target
	output string
	format string
	watch  bool
	quiet  bool
	gpus   bool // print below the table who holds memory of GPUs
}

func newPs(env *Env) *cobra.Command {
	var opts psOptions
	cmd := &cobra.Command{
		Use:     "ps [DEFINITION] [SERVICE...]",
		Aliases: []string{"list"},
		Short:   "List services: state, health, restarts, and why",
		Long: `Lists the services of the project that runs here: their state and health, how often
they were restarted, and in the last column the reason: what a service waits for, how
it ended, what its probe reported.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runPs(cmd.Context(), env, opts)
		},
	}
	addPsFlags(env, cmd, &opts)
	cmd.Flags().StringVar(&opts.format, "format", "", "a `format` as of --output, or a template for each service, such as '{{.Name}} {{.State}}'")
	cmd.Flags().BoolVarP(&opts.watch, "watch", "w", false, "keep running, and show each change")
	return cmd
}

func addPsFlags(env *Env, cmd *cobra.Command, opts *psOptions) {
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "table", "wide", "json", "yaml", "name")
	cmd.Flags().BoolVarP(&opts.quiet, "quiet", "q", false, "print only names")
	cmd.Flags().BoolP("all", env.short("a"), true, "also services that do not run")
	cmd.Flags().MarkHidden("all")
}

func newStatus(env *Env) *cobra.Command {
	var opts psOptions
	cmd := &cobra.Command{
		Use:   "status [DEFINITION] [SERVICE...]",
		Short: "Show the state of the project, or all about one service",
		Long: `Without a service, the same list as ps, and who holds GPU memory.

With services, a block for each: its state, since when and why, where it is defined, its
command, user and processes, ports, memory and CPU time, what depends on it, how often it
was started and how it last ended, the last five results of its probes, and the last ten
lines of its log. The exit code is 0 if the service is up or has completed with success,
1 if it fails, restarts, or was refused or skipped, 3 if it is stopped, disabled or waits
for others, and 4 if there is no such service. Of several services the worst counts: 1,
then 3.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) == 0 || opts.output != "table" {
				opts.gpus = opts.output == "table" && !opts.quiet
				return runPs(cmd.Context(), env, opts)
			}
			return runStatus(cmd.Context(), env, opts)
		},
	}
	addPsFlags(env, cmd, &opts)
	return cmd
}

func runPs(ctx context.Context, env *Env, opts psOptions) error {
	if !strings.Contains(opts.format, "{{") && opts.format != "" {
		opts.output, opts.format = opts.format, "" // docker's --format takes "json" and "table" too
	}
	if err := oneOf("output", opts.output, "table", "wide", "json", "yaml", "name"); err != nil {
		return err
	}
	c, state, err := askState(ctx, env, &opts.target)
	if err != nil {
		return err
	}
	if opts.watch {
		return watchPs(ctx, env, c, opts)
	}
	return writePs(ctx, env, c, state, opts)
}

// writePs prints the services of a state in the format of opts.
func writePs(ctx context.Context, env *Env, c *client.Client, state *control.State, opts psOptions) error {
	switch {
	case opts.format != "":
		return writeFormat(env, state, opts.format)
	case opts.output == "json":
		return writeJSON(env.Stdout, state)
	case opts.output == "yaml":
		return writeYAML(env.Stdout, state)
	case opts.output == "name" || opts.quiet:
		for _, s := range state.Services {
			fmt.Fprintln(env.Stdout, s.Label)
		}
		for _, c := range state.Copies {
			fmt.Fprintln(env.Stdout, c.Name)
		}
	default:
		writeTable(env, psRows(state, opts.output == "wide"), nil, state)
		if opts.gpus {
			writeGPUMemory(env.Stdout, usageOf(ctx, env, c, state.Services))
		}
	}
	return nil
}

// askState asks the running project for its state, and keeps the services that t
// names, or all if it names none.
func askState(ctx context.Context, env *Env, t *target) (*client.Client, *control.State, error) {
	c, err := t.running(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = pickState(state, t.services)
	return c, state, err
}

// pickState leaves what the names stand for, copies among them.
func pickState(state *control.State, names []string) (err error) {
	if len(names) == 0 {
		state.Services, err = pickRuns(state.Services, nil)
		return err
	}
	var copies []control.RunningCopy
	var services []string
	for _, name := range names {
		i := slices.IndexFunc(state.Copies, func(c control.RunningCopy) bool { return c.Name == name })
		if i < 0 {
			services = append(services, name)
			continue
		}
		copies = append(copies, state.Copies[i])
	}
	state.Copies = copies
	if len(services) == 0 {
		state.Services = []control.Service{}
		return nil
	}
	state.Services, err = pickRuns(state.Services, services)
	return err
}

// pickRuns is pickServices with the further runs of each that a schedule has made at once.
func pickRuns(all []control.Service, names []string) ([]control.Service, error) {
	picked, err := pickServices(all, names)
	out := []control.Service{}
	for _, s := range picked {
		if len(names) > 0 || !s.NeverRan() {
			out = append(out, s)
		}
		for _, other := range all {
			if len(names) > 0 && other.RunOf == s.ID && other.RunOf != "" && !other.NeverRan() && !slices.ContainsFunc(picked, func(p control.Service) bool { return p.ID == other.ID }) {
				out = append(out, other)
			}
		}
	}
	return out, err
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// pickServices returns the services that names stand for, by the rules of
// [project.Project.Resolve].
func pickServices(all []control.Service, names []string) ([]control.Service, error) {
	if len(names) == 0 {
		return all, nil
	}
	p := known(all)
	var out []control.Service
	for _, name := range names {
		ids, err := p.Resolve(name)
		if err != nil {
			msg, cure, _ := strings.Cut(err.Error(), "\n  hint: ")
			return nil, &control.Error{Code: control.CodeNotFound, Msg: msg, Hint: cure}
		}
		for _, s := range all {
			if slices.Contains(ids, s.ID) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// known is a project with as much as names of its services need.
func known(all []control.Service) *project.Project {
	p := &project.Project{Services: map[project.ID]*project.Service{}, Processes: map[project.ID]*project.Process{}}
	for _, s := range all {
		svc := &project.Service{ID: s.ID, Type: s.Type, Label: s.Label, Instance: strings.TrimPrefix(string(s.ID), s.Type+"."), Family: s.Family, Disabled: s.Disabled}
		if s.Disabled {
			svc.Profiles = []string{project.AllProfiles} // whichever it is
		}
		p.Services[s.ID] = svc
		for _, step := range []project.ID{"-init", "-setup"} {
			p.Processes[s.ID+step] = &project.Process{ID: s.ID + step, Service: s.ID}
		}
	}
	return p
}

// longestWhy is how much of a reason a table shows at most, in characters. A probe
// may have been answered with a page of HTML; status shows all of it.
const longestWhy = 200

func firstLine(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// writeTable prints a row for each service, and what concerns all of them. No column is
// below its width in widths, which may be nil.
func writeTable(env *Env, rows [][]string, widths []int, state *control.State) {
	writeRows(env, rows, columnWidths(rows, widths), 0)
	writeDegraded(env.Stdout, state)
	writeUnprobed(env, state)
}

// psRows returns the rows of the table; the first is the header.
func psRows(state *control.State, wide bool) [][]string {
	head := []string{"NAME", "STATE", "HEALTH", "RESTARTS", "PID", "AGE"}
	if wide {
		head = append(head, "ID", "PORTS", "SINCE")
	}
	rows := [][]string{append(head, "WHY")}
	for _, s := range state.Services {
		row := []string{s.Label, string(s.State), dash(string(s.Health)), fmt.Sprint(s.Restarts), pid(s), age(state.At, s)}
		if wide {
			row = append(row, string(s.ID), dash(ports(s)), clock(s.Since))
		}
		rows = append(rows, append(row, shortened(firstLine(s.Why), longestWhy)))
	}
	return append(rows, copyRows(state, wide)...)
}

// writeGPUMemory prints who holds memory of GPUs, and what is not known about that.
func writeGPUMemory(w io.Writer, usage *control.Usage) {
	if usage == nil {
		return
	}
	for _, u := range usage.Services {
		for _, share := range u.GPU {
			fmt.Fprintf(w, "%s: %s of %s\n", u.Label, gpu.Bytes(share.Memory), cardName(usage, share.Index))
		}
	}
	for _, note := range usage.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}

// writeUnprobed names those of the services shown that have no probe.
func writeUnprobed(env *Env, state *control.State) {
	var labels []string
	for _, s := range state.Services {
		if slices.Contains(state.Unprobed, s.Label) {
			labels = append(labels, s.Label)
		}
	}
	if len(labels) > 0 {
		fmt.Fprintln(env.Stdout, env.fill("without a probe: "+strings.Join(labels, ", "), 2))
	}
}

// writeDegraded prints what the kernel killed for lack of memory, and what the
// supervisor can't do at present.
func writeDegraded(w io.Writer, state *control.State) {
	if m := state.OutOfMemory; m != nil {
		fmt.Fprintf(w, "note: out of memory: the kernel has killed %s of this container, the last %s ago\n", count(m.Kills, "process"), span(state.At.Sub(m.Last)))
	}
	for _, d := range state.Degraded {
		fmt.Fprintf(w, "degraded: %s (since %s, %s ago)\n", d.Why, clock(d.Since), span(state.At.Sub(d.Since)))
	}
}

func dash(s string) string { return orElse(s, "-") }

func pid(s control.Service) string {
	if s.PID == 0 {
		return "-"
	}
	return fmt.Sprint(s.PID)
}

// age formats how long a service has been in its state.
func age(now time.Time, s control.Service) string {
	if s.Since.IsZero() {
		return "-"
	}
	return span(now.Sub(s.Since))
}

// span formats a duration with its two largest units: 5s, 1m21s, 2h5m, 3d4h.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// lasted formats how long something took: 145ms, 3.2s, 1h2m3s.
func lasted(took project.Duration) string {
	d := time.Duration(took)
	switch {
	case d < time.Millisecond:
		d = d.Round(time.Microsecond)
	case d < time.Second:
		d = d.Round(time.Millisecond)
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	return d.String()
}

// memory formats a number of bytes: 17 KiB, 3.2 MiB.
func memory(n int64) string {
	size, units := float64(n), []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	for size >= 1024 && len(units) > 1 {
		size, units = size/1024, units[1:]
	}
	if size < 10 && size != float64(int(size)) {
		return fmt.Sprintf("%.1f %s", size, units[0])
	}
	return fmt.Sprintf("%.0f %s", size, units[0])
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func ports(s control.Service) string {
	var list []string
	for _, p := range s.Ports {
		text := fmt.Sprint(p.Port)
		if p.Protocol != "" && p.Protocol != "tcp" {
			text += "/" + p.Protocol
		}
		list = append(list, text)
	}
	return strings.Join(list, ",")
}
