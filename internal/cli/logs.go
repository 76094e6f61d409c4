package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
	"nix2gpu/servicelog"
	"nix2gpu/session"
)

type logsOptions struct {
	columns    bool // labels are padded to one width, as by "up" at a terminal
	target     target
	follow     bool
	tail       string
	since      string
	until      string
	timestamps bool
	grep       string
	priority   string
	fields     []string
	output     string
	previous   bool
	all        bool
	noPrefix   bool
	raw        bool
}

func newLogs(env *Env) *cobra.Command {
	var opts logsOptions
	cmd := &cobra.Command{
		Use:   "logs [DEFINITION] [SERVICE...]",
		Short: "Print what services have printed",
		Long: `Prints what services have printed since this "up" or boot, restarts included, merged by
time; when nothing runs, since the last one. --all, --since and --until also print what
is kept of earlier runs; --all marks each start of a service.
Output of a copy that "run" made is printed when the copy is named: SERVICE-run-1.

TIME is a duration before now such as 10m or 2h, a time of day such as 15:04, or a date
such as 2026-11-22 or 2026-11-22T15:04:05Z.

-p takes the levels of syslog. A line tells its level by the field level, severity or lvl
of JSON, a prefix such as <3>, or the words of usual servers. Others count as info.

With -o json, as with --log-format json of "up", each line is an object: time, service,
stream, level if the line tells one, message, pid of the process, restart (how often the
service was started before since "up"), partial if the line goes on in the next object.`,
		Example: `  nix2gpu logs -f api                    follow one service
  nix2gpu logs -n 50 api postgresql      the last 50 lines of two
  nix2gpu logs --since 10m -g error      what matched in the last ten minutes
  nix2gpu logs -p warning                warnings, errors and worse
  nix2gpu logs --field status=500 web    JSON lines with this field
  nix2gpu logs --previous api            the run before the last restart`,
		ValidArgsFunction: completeLogs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runLogs(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "")
	addLogsFlags(env, cmd, &opts)
	return cmd
}

func addLogsFlags(env *Env, cmd *cobra.Command, opts *logsOptions) {
	f := cmd.Flags()
	f.BoolVarP(&opts.follow, "follow", "f", false, "print new lines as they come")
	f.StringVarP(&opts.tail, "tail", "n", "all", "only the last `lines` of each service")
	f.StringVar(&opts.since, "since", "", "only lines since `time`")
	f.StringVar(&opts.until, "until", "", "only lines until `time`")
	f.BoolVarP(&opts.timestamps, "timestamps", "t", false, "print the time of each line")
	f.StringVarP(&opts.grep, "grep", "g", "", "only lines that match the regular `expression`; without capitals, case is ignored")
	f.StringVarP(&opts.priority, "priority", env.short("p"), "", "only lines of this `level` or worse: err, warning, info or debug")
	cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]string{"err", "warning", "info", "debug"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringArrayVar(&opts.fields, "field", nil, "only JSON lines with this `name=value`, such as status=500; may be repeated")
	addOutputFlag(cmd, &opts.output, "text", "json")
	f.BoolVarP(&opts.all, "all", env.short("a"), false, "also what was printed before this \"up\" or boot, with a line at each start")
	f.BoolVar(&opts.previous, "previous", false, "print the run before the last one")
	f.BoolVar(&opts.noPrefix, "no-log-prefix", false, "do not print the service before each line")
	f.BoolVar(&opts.raw, "raw", false, "print exactly the bytes of the services")
}

func runLogs(ctx context.Context, env *Env, opts logsOptions) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	query, err := opts.query(env.Now())
	if err != nil {
		return err
	}
	c, layout, err := opts.target.find(ctx, env)
	running := err == nil
	if err != nil && (!errors.Is(err, control.ErrNotRunning) || env.remote.host != "") {
		return err
	}
	if running && c.IsRemote() {
		return opts.printThere(ctx, env, c, query)
	}
	query.Marks = opts.all
	opts.columns = env.StdoutTTY && len(opts.target.services) != 1 && !env.inContainer() // where every log looks the same
	if !opts.all && !opts.previous && opts.since == "" && opts.until == "" {
		query.Since = runBegan(layout)
	}
	reader := servicelog.NewReader(layout.Logs)
	if query.Sources, err = reader.Sources(); err != nil {
		return err
	}
	names := labels(layout)
	if len(query.Sources) == 0 && len(names.project.Services) == 0 && !running {
		return &control.Error{Code: control.CodeNotRunning, Msg: "nothing has run here yet", Hint: "start it with \"nix2gpu up\""}
	}
	if len(opts.target.services) > 0 {
		if query.Sources, err = names.sources(opts.target.services, query.Sources); err != nil {
			return err
		}
		if len(names.strangers(query.Sources)) > 0 && opts.since == "" {
			query.Since = time.Time{} // a service that was removed printed only in earlier runs
		}
	} else {
		names.stale = names.strangers(query.Sources)
		if opts.follow {
			query.Sources, names.noCopies = nil, true // nil also takes logs that are created later
		}
	}
	if opts.follow && running {
		following, _, cancel, err := untilEnd(ctx, c)
		defer cancel()
		switch {
		case errors.Is(err, control.ErrNotRunning): // it has ended since it was found
			query.Follow = false
		case err != nil:
			return err
		default:
			ctx = following
		}
	}
	return names.print(ctx, env, reader, query, opts)
}

