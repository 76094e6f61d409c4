package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"nix2gpu/cells"
	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/gpu"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// How many lines of a service's output are shown: by status, and when it failed.
const (
	statusLines = 10
	failLines   = 5
)

func runStatus(ctx context.Context, env *Env, opts psOptions) error {
	c, layout, err := opts.target.find(ctx, env)
	if err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	if err := pickState(state, opts.target.services); err != nil {
		return err
	}
	details, err := c.Details(ctx)
	if err != nil && (!c.IsRemote() || !errors.Is(err, control.ErrForbidden)) { // what may not be told is left out
		return err
	}
	usage := usageOf(ctx, env, c, state.Services)
	if usage == nil {
		if usage, err = c.OwnUsage(ctx); err != nil {
			return err
		}
	}
	names := labels(layout)
	code := exitOK
	last := func(of project.ID, name string) {
		tail := func() error { return printTail(ctx, env.Stdout, layout, names, of, state.Since, statusLines) }
		if c.IsRemote() {
			tail = func() error { return tailThere(ctx, env.Stdout, c, string(of), state.Since, statusLines) }
		}
		if err := tail(); err != nil {
			fmt.Fprintf(env.Stderr, "log of %s: %v\n", name, err)
		}
	}
	for i, one := range state.Copies {
		if i > 0 {
			fmt.Fprintln(env.Stdout)
		}
		log := filepath.Join(layout.Logs, servicelog.FileName(one.Name))
		if c.IsRemote() {
			log = ""
		}
		writeCopy(env, one, state.At, log)
		last(project.ID(one.Name), one.Name)
	}
	for i, s := range state.Services {
		if i+len(state.Copies) > 0 {
			fmt.Fprintln(env.Stdout)
		}
		b := block{env: env, state: state, service: s}
		if !c.IsRemote() {
			b.log = filepath.Join(layout.Logs, servicelog.FileName(string(s.ID)))
		}
		for _, d := range details {
			if d.ID == s.ID {
				b.detail = d
			}
		}
		for _, u := range usage.Services {
			if u.ID == s.ID {
				b.usage = &u
			}
		}
		b.write(usage)
		last(s.ID, s.Label)
		if c := statusCode(s); code == exitOK || c == exitFailed {
			code = c
		}
	}
	for _, note := range usage.Notes {
		fmt.Fprintf(env.Stdout, "note: %s\n", note)
	}
	writeDegraded(env.Stdout, state)
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// statusCode returns an exit code as systemctl status has it: 0 if a service is up or
// has completed, 1 if it is failing, 3 if it does not run.
func statusCode(s control.Service) int {
	switch s.State {
	case control.Running, control.Completed:
		return exitOK
	case control.Scheduled:
		if s.LastRun == control.RunFailed {
			return exitFailed
		}
		return exitOK
	case control.Init, control.Starting, control.Setup:
		if s.Streak > 0 || s.Probe != nil && s.Probe.Failing {
			return exitFailed
		}
		return exitOK
	case control.Stopped, control.Stopping, control.Waiting:
		return exitNotRunning
	}
	return exitFailed
}

// usageOf asks for what services use, if one of them runs on GPUs: the state does not
// tell how much of their memory it holds. It returns nil if none does.
func usageOf(ctx context.Context, env *Env, c *client.Client, services []control.Service) *control.Usage {
	if !slices.ContainsFunc(services, func(s control.Service) bool { return s.GPU && s.PID != 0 }) {
		return nil
	}
	usage, err := c.Usage(ctx)
	if err != nil {
		fmt.Fprintf(env.Stderr, "GPU memory: %v\n", err)
		return nil
	}
	return usage
}

// writeShares prints how much memory of GPUs a service holds.
func writeShares(w io.Writer, usage *control.Usage, s control.Service) {
	if usage == nil {
		return
	}
	for _, u := range usage.Services {
		if u.ID != s.ID {
			continue
		}
		for _, share := range u.GPU {
			fmt.Fprintf(w, "  %-11s %s of %s\n", "gpu:", gpu.Bytes(share.Memory), cardName(usage, share.Index))
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

// A block is what status prints about one service.
type block struct {
	env     *Env
	state   *control.State
	service control.Service
	detail  control.Detail
	usage   *control.ServiceUsage // nil: no process of it runs
	log     string
}

// blockIndent is where the second column of a block begins.
const blockIndent = 14

func (b *block) line(name, format string, args ...any) {
	b.row(name+":", fmt.Sprintf(format, args...))
}

// row is a line of the block; at a terminal that is too narrow for it, several.
func (b *block) row(head, text string) {
	if room := b.env.Width - blockIndent; room >= shortestName && cells.Of(text) > room {
		text = indented(text, room, blockIndent)
	}
	fmt.Fprintf(b.env.Stdout, "  %-11s %s\n", head, text)
}

// write prints the block. Lines whose value is not known are left out.
func (b *block) write(usage *control.Usage) {
	s, d := b.service, b.detail
	title := s.Label
	if string(s.ID) != s.Label {
		title += fmt.Sprintf(" (%s)", s.ID)
	}
	what := stateAnd(s.State, s.Why)
	if len(s.WaitsFor) > 0 {
		what = string(s.State) // what it waits for has a line below
	}
	fmt.Fprintln(b.env.Stdout, b.env.fill(title+": "+what, 4))
	if pos := d.Pos.String(); pos != "" {
		b.line("defined", "%s", pos)
	}
	if !s.Since.IsZero() {
		b.line("since", "%s, %s ago", clock(s.Since), span(b.state.At.Sub(s.Since)))
	}
	if d.Command != "" {
		b.line("command", "%s", shortened(d.Command, 200))
	}
	if d.User != "" {
		b.line("user", "%s", d.User)
	}
	b.settings()
	if s.Health != "" {
		b.line("health", "%s", s.Health)
	} else if slices.Contains(b.state.Unprobed, s.Label) {
		b.line("health", "not known: it has no probe")
	}
	for _, u := range s.WaitsFor {
		b.line("waits for", "%s to be %s: it %s", u.Label, u.Condition, u.Why)
	}
	if s.RunOf != "" {
		b.line("a run of", "%s, beside its first", s.RunOf)
	}
	if s.Schedule != "" {
		b.line("schedule", "%s", b.schedule())
		if s.LastMissed != "" {
			b.line("missed", "%s", s.LastMissed)
		}
	}
	if text := b.watch(); text != "" {
		b.line("watch", "%s", text)
	}
	if s.PID != 0 {
		b.line("pid", "%d", s.PID)
	}
	if p := ports(s); p != "" {
		b.line("ports", "%s", p)
	}
	if u := b.usage; u != nil {
		b.line("memory", "%s", memory(u.Memory))
		b.line("cpu", "%s", lasted(u.CPU))
	}
	writeShares(b.env.Stdout, usage, s)
	if s.Starts > 0 {
		b.line("starts", "%s", starts(s))
	}
	if len(d.Dependants) > 0 {
		b.line("dependants", "%s", strings.Join(d.Dependants, ", "))
	}
	b.lastExit()
	if m := s.OutOfMemory; m != nil {
		b.line("killed", "the kernel has killed %s of it for lack of memory, the last %s ago", count(m.Kills, "process"), span(b.state.At.Sub(m.Last)))
	}
	if b.log != "" {
		b.line("log", "%s", b.log)
	}
	if gaps := logGaps(d.Log); gaps != "" {
		b.line("log gaps", "%s", gaps)
	}
	for i, p := range d.Probes {
		name := "probes"
		if i > 0 {
			name = ""
		}
		verdict := "passed"
		if p.Failed {
			verdict = "failed"
			if p.Output != "" {
				verdict += ": " + strings.TrimSpace(p.Output)
			}
		}
		b.row(strings.TrimPrefix(name+":", ":"), fmt.Sprintf("%s %s %s", clock(p.At), p.Role, verdict))
	}
	if b.usage != nil {
		b.tree()
	}
}

// logGaps says what is missing in the logs of a service; "": nothing.
func logGaps(g control.LogGaps) string {
	var of []string
	if g.Dropped > 0 {
		of = append(of, count(int(g.Dropped), "line")+" dropped by its rate limit")
	}
	if g.Lost > 0 {
		of = append(of, count(int(g.Lost), "line")+" could not be written")
	}
	if g.RemovedFiles > 0 {
		of = append(of, fmt.Sprintf("%s (%s) removed by its limits", count(int(g.RemovedFiles), "older file"), memory(int64(g.RemovedBytes))))
	}
	return strings.Join(of, ", ")
}

// watch says whether files restart the service, and which one has last; "": none does.
func (b *block) watch() string {
	s := b.service
	text := "restarts when files change"
	if !s.Watched { // it was stopped, or its files are not watched until a reload
		text = "does not restart now when files change"
	}
	switch {
	case s.Touched != "":
		return fmt.Sprintf("%s, last %s, %s ago", text, s.Touched, span(b.state.At.Sub(s.TouchedAt)))
	case s.Watched:
		return text
	}
	return ""
}

// schedule says when the service runs, and when next.
func (b *block) schedule() string {
	s := b.service
	text := s.Schedule
	if !s.Next.IsZero() && s.State != control.Backoff {
		text += ", next " + clock(s.Next)
	}
	if s.LastRun != "" {
		text += ", the last run " + string(s.LastRun)
	}
	if s.Missed > 0 {
		text += ", " + count(s.Missed, "run") + " missed"
	}
	return text
}

func (b *block) lastExit() {
	x := b.service.Exit
	if x == nil {
		return
	}
	text := x.String()
	if x.Process != "" && x.Process != b.service.ID {
		text = string(x.Process) + ": " + text
	}
	if x.Ran != 0 {
		text += " after " + lasted(x.Ran)
	}
	text += ", " + clock(x.At)
	if x.Because != "" {
		text += ": " + x.Because
	}
	if x.Said != "" {
		text += ": " + x.Said
	}
	b.line("last exit", "%s", text)
	switch {
	case x.Memory != 0:
		b.line("it used", "%s of CPU time, at most %s of memory", lasted(x.CPU), memory(x.Memory))
	case x.CPU != 0:
		b.line("it used", "%s of CPU time", lasted(x.CPU))
	}
}

// tree prints the processes, each below its parent.
func (b *block) tree() {
	infos := b.usage.Processes
	children := map[int][]control.ProcessInfo{}
	ours := map[int]bool{}
	for _, p := range infos {
		ours[p.PID] = true
	}
	for _, p := range infos {
		parent := p.Parent
		if !ours[parent] {
			parent = 0
		}
		children[parent] = append(children[parent], p)
	}
	name := "processes:"
	room := 0
	if b.env.Width > 0 {
		room = b.env.Width - blockIndent
	}
	var show func(parent int, indent string)
	show = func(parent int, indent string) {
		list := children[parent]
		sort.SliceStable(list, func(i, j int) bool { return list[i].PID < list[j].PID })
		for _, p := range list {
			text := fmt.Sprintf("%s%d %s", indent, p.PID, servicelog.Safe(p.Command))
			if room > 20 {
				text = shortened(text, room)
			} else {
				text = shortened(text, 200)
			}
			fmt.Fprintf(b.env.Stdout, "  %-11s %s\n", name, text)
			name = ""
			show(p.PID, indent+"  ")
		}
	}
	show(0, "")
}

// starts formats how often a service was started, and how many of those were
// restarts by the supervisor.
func starts(s control.Service) string {
	restarts := s.Restarts
	if s.State == control.Backoff {
		restarts-- // the last of them is still to come
	}
	switch restarts {
	case 0:
		return fmt.Sprint(s.Starts)
	case 1:
		return fmt.Sprintf("%d, 1 of them an automatic restart", s.Starts)
	}
	return fmt.Sprintf("%d, %d of them automatic restarts", s.Starts, restarts)
}
