package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"nix2gpu/compose/template"
	"nix2gpu/control"
	"nix2gpu/control/client"
)

// writeYAML prints v as writeJSON would, but in YAML.
func writeYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if data, err = yaml.JSONToYAML(data); err != nil {
		return err
	}
	_, err = w.Write(append(bytes.TrimRight(data, "\n"), '\n'))
	return err
}

// writeFormat prints a line for each service, from a template.
func writeFormat(env *Env, state *control.State, format string) error {
	for _, s := range state.Services {
		line, err := template.Expand("--format", format, fields(state, s))
		if err != nil {
			names := strings.Join(fieldNames(), ", ")
			if name, unknown := strings.CutPrefix(err.Error(), "map has no entry for key "); unknown {
				return hint(usageError("--format: a service has no field %s", name), "the fields are %s", names)
			}
			return hint(usageError("%v", err), "the fields are %s", names)
		}
		fmt.Fprintln(env.Stdout, line)
	}
	return nil
}

// fields returns what a template can name; the names are those of docker's.
func fields(state *control.State, s control.Service) map[string]any {
	code := ""
	if s.Exit != nil {
		code = fmt.Sprint(s.Exit.Code)
	}
	return map[string]any{
		"Name": s.Label, "ID": string(s.ID), "Type": s.Type, "Namespace": s.Namespace, "State": string(s.State),
		"Health": string(s.Health), "Status": describe(s), "Why": s.Why, "PID": s.PID, "Restarts": s.Restarts, "Starts": s.Starts,
		"ExitCode": code, "Ports": ports(s), "Age": age(state.At, s), "Since": clock(s.Since), "Project": state.Project,
	}
}

func fieldNames() []string {
	var names []string
	for name := range fields(&control.State{}, control.Service{}) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// redraw is how often "ps -w" draws its table again, because ages grow.
const redraw = time.Second

// watchPs shows the services until the project ends or Ctrl-C. At a terminal it is
// one table that changes; elsewhere the table, and then a line for each change.
func watchPs(ctx context.Context, env *Env, c *client.Client, opts psOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, failed := stream(ctx, c)
	w := &watching{env: env, client: c, opts: opts, table: opts.format == "" && (opts.output == "table" || opts.output == "wide")}
	w.live = w.table && env.StdoutTTY && env.Getenv("TERM") != "dumb"
	// What the columns will have to hold sooner or later: they are not to jump.
	w.widths = []int{0, len(control.Restarting), len(control.HealthUnhealthy), 0, len("1234567"), len("59m59s")}
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case m := <-messages:
			if m.End != nil {
				fmt.Fprintf(env.Stderr, "the project ended: %s\n", m.End.Reason)
				return nil
			}
			if err := w.take(ctx, m); err != nil {
				return err
			}
		case <-tick.C:
			if err := w.draw(ctx); err != nil {
				return err
			}
		case err := <-failed:
			return err
		}
	}
}

// A watching is the state of "ps -w".
type watching struct {
	env    *Env
	client *client.Client
	opts   psOptions
	table  bool  // a row for each service
	live   bool  // the table is drawn again in its place
	drawn  bool  // once at least
	widths []int // of the columns; they only grow

	services []control.Service // all of them, as last told; of the live table, none
}

func (w *watching) take(ctx context.Context, m control.Message) error {
	switch {
	case w.live:
		return w.draw(ctx)
	case m.State != nil:
		w.services = slices.Clone(m.State.Services)
		state := *m.State
		if err := pickState(&state, w.opts.target.services); err != nil {
			return err
		}
		if !w.table {
			return writePs(ctx, w.env, w.client, &state, w.opts)
		}
		rows := psRows(&state, w.opts.output == "wide")
		w.widths = columnWidths(rows, w.widths)
		writeTable(w.env, rows, w.widths, &state)
		return nil
	case m.Event != nil:
		s := m.Event.Service
		same := func(x control.Service) bool { return x.ID == s.ID }
		if i := slices.IndexFunc(w.services, same); i >= 0 {
			w.services[i] = s
		} else {
			w.services = append(w.services, s) // a reload has added it
		}
		// Whether it was asked for depends on the others: a further run is of one of them.
		picked, err := pickRuns(w.services, w.opts.target.services)
		if err != nil || !slices.ContainsFunc(picked, same) {
			return nil
		}
		return w.line(ctx, s)
	}
	return nil
}

// line prints a change of one service, in the format of opts.
func (w *watching) line(ctx context.Context, s control.Service) error {
	state := &control.State{Snapshot: control.Snapshot{At: w.env.Now(), Services: []control.Service{s}}}
	if w.table {
		rows := psRows(state, w.opts.output == "wide")
		w.widths = columnWidths(rows, w.widths)
		writeRows(w.env, rows, w.widths, 1)
		return nil
	}
	if w.opts.output == "json" { // one object in each line, as in all our streams
		enc := json.NewEncoder(w.env.Stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(s)
	}
	return writePs(ctx, w.env, w.client, state, w.opts)
}

// draw draws the whole table in place of the last one.
func (w *watching) draw(ctx context.Context) error {
	if !w.live {
		return nil
	}
	state, err := w.client.State(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return nil // the event stream says how it ended
	}
	if err != nil {
		return err
	}
	if err := pickState(state, w.opts.target.services); err != nil {
		return err
	}
	var page bytes.Buffer
	env := *w.env
	width, height := sizeOf(w.env.Stdout)
	env.Stdout, env.Width = &page, width
	rows := psRows(state, w.opts.output == "wide")
	w.widths = columnWidths(rows, w.widths)
	writeTable(&env, rows, w.widths, state)
	err = drawPage(w.env.Stdout, page.String(), height, w.drawn)
	w.drawn = true
	return err
}

// drawPage shows a page on a terminal of a height, in place of the one before if there
// is one.
func drawPage(w io.Writer, page string, height int, before bool) error {
	erase := "\x1b[H"
	if !before {
		erase = "\x1b[H\x1b[2J"
	}
	_, err := io.WriteString(w, erase+onScreen(page, height)+"\x1b[J")
	return err
}

// onScreen is as much of a page as a screen of a height has room for, each line in the
// place of one that may be longer.
func onScreen(page string, height int) string {
	lines := strings.Split(strings.TrimRight(page, "\n"), "\n")
	if room := height - 1; room > 1 && len(lines) > room { // the cursor stands below
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1], fmt.Sprintf("… and %s that this terminal is too low for", count(hidden, "line")))
	}
	return strings.Join(lines, "\x1b[K\n") + "\x1b[K\n"
}