// runBegan returns when the project that runs, or ran last, was started: when its
// file was written. It is the zero time where that is not known.
func runBegan(layout rundir.Layout) time.Time {
	info, err := os.Stat(layout.Project)
	if err != nil {
		return time.Time{}
	}
	began := info.ModTime()
	if at := process.StartedAt(layout.Holder()); !at.IsZero() {
		now := time.Now()
		began = servicelog.FirstTime(began, now, now.Sub(at))
	}
	return began
}

// A projectEnd is how a project ended that was followed, or why that is not known.
type projectEnd struct {
	control.End
	err error
}

// untilEnd returns a context that ends shortly after the project, so that the last
// lines can still be read. By then the channel holds how the project ended, which can't be
// missed once untilEnd has returned.
func untilEnd(ctx context.Context, c *client.Client) (_ context.Context, _ <-chan projectEnd, _ context.CancelFunc, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended, begun := make(chan projectEnd, 1), make(chan error, 1)
	go func() {
		seen := false
		err := c.Events(ctx, func(m control.Message) error {
			if m.End != nil {
				seen = true
				ended <- projectEnd{End: *m.End}
			}
			select {
			case begun <- nil:
			default:
			}
			return nil
		})
		select {
		case begun <- err:
		default:
		}
		if err != nil && !seen && ctx.Err() == nil {
			ended <- projectEnd{err: err}
		}
		select {
		case <-time.After(100 * time.Millisecond):
			cancel(errProjectEnded)
		case <-ctx.Done():
		}
	}()
	if err = <-begun; err != nil {
		cancel(nil)
	}
	return ctx, ended, func() { cancel(nil) }, err
}

var errProjectEnded = errors.New("the project ended")

func (o *logsOptions) query(now time.Time) (servicelog.Query, error) {
	q := servicelog.Query{Follow: o.follow, Previous: o.previous}
	var err error
	if o.tail != "all" {
		n, err := strconv.Atoi(o.tail)
		if err != nil || n < 0 {
			return q, usageError("--tail must be a number of lines or \"all\", not %q", o.tail)
		}
		q.Tail = n
		if n == 0 {
			q.Tail = -1
		}
	}
	if q.Since, err = parseTime(o.since, now); err != nil {
		return q, usageError("--since %v", err)
	}
	if q.Until, err = parseTime(o.until, now); err != nil {
		return q, usageError("--until %v", err)
	}
	if o.priority != "" {
		if q.Level, err = servicelog.ParseLevel(o.priority); err != nil {
			return q, usageError("--priority %v", err)
		}
	}
	for _, text := range o.fields {
		field, err := servicelog.ParseField(text)
		if err != nil {
			return q, usageError("--field %v", err)
		}
		q.Fields = append(q.Fields, field)
	}
	if o.grep != "" {
		re, err := regexp.Compile(o.grep)
		if err != nil {
			var wrong *syntax.Error
			if errors.As(err, &wrong) {
				return q, usageError("--grep: %s: `%s`", wrong.Code, wrong.Expr)
			}
			return q, usageError("--grep: %v", err)
		}
		if strings.ToLower(o.grep) == o.grep {
			re = regexp.MustCompile("(?i)" + o.grep)
		}
		q.Match = re.Match
	}
	return q, nil
}

