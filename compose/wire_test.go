package compose_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"nix2gpu/compose"
	"nix2gpu/project"
)

const wireFile = `
environment: [ TOKEN_URL=x ]
processes:
  db:
    command: echo $$HOME; exec sleep 100
    working_dir: ./sub
    env_file: db.env
    environment: [ A=1, DB_PASSWORD=secret ]
    availability: { restart: on_failure, backoff_seconds: 2, max_restarts: 5 }
    readiness_probe: { http_get: { port: 8080, headers: { restart: x } }, period_seconds: 1 }
    shutdown: { command: stop it, timeout_seconds: 3 }
    namespace: [ x, y ]
    is_template_disabled: true
    launch_timeout_seconds: 7
    is_daemon: true
  web:
    command: serve --password=hidden
    replicas: 2
    depends_on: { db: { condition: process_healthy, restart: true } }
  site: { command: serve, watch: { paths: [ { path: src } ], debounce: 1s, max_entries: 9 } }
`

// wireMore has what wireFile has not.
const wireMore = `
processes:
  a:
    command: echo $$$$x
    description: it costs $$$$2, or $$HOME
    availability: { restart: unless_stopped, backoff_seconds: 3, exit_on_end: true }
    ready_log_line: up $$1
    log_location: logs/a.log
    log_configuration: { add_timestamp: true, no_metadata: true, rotation: { max_size_mb: 5, max_backups: 2, max_age_days: 3, compress: false }, rate_limit: { lines: 10, interval_seconds: 5 } }
    profiles: [ p ]
    success_exit_codes: [ 3, 4 ]
    liveness_probe: { exec: { command: "test $$A", working_dir: /x }, initial_delay_seconds: 2 }
    shutdown: { signal: 2, parent_only: true }
  b: { entrypoint: [ echo, "$$", "{{", "'" ], schedule: { cron: "0 4 * * *", timezone: UTC }, disabled: true }
  c: { command: "x", replicas: 2, working_dir: /y, readiness_probe: { exec: { command: "true" } }, is_tty: true, depends_on: { a: { condition: process_log_ready } } }
`

