package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/safefile"
)

type analyzeOptions struct {
	target target
	output string
}

func newAnalyze(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "analyze",
		Short: "Show what made the start slow",
		Long: `Shows how long services took to start, and what they waited for: in the project that
runs, or else in the one that ran last. It looks at the last start of each service that
somebody asked for, until the service was ready, or had ended if another waits for that.`,
		Args: unknownVerb,
		RunE: help,
	}
	addVerbs(cmd,
		newAnalysis(env, "blame", "List how long each service took, the slowest first", `Lists how long each service took itself, without what it waited for: its set-up steps,
its program until that was ready, and restarts until then. The slowest comes first.`,
			`  nix2gpu analyze blame               all services
  nix2gpu analyze blame -o json       the same, for programs`, writeBlame),
		newAnalysis(env, "critical-chain", "Show what a service had to wait for, one after the other", `Shows a chain of services, each of which waited for the next: where one waited for
several, the next is the last of them to be ready. Only a service in the chain can make
the start faster. Without a service, the chain is that of the last one to be ready.

The time after "@" is when a service was ready, from the start of the project on; the
one after "+" is what it took itself.`,
			`  nix2gpu analyze critical-chain      why did it take so long?
  nix2gpu analyze critical-chain api  why did api come so late?`, writeChains))
	return cmd
}

// An analysis writes what it says of the services ids, of all without any.
type analysis func(env *Env, all *control.Startups, ids []project.ID, asJSON bool) error

func newAnalysis(env *Env, verb, short, long, example string, write analysis) *cobra.Command {
	var opts analyzeOptions
	cmd := &cobra.Command{
		Use: verb + " [DEFINITION] [SERVICE...]", Short: short, Long: long, Example: example,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if err := oneOf("output", opts.output, "text", "json"); err != nil {
				return err
			}
			all, err := opts.startups(cmd.Context(), env)
			if err != nil {
				return err
			}
			ids, err := pickStartups(all, opts.target.services)
			if err != nil {
				return err
			}
			return write(env, all, ids, opts.output == "json")
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "text", "json")
	return cmd
}

// startups asks the project that runs, or reads what the last one has left.
func (opts *analyzeOptions) startups(ctx context.Context, env *Env) (*control.Startups, error) {
	c, layout, err := opts.target.find(ctx, env)
	if err == nil {
		return c.Startups(ctx)
	}
	if !errors.Is(err, control.ErrNotRunning) {
		return nil, err
	}
	f, openErr := safefile.Peek(layout.Startup)
	if openErr != nil {
		return nil, err
	}
	defer f.Close()
	var all control.Startups
	if json.NewDecoder(f).Decode(&all) != nil { // of another version of the program
		return nil, err
	}
	fmt.Fprintf(env.Stderr, "nothing runs; this is the start of %s\n", all.Since.Format(time.DateTime))
	return &all, nil
}

// pickStartups are the services that names stand for; without names none.
func pickStartups(all *control.Startups, names []string) (ids []project.ID, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	var list []control.Service
	for _, u := range all.Services {
		list = append(list, control.Service{ID: u.ID, Label: u.Label, Type: u.Type})
	}
	if list, err = pickServices(list, names); err != nil {
		return nil, err
	}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// A timedStart is a row of blame, or a link of a chain, as programs read it.
type timedStart struct {
	ID        project.ID            `json:"id"`
	Label     string                `json:"label"`
	Condition project.Condition     `json:"condition,omitempty"` // that was waited for
	At        *float64              `json:"at,omitempty"`        // seconds from the start of the project; missing: it is not there
	Seconds   float64               `json:"seconds"`             // that it took itself
	Outcome   string                `json:"outcome,omitempty"`
	Restarts  int                   `json:"restarts,omitempty"`
	Steps     []control.StartupStep `json:"steps,omitempty"`
}

func timed(l control.Link, all *control.Startups, now time.Time) timedStart {
	t := timedStart{ID: l.ID, Label: l.Label, Condition: l.Condition, Seconds: l.Took(now).Seconds(), Outcome: l.Outcome, Restarts: l.Restarts, Steps: l.Steps}
	if !l.At.IsZero() {
		at := l.At.Sub(all.Since).Seconds()
		t.At = &at
	}
	return t
}

// writeBlame lists what has begun, the slowest first.
func writeBlame(env *Env, all *control.Startups, ids []project.ID, asJSON bool) error {
	now := env.Now()
	rows := []control.Link{}
	for i := range all.Services {
		u := &all.Services[i]
		if u.Began.IsZero() || ids == nil && u.System || ids != nil && !slices.Contains(ids, u.ID) {
			continue
		}
		rows = append(rows, control.Link{Startup: u, At: all.Done(u)})
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[j].Took(now) < rows[i].Took(now) })
	if asJSON {
		list := []timedStart{}
		for _, l := range rows {
			list = append(list, timed(l, all, now))
		}
		return writeJSON(env.Stdout, list)
	}
	for _, l := range rows {
		fmt.Fprintf(env.Stdout, "%12s %s%s\n", startTime(l.Took(now)), l.Label, parens(append(stepTexts(l), remarks(l)...)))
	}
	return nil
}