// parseTime parses a duration before now, a time of today, or a date.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	span := strings.TrimSuffix(strings.ReplaceAll(s, " ", ""), "ago")
	for _, long := range []struct{ word, short string }{
		{"hours", "h"}, {"hour", "h"}, {"minutes", "m"}, {"minute", "m"}, {"min", "m"}, {"seconds", "s"}, {"second", "s"}, {"sec", "s"},
	} {
		span = strings.ReplaceAll(span, long.word, long.short)
	}
	if days, ok := strings.CutSuffix(span, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(span); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("must be like 10m, 15:04 or 2006-01-02T15:04:05Z, not %q", s)
}

// A naming knows the labels of the project that ran last, for when nothing runs.
type naming struct {
	project *project.Project
	stale   map[string]bool // logs that are shown only by name
	// noCopies leaves out those of copies that begin while they are followed.
	noCopies bool
}

// copies are the logs of copies of services, which "run" makes.
func (n naming) copies(there []string) []string {
	return slices.DeleteFunc(slices.Clone(there), func(source string) bool { return !n.isCopy(source) })
}

func (n naming) isCopy(source string) bool {
	return isCopyName(source) && n.project.Processes[project.ID(source)] == nil
}

// isCopyName reports whether a copy might have that name: "api-run-1" or "run-1".
func isCopyName(name string) bool {
	i := strings.LastIndex(name, "run-")
	return i >= 0 && (i == 0 || name[i-1] == '-') && project.IsReplica(name[i:], "run")
}

// labels reads the project that a supervisor has left in its state folder.
func labels(layout rundir.Layout) naming {
	f, err := safefile.Peek(layout.Project)
	if err != nil {
		return naming{project: &project.Project{}}
	}
	defer f.Close()
	p, err := project.Decode(f)
	if err != nil { // written by another version of the program
		return naming{project: &project.Project{}}
	}
	return naming{project: p}
}

// label returns the label of a source, which is a process.
func (n naming) label(source string) string {
	if proc := n.project.Processes[project.ID(source)]; proc != nil {
		if svc := n.project.Services[proc.Service]; svc != nil && svc.Label != "" {
			return svc.Label
		}
	}
	return source
}

// sources returns the logs that names stand for: those of all processes of each
// service.
func (n naming) sources(names, there []string) ([]string, error) {
	var out []string
	for _, name := range names {
		ids, err := n.project.Resolve(name)
		if err != nil {
			if slices.Contains(there, name) { // the log of a service that was removed
				out = append(out, name)
				continue
			}
			return nil, err
		}
		for _, id := range ids {
			if n.project.Processes[project.ID(name)] != nil && project.ID(name) != id {
				out = append(out, name) // the name of a single process
				continue
			}
			for _, run := range n.project.AllRuns([]project.ID{id}) {
				if svc := n.project.Services[run]; svc != nil {
					for _, pid := range svc.ProcessIDs() {
						out = append(out, string(pid))
					}
				}
			}
		}
	}
	return out, nil
}

// strangers returns the logs of services that the project no longer has.
func (n naming) strangers(there []string) map[string]bool {
	out := map[string]bool{}
	for _, source := range there {
		if len(n.project.Processes) > 0 && n.project.Processes[project.ID(source)] == nil {
			out[source] = true
		}
	}
	return out
}

// format is how lines are printed.
func (o *logsOptions) format(env *Env, label func(source string) string) servicelog.PrintOptions {
	show := servicelog.PrintOptions{Terminal: true, Timestamps: o.timestamps, Label: label}
	switch env.colorMode() {
	case "labels":
		show.Color = servicelog.ColorLabels
	case "never":
		show.Color = servicelog.ColorNever
	}
	if o.output == "json" {
		show.Format = servicelog.JSON
	}
	switch {
	case o.raw:
		show = servicelog.PrintOptions{}
	case o.noPrefix:
		show.Label = nil
	}
	return show
}

