package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// audited serves an engine on a socket and over TCP, and returns what is logged.
func audited(t *testing.T, f *fake) (log *testkit.Buffer, socket, tcp func(method, path, body string) int) {
	t.Helper()
	log = &testkit.Buffer{}
	dir, err := os.MkdirTemp("", "n2g") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "control.sock")
	own, err := server.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: f, Resolve: (*project.Project).ResolveAll, Log: slog.New(slog.NewTextHandler(log, nil)),
		Exec: func(context.Context, project.ID, control.ExecRequest, int) (*control.Surroundings, error) {
			return &control.Surroundings{Env: []string{"PASSWORD=hunter2"}}, nil
		}})
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(own) })
	served.Go(func() {
		srv.ServeTCP(other, server.TCP{Token: writeToken(t, secretToken), Allow: []server.Access{server.AccessDown}})
	})
	t.Cleanup(func() {
		srv.Close()
		served.Wait()
	})
	asker := func(hc *http.Client, base string) func(method, path, body string) int {
		return func(method, path, body string) int {
			status, _ := ask(t, hc, method, base+path, body, "Authorization", "Bearer "+secretToken, "Content-Type", "application/json")
			return status
		}
	}
	bySocket := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	return log, asker(bySocket, "http://socket"), asker(plainClient(t), "http://"+other.Addr().String())
}

// TestEveryChangeIsLogged asks for each change there is, by the socket and over TCP: who
// asked what, and what came of it, is in the log.
func TestEveryChangeIsLogged(t *testing.T) {
	f := newFake()
	go func() {
		for range f.asked { // nobody looks at what was asked
		}
	}()
	defer close(f.asked)
	log, socket, tcp := audited(t, f)
	wild := regexp.MustCompile(`\{(\w+)[^}]*\}`)
	patterns := server.Changing()
	for i, pattern := range patterns {
		method, path, _ := strings.Cut(pattern, " ")
		path = wild.ReplaceAllStringFunc(path, func(name string) string {
			switch name {
			case "{signal}", "{scale}":
				return fmt.Sprint(i%9 + 1)
			}
			return "api"
		})
		socket(method, path, `{"services": ["api"], "service": "api"}`)
		tcp(method, path, `{"services": ["api"], "service": "api"}`)
		want := fmt.Sprintf("msg=request ask=%q", method+" "+path)
		if log.LineWith(want, fmt.Sprintf("uid=%d pid=%d", os.Getuid(), os.Getpid()), " result=") == "" {
			t.Errorf("%s on the socket is not logged", pattern)
		}
		if log.LineWith(want, "peer=127.0.0.1:", "by=token", " result=") == "" {
			t.Errorf("%s over TCP is not logged", pattern)
		}
	}
	if len(patterns) < 20 {
		t.Errorf("only %d requests change something: is the table read?", len(patterns))
	}
	t.Attr("S11", fmt.Sprintf("all %d requests that change something are logged, on the socket and over TCP", len(patterns)))
}

func TestWhatIsLoggedOfARequest(t *testing.T) {
	log, socket, tcp := audited(t, newFake())
	socket("POST", "/v1/stop", `{"services": ["api"]}`)
	if line := log.LineWith(`ask="POST /v1/stop" services=api`, "result=done"); !strings.Contains(line, fmt.Sprintf("uid=%d pid=%d program=", os.Getuid(), os.Getpid())) {
		t.Errorf("a stop: %q", line)
	}
	if status := tcp("POST", "/v1/kill", `{"services": ["api"], "signal": "KILL"}`); status != 403 {
		t.Errorf("a kill over TCP: %d", status)
	}
	if line := log.LineWith(`ask="POST /v1/kill"`, "level=WARN", "by=token result=forbidden"); !strings.Contains(line, "it was not allowed") {
		t.Errorf("a kill over TCP: %q", line)
	}
	socket("POST", "/v1/exec", `{"service": "api"}`)
	socket("GET", "/v1/project?masked=no", "")
	if log.LineWith(`ask="POST /v1/exec" services=api`, "result=done") == "" || log.LineWith(`ask="GET /v1/project" secrets=shown`) == "" {
		t.Error("what tells a secret is not logged")
	}
	socket("POST", "/process/start/"+strings.Repeat("x", 4000)+"%0aforged", "")
	if line := log.LineWith(`ask="POST /process/start/xxx`); len(line) > 1200 {
		t.Errorf("a long name makes a line of %d bytes", len(line))
	}
	socket("PATCH", "/processes/stop", `[]`)
	if line := log.LineWith(`ask="PATCH /processes/stop"`, "result=invalid"); line == "" || strings.Contains(line, "services=") {
		t.Errorf("a stop of nothing is logged as %q", line)
	}
	if socket("POST", "/process/send-keys/api", `{"keys":"x"}`); log.LineWith(`ask="POST /process/send-keys/api"`, "not supported") == "" {
		t.Error("keys that nobody can type are said to be wrong")
	}
	socket("GET", "/v1/state", "")
	socket("GET", "/v1/details", "")
	socket("POST", "/v1/wait", `{"services": ["api"]}`)
	socket("POST", "/v1/down", `{}`) // the last one
	if log.LineWith(`ask="POST /v1/down" services=all`) == "" {
		t.Error("the end is not logged")
	}
	logged := log.String()
	for _, never := range []string{"hunter2", secretToken, "GET /v1/state", "GET /v1/details", "/v1/wait", "\nforged"} {
		if strings.Contains(logged, never) {
			t.Errorf("%q is in the log:\n%s", never, logged)
		}
	}
}
