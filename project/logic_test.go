package project_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// build makes a project from lines such as "postgresql.db", "-redis.cache"
// (disabled) and "api: postgresql.db=ready"; a name without a dot is custom.
func build(t *testing.T, lines ...string) *project.Project {
	t.Helper()
	p := &project.Project{
		Version: project.Version, Name: "test",
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
	}
	for i, line := range lines {
		name, deps, _ := strings.Cut(line, ":")
		name, disabled := strings.CutPrefix(name, "-")
		typ, instance, dotted := strings.Cut(name, ".")
		if !dotted {
			typ, instance = "custom", name
		}
		id := project.ID(name)
		pos := project.Pos{File: "nix2gpu.nix", Line: i + 1, Col: 1}
		s := &project.Service{ID: id, Type: typ, Instance: instance, Main: id, Disabled: disabled, Pos: pos,
			DependsOn: map[project.ID]project.Dependency{}}
		for _, dep := range strings.Fields(deps) {
			on, cond, _ := strings.Cut(dep, "=")
			s.DependsOn[project.ID(on)] = project.Dependency{Condition: project.Condition(cond),
				Pos: project.Pos{File: "nix2gpu.nix", Line: i + 1, Col: 5}}
		}
		p.Services[id] = s
		p.Processes[id] = &project.Process{ID: id, Service: id, Role: project.Main,
			Command: project.Command{Shell: project.Lit("run " + name)}}
	}
	p.AssignLabels()
	return p
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  map[project.ID]string
	}{
		{"one of a type", []string{"postgresql.db", "api"}, map[project.ID]string{"postgresql.db": "postgresql", "api": "api"}},
		{"two of a type", []string{"redis.a", "redis.b"}, map[project.ID]string{"redis.a": "redis.a", "redis.b": "redis.b"}},
		{"the other is disabled", []string{"redis.a", "-redis.b"}, map[project.ID]string{"redis.a": "redis", "redis.b": "redis.b"}},
		{"a custom one is called so", []string{"nginx.web", "nginx"}, map[project.ID]string{"nginx.web": "nginx.web", "nginx": "nginx"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, tt.lines...)
			for id, want := range tt.want {
				if got := p.Services[id].Label; got != want {
					t.Errorf("label of %s = %q, want %q", id, got, want)
				}
			}
		})
	}
}

