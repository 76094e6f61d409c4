package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// fake is an engine that remembers what it was asked for.
type fake struct {
	asked  chan string
	events chan control.Event
	err    error
	runs   bool                                           // api has a schedule, and only its further run has printed
	onWait func()                                         // called by Wait
	wait   func(ctx context.Context, id project.ID) error // does what Wait does, unless nil
}

func newFake() *fake {
	return &fake{asked: make(chan string, 16), events: make(chan control.Event)}
}

func (f *fake) ask(verb string, ids []project.ID) error {
	words := []string{verb}
	for _, id := range ids {
		words = append(words, string(id))
	}
	f.asked <- strings.Join(words, " ")
	return f.err
}

func (f *fake) Project(context.Context) (*project.Project, error) {
	p := &project.Project{Services: map[project.ID]*project.Service{
		"postgresql.main": {ID: "postgresql.main", Type: "postgresql", Instance: "main", Label: "postgresql"},
		"api":             {ID: "api", Type: "custom", Instance: "api", Label: "api", Main: "api"},
	}}
	if f.runs {
		p.Services["api"].Main, p.Services["api"].Schedule = "api-1", &project.Schedule{Concurrent: 2}
		p.Services["api-2"] = &project.Service{ID: "api-2", Type: "custom", Instance: "api-2", Label: "api-2", Main: "api", Schedule: &project.Schedule{Of: "api"}}
	}
	return p, nil
}

func (f *fake) Snapshot() control.Snapshot {
	snap := control.Snapshot{Project: "shop", Phase: control.PhaseRunning, Services: []control.Service{
		{ID: "api", Label: "api", Type: "custom", State: control.Waiting, Why: "waits for postgresql to be ready",
			WaitsFor: []control.Unmet{{Service: "postgresql.main", Label: "postgresql", Condition: project.Ready, Why: "is starting"}}},
		{ID: "postgresql.main", Label: "postgresql", Type: "postgresql", State: control.Failed,
			Exit: &project.Exit{Code: 139, Signal: 11, Ran: 1500, CPU: 20, Memory: 4096}},
	}}
	if f.runs {
		snap.Services = append(snap.Services, control.Service{ID: "api-2", Label: "api-2", Type: "custom", RunOf: "api", State: control.Scheduled})
	}
	return snap
}

func (f *fake) Subscribe(_ context.Context, after uint64) (supervisor.Subscription, error) {
	s := supervisor.Subscription{Snapshot: f.Snapshot(), Seq: 7, Events: f.events, Cancel: func() {}}
	if after > 0 && after <= 7 {
		s.Resumed = true
		for seq := after + 1; seq <= 7; seq++ {
			s.Missed = append(s.Missed, control.Event{Seq: seq, From: "waiting", Service: s.Snapshot.Services[0]})
		}
	}
	return s, nil
}

func (f *fake) Start(_ context.Context, ids []project.ID, _ supervisor.StartOptions) ([]project.ID, error) {
	return ids, f.ask("start", ids)
}
func (f *fake) Stop(_ context.Context, ids []project.ID) error    { return f.ask("stop", ids) }
func (f *fake) Restart(_ context.Context, ids []project.ID) error { return f.ask("restart", ids) }
func (f *fake) Kill(_ context.Context, ids []project.ID, signal project.Signal) error {
	return f.ask("kill "+signal.String(), ids)
}
func (f *fake) Wait(ctx context.Context, id project.ID, cond project.Condition) error {
	if f.onWait != nil {
		f.onWait()
	}
	if f.wait != nil {
		return f.wait(ctx, id)
	}
	return f.ask("wait "+string(cond), []project.ID{id})
}
func (f *fake) Settled(_ context.Context, ids []project.ID) ([]control.Service, error) {
	return nil, f.ask("settled", ids)
}
func (f *fake) Stopped(_ context.Context, ids []project.ID) error { return f.ask("stopped", ids) }
func (f *fake) Details(context.Context) ([]control.Detail, error) {
	return []control.Detail{{ID: "api", Label: "api", Command: "serve"}}, nil
}

