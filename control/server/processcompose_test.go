package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// pcFake is an engine with processes as in a process-compose.yaml.
type pcFake struct{ *fake }

func (f pcFake) Project(context.Context) (*project.Project, error) {
	p := &project.Project{Compose: true, Services: map[project.ID]*project.Service{}}
	for _, id := range []project.ID{"a/b", "web-0", "web-1", "daemon", "daemon-up", "db", "lone"} {
		p.Services[id] = &project.Service{ID: id, Type: "custom", Instance: string(id), Label: string(id), Main: id}
	}
	p.Services["web-0"].DependsOn = map[project.ID]project.Dependency{"db": {Condition: project.Ready}}
	p.Services["a/b"].DependsOn = map[project.ID]project.Dependency{"web-0": {Condition: project.Exited}, "db": {Condition: project.Completed}}
	return p, nil
}

func (f pcFake) Snapshot() control.Snapshot {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	return control.Snapshot{Project: "shop", At: at, Since: at.Add(-time.Minute), Services: []control.Service{
		{ID: "a/b", Label: "a/b", Type: "custom", Namespace: "x,y", State: control.Completed, Since: at, Exit: &project.Exit{Code: 3}, Starts: 1},
		{ID: "daemon", Label: "daemon", Type: "custom", Daemon: true, State: control.Starting},
		{ID: "daemon-up", Label: "daemon-up", Type: "custom", Daemon: true, Launched: true, State: control.Running},
		{ID: "db", Label: "db", Type: "custom", Namespace: "x", State: control.Running, Health: control.HealthHealthy, PID: 42, Elevated: true, Started: at.Add(-10 * time.Second), Since: at.Add(-5 * time.Second)},
		{ID: "lone", Label: "lone", Type: "custom", Disabled: true, State: control.Stopped},
		{ID: "web-0", Label: "web-0", Family: "web", Type: "custom", State: control.Starting, Health: control.HealthStarting, PID: 43, Started: at},
		{ID: "web-1", Label: "web-1", Family: "web", Type: "custom", State: control.Waiting},
	}}
}

func (f pcFake) Reload(context.Context, project.Valid) (supervisor.Reloaded, error) {
	return supervisor.Reloaded{Changes: project.Changes{Added: []project.ID{"web-2"}, Removed: []project.ID{"lone"}, Changed: []project.ID{"db"}}, Plan: []control.Planned{
		{ID: "web-2", Label: "web-2"}, {ID: "lone", Label: "lone"}, {ID: "db", Label: "db"}, {ID: "a/b", Label: "a/b"},
	}}, f.ask("reload", nil)
}

// pcFakeWire reads "NAME" as that process, and says what it has read.
type pcFakeWire struct{}

func (pcFakeWire) Process(p *project.Project, id project.ID) map[string]any {
	return map[string]any{"name": id, "dependsOn": len(p.Services[id].DependsOn)}
}

func (pcFakeWire) DecodeProject(now *project.Project, body []byte) (*project.Project, error) {
	return now, nil
}

func (pcFakeWire) DecodeProcess(now *project.Project, body []byte) (*project.Project, project.ID, error) {
	id := project.ID(strings.Trim(string(body), `"`))
	if now.Services[id] == nil {
		return nil, "", fmt.Errorf("no process %q", id)
	}
	return now, id, nil
}