func TestResolve(t *testing.T) {
	p := build(t, "postgresql.db", "redis.a", "redis.b", "-redis.old", "mysql.db2", "apache-httpd.web", "nginx.web", "api")
	p.Services["postgresql.db"].Init = []project.ID{"postgresql.db-init"}
	p.Processes["postgresql.db-init"] = &project.Process{ID: "postgresql.db-init", Service: "postgresql.db", Role: project.Init}
	for name, want := range map[string]string{
		"postgresql.db":      "[postgresql.db]",
		"postgresql.db-init": "[postgresql.db]",
		"postgresql":         "[postgresql.db]",
		"postgres":           "[postgresql.db]",
		"postgres.db":        "[postgresql.db]",
		"db":                 "[postgresql.db]",
		"db-init":            "[postgresql.db]", // as services-flake names its processes
		"db2-configure":      "[mysql.db2]",
		"web-init":           "no service \"web-init\"\n  hint: the services are apache-httpd, api, mysql, nginx, postgresql, redis.a, redis.b, redis.old",
		"redis":              "[redis.a redis.b]", // a type stands for its enabled instances
		"redis.old":          "[redis.old]",
		"a":                  "[redis.a]",
		"mariadb":            "[mysql.db2]",
		"httpd":              "[apache-httpd.web]",
		"api":                "[api]",
		"web":                "name \"web\" is ambiguous\n  hint: it may be apache-httpd.web, nginx.web",
		"nginy":              "no service \"nginy\"\n  hint: did you mean \"nginx\"?",
		"custom":             "no service \"custom\"\n  hint: the services are apache-httpd, api, mysql, nginx, postgresql, redis.a, redis.b, redis.old",
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := p.Resolve(name)
			got := fmt.Sprint(ids)
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("Resolve(%q) = %s, want %s", name, got, want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lines  []string
		change func(*project.Project)
		want   string
	}{
		{name: "nothing", lines: nil},
		{name: "good", lines: []string{"postgresql.db", "api: postgresql.db=ready"}},
		{
			name: "unknown dependency", lines: []string{"postgresql.db", "api: postgresqk=ready"},
			want: `nix2gpu.nix:2:5: "api" depends on "postgresqk", which does not exist
  hint: did you mean "postgresql"?`,
		},
		{
			name: "disabled dependency", lines: []string{"-postgresql.db", "api: postgresql.db=ready"},
			want: `nix2gpu.nix:2:5: "api" depends on "postgresql.db", which is disabled
  hint: enable "postgresql.db", or remove the dependency`,
		},
		{
			name: "cycle", lines: []string{"c: a=ready", "a: b=ready", "b: c=started", "free"},
			want: `nix2gpu.nix:2:5: services wait for each other: a → b → c → a
  hint: remove one of these dependencies`,
		},
		{
			name: "self", lines: []string{"a: a=ready"},
			want: `nix2gpu.nix:1:5: "a" waits for itself
  hint: remove the dependency`,
		},
		{
			name: "completed of a daemon", lines: []string{"a", "b: a=completed"},
			change: func(p *project.Project) { p.Processes["a"].Restart.Policy = project.RestartAlways },
			want: `nix2gpu.nix:2:5: "b" waits for "a" to complete, which never happens: it is always restarted
  hint: set restart = "on_failure" or "no" for "a", or wait for "ready"`,
		},
		{
			name: "log line that is not there", lines: []string{"a", "b: a=log_ready"},
			want: `nix2gpu.nix:2:5: "b" waits for the ready line of "a", which has none
  hint: set ready_log_line for "a", or wait for "ready"`,
		},
		{
			name: "port used twice", lines: []string{"a", "b", "c", "-d"},
			change: func(p *project.Project) {
				p.Services["a"].Ports = []project.Port{{Port: 80, Address: "*"}}
				p.Services["b"].Ports = []project.Port{{Port: 80, Protocol: "udp"}, {Port: 81, Address: "127.0.0.2"}}
				p.Services["c"].Ports = []project.Port{{Port: 80}, {Port: 81}}
				p.Services["d"].Ports = []project.Port{{Port: 80}}
			},
			want: `nix2gpu.nix:3:1: port 80 is used twice: by "a" (all addresses, nix2gpu.nix:1:1) and by "c" (127.0.0.1, nix2gpu.nix:3:1)
  hint: give one of them another port`,
		},
		{
			name: "bytes", lines: []string{"a", "b"},
			change: func(p *project.Project) {
				p.Processes["a"].Env = map[string]project.Value{"A": {Text: project.Lit("\xff")}, "B": {Text: project.Lit("\x00")}, "C": {Text: project.Lit("é")}}
				p.Processes["b"].Files = []project.File{{Path: project.Lit("/x"), Content: project.Lit("\x00")}, {Path: project.Lit("/y"), Content: project.Lit("\xe9")}}
			},
			want: `nix2gpu.nix:1:1: env A of "a" is not UTF-8
  hint: write it in UTF-8, or let the program read it from a file
nix2gpu.nix:1:1: env B of "a" holds a zero byte, which no program can be given
  hint: remove it
nix2gpu.nix:2:1: a file of "b" is not UTF-8
  hint: write it in UTF-8, or let the program read it from a file`,
		},
		{
			name: "ports in networks apart", lines: []string{"a", "b", "c"},
			change: func(p *project.Project) {
				for id, s := range p.Services {
					s.Ports = []project.Port{{Port: 80, Address: "*"}}
					if id != "c" {
						p.Processes[id].Settings.Network = project.Loopback
					}
				}
				p.Services["b"].Ports = append(p.Services["b"].Ports, project.Port{Port: 80})
			},
			want: `nix2gpu.nix:2:1: port 80 is used twice: by "b" (all addresses, nix2gpu.nix:2:1) and by "b" (127.0.0.1, nix2gpu.nix:2:1)
  hint: name that address once, or give one of them another port`,
		},
		{
			name: "probes", lines: []string{"a", "b"},
			change: func(p *project.Project) {
				p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Pattern: "("}, Period: -1}
				p.Processes["a"].Liveness = &project.Probe{Server: &project.ServerCheck{Protocol: "redis"}, FailureThreshold: -1}
				p.Processes["a"].Startup = &project.Probe{Exec: &project.ExecCheck{}}
				p.Processes["b"].Liveness = &project.Probe{GRPC: &project.GRPCCheck{Port: 70000}}
				p.Processes["b"].Env = map[string]project.Value{"A=B": {}}
				p.Processes["b"].Shutdown = project.Shutdown{Timeout: project.For(-1), Command: &project.Command{}}
			},
			want: `nix2gpu.nix:1:1: the command of the startup probe of "a" must be either a program with arguments or a line for the shell, and not empty
nix2gpu.nix:1:1: the pattern of the readiness probe of "a": error parsing regexp: missing closing ): ` + "`(`" + `
nix2gpu.nix:1:1: the port of the liveness probe of "a" must be between 1 and 65535, not 0
nix2gpu.nix:1:1: the thresholds of the liveness probe of "a" must not be negative
nix2gpu.nix:1:1: the times of the readiness probe of "a" must not be negative
nix2gpu.nix:2:1: environment of "b": the name of a variable must not be empty or hold "=": "A=B"
nix2gpu.nix:2:1: the port of the liveness probe of "b" must be between 1 and 65535, not 70000
nix2gpu.nix:2:1: the shutdown command of "b" must be either a program with arguments or a line for the shell, and not empty
nix2gpu.nix:2:1: the shutdown timeout of "b" must not be negative`,
		},
		{
			name: "parts that do not fit", lines: []string{"a", "b"},
			change: func(p *project.Project) {
				p.Services["a"].Main = "nowhere"
				p.Services["b"].Init = []project.ID{"b"}
				p.Processes["b"].Env = map[string]project.Value{"CONF": {Text: project.FilePath("lost")}}
				p.Processes["c"] = &project.Process{ID: "c", Service: "gone"}
				p.Version = 7
			},
			want: `process "c" belongs to no service: "gone" does not exist
version must be 1, not 7
nix2gpu.nix:1:1: service "a" has no process "nowhere"
nix2gpu.nix:2:1: process "b" must be the init process of service "b"
nix2gpu.nix:2:1: process "b" names the generated file "lost", which does not exist`,
		},
		{
			name: "everything at once, sorted", lines: []string{"a", "b\nb", "c: a=sometime"},
			change: func(p *project.Project) {
				p.OnFailed = "panic"
				p.Processes["a"].Shutdown.Signal = 65
				p.Processes["a"].Restart = project.Restart{Policy: "maybe", Max: -1, Backoff: 0.5}
				p.Processes["a"].Readiness = &project.Probe{HTTP: &project.HTTPCheck{Port: 99999}, TCP: &project.TCPCheck{Port: 1}}
				p.Processes["c"].Command = project.Command{}
			},
			want: `onFailed must be one of "continue", "exit", not "panic"
nix2gpu.nix:1:1: max_restarts of "a" must not be negative
nix2gpu.nix:1:1: restart_delay_backoff of "a" must be at least 1, not 0.5
nix2gpu.nix:1:1: the readiness probe of "a" must have exactly one check, has 2
nix2gpu.nix:1:1: the restart policy of "a" must be one of "no", "on_failure", "always", "exit_on_failure", "unless_stopped", not "maybe"
nix2gpu.nix:1:1: the shutdown signal of "a" must be from 1 to 64, not 65
nix2gpu.nix:2:1: service name "b\nb" must not hold control characters
nix2gpu.nix:3:1: the command of "c" must be either a program with arguments or a line for the shell, and not empty
nix2gpu.nix:3:5: the condition of "a" in the dependencies of "c" must be one of "started", "ready", "completed", "exited", "log_ready", not "sometime"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, tt.lines...)
			if tt.change != nil {
				tt.change(p)
			}
			before, _ := p.Encode()
			got := ""
			if err := p.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
			if after, _ := p.Encode(); !bytes.Equal(before, after) {
				t.Error("Validate changed the project")
			}
		})
	}
}

func TestSelect(t *testing.T) {
	p := build(t, "db", "cache", "api: db=ready cache=ready", "web: api=ready", "other", "helper: web=ready other=ready", "shell")
	p.Services["helper"].System, p.Services["shell"].System = true, true
	for _, tt := range []struct {
		names  []project.ID
		noDeps bool
		want   string
	}{
		{[]project.ID{"web"}, false, "[api cache db web]"},
		{[]project.ID{"web"}, true, "[web]"},
		{[]project.ID{"other", "cache"}, false, "[cache other]"},
		{[]project.ID{"other", "web"}, false, "[api cache db helper other web]"},
		{[]project.ID{"other", "web"}, true, "[other web]"},
		{nil, false, "[]"},
	} {
		if got := fmt.Sprint(p.Select(tt.names, tt.noDeps)); got != tt.want {
			t.Errorf("Select(%v, %t) = %s, want %s", tt.names, tt.noDeps, got, tt.want)
		}
	}
}

// Without its profile a service is disabled, but an image still has it.
func TestActivate(t *testing.T) {
	p := build(t, "api", "debug", "both", "-off", "redis.main", "redis.test")
	p.Services["debug"].Profiles = []string{"debug"}
	p.Services["both"].Profiles = []string{"debug", "test"}
	p.Services["redis.test"].Profiles = []string{"test"}
	for _, tt := range []struct {
		profiles         []string
		enabled, unknown string
	}{
		{nil, "[api redis.main]", "[]"},
		{[]string{"debug"}, "[api both debug redis.main]", "[]"},
		{[]string{"test", "tets"}, "[api both redis.main redis.test]", "[tets]"},
		{[]string{project.AllProfiles}, "[api both debug redis.main redis.test]", "[]"},
	} {
		unknown := p.Activate(tt.profiles)
		if got := fmt.Sprint(p.Enabled()); got != tt.enabled || fmt.Sprint(unknown) != tt.unknown {
			t.Errorf("with %v %s are enabled, want %s; unknown are %v, want %s", tt.profiles, got, tt.enabled, unknown, tt.unknown)
		}
		if got, want := fmt.Sprint(p.Shipped()), "[api both debug redis.main redis.test]"; got != want {
			t.Errorf("with %v an image has %s, want %s", tt.profiles, got, want)
		}
	}
	if got := fmt.Sprint(p.Profiles()); got != "[debug test]" {
		t.Errorf("the profiles are %s", got)
	}
	p.Activate(nil)
	if label := p.Services["redis.main"].Label; label != "redis" {
		t.Errorf("the only redis that is enabled is called %s", label)
	}
	p.Services["api"].DependsOn = map[project.ID]project.Dependency{"debug": {Condition: project.Started}}
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), `"api" depends on "debug", which starts only with profile debug`) {
		t.Errorf("Validate = %v, want that it depends on a service that does not start", err)
	}
	p.Activate([]string{"debug"})
	if err := p.Validate(); err != nil {
		t.Errorf("with the profile: %v", err)
	}
}

func TestStopLevels(t *testing.T) {
	p := build(t, "db", "cache", "api: db=ready cache=ready", "web: api=ready", "other")
	for ids, want := range map[string]string{
		"db cache api web other": "[[other web] [api] [cache db]]",
		"db web":                 "[[web] [db]]", // api between them still orders them, though it is not stopped
		"":                       "[]",
	} {
		var list []project.ID
		for _, id := range strings.Fields(ids) {
			list = append(list, project.ID(id))
		}
		if got := fmt.Sprint(p.StopLevels(list)); got != want {
			t.Errorf("StopLevels(%s) = %s, want %s", ids, got, want)
		}
	}
}

func TestDiff(t *testing.T) {
	p := build(t, "a", "b", "c")
	q := build(t, "d", "c", "b") // at other positions, which is no change
	q.Processes["b"].Env = map[string]project.Value{"X": {Text: project.Lit("1")}}
	q.Services["c"].Description = "only displayed"
	for content, p := range map[string]*project.Project{"old": p, "new": q} {
		p.Services["e"] = &project.Service{ID: "e", Main: "e"}
		p.Processes["e"] = &project.Process{ID: "e", Service: "e", Command: project.Command{Exec: []project.Text{project.FilePath("f")}}}
		p.Files = map[string]*project.File{"f": {Content: project.Lit(content)}}
	}
	want := project.Changes{Added: []project.ID{"d"}, Removed: []project.ID{"a"}, Changed: []project.ID{"b", "e"}}
	if diff := cmp.Diff(want, p.Diff(q)); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
	if c := p.Diff(p); !c.IsEmpty() {
		t.Errorf("Diff with itself = %+v", c)
	}
}

// Whatever makes a service restart has a name, and nothing else has one.
func TestDifferences(t *testing.T) {
	secret := "key"
	with := func(change func(p *project.Project, s *project.Service, m *project.Process)) *project.Project {
		p := build(t, "db", "api: db=ready", "web")
		p.Secrets = map[string]project.Secret{"key": {File: project.Lit("key")}}
		p.Files = map[string]*project.File{"conf/a": {Content: project.Lit("1")}}
		m := p.Processes["api"]
		m.Env = map[string]project.Value{"A": {Text: project.Lit("1")}, "KEY": {Text: project.Text{{Secret: &secret}}}}
		m.Files = []project.File{{Path: project.Lit("/etc/x"), Content: project.FilePath("conf")}}
		setup := *m
		setup.ID, setup.Role, setup.Env, setup.Files = "api-setup", project.Setup, nil, nil
		p.Processes["api-setup"], p.Services["api"].Setup = &setup, []project.ID{"api-setup"}
		if change != nil {
			change(p, p.Services["api"], m)
		}
		return p
	}
	for name, tt := range map[string]struct {
		change           func(p *project.Project, s *project.Service, m *project.Process)
		restart, applies string
	}{
		"nothing": {nil, "[]", "[]"},
		"command": {func(_ *project.Project, _ *project.Service, m *project.Process) {
			m.Command.Shell = project.Lit("other")
		}, "[command]", "[]"},
		"variable": {func(_ *project.Project, _ *project.Service, m *project.Process) {
			m.Env["A"] = project.Value{Text: project.Lit("2")}
		}, "[environment.A]", "[]"},
		"variables that come and go": {func(_ *project.Project, _ *project.Service, m *project.Process) {
			m.Env = map[string]project.Value{"B": m.Env["A"], "KEY": m.Env["KEY"]}
		}, "[environment.A environment.B]", "[]"},
		"of the container": {func(p *project.Project, _ *project.Service, _ *project.Process) {
			p.Container.Env = map[string]project.Value{"ALL": {}}
		}, "[env.ALL]", "[]"},
		"a file": {func(_ *project.Project, _ *project.Service, m *project.Process) { m.Files[0].Mode = "0600" }, "[file /etc/x]", "[]"},
		"what it has": {func(p *project.Project, _ *project.Service, _ *project.Process) {
			p.Files["conf/a"].Content = project.Lit("2")
		}, "[file conf/a]", "[]"},
		"a secret": {func(p *project.Project, _ *project.Service, _ *project.Process) {
			p.Secrets["key"] = project.Secret{File: project.Lit("other")}
		}, "[secrets.key]", "[]"},
		"a one-shot": {func(p *project.Project, _ *project.Service, _ *project.Process) {
			p.Processes["api-setup"].Dir = project.Lit("x")
		}, "[api-setup: working_dir]", "[]"},
		"one less": {func(_ *project.Project, s *project.Service, _ *project.Process) { s.Setup = nil }, "", "[]"},
		"a probe": {func(_ *project.Project, _ *project.Service, m *project.Process) {
			m.Liveness = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
		}, "[liveness_probe]", "[]"},
		"the test of its configuration": {func(_ *project.Project, _ *project.Service, m *project.Process) { m.Test = &project.ConfigTest{} }, "[]", "[]"},
		"whom it waits for": {func(_ *project.Project, s *project.Service, _ *project.Process) {
			s.DependsOn["web"] = project.Dependency{Condition: project.Ready}
		}, "[]", "[depends_on]"},
		"its place": {func(_ *project.Project, s *project.Service, _ *project.Process) { s.Pos.Line = 7 }, "[]", "[]"},
	} {
		p, q := with(nil), with(tt.change)
		restart, applies := p.Differences(q, "api")
		if got := fmt.Sprint(restart); got != tt.restart && tt.restart != "" || fmt.Sprint(applies) != tt.applies {
			t.Errorf("%s: %v and %v, want %s and %s", name, restart, applies, tt.restart, tt.applies)
		}
		if changed := slices.Contains(p.Diff(q).Changed, "api"); changed != (len(restart) > 0) {
			t.Errorf("%s: changed is %t, and what differs is %v", name, changed, restart)
		}
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"POSTGRES_PASSWORD": true, "PGPASSWORD": true, "HF_TOKEN": true, "AWS_SECRET_ACCESS_KEY": true,
		"api-key": true, "APIKEY": true, "GOOGLE_APPLICATION_CREDENTIALS": true, "DB_PASS": true, "GITHUB_PAT": true,
		"TOKENIZERS_PARALLELISM": false, "POSTGRES_PASSWORD_FILE": false, "PATH": false, "PWD": false,
		"KEYBOARD": false, "PORT": false, "MONKEY": false, "PASSENGER_COUNT": false, "": false,
	} {
		if got := project.SecretName(name); got != want {
			t.Errorf("SecretName(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestMaskString(t *testing.T) {
	const m = project.Mask
	for in, want := range map[string]string{
		"run --api-token=abc --port=80":        "run --api-token=" + m + " --port=80",
		"DB_PASSWORD='a b' exec api":           "DB_PASSWORD='" + m + "' exec api",
		"[security]\nadmin_password = x\n":     "[security]\nadmin_password = " + m + "\n",
		`{"client_secret": "x", "port": 1}`:    `{"client_secret": "` + m + `", "port": 1}`,
		"redis://:pw@h:1/0 x://u:p@h":          "redis://:" + m + "@h:1/0 x://u:" + m + "@h",
		"--token=$TOKEN --key=x":               "--token=$TOKEN --key=x",
		"ssl_private_key: /etc/key.pem":        "ssl_private_key: /etc/key.pem",
		"password_encryption = scram-sha-256":  "password_encryption = scram-sha-256",
		"http://host:8080/users/@me":           "http://host:8080/users/@me",
		"listen 0.0.0.0:80; auth: md5; a = b;": "listen 0.0.0.0:80; auth: md5; a = b;",
	} {
		if got := project.MaskString(in); got != want {
			t.Errorf("MaskString(%q) = %q, want %q", in, got, want)
		}
	}
}

// The canary must not be anywhere in what Masked returns.
func TestMasked(t *testing.T) {
	const canary = "c4n4ry"
	p := build(t, "api")
	api := p.Processes["api"]
	url := project.Lit("postgresql://app:" + canary + "@db/x?a=b")
	api.Env = map[string]project.Value{
		"FLAGGED":      {Text: project.Lit(canary), Secret: true},
		"API_KEY":      {Text: project.Join(project.RootPath("/x"), project.Lit(canary))},
		"DATABASE_URL": {Text: url},
		"PORT":         {Text: project.Lit("8080")},
	}
	api.Command = project.Command{Exec: []project.Text{project.Lit("psql"), url,
		project.Lit("--password"), project.Lit(canary), project.Lit("--secret=" + canary)}}
	api.Files = []project.File{{Path: project.Lit("/etc/x"), Content: url}}
	api.Shutdown.Command = &project.Command{Shell: url}
	api.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Port: 1, Headers: map[string]string{"Authorization": "Bearer " + canary}}}
	p.Files = map[string]*project.File{"f": {Content: url}}
	p.Container.Env = map[string]project.Value{"TOKEN": {Text: project.Lit(canary)}}
	p.Container.Startup = url
	before, _ := p.Encode()

	masked, err := p.Masked().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(masked, []byte(canary)) {
		t.Errorf("a secret shows:\n%s", masked)
	}
	if got := p.Masked().Processes["api"].Env["DATABASE_URL"].Text.String(); got != "postgresql://app:"+project.Mask+"@db/x?a=b" {
		t.Errorf("the URL became %s", got)
	}
	if got := p.Masked().Processes["api"].Env["PORT"].Text.String(); got != "8080" {
		t.Errorf("PORT became %s", got)
	}
	if after, _ := p.Encode(); !bytes.Equal(before, after) {
		t.Error("Masked changed the project")
	}
}

// The JSON is a contract between builds, so its shape is a golden file.
func TestJSON(t *testing.T) {
	p := build(t, "postgresql.db", "api: postgresql.db=ready")
	p.WhenDone, p.StopTimeout = project.WhenDoneStay, project.For(9e9)
	p.Files = map[string]*project.File{"abc-conf": {Content: project.Lit("listen = <all> & more\n"), Mode: "0600"}}
	p.Container = project.Container{ExposedPorts: []string{"22/tcp"}, WorkingDir: "/workspace"}
	p.Notes = []project.Note{{Service: "api", Text: "a remark"}}
	p.Services["api"].Ports = []project.Port{{Port: 8080, Address: "*"}}
	p.Processes["api"].Env = map[string]project.Value{"K": {Text: project.Lit("v"), Secret: true}}
	state := "/s"
	p.Processes["api"].Command = project.Command{Exec: []project.Text{
		project.PackagePath("python3", "/bin/python"), project.Join(project.Lit("--dir="), project.RootPath("/data")),
		project.FilePath("abc-conf"), project.Text{{State: &state}}, project.RunPath(""), project.Self()}}
	p.Processes["api"].Readiness = &project.Probe{HTTP: &project.HTTPCheck{Port: 8080, Path: "/health"}, Period: 5e9}
	got, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/project.golden.json"
	if testkit.Updating() {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("JSON (-want +got, if meant: go test -update):\n%s", diff)
	}
	back, err := project.Decode(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back, cmp.Transformer("empty", func(m map[project.ID]project.Dependency) map[project.ID]project.Dependency {
		if len(m) == 0 {
			return nil
		}
		return m
	})); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

// A file has a content or a source, never both, and a secret has one source.
func TestFilesAndSecretsAreWhole(t *testing.T) {
	p := build(t, "api")
	p.Processes["api"].Files = []project.File{
		{Path: project.RunPath("/a"), Source: project.RootPath("/a"), Mode: "0400"},
		{Path: project.RunPath("/b"), Source: project.RootPath("/b"), Content: project.Lit("b")},
	}
	p.Secrets = map[string]project.Secret{"api/x": {}, "api/y": {File: project.RootPath("/y")}}
	err := p.Validate()
	for want, n := range map[string]int{`file "<run>/b" of "api" must have either content or a source`: 1, `<run>/a`: 0, `secret "api/x" has no source`: 1, `api/y`: 0} {
		if got := strings.Count(fmt.Sprint(err), want); got != n {
			t.Errorf("%d times %q in %v, want %d", got, want, err, n)
		}
	}
}

// A new file for a secret restarts the services that get the secret.
func TestDiffSeesSecrets(t *testing.T) {
	with := func(file string) *project.Project {
		p := build(t, "api", "web", "db")
		p.Processes["api"].Env = map[string]project.Value{"TOKEN": {Text: project.SecretContent("token"), Secret: true}}
		p.Processes["web"].Command.Shell = project.FilePath("conf")
		p.Files = map[string]*project.File{"conf": {Content: project.SecretContent("token")}}
		p.Secrets = map[string]project.Secret{"token": {File: project.RootPath(file)}}
		return p
	}
	if got := fmt.Sprint(with("/a").Diff(with("/b")).Changed); got != "[api web]" {
		t.Errorf("changed are %s, want [api web]", got)
	}
	if c := with("/a").Diff(with("/a")); !c.IsEmpty() {
		t.Errorf("nothing differs, and changed are %v", c.Changed)
	}
}

// A secret may come from a generated file, which then is used.
func TestUsesFollowsSecrets(t *testing.T) {
	p := build(t, "api")
	p.Processes["api"].Files = []project.File{{Path: project.RunPath("/a"), Content: project.SecretContent("token")}}
	p.Secrets = map[string]project.Secret{"token": {File: project.FilePath("x")}}
	p.Files = map[string]*project.File{"x": {Content: project.FilePath("y")}, "y": {}, "z": {}}
	if got := fmt.Sprint(p.Uses(p.Processes["api"].EachText)); got != "[x y]" {
		t.Errorf("used are %s, want [x y]", got)
	}
}
