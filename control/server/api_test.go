package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// overSocket asks on a socket.
func overSocket(t *testing.T, socket string) *http.Client {
	t.Helper()
	hc := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	t.Cleanup(hc.CloseIdleConnections)
	return hc
}

// ask sends a request, and returns the status and the whole answer.
func ask(t *testing.T, hc *http.Client, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Each answer is what the document says.
func TestAnswersMatchTheirSchema(t *testing.T) {
	f := newFake()
	_, _, socket := serve(t, f)
	close(f.events)
	hc := overSocket(t, socket)
	doc := loadDocument(t)
	for _, r := range server.Routes() {
		if r.Stream || r.Answer == nil {
			continue // tested elsewhere
		}
		body := map[string]string{
			"/v1/stop": `{"services":["api"]}`, "/v1/restart": `{"services":["api"]}`, "/v1/kill": `{"services":["api"],"signal":"SIGHUP"}`,
			"/v1/wait": `{"services":["api"],"for":"ready"}`, "/v1/scale": `{"replicas":{"api":2}}`, "/v1/plan": `{"version":1,"name":"x"}`,
			"/v1/reload": `{"version":1,"name":"x"}`, "/v1/exec": `{"service":"api"}`, "/v1/run": `{"service":"api"}`,
		}[r.Path]
		status, text := ask(t, hc, r.Method, "http://x"+strings.ReplaceAll(r.Path, "{name}", "api"), body)
		var answer any
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Errorf("%s %s: %d %s: %v", r.Method, r.Path, status, text, err)
			continue
		}
		if err := schemaOf(t, doc, r, status).VisitJSON(answer); err != nil {
			t.Errorf("%s %s: %d %s is not what the document says: %v", r.Method, r.Path, status, text, err)
		}
	}
}

func TestServices(t *testing.T) {
	c, _, socket := serve(t, newFake())
	hc := overSocket(t, socket)
	for path, want := range map[string]string{
		"/v1/services":                        `200 ["api","postgresql.main"]`,
		"/v1/services?service=postgres":       `200 ["postgresql.main"]`,
		"/v1/services?service=a&service=b":    `404 not_found`,
		"/v1/services?name=api":               `400 invalid`,
		"/v1/services?service=api%zz":         `400 invalid`,
		"/v1/services/api":                    `200 "api"`,
		"/v1/services/postgresql":             `200 "postgresql.main"`,
		"/v1/services/nobody":                 `404 not_found`,
		"/v1/services/..%2f..%2fetc%2fpasswd": `404 not_found`,
		"/v1/health":                          `503 []`,
		"/v1/health?service=api":              `503 ["api"]`,
		"/v1/graph":                           `200 ["api","postgresql.main"]`,
		"/v1/usage?gpus=perhaps":              `400 invalid`,
		"/v1/usage?gpus=no&gpus=yes":          `400 invalid`,
	} {
		status, text := ask(t, hc, "GET", "http://x"+path, "")
		var ids []string
		var list []control.Service
		var one struct {
			ID        string
			Services  []control.Service
			Unhealthy []control.Service
			Code      string
		}
		got := ""
		if json.Unmarshal([]byte(text), &list) != nil {
			json.Unmarshal([]byte(text), &one)
			list = slices.Concat(one.Services, one.Unhealthy)
			switch {
			case one.Code != "":
				got = one.Code
			case one.ID != "":
				got = fmt.Sprintf("%q", one.ID)
			}
		}
		for _, s := range list {
			ids = append(ids, fmt.Sprintf("%q", s.ID))
		}
		if got == "" {
			got = "[" + strings.Join(ids, ",") + "]"
		}
		if got = fmt.Sprint(status, " ", got); got != want {
			t.Errorf("%s: %s, want %s\n%s", path, got, want, text)
		}
	}
	h, err := c.Health(t.Context(), "api")
	if err != nil || h.Healthy || len(h.Unhealthy) != 1 || h.Unhealthy[0].Why == "" {
		t.Errorf("Health = %+v, %v", h, err)
	}
	if _, err := c.Health(t.Context(), "nobody"); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("Health of nobody: %v", err)
	}
	if s, err := c.Service(t.Context(), "postgres"); err != nil || s.ID != "postgresql.main" {
		t.Errorf("Service = %+v, %v", s, err)
	}
	if g, err := c.Graph(t.Context(), "api"); err != nil || len(g.Services) != 1 || g.Services[0].State != control.Waiting {
		t.Errorf("Graph = %+v, %v", g, err)
	}
}

// A mistyped parameter is no parameter of another meaning.
func TestUnknownParametersSayWhatIsMeant(t *testing.T) {
	_, _, socket := serve(t, newFake())
	status, text := ask(t, overSocket(t, socket), "GET", "http://x/v1/logs?folow=yes", "")
	if status != 400 || !strings.Contains(text, `did you mean \"follow\"?`) {
		t.Errorf("%d %s", status, text)
	}
}