// writeChains writes the chain of each service, without any that of the one that was
// there last.
func writeChains(env *Env, all *control.Startups, ids []project.ID, asJSON bool) error {
	now := env.Now()
	if ids == nil {
		if last := lastThere(all, now); last != "" {
			ids = []project.ID{last}
		}
	}
	chains := [][]timedStart{}
	for i, id := range ids {
		chain := all.Chain(id)
		var list []timedStart
		for depth, l := range chain {
			list = append(list, timed(l, all, now))
			if asJSON {
				continue
			}
			if depth == 0 && i > 0 {
				fmt.Fprintln(env.Stdout)
			}
			if depth > 0 {
				fmt.Fprint(env.Stdout, strings.Repeat("  ", depth-1), "└─")
			}
			notes := remarks(l)
			if l.Condition != "" && l.Condition != project.Ready {
				notes = append([]string{string(l.Condition)}, notes...)
			}
			at := ""
			if !l.At.IsZero() {
				at = " @" + startTime(l.At.Sub(all.Since))
			}
			if !l.Began.IsZero() {
				at += " +" + startTime(l.Took(now))
			}
			fmt.Fprintln(env.Stdout, l.Label+at+parens(notes))
		}
		chains = append(chains, list)
	}
	if asJSON {
		return writeJSON(env.Stdout, chains)
	}
	return nil
}

// lastThere is the service that was there last, or is not there yet; of several the one
// that has the longest chain. One with a schedule is late because that says so, and is
// taken if there is no other.
func lastThere(all *control.Startups, now time.Time) project.ID {
	if last := lastOf(all, now, false); last != "" {
		return last
	}
	return lastOf(all, now, true)
}

func lastOf(all *control.Startups, now time.Time, timed bool) project.ID {
	var last project.ID
	var at time.Time
	length := 0
	for i := range all.Services {
		u := &all.Services[i]
		if u.System || u.Timed != timed || u.Asked.IsZero() {
			continue
		}
		there := all.Done(u)
		if there.IsZero() {
			there = now
		}
		n := len(all.Chain(u.ID))
		if c := there.Compare(at); last == "" || c > 0 || c == 0 && n > length {
			last, at, length = u.ID, there, n
		}
	}
	return last
}

// stepTexts are what the time of a start went into, where it had several steps.
func stepTexts(l control.Link) (texts []string) {
	for _, step := range l.Steps {
		if step.Ended.IsZero() || len(l.Steps) < 2 {
			continue
		}
		what := cmp.Or(step.Doing, string(step.Process))
		if step.Role == project.Main {
			what = "its program"
		}
		texts = append(texts, what+" "+startTime(step.Ended.Sub(step.Began)))
	}
	return texts
}

// remarks are what is to be known of a start beside its time.
func remarks(l control.Link) (list []string) {
	if l.Restarts > 0 {
		list = append(list, count(l.Restarts, "restart"))
	}
	switch {
	case l.Outcome == string(control.Failed), l.Outcome == string(control.Skipped):
		list = append(list, l.Outcome)
	case l.Outcome != "":
		list = append(list, l.Outcome+" before that")
	case !l.At.IsZero():
	case l.Began.IsZero() && l.Timed:
		list = append(list, "waits for its time")
	case l.Began.IsZero():
		list = append(list, "waits")
	case l.Ready.IsZero():
		list = append(list, "still starting")
	default:
		list = append(list, "still running")
	}
	return list
}

func parens(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// startTime is a length of time to the millisecond, as systemd-analyze has it.
func startTime(d time.Duration) string {
	d = max(d, 0).Round(time.Millisecond)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.3fs", d.Seconds())
	}
	return fmt.Sprintf("%dmin %.3fs", d/time.Minute, (d % time.Minute).Seconds())
}