func (f *fake) Startups(context.Context) (control.Startups, error) {
	return control.Startups{Services: []control.Startup{{ID: "api", Label: "api", Restarts: 2}}}, nil
}

// planned is what a fake plans and does.
var planned = []control.Planned{{ID: "web.new", Label: "new", Action: control.PlanStart, Cause: control.CauseAdded}}

func (f *fake) Reload(_ context.Context, p project.Valid) (supervisor.Reloaded, error) {
	return supervisor.Reloaded{Changes: project.Changes{Added: []project.ID{"web.new"}}, Plan: planned}, f.ask("reload "+p.Project().Name, nil)
}
func (f *fake) Plan(_ context.Context, p project.Valid) ([]control.Planned, error) {
	return planned, f.ask("plan "+p.Project().Name, nil)
}
func (f *fake) Down()    { f.ask("down", nil) }
func (f *fake) DownNow() { f.ask("down now", nil) }

// serve starts a server for the engine and returns a client of it.
func serve(t *testing.T, engine server.Engine) (*client.Client, *server.Server, string) {
	t.Helper()
	return serveOn(t, engine, func(l net.Listener) net.Listener { return l })
}

// serveOn is serve with the listener that wrap returns, and with options changed.
func serveOn(t *testing.T, engine server.Engine, wrap func(net.Listener) net.Listener, change ...func(*server.Options)) (*client.Client, *server.Server, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n2g") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "control.sock")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	opts := server.Options{
		Engine: engine, Reload: func(_ context.Context, p *project.Project) (project.Valid, error) {
			if p.Name == "refused" {
				return project.Valid{}, &control.Error{Code: control.CodeConflict, Msg: "cannot run here"}
			}
			return project.Validated(p)
		}, Resolve: (*project.Project).ResolveAll, Root: "/home/me/shop", Definition: "flake.nix#shop", Version: "1",
	}
	for _, f := range change {
		f(&opts)
	}
	srv := server.New(opts)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(wrap(l)) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		os.RemoveAll(dir)
	})
	return client.New(socket), srv, socket
}

func TestSocketIsPrivate(t *testing.T) {
	_, _, socket := serve(t, newFake())
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v, %v, want 0600", info.Mode().Perm(), err)
	}
}

// Whoever reaches the socket from a sandbox could leave that by what we start.
func TestNobodyInASandboxMayAsk(t *testing.T) {
	plain := func(l net.Listener) net.Listener { return l }
	var asked, handle string
	_, _, socket := serveOn(t, newFake(), plain, func(o *server.Options) {
		o.Confined = func(pid, pidfd int) bool {
			asked, handle = strconv.Itoa(pid), "none"
			if info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd)); err == nil {
				handle = string(info)
			}
			return true
		}
	})
	hc := overSocket(t, socket)
	paths := []string{"GET /processes", "POST /project/stop"}
	for _, r := range server.Routes() {
		paths = append(paths, r.Method+" "+strings.ReplaceAll(r.Path, "{name}", "api"))
	}
	for _, path := range paths {
		method, path, _ := strings.Cut(path, " ")
		status, text := ask(t, hc, method, "http://x"+path, "")
		if want := "a process in a sandbox may not ask"; status != http.StatusForbidden || !strings.Contains(text, want) {
			t.Errorf("%s %s = %d %s, want %d %s", method, path, status, text, http.StatusForbidden, want)
		}
	}
	self := strconv.Itoa(os.Getpid())
	if asked != self || handle != "none" && !strings.Contains(handle, "\nPid:\t"+self+"\n") { // none: Linux before 6.5
		t.Errorf("it is asked of %s with the handle %s, want %s", asked, handle, self)
	}
}

// Where the kernel gives no handle of a peer, as without descriptors, its pid alone says
// nothing: it may be another's by now.
func TestPeerWithoutHandle(t *testing.T) {
	s := server.New(server.Options{Confined: func(pid, pidfd int) bool { return false }})
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !s.IsConfined(int(null.Fd()), os.Getpid()) {
		t.Error("a peer without a handle is trusted")
	}
}

