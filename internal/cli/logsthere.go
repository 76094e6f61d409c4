package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/servicelog"
)

// printThere prints the logs of a project that is asked over TCP.
func (o *logsOptions) printThere(ctx context.Context, env *Env, c *client.Client, query servicelog.Query) error {
	if o.all {
		return hint(usageError("--all prints what is kept of earlier runs with a line at each start, and over TCP only the lines can be had"), "leave it out, or say --since 720h")
	}
	asked := client.LogQuery{Services: o.target.services, Since: query.Since, Until: query.Until, Grep: o.grep, Priority: o.priority, Fields: o.fields, Previous: o.previous, Follow: o.follow}
	if query.Tail != 0 {
		n := max(query.Tail, 0) // -1 is none of what is there
		asked.Tail = &n
	}
	show := o.format(env, func(source string) string { return source })
	if env.StdoutTTY && len(o.target.services) != 1 && show.Terminal {
		state, err := c.State(ctx)
		if err != nil {
			return err
		}
		var all []string
		for _, s := range state.Services {
			all = append(all, s.Label)
		}
		show.Labels = servicelog.NewLabels(all)
	}
	out := servicelog.NewPrinter(env.Stdout, show)
	print := func(l control.LogLine) error {
		if o.output == "json" {
			enc := json.NewEncoder(env.Stdout)
			enc.SetEscapeHTML(false)
			return enc.Encode(l)
		}
		rec := servicelog.Record{Time: l.Time, Source: l.Service, Stream: servicelog.Stream(l.Stream), Message: []byte(l.Message), End: servicelog.EndNewline}
		if rec.Stream == servicelog.Marks { // its text is made already
			rec.Source, rec.Stream = servicelog.Self, servicelog.Stdout
		}
		if l.Partial {
			rec.End = servicelog.EndCut
		}
		if err := out.Print(rec); err != nil {
			return err
		}
		if o.follow {
			return out.Flush()
		}
		return nil
	}
	err := c.Logs(ctx, asked, print)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}

// tailThere prints, indented, the last lines of a service that is asked over TCP.
func tailThere(ctx context.Context, w io.Writer, c *client.Client, service string, since time.Time, lines int) error {
	var b lastBytes
	out := servicelog.NewPrinter(&b, servicelog.PrintOptions{Terminal: true, Color: servicelog.ColorNever})
	err := c.Logs(ctx, client.LogQuery{Services: []string{service}, Tail: &lines, Since: since}, func(l control.LogLine) error {
		return out.Print(servicelog.Record{Time: l.Time, Source: l.Service, Stream: servicelog.Stdout, Message: []byte(l.Message), End: servicelog.EndNewline})
	})
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	b.print(w, lines)
	return nil
}