func TestEventsGoOn(t *testing.T) {
	f := newFake()
	c, _, _ := serve(t, f)
	// kinds reads messages until it has so many, and names them.
	kinds := func(id string, n int) (names []string, last string) {
		t.Helper()
		enough := errors.New("enough")
		err := c.EventsAfter(t.Context(), id, func(m control.Message) error {
			name := "end"
			switch {
			case m.State != nil:
				name = "state"
			case m.Event != nil:
				name = fmt.Sprint(m.Event.Seq)
			}
			names, last = append(names, name), m.ID
			if len(names) == n {
				return enough
			}
			return nil
		})
		if err != enough {
			t.Fatalf("events after %q: %v, %v", id, names, err)
		}
		return names, last
	}
	names, id := kinds("", 1)
	if !slices.Equal(names, []string{"state"}) || !strings.HasSuffix(id, "-7") {
		t.Fatalf("the beginning is %v, with the id %q", names, id)
	}
	born, _, _ := strings.Cut(id, "-")
	for after, want := range map[string][]string{
		born + "-4": {"5", "6", "7"},
		born + "-6": {"7"},
		born + "-8": {"state"}, // nothing that is known
		"zz-4":      {"state"}, // of another supervisor
		"nonsense":  {"state"},
		"-":         {"state"},
	} {
		if names, last := kinds(after, len(want)); !slices.Equal(names, want) || last != id {
			t.Errorf("after %q: %v up to %q, want %v up to %q", after, names, last, want, id)
		}
	}
}

// A browser's EventSource and its like read the stream as it is.
func TestServerSentEvents(t *testing.T) {
	f := newFake()
	_, srv, socket := serve(t, f)
	hc := overSocket(t, socket)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://x/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("it is %q", got)
	}
	f.events <- control.Event{Seq: 8, From: "waiting", Service: control.Service{ID: "api", State: "running", Why: "line\nline"}}
	srv.End(control.End{Code: 3, Reason: "done"})
	close(f.events)
	var names, ids []string
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			names = append(names, value)
		case "id":
			ids = append(ids, value[strings.Index(value, "-"):])
		case "data":
			if !json.Valid([]byte(value)) {
				t.Errorf("data is %q", value)
			}
		case "":
		default:
			t.Errorf("line %q", lines.Text())
		}
	}
	if !slices.Equal(names, []string{"state", "change", "end"}) || !slices.Equal(ids, []string{"-7", "-8"}) {
		t.Errorf("got %v with the ids %v", names, ids)
	}
	// And goes on with the header that it sends by itself.
	req.Header.Set("Last-Event-ID", fmt.Sprintf("%s-6", mustID(t, hc)))
	resp, err = hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(text), "id: ") || !strings.Contains(string(text), "-7\nevent: change\n") || strings.Contains(string(text), "event: state") {
		t.Errorf("it goes on with %q, %v", text, err)
	}
}

// mustID is what stands before the number in the ids of a server that has ended.
func mustID(t *testing.T, hc *http.Client) string {
	t.Helper()
	_, text := ask(t, hc, "GET", "http://x/v1/events", "")
	var m control.Message
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&m); err != nil {
		t.Fatal(err)
	}
	born, _, _ := strings.Cut(m.ID, "-")
	return born
}

func TestLogsAreAskedFor(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000000Z")
	text := old + " nix2gpu F start\n" + old + " stdout F an hour ago\n" + record("one") + strings.Replace(record("two"), "stdout", "stderr", 1) + record("Three") + record("\x1b[31mred\xff")
	if err := os.WriteFile(filepath.Join(dir, "api.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gone.log"), []byte(record("of a service that was removed")), 0o600); err != nil {
		t.Fatal(err)
	}
	hc := serveLogs(t, dir)
	for query, want := range map[string]string{
		"":                                  "an hour ago|one|two|Three|\x1b[31mred\uFFFD",
		"service=api&tail=2":                "Three|\x1b[31mred\uFFFD",
		"tail=0":                            "",
		"since=10m":                         "one|two|Three|\x1b[31mred\uFFFD",
		"until=10m":                         "an hour ago",
		"since=2h&until=30m":                "an hour ago",
		"since=2026-01-01T00:00:00Z&tail=1": "\x1b[31mred\uFFFD",
		"stream=stderr":                     "two",
		"grep=T":                            "Three",
		"grep=t":                            "two|Three",
		"grep=^t":                           "two|Three",
		"service=postgresql":                "",
		"service=nobody":                    "404 not_found",
		"grep=(":                            "400 invalid",
		"grep=" + strings.Repeat("x", 5000): "400 invalid",
		"tail=-1":                           "400 invalid",
		"tail=many":                         "400 invalid",
		"since=yesterday":                   "400 invalid",
		"stream=stdin":                      "400 invalid",
		"follow=yes&previous=yes":           "400 invalid",
		"service=api&previous=yes":          "409 conflict",
	} {
		status, text := ask(t, hc, "GET", "http://x/v1/logs?"+query, "")
		var got []string
		dec := json.NewDecoder(strings.NewReader(text))
		for dec.More() {
			var line struct {
				control.LogLine
				Code string
			}
			if err := dec.Decode(&line); err != nil {
				t.Fatalf("%s: %q: %v", query, text, err)
			}
			if line.Code != "" {
				got = append(got, fmt.Sprint(status, " ", line.Code))
				continue
			}
			if line.Service != "api" || line.Time.IsZero() || line.Stream == "" {
				t.Errorf("%s: %+v", query, line)
			}
			got = append(got, line.Message)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%.40s: %q, want %q", query, strings.Join(got, "|"), want)
		}
	}
}

