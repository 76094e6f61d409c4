package project_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nix2gpu/project"
)

// A value at a limit is valid, and one just beyond it is not.
func TestValidateLimits(t *testing.T) {
	main := func(p *project.Project) *project.Process { return p.Processes["a"] }
	tcp := func(p *project.Project) *project.Probe {
		main(p).Readiness = &project.Probe{TCP: &project.TCPCheck{Port: 80}}
		return main(p).Readiness
	}
	for _, tt := range []struct {
		name   string
		change func(p *project.Project)
		want   string // "": nothing is wrong
	}{
		{"version", func(p *project.Project) { p.Version++ }, fmt.Sprintf("version must be %d, not %d", project.Version, project.Version+1)},
		{"no time to stop", func(p *project.Project) { p.StopTimeout = project.For(0) }, ""},
		{"negative time to stop", func(p *project.Project) { p.StopTimeout = project.For(-1) }, "stopTimeout must not be negative"},
		{"logs of a process", func(p *project.Project) { p.Logs = &project.Logs{MaxTotal: int64(len(p.Processes)) << 19} }, ""},
		{"too little for logs", func(p *project.Project) { p.Logs = &project.Logs{MaxTotal: int64(len(p.Processes))<<19 - 1} }, "needs 512 KiB"},
		{"logs of what each container has", func(p *project.Project) {
			p.Logs = &project.Logs{MaxTotal: int64(len(p.Processes)) << 19}
			p.Services["sshd"] = &project.Service{ID: "sshd", Type: "sshd", Label: "sshd", Main: "sshd", System: true}
			p.Processes["sshd"] = &project.Process{ID: "sshd", Service: "sshd", Role: project.Main, Command: main(p).Command}
		}, ""},
		{"a watch of what has no process", func(p *project.Project) {
			p.Services["a"].Watch = &project.Watch{Paths: []project.WatchPath{{Path: project.FilePath("f")}}}
			delete(p.Processes, "a")
		}, `service "a" has no process "a"`},
		{"lines are kept for a moment", func(p *project.Project) { main(p).Log.MaxAge = project.MinLogAge }, ""},
		{"lines are kept for less", func(p *project.Project) { main(p).Log.MaxAge = project.MinLogAge - 1 }, `the age of the log of "a" must be a second or more`},
		{"lines of a negative age", func(p *project.Project) { main(p).Log.MaxAge = -1 }, "must be a second or more"},
		{"no grace", func(p *project.Project) { main(p).Shutdown.Timeout = project.For(0) }, ""},
		{"negative grace", func(p *project.Project) { main(p).Shutdown.Timeout = project.For(-1) }, `the shutdown timeout of "a" must not be negative`},
		{"elevated as somebody", func(p *project.Project) { main(p).Elevated, main(p).User = true, "1000" }, `"a" cannot both be elevated and have the user "1000"`},
		{"no restarts", func(p *project.Project) { main(p).Restart.Max = 0 }, ""},
		{"negative restarts", func(p *project.Project) { main(p).Restart.Max = -1 }, `max_restarts of "a" must not be negative`},
		{"backoff of 1", func(p *project.Project) { main(p).Restart.Backoff = 1 }, ""},
		{"shrinking backoff", func(p *project.Project) { main(p).Restart.Backoff = 0.99 }, "must be at least 1, not 0.99"},
		{"negative backoff", func(p *project.Project) { main(p).Restart.Backoff = -2 }, "must be at least 1, not -2"},
		{"no delay", func(p *project.Project) { main(p).Restart.Delay = project.For(0) }, ""},
		{"negative delay", func(p *project.Project) { main(p).Restart.Delay = project.For(-1) }, `restart_delay of "a" must not be negative`},
		{"no longest delay", func(p *project.Project) { main(p).Restart.DelayMax = project.For(0) }, ""},
		{"negative longest delay", func(p *project.Project) { main(p).Restart.DelayMax = project.For(-1) }, `restart_delay_max of "a" must not be negative`},
		{"first port", func(p *project.Project) { tcp(p).TCP.Port = 1 }, ""},
		{"last port", func(p *project.Project) { tcp(p).TCP.Port = 65535 }, ""},
		{"no port", func(p *project.Project) { tcp(p).TCP.Port = 0 }, "must be between 1 and 65535, not 0"},
		{"port beyond", func(p *project.Project) { tcp(p).TCP.Port = 65536 }, "must be between 1 and 65535, not 65536"},
		{"last port of a service", func(p *project.Project) { p.Services["a"].Ports = []project.Port{{Port: 65535}} }, ""},
		{"port of a service beyond", func(p *project.Project) { p.Services["a"].Ports = []project.Port{{Port: 65536}} }, `port of "a" must be between 1 and 65535, not 65536`},
		{"no port of a service", func(p *project.Project) { p.Services["a"].Ports = []project.Port{{}} }, "must be between 1 and 65535, not 0"},
		{"probe at once", func(p *project.Project) { tcp(p).InitialDelay = project.For(0) }, ""},
		{"probe before the start", func(p *project.Project) { tcp(p).InitialDelay = project.For(-1) }, `the times of the readiness probe of "a" must not be negative`},
		{"negative period", func(p *project.Project) { tcp(p).Period = -1 }, "must not be negative"},
		{"negative timeout", func(p *project.Project) { tcp(p).Timeout = -1 }, "must not be negative"},
		{"negative successes", func(p *project.Project) { tcp(p).SuccessThreshold = -1 }, "the thresholds of"},
		{"negative failures", func(p *project.Project) { tcp(p).FailureThreshold = -1 }, "the thresholds of"},
		{"two checks", func(p *project.Project) { tcp(p).Notify = &project.NotifyCheck{Socket: true} }, "must have exactly one check, has 2"},
		{"no check", func(p *project.Project) { main(p).Liveness = &project.Probe{} }, "must have exactly one check, has 0"},
		{"a server on its socket", func(p *project.Project) {
			main(p).Startup = &project.Probe{Server: &project.ServerCheck{Protocol: "redis", Socket: project.RunPath("/s")}}
		}, ""},
		{"a server without a port", func(p *project.Project) {
			main(p).Startup = &project.Probe{Server: &project.ServerCheck{Protocol: "redis"}}
		}, "must be between 1 and 65535, not 0"},
		{"pattern", func(p *project.Project) { main(p).Readiness = &project.Probe{Log: &project.LogCheck{Pattern: "("}} }, "the pattern of the readiness probe"},
		{"a command of both kinds", func(p *project.Project) { main(p).Command.Exec = []project.Text{project.Lit("x")} }, "must be either a program with arguments or a line for the shell"},
		{"no command", func(p *project.Project) { main(p).Command = project.Command{} }, "must be either"},
		{"no command of what can't run", func(p *project.Project) {
			main(p).Command, p.Services["a"].Unsupported = project.Command{}, "it"
		}, ""},
		{"an empty variable", func(p *project.Project) { main(p).Env = map[string]project.Value{"": {}} }, `must not be empty or hold "=": ""`},
		{"a variable with =", func(p *project.Project) { main(p).Env = map[string]project.Value{"A=B": {}} }, `must not be empty or hold "=": "A=B"`},
		{"longest user", func(p *project.Project) { main(p).User = strings.Repeat("u", 256) }, ""},
		{"too long a user", func(p *project.Project) { main(p).User = strings.Repeat("u", 257) }, `the user of "a" must be a name or a number`},
		{"longest name", func(p *project.Project) { rename(p, strings.Repeat("n", 128)) }, ""},
		{"too long a name", func(p *project.Project) { rename(p, strings.Repeat("n", 129)) }, "must have at most 128 bytes"},
		{"a kept folder of the run", func(p *project.Project) {
			main(p).Dirs = []project.Dir{{Path: project.RunPath("/d"), Keep: true}}
		}, "cannot be kept: the run folder ends with the run"},
		{"a kept folder", func(p *project.Project) { main(p).Dirs = []project.Dir{{Path: project.RootPath("/d"), Keep: true}} }, ""},
		{"a file that is not there", func(p *project.Project) { main(p).Dir = project.FilePath("f") }, `process "a" names the generated file "f", which does not exist`},
		{"a folder of files", func(p *project.Project) {
			main(p).Dir = project.FilePath("f")
			p.Files = map[string]*project.File{"f/x": {Content: project.Lit("x")}}
		}, ""},
		{"a file that another names", func(p *project.Project) {
			p.Files = map[string]*project.File{"x": {Content: project.FilePath("f")}}
		}, `generated file "x" names the generated file "f", which does not exist`},
		{"a file of the container", func(p *project.Project) { p.Container.Startup = project.FilePath("f") }, `the container names the generated file "f"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, "a")
			tt.change(p)
			err := p.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate = %v, want %q", err, tt.want)
			}
		})
	}
}

// rename gives the only service another name.
func rename(p *project.Project, name string) {
	id := project.ID(name)
	s, q := p.Services["a"], p.Processes["a"]
	s.ID, s.Instance, s.Main, s.Label = id, name, id, name
	q.ID, q.Service = id, id
	p.Services = map[project.ID]*project.Service{id: s}
	p.Processes = map[project.ID]*project.Process{id: q}
}

// The wait before a restart, at its limits.
func TestWaitLimits(t *testing.T) {
	for _, tt := range []struct {
		restart project.Restart
		n       int
		want    time.Duration
	}{
		{project.Restart{}, 0, 500 * time.Millisecond}, // as the first
		{project.Restart{}, 1, 500 * time.Millisecond},
		{project.Restart{}, 2, time.Second},
		{project.Restart{}, 7, 30 * time.Second},
		{project.Restart{}, 5000, 30 * time.Second}, // beyond what a float holds
		{project.Restart{Delay: project.For(time.Minute)}, 3, time.Minute},
		{project.Restart{Delay: project.For(time.Second), Backoff: 3}, 3, 9 * time.Second},
		{project.Restart{Delay: project.For(time.Second), Backoff: 3, DelayMax: project.For(8 * time.Second)}, 3, 8 * time.Second},
		{project.Restart{DelayMax: project.For(100 * time.Millisecond)}, 1, 100 * time.Millisecond},
		{project.Restart{Delay: project.For(0), Backoff: 2}, 4, 0},
		{project.Restart{Delay: project.For(0), Backoff: 2}, 5000, 0},
	} {
		if got := tt.restart.Wait(tt.n); got != tt.want {
			t.Errorf("%+v.Wait(%d) = %v, want %v", tt.restart, tt.n, got, tt.want)
		}
	}
}

// Any difference counts, whatever it is in and however many there are.
func TestChangesAreEmpty(t *testing.T) {
	one := []project.ID{"a"}
	for _, c := range []project.Changes{
		{Added: one}, {Removed: one}, {Changed: one},
		{Added: one, Removed: one}, {Added: one, Changed: one}, {Removed: one, Changed: one},
		{Added: append(one, one...), Removed: one, Changed: one},
	} {
		if c.IsEmpty() {
			t.Errorf("%+v is said to be empty", c)
		}
	}
	if !(project.Changes{}).IsEmpty() {
		t.Error("no change is said to be one")
	}
}

// A secret is known by the last word of its name, a key by the last two.
func TestMaskNames(t *testing.T) {
	for text, want := range map[string]string{
		"--api-key=abc":       "--api-key=" + project.Mask,
		"secret_key: abc":     "secret_key: " + project.Mask,
		"my.password = 'abc'": "my.password = '" + project.Mask + "'",
		"key=abc":             "key=abc", // a key of what?
		"sort-key=abc":        "sort-key=abc",
		"keyfile=abc":         "keyfile=abc",
		"token_count=5":       "token_count=5",
		"password=$FROM_ENV":  "password=$FROM_ENV",
		"password=/run/x":     "password=/run/x",
	} {
		if got := project.MaskString(text); got != want {
			t.Errorf("MaskString(%q) = %q, want %q", text, got, want)
		}
	}
	words := func(list ...string) []project.Text {
		var out []project.Text
		for _, w := range list {
			out = append(out, project.Lit(w))
		}
		return out
	}
	p := build(t, "a")
	p.Processes["a"].Command = project.Command{Exec: words("x", "--password", "abc", "-v", "--token")}
	if got := fmt.Sprint(p.Masked().Processes["a"].Command.Exec); got != fmt.Sprint(words("x", "--password", project.Mask, "-v", "--token")) {
		t.Errorf("masked command = %s", got)
	}
}

// Several names give each service once, sorted; a wrong one gives its error.
func TestResolveAll(t *testing.T) {
	p := build(t, "a", "b", "redis.x")
	if ids, err := p.ResolveAll([]string{"redis", "b", "a", "b"}); err != nil || fmt.Sprint(ids) != "[a b redis.x]" {
		t.Errorf("ResolveAll = %v, %v", ids, err)
	}
	if ids, err := p.ResolveAll([]string{"a", "nobody"}); err == nil || ids != nil {
		t.Errorf("ResolveAll of an unknown name = %v, %v", ids, err)
	}
	if ids, err := p.ResolveAll(nil); err != nil || len(ids) != 0 {
		t.Errorf("ResolveAll of nothing = %v, %v", ids, err)
	}
}