func TestState(t *testing.T) {
	c, _, _ := serve(t, newFake())
	s, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Project != "shop" || s.Root != "/home/me/shop" || s.Definition != "flake.nix#shop" || s.Schema != 1 || s.PID != os.Getpid() {
		t.Errorf("state is %+v", s)
	}
	api, db := s.Services[0], s.Services[1]
	if api.State != "waiting" || len(api.WaitsFor) != 1 || api.WaitsFor[0].Condition != "ready" {
		t.Errorf("api is %+v", api)
	}
	if db.Exit == nil || db.Exit.Code != 139 || db.Exit.String() != "killed by SIGSEGV" || db.Exit.Ran != 1500 || db.Exit.CPU != 20 || db.Exit.Memory != 4096 {
		t.Errorf("exit is %+v", db.Exit)
	}
}

func TestActionsReachTheEngine(t *testing.T) {
	f := newFake()
	c, _, _ := serve(t, f)
	ctx := t.Context()
	for want, do := range map[string]func() error{
		"start postgresql.main":   func() error { _, err := c.Start(ctx, []string{"postgres"}, false); return err },
		"start":                   func() error { _, err := c.Start(ctx, nil, false); return err },
		"stop api":                func() error { _, err := c.Stop(ctx, []string{"api"}); return err },
		"restart postgresql.main": func() error { _, err := c.Restart(ctx, []string{"postgresql.main"}); return err },
		"kill SIGHUP api":         func() error { _, err := c.Kill(ctx, []string{"api"}, project.SIGHUP); return err },
		"wait completed api":      func() error { _, err := c.Wait(ctx, []string{"api"}, "completed"); return err },
		"settled api":             func() error { _, err := c.Wait(ctx, []string{"api"}, control.ForSettled); return err },
		"stopped":                 func() error { _, err := c.Wait(ctx, nil, control.ForStopped); return err },
		"down":                    func() error { return c.Down(ctx, false) },
		"down now":                func() error { return c.Down(ctx, true) },
		"restart api postgresql.main": func() error {
			_, err := c.Restart(ctx, []string{"postgresql", "api", "main"})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := <-f.asked; got != want {
			t.Errorf("engine was asked %q, want %q", got, want)
		}
	}
}

func TestReload(t *testing.T) {
	f := newFake()
	c, _, _ := serve(t, f)
	p := &project.Project{Version: project.Version, Name: "next"}
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	changes, err := c.Reload(t.Context(), data)
	if err != nil || !slices.Equal(changes.Added, []string{"new"}) || !reflect.DeepEqual(changes.Plan, planned) {
		t.Errorf("Reload = %+v, %v", changes, err)
	}
	if got := <-f.asked; got != "reload next" {
		t.Errorf("engine was asked %q", got)
	}
	p.Name = "refused"
	if data, err = p.Encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reload(t.Context(), data); !errors.Is(err, control.ErrConflict) || len(f.asked) != 0 {
		t.Errorf("Reload of what can't run = %v and %d questions to the engine, want ErrConflict and none", err, len(f.asked))
	}
	if _, err := c.Reload(t.Context(), []byte(`{"version": 99}`)); !errors.Is(err, control.ErrInvalid) {
		t.Errorf("Reload of another version = %v, want ErrInvalid", err)
	}
}

// A wait ends as soon as one of its services can never meet the condition.
func TestWaitEndsWithTheFirstFailure(t *testing.T) {
	for _, names := range [][]string{{"api", "postgresql"}, {"postgresql", "api"}} {
		f := newFake()
		f.wait = func(ctx context.Context, id project.ID) error {
			if id == "api" {
				<-ctx.Done()
				return ctx.Err()
			}
			return &supervisor.HopelessError{Label: "postgresql", Condition: "ready", Why: "failed"}
		}
		c, _, _ := serve(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		if _, err := c.Wait(ctx, names, "ready"); !errors.Is(err, control.ErrFailed) {
			t.Errorf("wait for %v: %v, want ErrFailed", names, err)
		}
		cancel()
	}
	c, _, _ := serve(t, newFake())
	if _, err := c.Wait(t.Context(), nil, "ready"); !errors.Is(err, control.ErrInvalid) {
		t.Errorf("wait for no service: %v, want ErrInvalid", err)
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	f := newFake()
	c, _, _ := serve(t, f)
	ctx := t.Context()
	stop := func(names ...string) error { _, err := c.Stop(ctx, names); return err }
	for _, tc := range []struct {
		engine error
		do     func() error
		want   error
	}{
		{nil, func() error { return stop("nobody") }, control.ErrNotFound},
		{nil, func() error { return stop() }, control.ErrInvalid},
		{nil, func() error { _, err := c.Kill(ctx, []string{"api"}, 0); return err }, control.ErrInvalid},
		{nil, func() error { _, err := c.Wait(ctx, []string{"api"}, "nonsense"); return err }, control.ErrInvalid},
		{supervisor.ErrEnded, func() error { return stop("api") }, control.ErrNotRunning},
		{&supervisor.UnknownError{Service: "api"}, func() error { return stop("api") }, control.ErrNotFound},
		{&supervisor.HopelessError{Label: "api", Condition: "ready", Why: "failed"}, func() error { return stop("api") }, control.ErrFailed},
		{&supervisor.StoppingError{Reason: "requested"}, func() error { return stop("api") }, control.ErrConflict},
		{&supervisor.NotRunningError{Label: "api", Why: "is stopped"}, func() error { return stop("api") }, control.ErrConflict},
		{&supervisor.SignalError{Signal: 99}, func() error { return stop("api") }, control.ErrInvalid},
		{errors.New("a defect"), func() error { return stop("api") }, &control.Error{Code: control.CodeInternal}},
	} {
		f.err = tc.engine
		err := tc.do()
		if !errors.Is(err, tc.want) {
			t.Errorf("with %v: got %v, want the code of %v", tc.engine, err, tc.want)
		}
	}
}

func TestEventsEndWithTheProject(t *testing.T) {
	f := newFake()
	c, srv, _ := serve(t, f)
	go func() {
		f.events <- control.Event{Seq: 1, From: control.Waiting, Service: control.Service{ID: "api", State: control.Running}}
		close(f.events)
		srv.End(control.End{Code: 3, Reason: "done"})
	}()
	var got []control.Message
	if err := c.Events(t.Context(), func(m control.Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].State == nil || got[1].Event == nil || got[2].End == nil {
		t.Fatalf("messages are %+v", got)
	}
	if ev := got[1].Event; ev.From != "waiting" || ev.Service.State != "running" {
		t.Errorf("event is %+v", ev)
	}
	if end := got[2].End; end.Code != 3 || end.Reason != "done" {
		t.Errorf("end is %+v", end)
	}
}

func TestNobodyThere(t *testing.T) {
	_, err := client.New(filepath.Join(t.TempDir(), "none.sock")).State(t.Context())
	if !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
}

// The requests are those of a client of process-compose.
func TestProcessComposeRequests(t *testing.T) {
	f := newFake()
	_, _, socket := serve(t, f)
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	t.Cleanup(hc.CloseIdleConnections)
	for _, tc := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/live", 200, `{"status":"alive"}`},
		{"GET", "/processes", 200, `"status":"Pending"`},
		{"GET", "/process/api", 200, `"name":"api"`},
		{"GET", "/process/nobody", 404, `"code":"not_found"`},
		{"PATCH", "/process/stop/api", 200, `{"name":"api"}`},
		{"POST", "/process/restart/postgresql", 200, `{"name":"postgresql"}`},
		{"POST", "/process/start/api", 200, `{"name":"api"}`},
		{"GET", "/project/state", 200, `"processNum":2`},
		{"POST", "/project/stop", 200, `{"status":"stopped"}`},
		{"GET", "/process/logs/api/0/10", 200, `{"logs":[]}`},
		{"GET", "/process/logs/api/0/many", 400, `"code":"invalid"`},
		{"GET", "/process/logs/nobody/0/10", 404, `"code":"not_found"`},
		{"GET", "/nothing", 404, `{"code":"not_found","error":"there is no \"/nothing\" here"`},
		{"DELETE", "/v1/state", 405, `{"code":"invalid","error":"/v1/state does not take DELETE","hint":"it takes GET, HEAD"}`},
		{"GET", "/v1//state", 200, `"schemaVersion"`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://x"+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.body) {
			t.Errorf("%s %s = %d %s, want %d %s", tc.method, tc.path, resp.StatusCode, body, tc.status, tc.body)
		}
	}
}

// A name that is no signal's is a mistake in the request, not a conflict.
func TestWrongSignalIsABadRequest(t *testing.T) {
	_, _, socket := serve(t, newFake())
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	for _, signal := range []string{`"SIGWHAT"`, `"99"`, `""`} {
		resp, err := hc.Post("http://x/v1/kill", "application/json", strings.NewReader(`{"services":["api"],"signal":`+signal+`}`))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"code":"invalid"`) || !strings.Contains(string(body), "SIGTERM") {
			t.Errorf("signal %s: %d %s, want 400 with the code invalid, and what is right", signal, resp.StatusCode, body)
		}
	}
}

// A request for a copy names a service or a command; the server knows the client by its
// socket.
func TestRun(t *testing.T) {
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "control.sock")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: newFake(), Resolve: (*project.Project).ResolveAll,
		Run: func(_ context.Context, id project.ID, req control.RunRequest, pid int) (*control.Copy, error) {
			if id == "postgresql.main" {
				return nil, &control.Error{Code: control.CodeNoCommand, Msg: "no such command", Hint: "install it"}
			}
			return &control.Copy{Name: string(id) + "-run-1", Argv: req.Command, Surroundings: control.Surroundings{UID: pid}}, nil
		}})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		<-served
	}()
	c := client.New(socket)
	got, err := c.Run(t.Context(), control.RunRequest{Service: "api", Command: []string{"true"}})
	if err != nil || got.Name != "api-run-1" || !slices.Equal(got.Argv, []string{"true"}) || got.UID != os.Getpid() {
		t.Errorf("Run = %+v, %v", got, err)
	}
	if got, err := c.Run(t.Context(), control.RunRequest{Command: []string{"true"}}); err != nil || got.Name != "-run-1" {
		t.Errorf("without a service: %+v, %v", got, err)
	}
	for _, tt := range []struct {
		req  control.RunRequest
		code control.Code
		exit int
	}{
		{control.RunRequest{}, control.CodeInvalid, 2},
		{control.RunRequest{Service: "nobody"}, control.CodeNotFound, 4},
		{control.RunRequest{Service: "postgres"}, control.CodeNoCommand, 127},
	} {
		_, err := c.Run(t.Context(), tt.req)
		var e *control.Error
		if kind, _ := control.KindOf(err); !errors.As(err, &e) || e.Code != tt.code || kind.Exit != tt.exit {
			t.Errorf("Run(%+v) = %v, want %s", tt.req, err, tt.code)
		}
	}
}

func (f *fake) Counts(context.Context) ([]supervisor.Counts, error) {
	return []supervisor.Counts{{ID: "api", Exits: map[supervisor.ExitReason]uint64{supervisor.ExitOOM: 2}, CPU: time.Second,
		Ready:  supervisor.Histogram{Bounds: []float64{.5, 1}, Buckets: []uint64{1, 0, 2}, Sum: 9.25},
		Probes: map[project.ProbeRole]supervisor.ProbeCounts{project.ReadinessProbe: {Took: supervisor.Histogram{Bounds: []float64{.1}, Buckets: []uint64{5, 0}, Sum: .25}, Failed: 2}}}}, nil
}