func loadWire(t testing.TB, src string) *project.Project {
	t.Helper()
	p, err := compose.Load(compose.Options{Dir: "/srv/shop", NoDotEnv: true, ReadFile: func(name string) ([]byte, error) {
		if name == "a.yaml" {
			return []byte(src), nil
		}
		return nil, fs.ErrNotExist
	}}, "a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The names and numbers are those of the JSON tags and constants in process-compose's
// src/types/process.go, src/types/watch.go and src/health/probe.go of 1.122.0.
func TestEncodeProcess(t *testing.T) {
	p := loadWire(t, wireFile)
	for id, want := range map[project.ID]string{
		"db": `{"availability":null,"command":"echo $HOME; exec sleep 100","workingDir":"./sub","envFile":"db.env","environment":["A=1","DB_PASSWORD=********","PC_PROC_NAME=db","PC_REPLICA_NUM=0"],
			"restartPolicy":{"restart":2,"backoffSeconds":2,"maxRestarts":5},"readinessProbe":{"httpGet":{"port":"8080","headers":{"restart":"x"},"statusCode":200},"periodSeconds":1,"timeoutSeconds":1,"successThreshold":1,"failureThreshold":3},
			"shutDownParams":{"shutDownCommand":"stop it","shutDownTimeout":3},"namespace":["x","y"],"isDaemon":true,"launchTimeout":7,"name":"db","replicaName":"db","replicas":1,"replicaNum":0}`,
		"site": `{"command":"serve","environment":["PC_PROC_NAME=site","PC_REPLICA_NUM=0"],"watch":{"paths":[{"path":"src"}],"debounce":"1s","max_entries":9},"namespace":["default"],"restartPolicy":{},"shutDownParams":{},
			"name":"site","replicaName":"site","replicas":1,"replicaNum":0}`,
		"web-1": `{"command":"serve --password=********","dependsOn":{"db":{"condition":2}},"namespace":["default"],"restartPolicy":{},"shutDownParams":{},
			"environment":["NIX2GPU_REPLICA=1","PC_PROC_NAME=web-1","PC_REPLICA_NUM=1"],"name":"web","replicaName":"web-1","replicas":2,"replicaNum":1}`,
	} {
		var wanted map[string]any
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(wanted, func(_ string, v any) bool { return v == nil })
		got, err := json.Marshal(compose.EncodeProcess(p, id))
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(wanted)
		if err != nil || string(got) != string(again) {
			t.Errorf("%s: %s\nwant %s", id, got, again)
		}
	}
	if compose.EncodeProcess(p, "nobody") != nil {
		t.Error("nobody is a process")
	}
}

// What a client was told of a process is that process, whose secrets it was not told.
func TestDecodeProcessOfItsEncoding(t *testing.T) {
	for _, src := range []string{wireFile, wireMore} {
		decodesItsEncoding(t, loadWire(t, src))
	}
}

func decodesItsEncoding(t *testing.T, p *project.Project) {
	t.Helper()
	for id := range p.Services {
		body, err := json.MarshalIndent(compose.EncodeProcess(p, id), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		q, got, err := compose.DecodeProcess(p, compose.Options{Dir: "/srv/shop"}, body)
		if err != nil || got != id {
			t.Fatalf("%s: %q, %v", id, got, err)
		}
		if changes := p.Diff(q); len(changes.Added)+len(changes.Removed)+len(changes.Changed) > 0 {
			restart, applies := p.Differences(q, id)
			t.Errorf("%s: %+v: %q %q", id, changes, restart, applies)
		}
		if q.Services[id].Description != p.Services[id].Description || !slices.Equal(q.Services[id].Profiles, p.Services[id].Profiles) ||
			q.Services[id].Disabled != p.Services[id].Disabled || q.Services[id].Pos != p.Services[id].Pos || fmt.Sprint(conditions(q.Services[id])) != fmt.Sprint(conditions(p.Services[id])) {
			t.Errorf("%s: %+v", id, q.Services[id])
		}
	}
}

// conditions are what a service waits for, without the places where that was said.
func conditions(s *project.Service) map[project.ID]project.Dependency {
	out := map[project.ID]project.Dependency{}
	for id, dep := range s.DependsOn {
		dep.Pos = project.Pos{}
		out[id] = dep
	}
	return out
}

// The body is what process-compose's client sends (src/client/project.go): types.Project,
// whose fields have no names of their own in JSON, as its loader has made it of wireFile.
func TestDecodeProject(t *testing.T) {
	const web = `"name":"web","command":"serve --password=hidden","replicas":2,"dependsOn":{"db":{"condition":2}},"namespace":["default"],"restartPolicy":{},"shutDownParams":{"signal":15},
		"launchTimeout":5,"executable":"bash","args":["-c","serve --password=hidden"]`
	const body = `{"Version":"","Name":"shop","LogLocation":"","LogLevel":"","LogLength":1000,"LoggerConfig":null,"LogFormat":"","Processes":{
		"db":{"name":"db","isDaemon":true,"command":"echo $HOME; exec sleep 100","environment":["A=1","DB_PASSWORD=secret"],"envFile":"db.env","restartPolicy":{"restart":2,"backoffSeconds":2,"maxRestarts":5},
			"readinessProbe":{"httpGet":{"port":"8080","headers":{"restart":"x"}},"periodSeconds":1},"shutDownParams":{"shutDownCommand":"stop it","shutDownTimeout":3,"signal":15},"workingDir":"./sub","namespace":["x","y"],
			"replicas":1,"launchTimeout":7,"replicaName":"db","executable":"bash","args":["-c","x"],"disableCommandRendering":true},
		"site":{"name":"site","command":"serve","watch":{"paths":[{"path":"/srv/shop/src"}],"debounce":"1s","max_entries":9},"restartPolicy":{},"shutDownParams":{"signal":15},"replicas":1,"replicaName":"site"},
		"web-0":{` + web + `,"replicaName":"web-0"},
		"web-1":{` + web + `,"replicaNum":1,"replicaName":"web-1"}},
		"Environment":["TOKEN_URL=x"],"ShellConfig":{"ShellCommand":"bash","ShellArgument":"-c","ElevatedShellCmd":"sudo","ElevatedShellArg":"-S"},"IsStrict":false,"Vars":null,"DisableEnvExpansion":false,
		"IsTuiDisabled":false,"ExtendsProject":"","EnvCommands":null,"IsOrderedShutdown":false,"FileNames":["a.yaml"],"EnvFileNames":[".env"],"DotEnvVars":{},"Extensions":null,"MCPServer":null}`
	now := loadWire(t, wireFile)
	now.WhenDone, now.Container.WorkingDir = project.WhenDoneStay, "/workspace"
	now.Services["sshd"] = &project.Service{ID: "sshd", Type: "sshd", Label: "sshd", Main: "sshd", System: true}
	now.Processes["sshd"] = &project.Process{ID: "sshd", Service: "sshd", Role: project.Main}
	next, err := compose.DecodeProject(now, compose.Options{Dir: "/srv/shop"}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if changes := now.Diff(next); len(changes.Added)+len(changes.Removed)+len(changes.Changed) > 0 {
		for id := range now.Services {
			if next.Services[id] != nil {
				restart, applies := now.Differences(next, id)
				t.Errorf("%s: %q %q", id, restart, applies)
			}
		}
		t.Errorf("the same project has changes: %+v", changes)
	}
	if next.WhenDone != now.WhenDone {
		t.Errorf("when done it is to %q", next.WhenDone)
	}
	if next.Services["web-1"].Family != "web" || next.Services["web-1"].DependsOn["db"].Condition != project.Ready {
		t.Errorf("web-1 is %+v", next.Services["web-1"])
	}
	other := strings.Replace(strings.Replace(body, `"A=1"`, `"A={{ .X }} ${B}"`, 1), `"web-1"`, `"more"`, 1)
	other = strings.Replace(other, `"LoggerConfig":null`, `"LoggerConfig":{"projectMaxTotalSizeMb":5}`, 1)
	other = strings.Replace(other, web+`,"replicaNum":1,"replicaName":"web-1"`, `"name":"more","command":"more","replicas":1`, 1)
	next, err = compose.DecodeProject(now, compose.Options{Dir: "/srv/shop"}, []byte(other))
	if err != nil {
		t.Fatal(err)
	}
	if next.Logs == nil || next.Logs.MaxTotal != 5<<20 {
		t.Errorf("the bound of all logs is %+v", next.Logs)
	}
	changes := now.Diff(next)
	if len(changes.Added) != 1 || changes.Added[0] != "more" || len(changes.Removed) != 1 || len(changes.Changed) != 1 || next.Processes["db"].Env["A"].Text.String() != "{{ .X }} ${B}" {
		t.Errorf("%+v, A is %q", changes, next.Processes["db"].Env["A"].Text)
	}
}

func TestDecodeWireRefuses(t *testing.T) {
	now := loadWire(t, wireFile)
	for body, want := range map[string]string{
		`{`:                 "the body is not valid JSON",
		`[]`:                "the body must be a JSON object, not a list",
		`{"name":"nobody"}`: `no process "nobody"`,
		`{"command":"x"}`:   `no process ""`,
		`{"name":"db"}`:     `process "db" has no command`,
		`{"name":"db","command":"x","dependsOn":{"none":{}}}`:                             `process "db" depends on "none", which does not exist`,
		`{"name":"db","command":"x","workingDirs":"y"}`:                                   `body:1:28: unknown key "working_dirs" in the process`,
		`{"name":"web","replicaName":"web-0","command":"x","replicas":2,"replicaNum":7}`:  `no process "web-7"`,
		`{"name":"web","replicaName":"web-0","command":"x","replicas":2,"replicaNum":1}`:  `process "web-1" and a replica have the same name`,
		`{"name":"more","replicaName":"web-0","command":"x","replicas":2,"replicaNum":0}`: `no process "more-0"`,
		`{"name":"db","command":"x","replicas":3}`:                                        "the number of replicas is changed by scaling",
		`{"name":"db","command":"x","environment":["OTHER=********"]}`:                    `env of "db" has ******** where a secret is`,
		`{"name":"db","command":"x --password=********"}`:                                 `command of "db" has ******** where a secret is`,
		`{"name":"db","command":"x","restartPolicy":{"restart":9}}`:                       `restart must be no, on_failure`,
		`{"name":"db","command":"x","environment":["A=1"],"env":["B=********"]}`:          `unknown key "env"`,
	} {
		if _, _, err := compose.DecodeProcess(now, compose.Options{Dir: "/srv/shop"}, []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	const twice = `{"Processes":{"a-0":{"name":"a","command":"x","replicas":2},"a-1":{"name":"a","command":"x","replicas":2}}}`
	if _, err := compose.DecodeProject(now, compose.Options{Dir: "/srv/shop"}, []byte(twice)); err == nil || !strings.Contains(err.Error(), `process "a-0" and a replica have the same name`) {
		t.Errorf("one number twice: %v", err)
	}
	if now.Processes["db"].Command.Shell.String() != "echo $HOME; exec sleep 100" {
		t.Error("the running project was changed")
	}
}

// FuzzWire holds that no body makes the reader panic, or change the project that runs.
func FuzzWire(f *testing.F) {
	now := loadWire(f, wireFile)
	before, err := now.Encode()
	if err != nil {
		f.Fatal(err)
	}
	for id := range now.Services {
		body, err := json.Marshal(compose.EncodeProcess(now, id))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
		f.Add(`{"Processes":{"` + string(id) + `":` + string(body) + `}}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, _, _ = compose.DecodeProcess(now, compose.Options{Dir: "/x"}, []byte(body))
		_, _ = compose.DecodeProject(now, compose.Options{Dir: "/x"}, []byte(body))
		if after, err := now.Encode(); err != nil || string(after) != string(before) {
			t.Fatal("the project that runs was changed")
		}
	})
}
