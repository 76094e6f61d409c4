package client_test

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
	"reflect"
	"strings"
	"testing"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

// listen opens a socket with a short path.
func listen(t *testing.T) (string, net.Listener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return socket, l
}

// serve answers requests on a socket.
func serve(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	socket, l := listen(t)
	srv := &http.Server{Handler: answer}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return client.New(socket)
}

// drop accepts connections and closes each at once, until end is called.
func drop(t *testing.T) (socket string, end func()) {
	t.Helper()
	socket, l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return socket, func() { l.Close() }
}

// Each method sends the request that the reference of the socket documents.
func TestRequests(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body)
		switch r.URL.Path {
		case "/v1/state":
			io.WriteString(w, `{"project":"shop"}`)
		case "/v1/reload":
			io.WriteString(w, `{"added":["api"]}`)
		default:
			io.WriteString(w, `{"services":[{"id":"api"}]}`)
		}
	})
	ctx, api := t.Context(), []string{"api"}
	services := func(s []control.Service, err error) (any, error) { return s, err }
	one := []control.Service{{ID: "api"}}
	for want, tc := range map[string]struct {
		do     func() (any, error)
		answer any
	}{
		"GET /v1/state ": {func() (any, error) { return c.State(ctx) }, &control.State{Snapshot: control.Snapshot{Project: "shop"}}},
		`POST /v1/start {"services":["api"],"noDeps":true}`:  {func() (any, error) { return services(c.Start(ctx, api, true)) }, one},
		`POST /v1/start {"services":["api"],"missing":true}`: {func() (any, error) { return services(c.StartMissing(ctx, api, false)) }, one},
		`POST /v1/stop {"services":["api"]}`:                 {func() (any, error) { return services(c.Stop(ctx, api)) }, one},
		`POST /v1/restart {"services":["api"]}`:              {func() (any, error) { return services(c.Restart(ctx, api)) }, one},
		`POST /v1/kill {"services":["api"],"signal":"SIGHUP"}`: {func() (any, error) {
			return services(c.Kill(ctx, api, project.Signal(1)))
		}, one},
		`POST /v1/wait {"services":["api"],"for":"ready"}`: {func() (any, error) { return services(c.Wait(ctx, api, "ready")) }, one},
		`POST /v1/down {"services":null,"now":true}`:       {func() (any, error) { return nil, c.Down(ctx, true) }, nil},
		`POST /v1/reload {"version":1}`: {func() (any, error) { return c.Reload(ctx, []byte(`{"version":1}`)) },
			&control.Changes{Added: api}},
	} {
		answer, err := tc.do()
		if err != nil || got != want {
			t.Errorf("sent %q, %v\nwant %q", got, err, want)
		}
		if !reflect.DeepEqual(answer, tc.answer) {
			t.Errorf("%s: answer %+v, want %+v", want, answer, tc.answer)
		}
	}
	if !c.Running(ctx) {
		t.Error("not running")
	}
}

func TestAnswersThatAreErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   error
		text   string
	}{
		"an error of ours":    {404, `{"code":"not_found","error":"no service \"x\"","hint":"try api"}`, control.ErrNotFound, `no service "x"`},
		"a page of another":   {502, "<html>", &control.Error{Code: control.CodeInternal}, "the supervisor answered 502"},
		"an empty one":        {500, "", &control.Error{Code: control.CodeInternal}, "the supervisor answered 500"},
		"JSON without a code": {418, `{"message":"teapot"}`, &control.Error{Code: control.CodeInternal}, "the supervisor answered 418"},
		"no JSON at all":      {200, "hello", nil, "cannot read the supervisor's answer: "},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
		})
		_, err := c.State(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), tc.text) || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.text)
		}
	}
}

