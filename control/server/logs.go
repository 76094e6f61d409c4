package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// maxPattern bounds what a regular expression costs to be made.
const maxPattern = 4 << 10

// getLogs streams lines, and with follow those to come.
func (s *Server) getLogs(w http.ResponseWriter, r *http.Request) error {
	params := paramsOf(r)
	query, err := s.logQuery(r.Context(), params)
	if err != nil {
		return err
	}
	if query.Follow {
		done, err := connOf(r.Context()).follow()
		if err != nil {
			return err
		}
		defer done()
		query.Over = s.all
	}
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &patient{w: w, to: http.NewResponseController(w)}
	printer := servicelog.NewPrinter(out, servicelog.PrintOptions{Format: servicelog.JSON, Label: func(source string) string {
		if proc := p.Processes[project.ID(source)]; proc != nil && p.Services[proc.Service] != nil {
			return p.Services[proc.Service].Label
		}
		return source
	}})
	query.Idle = func() { // a follower shall have what there is
		if printer.Flush() == nil {
			out.to.Flush()
		}
	}
	if s.opts.Logs == nil {
		return nil
	}
	for rec, err := range s.opts.Logs.Records(r.Context(), query) {
		if err == nil {
			err = printer.Print(rec)
		}
		if err != nil {
			if !out.begun {
				return logError(err)
			}
			panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
		}
	}
	if printer.Flush() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// logError gives the errors of a reader that are the asker's their code.
func logError(err error) error {
	if errors.Is(err, servicelog.ErrNoPrevious) {
		msg, _, _ := strings.Cut(err.Error(), "\n")
		return &control.Error{Code: control.CodeConflict, Msg: msg, Hint: "leave out previous"}
	}
	return err
}

// logQuery says which lines are asked for.
func (s *Server) logQuery(ctx context.Context, params query) (q servicelog.Query, err error) {
	if q.Previous, err = params.on("previous", false); err != nil {
		return q, err
	}
	if q.Follow, err = params.on("follow", false); err != nil {
		return q, err
	}
	if q.Previous && q.Follow {
		return q, &control.Error{Code: control.CodeInvalid, Msg: "previous and follow exclude each other", Hint: "a run that is over prints nothing more"}
	}
	tail, given, err := params.number("tail")
	if err != nil {
		return q, err
	}
	if q.Tail = tail; given && tail == 0 {
		q.Tail = -1
	}
	now := time.Now()
	if q.Since, err = params.time("since", now); err != nil {
		return q, err
	}
	if q.Until, err = params.time("until", now); err != nil {
		return q, err
	}
	q.Processes = true
	if q.Since.IsZero() && q.Until.IsZero() && !q.Previous {
		q.Since = s.began()
	}
	switch stream := params.text("stream"); stream {
	case "":
	case string(servicelog.Stdout), string(servicelog.Stderr):
		q.Streams = []servicelog.Stream{servicelog.Stream(stream)}
	default:
		return q, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q must be stdout or stderr, not %q", "stream", stream)}
	}
	if pattern := params.text("grep"); pattern != "" {
		if q.Match, err = matcher(pattern); err != nil {
			return q, err
		}
	}
	wrong := func(name string, err error) error {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q %v", name, err)}
	}
	if level := params.text("priority"); level != "" {
		if q.Level, err = servicelog.ParseLevel(level); err != nil {
			return q, wrong("priority", err)
		}
	}
	for _, text := range params.list("field") {
		field, err := servicelog.ParseField(text)
		if err != nil {
			return q, wrong("field", err)
		}
		q.Fields = append(q.Fields, field)
	}
	ids, err := s.resolve(ctx, params.list("service"))
	if err != nil {
		return q, err
	}
	p, err := s.opts.Engine.Project(ctx)
	if err != nil {
		return q, err
	}
	if len(ids) == 0 && !q.Follow { // those that were removed printed only in earlier runs
		for _, svc := range s.opts.Engine.Snapshot().Services {
			ids = append(ids, svc.ID)
		}
	}
	q.Sources = sourcesOf(p, ids)
	return q, nil
}

// sourcesOf are the logs of services and of the further runs of each.
func sourcesOf(p *project.Project, ids []project.ID) (sources []string) {
	for _, id := range p.AllRuns(ids) {
		if svc := p.Services[id]; svc != nil {
			for _, source := range svc.ProcessIDs() {
				sources = append(sources, string(source))
			}
		}
	}
	return sources
}

// began returns the time from which on the lines of this run of the project are.
func (s *Server) began() time.Time {
	since := s.opts.Engine.Snapshot().Since
	now := time.Now()
	return servicelog.FirstTime(since, now, now.Sub(since))
}

// matcher makes a filter of a regular expression. It takes time in proportion to what
// it looks at, whatever the expression.
func matcher(pattern string) (func([]byte) bool, error) {
	if len(pattern) > maxPattern {
		return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("the regular expression has %d bytes, more than %d", len(pattern), maxPattern)}
	}
	if strings.ToLower(pattern) == pattern {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q: %s", "grep", strings.TrimPrefix(err.Error(), "error parsing regexp: ")),
			Hint: "precede what is meant literally with a backslash"}
	}
	return re.Match, nil
}

// time returns a moment; zero: it is not given.
func (q query) time(name string, now time.Time) (time.Time, error) {
	text := q.text(name)
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q must be like 10m or 2006-01-02T15:04:05Z, not %q", name, text)}
	}
	return at, nil
}

// A patient writer gives its reader writeTime for each piece of an answer.
type patient struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	begun bool
}

func (p *patient) Write(b []byte) (int, error) {
	p.begun = true
	p.to.SetWriteDeadline(time.Now().Add(writeTime))
	return p.w.Write(b)
}