// The requests are those that process-compose's client sends (src/client of 1.122.0), with
// names escaped as its escapePathSegment does, and slashes at the end where it has them. An
// answer has the fields that its document src/docs/swagger.json describes.
func TestProcessComposeAPI(t *testing.T) {
	f := pcFake{newFake()}
	var scaled, truncated string
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := server.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: f, Resolve: (*project.Project).ResolveAll, Definition: "process-compose.yaml", Version: "1", Wire: pcFakeWire{},
		Reload: func(context.Context, *project.Project) (project.Valid, error) {
			return project.Validated(&project.Project{Version: project.Version, Name: "sent"})
		},
		Evaluate: func(_ context.Context, replicas map[string]int) (project.Valid, error) {
			scaled = fmt.Sprint(replicas)
			return project.Validated(&project.Project{Version: project.Version, Name: "again"})
		},
		Type: func(_ context.Context, id project.ID, keys []byte) error {
			return f.ask(fmt.Sprintf("type %q %s", keys, id), nil)
		},
		Truncate: func(source string) error { truncated += source + ";"; return nil },
		Usage: func(context.Context, bool) (control.Usage, error) {
			return control.Usage{Services: []control.ServiceUsage{{ID: "db", Memory: 1 << 20, CPU: project.Duration(5 * time.Second),
				Listens: []control.Listen{{Protocol: "tcp", Port: 5432}, {Protocol: "tcp", Address: "::", Port: 5432}, {Protocol: "tcp", Port: 80}, {Protocol: "udp", Port: 53}}}}}, nil
		}})
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	defer func() { srv.Close(); <-served }()
	hc := overSocket(t, filepath.Join(dir, "s"))
	for _, tt := range []struct {
		request string
		body    string
		status  int
		answer  string // as JSON, or a part of it after "…"
		asks    string // of the engine
	}{
		{"GET /live/", "", 200, `{"status":"alive"}`, ""},
		{"GET /process/db", "", 200, `{"name":"db","namespace":"x","status":"Running","system_time":"10s","age":10000000000,"is_ready":"Ready","has_ready_probe":true,"restarts":0,"exit_code":0,"pid":42,` +
			`"is_elevated":true,"password_provided":false,"mem":1048576,"cpu":50,"is_running":true,"process_start_time":"2026-11-26T11:59:50Z","process_ready_time":"2026-11-26T11:59:55Z"}`, ""},
		{"GET /process/a%2Fb", "", 200, `…"name":"a/b","namespace":["x","y"],"status":"Completed",`, ""},
		{"GET /process/a%2Fb/", "", 200, `…"exit_code":3,`, ""},
		{"GET /process/web-0", "", 200, `…"status":"Running","system_time":"0s","age":0,"is_ready":"Not Ready"`, ""},
		{"GET /process/lone", "", 200, `…"namespace":"default","status":"Disabled"`, ""},
		{"GET /process/nobody", "", 404, `…"error":`, ""},
		{"GET /processes/", "", 200, `…{"data":[{"name":"a/b",`, ""},
		{"GET /process/ports/db", "", 200, `{"name":"db","tcp_ports":[80,5432],"udp_ports":[53]}`, ""},
		{"GET /process/ports/a%2Fb", "", 200, `{"name":"a/b","tcp_ports":[],"udp_ports":[]}`, ""},
		{"GET /process/logs/a%2Fb/0/10/", "", 200, `{"logs":[]}`, ""},
		{"DELETE /process/logs/a%2Fb", "", 200, `{"name":"a/b"}`, ""},
		{"POST /process/start/a%2Fb", "", 200, `{"name":"a/b"}`, "start a/b"},
		{"POST /process/restart/db/", "", 200, `{"name":"db"}`, "restart db"},
		{"PATCH /process/stop/a%2Fb", "", 200, `{"name":"a/b"}`, "stop a/b"},
		{"PATCH /processes/stop", `["db"]`, 200, `{"db":"ok"}`, "stop db"},
		{"PATCH /processes/stop/", `["db","nobody"]`, 207, `…"db":"ok"`, "stop db"},
		{"PATCH /processes/stop", `["nobody"]`, 400, `…"error":`, ""},
		{"PATCH /processes/stop", `[]`, 400, `…names no process`, ""},
		{"PATCH /processes/stop", `{"db":1}`, 400, `…"error":`, ""},
		{"PATCH /process/signal/db/15", "", 200, `{"name":"db"}`, "kill SIGTERM db"},
		{"PATCH /process/signal/db/0", "", 400, `…"error":`, ""},
		{"PATCH /process/scale/web/3", "", 200, `{"name":"web"}`, "reload"},
		{"PATCH /process/scale/web-1/2", "", 200, `{"name":"web-1"}`, "reload"},
		{"PATCH /process/scale/web/0", "", 400, `…from 1 to`, ""},
		{"PATCH /process/scale/web/many", "", 400, `…from 1 to`, ""},
		{"GET /project/name", "", 200, `{"projectName":"shop"}`, ""},
		{"GET /project/state/?withMemory=true", "", 200, `…"gcCycles":`, ""},
		{"GET /project/state/?withMemory=false", "", 200, `…"processNum":7,"runningProcessNum":4`, ""},
		{"POST /project/configuration", "", 200, `{"db":"updated","lone":"removed","web-2":"added"}`, "reload"},
		{"POST /project", `{}`, 200, `{"db":"updated","lone":"removed","web-2":"added"}`, "reload"},
		{"POST /project/", `{}`, 200, `…"added"`, "reload"},
		{"POST /process", `"a/b"`, 200, `{"dependsOn":2,"name":"a/b"}`, "reload"},
		{"POST /process", `"nobody"`, 400, `…"error":"no process \"nobody\""`, ""},
		{"GET /process/info/a%2Fb/", "", 200, `{"dependsOn":2,"name":"a/b"}`, ""},
		{"GET /process/info/nobody", "", 404, `…"error":`, ""},
		{"POST /process/send-keys/db/", `{"keys":"q\\r"}`, 200, `{"name":"db"}`, "type \"q\\r\" db"},
		{"POST /process/send-keys/db", `{"keys":"\\q"}`, 400, `…keys must have one of`, ""},
		{"POST /process/send-keys/db", `{"keys":""}`, 400, `…must be 1 to 4095 bytes`, ""},
		{"POST /process/send-keys/db", `{"keys":"x"`, 400, `…"error":"the body of the request ends in the middle of its JSON","hint":"send all of it;`, ""},
		{"POST /process/send-keys/nobody", `{"keys":"x"}`, 404, `…"error":`, ""},
		{"GET /process/daemon", "", 200, `…"status":"Launching"`, ""},
		{"GET /process/daemon-up", "", 200, `…"status":"Launched"`, ""},
		{"GET /namespaces", "", 200, `["default","x","y"]`, ""},
		{"POST /namespace/stop/x", "", 200, `{"name":"x"}`, "stop a/b db"},
		{"POST /namespace/start/y/", "", 200, `{"name":"y"}`, "start a/b"},
		{"POST /namespace/restart/z", "", 404, `…no namespace`, ""},
		{"GET /graph", "", 200, `{"nodes":{"a/b":{"name":"a/b","process_status":"Completed","is_ready":"-","depends_on":{"db":{"name":"db","process_status":"Running","is_ready":"Ready","dependency_type":"completed_successfully"},` +
			`"web-0":{"name":"web-0","process_status":"Running","is_ready":"Not Ready","depends_on":{"db":{"name":"db","process_status":"Running","is_ready":"Ready","dependency_type":"healthy"}},"dependency_type":"completed"}}}}}`, ""},
		{"POST /project/stop/", "", 200, `{"status":"stopped"}`, "down"},
		{"GET /nothing/", "", 404, "…", ""},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		status, text := ask(t, hc, method, "http://unix"+path, tt.body, "Content-Type", "application/json")
		part, some := strings.CutPrefix(tt.answer, "…")
		if status != tt.status || some && !strings.Contains(text, part) || !some && strings.TrimSpace(text) != tt.answer {
			t.Errorf("%s: %d %s\nwant %d %s", tt.request, status, text, tt.status, tt.answer)
		}
		asked := ""
		select {
		case asked = <-f.asked:
		default:
		}
		if asked != tt.asks {
			t.Errorf("%s: the engine is asked for %q, want %q", tt.request, asked, tt.asks)
		}
		if some && status >= 400 && status != 404 && !json.Valid([]byte(text)) {
			t.Errorf("%s: no JSON: %s", tt.request, text)
		}
	}
	if truncated != "a/b;" || scaled != "map[]" {
		t.Errorf("truncated %q, last evaluated with %s", truncated, scaled)
	}
}

