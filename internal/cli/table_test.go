package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nix2gpu/control"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// busyState is a project of many services in all kinds of trouble.
func busyState() *control.State {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	state := &control.State{Snapshot: control.Snapshot{Project: "shop", At: noon, Since: ago(time.Hour),
		Unprobed: []string{"billing-report-generator-nightly", "mailer", "thumbnail-worker-0", "thumbnail-worker-1", "thumbnail-worker-2"},
		Services: []control.Service{
			{Label: "api", State: control.Waiting, Since: ago(8 * time.Second), Why: "waits for migrate ← postgresql (starting, 8 s)"},
			{Label: "billing-report-generator-nightly", State: control.Running, Since: ago(26 * time.Hour), PID: 1234567, Starts: 1},
			{Label: "cache", State: control.Running, Health: control.HealthHealthy, Since: ago(59*time.Minute + 59*time.Second), PID: 4711, Starts: 3, Restarts: 2},
			{Label: "gateway", State: control.Backoff, Since: ago(2 * time.Second), Starts: 12, Restarts: 11, Streak: 11,
				Why: "exit code 1, restart in 3 s: nginx: [emerg] cannot load certificate key \"/run/secrets/gateway.key\": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory)"},
			{Label: "mailer", State: control.Running, Since: ago(time.Minute), PID: 99, Starts: 1},
			{Label: "migrate", State: control.Waiting, Since: ago(8 * time.Second), Why: "waits for postgresql (starting, 8 s)"},
			{Label: "postgresql", State: control.Starting, Health: control.HealthStarting, Since: ago(8 * time.Second), PID: 300, Starts: 1,
				Why: "preparing: making the database cluster (8 s)"},
			{Label: "report", State: control.Skipped, Refused: true, Since: ago(time.Hour), Why: `command "no-such-program" does not exist; install it`},
			{Label: "search", State: control.Unready, Health: control.HealthUnhealthy, Since: ago(5 * time.Second), PID: 5000, Starts: 1,
				Why: "readiness probe: " + strings.Repeat("x", 300)},
			{Label: "seed", State: control.Completed, Since: ago(40 * time.Minute), Starts: 1},
			{Label: "sweeper", State: control.Failed, Since: ago(3 * time.Minute), Starts: 6, Restarts: 5, Why: "exit code 2: gave up after 5 restarts"},
			{Label: "thumbnail-worker-0", State: control.Running, Since: ago(time.Hour), PID: 6000, Starts: 1},
			{Label: "thumbnail-worker-1", State: control.Running, Since: ago(time.Hour), PID: 6001, Starts: 1},
			{Label: "thumbnail-worker-2", State: control.Stopping, Since: ago(time.Second), PID: 6002, Starts: 1},
		}}}
	for i := range state.Services {
		state.Services[i].ID = project.ID(state.Services[i].Label)
	}
	return state
}

// What is shown of many services, some with long names and reasons, stays within the
// terminal and is as the files have it.
func TestTables(t *testing.T) {
	state := busyState()
	for _, width := range []int{66, 80, 140} {
		for name, wide := range map[string]bool{"ps": false, "wide": true} {
			if wide && width < 140 {
				continue
			}
			var out bytes.Buffer
			writeTable(&Env{Stdout: &out, Width: width}, psRows(state, wide), nil, state)
			testkit.Golden(t, fmt.Sprintf("testdata/%s-%d.golden", name, width), out.Bytes())
			fits(t, out.String(), width)
		}
	}
	// Not a word is lost where nobody has a terminal.
	var out bytes.Buffer
	writeTable(&Env{Stdout: &out}, psRows(state, false), nil, state)
	if n := strings.Count(out.String(), "\n"); n != len(state.Services)+2 {
		t.Errorf("on a pipe there are %d lines:\n%s", n, &out)
	}
}

// fits wants each line to end before the terminal does.
func fits(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d of %d columns: %s", n, width, line)
		}
	}
}