// A follower gets what is written later, and all of it before the project has ended.
func TestLogsAreFollowed(t *testing.T) {
	hub, err := servicelog.Open(servicelog.Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close(t.Context())
	run, err := hub.Source("api", "api", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := server.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: newFake(), Resolve: (*project.Project).ResolveAll, Logs: hub.Reader()})
	go srv.Serve(l)
	defer srv.Close()
	lines := make(chan string, 16)
	over := make(chan error, 1)
	go func() {
		over <- client.New(filepath.Join(dir, "s")).Logs(t.Context(), client.LogQuery{Services: []string{"api"}, Grep: "line", Follow: true}, func(l control.LogLine) error {
			lines <- l.Message
			return nil
		})
	}()
	write := func(text string) {
		t.Helper()
		if _, err := run.Stdout.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("line 1\nother\nline 2\n")
	for _, want := range []string{"line 1", "line 2"} {
		if got := <-lines; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	write("the last line\n")
	run.Started() // closes our ends
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.End(control.End{})
	if err := <-over; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if got := <-lines; got != "the last line" {
		t.Errorf("at last came %q", got)
	}
}

func TestScaleAndReloadEvaluateAgain(t *testing.T) {
	f := newFake()
	var asked string
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := server.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: f, Resolve: (*project.Project).ResolveAll,
		Evaluate: func(_ context.Context, replicas map[string]int) (project.Valid, error) {
			asked = fmt.Sprint(replicas)
			if replicas["db"] > 0 {
				return project.Valid{}, &control.Error{Code: control.CodeInvalid, Msg: "db cannot be scaled"}
			}
			return project.Validated(&project.Project{Version: project.Version, Name: "again"})
		}})
	go srv.Serve(l)
	defer srv.Close()
	c := client.New(filepath.Join(dir, "s"))
	changes, err := c.Scale(t.Context(), map[string]int{"worker": 3})
	if err != nil || asked != "map[worker:3]" || <-f.asked != "reload again" || len(changes.Plan) != 1 || changes.Plan[0].Action != control.PlanStart {
		t.Errorf("Scale = %+v, %v, asked for %s", changes, err, asked)
	}
	if _, err := c.Reload(t.Context(), nil); err != nil || asked != "map[]" || <-f.asked != "reload again" {
		t.Errorf("Reload of what is defined = %v, asked for %s", err, asked)
	}
	for _, replicas := range []map[string]int{nil, {"worker": -1}, {"worker": control.MaxReplicas + 1}, {"db": 2}} {
		if _, err := c.Scale(t.Context(), replicas); !errors.Is(err, control.ErrInvalid) || len(f.asked) != 0 {
			t.Errorf("Scale(%v) = %v", replicas, err)
		}
	}
}

// What is asked of the router does not matter: it answers, with an error of ours where
// it is not one of ours.
func FuzzRouter(f *testing.F) {
	for _, r := range server.Routes() {
		f.Add(r.Method, r.Path, "service=api&tail=3", `{"services":["api"]}`)
	}
	f.Add("GET", "/../../etc/passwd", "", "")
	f.Add("POST", "/v1//stop", "%zz", "{")
	f.Add("PATCH", "/process/stop/%00", "", "")
	fake := newFake()
	close(fake.events)
	go func() {
		for range fake.asked { // and forget
		}
	}()
	srv := server.New(server.Options{Engine: fake, Resolve: (*project.Project).ResolveAll,
		Reload: func(_ context.Context, p *project.Project) (project.Valid, error) { return project.Validated(p) }})
	srv.End(control.End{})
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	l, err := server.Listen(filepath.Join(dir, "s"))
	if err != nil {
		f.Fatal(err)
	}
	go srv.Serve(l)
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		c, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if strings.ContainsAny(method+path+query, " \r\n") {
			return
		}
		fmt.Fprintf(c, "%s %s?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, query, len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
		if err != nil {
			return // net/http closes what is no request
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode == http.StatusInternalServerError {
			t.Errorf("%q %q: %s %q, %v", method, path, resp.Status, text, err)
		}
	})
}

// Without following, the stream is what there is.
func TestEventsThatAreThere(t *testing.T) {
	_, _, socket := serve(t, newFake())
	hc := overSocket(t, socket)
	_, text := ask(t, hc, "GET", "http://x/v1/events?follow=no", "")
	var m control.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.State == nil || m.ID == "" {
		t.Fatalf("%q, %v", text, err)
	}
	if _, text = ask(t, hc, "GET", "http://x/v1/events?follow=no&after="+m.ID, ""); text != "" {
		t.Errorf("nothing came meanwhile: %q", text)
	}
	if status, text := ask(t, hc, "GET", "http://x/v1/events?follow=perhaps", ""); status != 400 {
		t.Errorf("%d %q", status, text)
	}
}