// print prints the records of a query to stdout.
func (n naming) print(ctx context.Context, env *Env, reader *servicelog.Reader, query servicelog.Query, opts logsOptions) error {
	show := opts.format(env, n.label)
	query.Processes = opts.output == "json"
	if opts.columns && show.Terminal {
		show.Labels = servicelog.NewLabels(n.project.Labels())
	}
	last := &tail{lines: query.Tail, label: n.label}
	if query.Tail > 0 {
		there := query
		there.Follow = false
		for rec, err := range reader.Records(ctx, there) {
			if err != nil {
				return err
			}
			last.count(rec)
		}
	}
	out := servicelog.NewPrinter(env.Stdout, show)
	query.Idle = func() { out.Flush() }
	for rec, err := range reader.Records(ctx, query) {
		if err != nil {
			out.Flush()
			return err
		}
		if n.stale[rec.Source] || n.noCopies && n.isCopy(rec.Source) || last.skips(rec) {
			continue
		}
		if err := out.Print(rec); err != nil {
			return nil // the reader of our stdout has gone
		}
	}
	if err := out.Flush(); err != nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errProjectEnded) {
		return cause
	}
	return nil
}

// printTail prints, indented, the last lines that a service or one of its processes
// has printed since began.
func printTail(ctx context.Context, w io.Writer, layout rundir.Layout, names naming, of project.ID, began time.Time, lines int) error {
	sources, err := names.sources([]string{string(of)}, nil)
	if err != nil {
		sources = []string{string(of)}
	}
	var b lastBytes
	out := servicelog.NewPrinter(&b, servicelog.PrintOptions{Terminal: true, Color: servicelog.ColorNever})
	query := servicelog.Query{Sources: sources, Tail: lines, Since: began}
	for rec, err := range servicelog.NewReader(layout.Logs).Records(ctx, query) {
		if err != nil {
			return err
		}
		if err := out.Print(rec); err != nil {
			return err
		}
	}
	out.Flush()
	b.print(w, lines)
	return nil
}

// lastBytes keeps the end of what is written to it, 64 KiB at least: a line may be
// of any length.
type lastBytes []byte

// print prints the last lines of it, indented.
func (l lastBytes) print(w io.Writer, lines int) {
	all := strings.Split(strings.TrimRight(string(l), "\n"), "\n")
	for _, line := range all[max(0, len(all)-lines):] {
		if line != "" {
			fmt.Fprintf(w, "  | %s\n", line)
		}
	}
}

func (l *lastBytes) Write(b []byte) (int, error) {
	const keep = 64 << 10
	*l = append(*l, b...)
	if len(*l) > 2*keep {
		*l = append((*l)[:0], (*l)[len(*l)-keep:]...)
	}
	return len(b), nil
}

// followAll prints what the services print from now on. It ends with the project,
// and with its exit code, or at Ctrl-C, which leaves the services running.
func followAll(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, j *session.Job) error {
	known := labels(layout)
	query := servicelog.Query{Tail: -1, Follow: true}
	if ids := names(j.Services); len(ids) > 0 {
		query.Sources, _ = known.sources(ids, ids)
	}
	opts := logsOptions{columns: j.Terminal}
	if j.LogJSON {
		opts.output = "json"
	}
	following, ended, cancel, err := untilEnd(ctx, c)
	if err != nil {
		return err
	}
	defer cancel()
	err = known.print(following, env, servicelog.NewReader(layout.Logs), query, opts)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	select {
	case end := <-ended:
		if end.err != nil {
			return end.err
		}
		fmt.Fprintf(env.Stderr, "the project ended: %s\n", end.Reason)
		if err := gone(ctx, c, layout); err != nil {
			return err
		}
		if end.Code != 0 {
			return &exitError{code: end.Code}
		}
	default:
	}
	return nil
}