func TestEvents(t *testing.T) {
	lines := []string{`{"state":{"project":"shop"}}`, `{"event":{"seq":1,"service":{"id":"api"}}}`, `{"end":{"code":3,"reason":"done"}}`}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(lines, "\n")+"\n")
	})
	var got []string
	err := c.Events(t.Context(), func(m control.Message) error {
		switch {
		case m.State != nil:
			got = append(got, m.State.Project)
		case m.Event != nil:
			got = append(got, string(m.Event.Service.ID))
		case m.End != nil:
			got = append(got, m.End.Reason)
		}
		return nil
	})
	if want := "shop api done"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
	enough := errors.New("enough")
	if err := c.Events(t.Context(), func(control.Message) error { return enough }); err != enough {
		t.Errorf("stopped by its reader: %v", err)
	}
	lines = []string{"nonsense"}
	if err := c.Events(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "cannot read the event stream: ") {
		t.Errorf("nonsense: %v", err)
	}
	lines = []string{`{"state":{}}`} // and then the end of the stream, though not of the project
	if err := c.Events(t.Context(), func(control.Message) error { return nil }); !errors.Is(err, control.ErrBusy) || !strings.Contains(err.Error(), "was not read in time") {
		t.Errorf("a stream that was closed: %v", err)
	}
}

func TestEventsOfASupervisorThatDies(t *testing.T) {
	socket, l := listen(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		http.ReadRequest(bufio.NewReader(c))
		l.Close() // first, as an ending supervisor does
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n{\"state\":{}}\n")
		c.Close()
	}()
	err := client.New(socket).Events(t.Context(), func(control.Message) error { return nil })
	if !errors.Is(err, control.ErrNotRunning) || err.Error() != "the supervisor went away" {
		t.Errorf("got %v", err)
	}
}

// A canceled context ends the request with its cause.
func TestContexts(t *testing.T) {
	asked := make(chan struct{}, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if r.URL.Path == "/v1/events" {
			json.NewEncoder(w).Encode(control.Message{State: &control.State{}})
		}
		http.NewResponseController(w).Flush()
		asked <- struct{}{}
		<-r.Context().Done()
	})
	cause := errors.New("that will do")
	for name, do := range map[string]func(context.Context) error{
		"state":  func(ctx context.Context) error { _, err := c.State(ctx); return err },
		"events": func(ctx context.Context) error { return c.Events(ctx, func(control.Message) error { return nil }) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-asked; cancel(cause) }()
		if err := do(ctx); err != cause {
			t.Errorf("%s: %v, want the cause", name, err)
		}
		if _, err := c.State(ctx); err != cause { // not even begun
			t.Errorf("%s: %v, want the cause", name, err)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	dead, l := listen(t)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for name, socket := range map[string]string{"no socket": filepath.Join(dir, "none"), "a dead one": dead} {
		c := client.New(socket)
		_, err := c.State(t.Context())
		var e *control.Error
		if !errors.As(err, &e) || !errors.Is(err, control.ErrNotRunning) || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
		if c.Running(t.Context()) {
			t.Errorf("%s is running", name)
		}
	}
	// A path that is too long for a socket does not mean that nothing is running.
	long := client.New("/" + strings.Repeat("x", 200))
	if _, err := long.State(t.Context()); err == nil || errors.Is(err, control.ErrNotRunning) || !strings.HasPrefix(err.Error(), "control socket ") {
		t.Errorf("a long path: %v", err)
	}
}

// A connection that is closed without an answer says nothing of the project; only the
// socket tells whether one runs.
func TestDroppedConnections(t *testing.T) {
	socket, end := drop(t)
	c := client.New(socket)
	_, err := c.Stop(t.Context(), []string{"api"})
	if !errors.Is(err, control.ErrBusy) {
		t.Errorf("dropped by one that is there: %v", err)
	}
	end()
	if _, err := c.Stop(t.Context(), []string{"api"}); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("dropped by one that has ended: %v", err)
	}
}

func TestForbiddenSocket(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may open every socket")
	}
	socket, _ := listen(t)
	if err := os.Chmod(socket, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := client.New(socket).State(t.Context()); !errors.Is(err, control.ErrForbidden) {
		t.Errorf("got %v", err)
	}
}
