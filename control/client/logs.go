package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"nix2gpu/control"
)

// A LogQuery says which lines are wanted. The zero value wants all since the project was
// started.
type LogQuery struct {
	Services []string
	Tail     *int // the last so many lines of each process; nil: all
	Since    time.Time
	Until    time.Time
	Grep     string   // a regular expression; without capitals, case is ignored
	Priority string   // only lines of this level or worse, such as "err"
	Fields   []string // only JSON lines that have them all, such as "status=500"
	Stream   string   // "stdout" or "stderr"; empty: both
	Previous bool     // only the run before the last one
	Follow   bool     // go on with new lines, until the project or ctx ends
}

func (q LogQuery) encode() string {
	v := url.Values{"service": q.Services, "field": q.Fields}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Tail != nil {
		v.Set("tail", strconv.Itoa(*q.Tail))
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			v.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	set("grep", q.Grep)
	set("priority", q.Priority)
	set("stream", q.Stream)
	for name, on := range map[string]bool{"previous": q.Previous, "follow": q.Follow} {
		if on {
			v.Set(name, "yes")
		}
	}
	return v.Encode()
}

// Logs calls each for every line, in the order of time, until each returns an error,
// which Logs returns, or there are no more.
func (c *Client) Logs(ctx context.Context, q LogQuery, each func(control.LogLine) error) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/logs?"+q.encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var line control.LogLine
		switch err := dec.Decode(&line); {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			return nil
		default:
			return fmt.Errorf("cannot read the supervisor's answer: %v", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}