// Over TCP each request of process-compose has the access that ours has for the same, and
// the header of its clients does for the token.
func TestProcessComposeOverTCP(t *testing.T) {
	f := newFake()
	close(f.events)
	go func() {
		for range f.asked { // and forget
		}
	}()
	path := writeToken(t, secretToken)
	none := serveTCP(t, f, server.TCP{Token: path}, nil)
	all := serveTCP(t, f, server.TCP{Token: path, Allow: []server.Access{server.AccessKill, server.AccessScale, server.AccessReload, server.AccessDown, server.AccessTruncate, server.AccessDefinition}}, nil)
	hc := plainClient(t)
	for request, word := range map[string]string{
		"GET /live": "", "GET /processes": "", "GET /process/api": "", "GET /process/ports/api": "", "GET /process/logs/api/0/1": "", "GET /project/name": "", "GET /project/state/": "",
		"GET /namespaces": "", "GET /graph": "", "POST /process/start/api": "", "POST /process/restart/api": "", "PATCH /process/stop/api": "", "PATCH /processes/stop": "", "POST /namespace/stop/default": "",
		"GET /process/logs/ws?name=api&offset=0": "", "GET /process/states/ws": "",
		"DELETE /process/logs/api": "truncate", "PATCH /process/signal/api/1": "kill", "PATCH /process/scale/api/2": "scale", "POST /project/configuration": "reload", "POST /project": "reload", "POST /process": "reload",
		"POST /project/stop/": "down", "GET /process/info/api": "definition", "POST /process/send-keys/api": "!",
	} {
		method, path, _ := strings.Cut(request, " ")
		body := ""
		if method == "PATCH" {
			body = `["api"]`
		}
		headers := []string{"X-PC-Token-Key", secretToken, "Content-Type", "application/json"}
		status, text := ask(t, hc, method, "http://"+none+path, body, headers...)
		if (status == http.StatusForbidden) != (word != "") || word != "" && word != "!" && !strings.Contains(text, "--listen-allow "+word+",") {
			t.Errorf("%s: %d %s", request, status, text)
		}
		if status, text := ask(t, hc, method, "http://"+all+path, body, headers...); (status == http.StatusForbidden) != (word == "!") {
			t.Errorf("%s, allowed: %d %s", request, status, text)
		}
		if status, _ := ask(t, hc, method, "http://"+none+path, body, "Content-Type", "application/json"); status != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d", request, status)
		}
		headers = append(headers, "Origin", "https://evil.example")
		if status, _ := ask(t, hc, method, "http://"+none+path, body, headers...); status != http.StatusForbidden {
			t.Errorf("%s of a page: %d", request, status)
		}
	}
}

// The nested form of a graph can be exponentially larger than the graph.
func TestProcessGraphIsBounded(t *testing.T) {
	g := &control.Graph{}
	for i := range 60 {
		n := control.GraphNode{ID: project.ID(fmt.Sprint(i)), Label: fmt.Sprint(i)}
		for _, below := range []int{i - 1, i - 2} {
			if below >= 0 {
				n.DependsOn = append(n.DependsOn, control.GraphEdge{Service: project.ID(fmt.Sprint(below)), Condition: project.Started})
			}
		}
		g.Services = append(g.Services, n)
	}
	if _, err := control.NewProcessGraph(g, nil); err == nil || !strings.Contains(err.Error(), "ways") {
		t.Errorf("got %v", err)
	}
}