func TestStatusBlock(t *testing.T) {
	state := busyState()
	for _, width := range []int{66, 80, 140} {
		var out bytes.Buffer
		for _, label := range []string{"api", "gateway", "search"} {
			i := slices.IndexFunc(state.Services, func(s control.Service) bool { return s.Label == label })
			s := state.Services[i]
			b := block{env: &Env{Stdout: &out, Width: width}, state: state, service: s, log: "/srv/shop/.nix2gpu/shop/logs/" + label + ".log"}
			b.detail = control.Detail{ID: s.ID, Label: label, User: "nobody", Pos: project.Pos{File: "nix2gpu.nix", Line: 12, Col: 5},
				Command:    "exec /srv/shop/bin/" + label + " --listen 127.0.0.1:8080 --database postgresql://localhost:5432/shop --workers 4 --verbose",
				Dependants: []string{"gateway", "mailer", "billing-report-generator-nightly", "thumbnail-worker-0", "thumbnail-worker-1"}}
			if s.PID != 0 {
				b.usage = &control.ServiceUsage{ID: s.ID, Label: label, Memory: 123 << 20, CPU: project.Duration(3 * time.Second), Processes: []control.ProcessInfo{
					{PID: s.PID, Parent: 1, Command: b.detail.Command}, {PID: s.PID + 1, Parent: s.PID, Command: label + ": worker process number one of four with a long name"},
				}}
				for n := range 5 {
					b.detail.Probes = append(b.detail.Probes, control.Probe{Role: project.ReadinessProbe, Failed: n > 2, At: noon.Add(time.Duration(n) * time.Second),
						Output: "GET http://127.0.0.1:8080/health: HTTP status 503 Service Unavailable: the index is being built"})
				}
			}
			if label == "gateway" {
				code := project.Exit{Code: 1, At: noon.Add(-2 * time.Second), Ran: project.Duration(145 * time.Millisecond), Memory: 9 << 20, CPU: project.Duration(20 * time.Millisecond),
					Said: "nginx: [emerg] cannot load certificate key \"/run/secrets/gateway.key\""}
				b.service.Exit = &code
			}
			if label == "api" {
				b.service.WaitsFor = []control.Unmet{{Service: "migrate", Label: "migrate", Condition: project.Completed, Why: "waits for postgresql to be ready"}}
			}
			b.write(nil)
		}
		testkit.Golden(t, fmt.Sprintf("testdata/status-%d.golden", width), out.Bytes())
		fits(t, out.String(), width)
	}
}

func TestStatusOfWatched(t *testing.T) {
	b := block{state: &control.State{Snapshot: control.Snapshot{At: noon}}}
	for _, c := range []struct {
		of   control.Service
		want string
	}{
		{control.Service{}, ""},
		{control.Service{Watched: true}, "restarts when files change"},
		{control.Service{Watched: true, Touched: "src/a", TouchedAt: noon.Add(-time.Minute)}, "restarts when files change, last src/a, 1m0s ago"},
		// It has restarted itself again and again, or somebody has stopped it.
		{control.Service{Touched: "src/a", TouchedAt: noon.Add(-time.Minute)}, "does not restart now when files change, last src/a, 1m0s ago"},
	} {
		if b.service = c.of; b.watch() != c.want {
			t.Errorf("got %q, want %q", b.watch(), c.want)
		}
	}
}

// A path is never broken: it stands below where its column is too narrow for it.
func TestPathInTable(t *testing.T) {
	rows := [][]string{{"NAME", "STATE", "DEFINITION"}, {"shop", "healthy", "/srv/people/somebody/projects/shop/nix2gpu.nix#shop"}, {"b", "healthy", "/b"}}
	for width, want := range map[int]string{
		80: "NAME  STATE    DEFINITION\nshop  healthy  /srv/people/somebody/projects/shop/nix2gpu.nix#shop\nb     healthy  /b\n",
		64: "NAME  STATE\nshop  healthy\n    /srv/people/somebody/projects/shop/nix2gpu.nix#shop\nb     healthy\n    /b\n",
	} {
		var out bytes.Buffer
		writeColumns(&Env{Stdout: &out, Width: width}, rows)
		if out.String() != want {
			t.Errorf("%d columns:\n%swant\n%s", width, &out, want)
		}
	}
}

func TestBroken(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 7, "one two|three"},
		{"one two three", 80, "one two three"},
		{"abcdefghij k", 4, "abcd|efgh|ij k"},
		{"a bcdefgh", 4, "a|bcde|fgh"},
		{"größer ← klein", 8, "größer ←|klein"},
		{"  ", 4, ""},
	} {
		if got := strings.Join(broken(c.text, c.width), "|"); got != c.want {
			t.Errorf("broken(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestWithoutMiddle(t *testing.T) {
	for most, want := range map[int]string{20: "thumbnail-worker-12", 19: "thumbnail-worker-12", 13: "thumbn…ker-12", 12: "thumb…ker-12"} {
		if got := withoutMiddle("thumbnail-worker-12", most); got != want {
			t.Errorf("%d characters: %q, want %q", most, got, want)
		}
	}
}

// A table that is drawn again and again never scrolls a screen that is too low for it.
func TestOnScreen(t *testing.T) {
	page := "1\n2\n3\n4\n5\n"
	for height, want := range map[int]string{
		24: "1\n2\n3\n4\n5\n",
		6:  "1\n2\n3\n4\n5\n",
		5:  "1\n2\n3\n… and 2 lines that this terminal is too low for\n",
		4:  "1\n2\n… and 3 lines that this terminal is too low for\n",
	} {
		if got := strings.ReplaceAll(onScreen(page, height), "\x1b[K", ""); got != want {
			t.Errorf("%d lines: %q, want %q", height, got, want)
		}
	}
}
