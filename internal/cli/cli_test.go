package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/session"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{usageError("wrong"), 2},
		{hint(usageError("wrong"), "cure"), 2},
		{&invalid{"/", errors.New("broken")}, 2},
		{control.ErrNotRunning, 3},
		{fmt.Errorf("asking: %w", control.ErrNotFound), 4},
		{&project.NameError{Name: "x"}, 4},
		{control.ErrTimeout, 124},
		{context.DeadlineExceeded, 124},
		{context.Canceled, 130},
		{&exitError{code: 9}, 9},
		{&session.Refusal{Root: "/"}, 1},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("no such thing"), "nix2gpu: no such thing\n"},
		{errors.New("a.nix:1:2: no such thing"), "a.nix:1:2: no such thing\n"},
		{hint(errors.New("wrong"), "do %s", "right"), "nix2gpu: wrong\nhint: do right\n"},
		{&control.Error{Msg: "gone", Hint: "look"}, "nix2gpu: gone\nhint: look\n"},
		{errors.New("wrong\n  hint: right"), "nix2gpu: wrong\nhint: right\n"},
		{&exitError{code: 3}, ""},
		{context.Canceled, ""},
	} {
		var b bytes.Buffer
		report(&Env{Stderr: &b}, &cobra.Command{Use: "nix2gpu"}, c.err)
		if b.String() != c.want {
			t.Errorf("report(%v) printed %q, want %q", c.err, b.String(), c.want)
		}
	}
}

// Under another name the program names the verbs that it has there.
func TestReportUnderAnotherName(t *testing.T) {
	root := newProcessCompose(&Env{})
	for _, c := range []struct {
		err  error
		want string
	}{
		{hint(errors.New("wrong"), "\"nix2gpu ps\" has the names"), "process-compose: wrong\nhint: \"process-compose ps\" has the names\n"},
		{&control.Error{Msg: "gone", Hint: "nix2gpu wait; nix2gpu down, or nix2gpu up"}, "process-compose: gone\nhint: process-compose wait; process-compose down, or process-compose up\n"},
		{errors.New("wrong\n  hint: stop it with \"nix2gpu down\""), "process-compose: wrong\nhint: stop it with \"process-compose down\"\n"},
		{hint(errors.New("no lock"), "nix2gpu lock"), "process-compose: no lock\nhint: nix2gpu lock\n"},
		{&session.Refusal{Root: "/", Unmet: []session.Precondition{{Msg: "taken", Hint: "nix2gpu stop it"}}}, "taken\nhint: process-compose stop it\n"},
	} {
		var b bytes.Buffer
		report(&Env{Stderr: &b}, root, c.err)
		if b.String() != c.want {
			t.Errorf("report(%v) printed %q, want %q", c.err, b.String(), c.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"10m":                  now.Add(-10 * time.Minute),
		"1h30m":                now.Add(-90 * time.Minute),
		"10 min ago":           now.Add(-10 * time.Minute),
		"2 hours ago":          now.Add(-2 * time.Hour),
		"2d":                   now.AddDate(0, 0, -2),
		"14:30":                time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20 08:00:01":  time.Date(2026, 11, 20, 8, 0, 1, 0, time.UTC),
		"2026-11-20T08:00:01Z": time.Date(2026, 11, 20, 8, 0, 1, 0, time.UTC),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-5m", "25:00"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("parseTime(%q) = %v, want an error", text, got)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:              "0s",
		5 * time.Second:           "5s",
		81 * time.Second:          "1m21s",
		125 * time.Minute:         "2h5m",
		(3*24 + 4) * time.Hour:    "3d4h",
		1500 * time.Millisecond:   "2s",
		59*time.Minute + 59999999: "59m0s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPickServices(t *testing.T) {
	all := []control.Service{
		{ID: "api", Label: "api", Type: "custom"},
		{ID: "nginx.front", Label: "nginx.front", Type: "nginx"},
		{ID: "nginx.back", Label: "nginx.back", Type: "nginx"},
		{ID: "postgresql.main", Label: "postgresql", Type: "postgresql"},
	}
	for _, c := range []struct{ name, want string }{
		{"api", "api"},
		{"postgresql", "postgresql.main"},
		{"postgresql.main", "postgresql.main"},
		{"main", "postgresql.main"},
		{"front", "nginx.front"},
		{"nginx", "nginx.front nginx.back"},
		{"postgres.main", "postgresql.main"},
		{"postgresql.main-init", "postgresql.main"}, // a process of it
		{"main-init", "postgresql.main"},            // the same, in the words of services-flake
	} {
		got, err := pickServices(all, []string{c.name})
		var ids []string
		for _, s := range got {
			ids = append(ids, string(s.ID))
		}
		if err != nil || strings.Join(ids, " ") != c.want {
			t.Errorf("pickServices(%q) = %v, %v, want %s", c.name, ids, err, c.want)
		}
	}
	if _, err := pickServices(all, []string{"custom"}); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("pickServices(custom) = %v, want ErrNotFound", err)
	}
}

func TestJoinArgs(t *testing.T) {
	root := newRoot(&Env{})
	for _, c := range []struct{ in, want string }{
		{"eval --arg n 1 -E x", "eval --arg n=1 -E x"},
		{"eval --arg n=1 file", "eval --arg n=1 file"},
		{"eval --argstr s a=b --json", "eval --argstr s=a=b --json"},
		{"--color never eval --option a b -E x", "--color never eval --option a=b -E x"},
		{"up --arg", "up --arg"},
		{"exec web -- jq -n --arg n 1 $n", "exec web -- jq -n --arg n 1 $n"},
		{"run web jq -n --arg n 1 $n", "run web jq -n --arg n 1 $n"},
		{"boot jq -n --arg n 1 $n", "boot jq -n --arg n 1 $n"},
	} {
		if got := joinArgs(root, strings.Fields(c.in)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("joinArgs(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// A verb of verbs does not take a wrong one for none.
func TestUnknownVerbs(t *testing.T) {
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			takes := strings.Contains(c.Use, " ") // arguments that are no verbs
			if c.HasSubCommands() && !takes && (c.Args == nil || c.Args(c, []string{"xyz"}) == nil) {
				t.Errorf("%s takes a verb that it does not have", c.CommandPath())
			}
			look(c)
		}
	}
	look(newRoot(&Env{}))
	look(newProcessCompose(&Env{}))
}

// TestOneVerbAlone holds that a command line which begins with a verb finds it as it is in
// the whole table, and that all others find all verbs.
func TestOneVerbAlone(t *testing.T) {
	whole := newRoot(&Env{})
	for _, v := range nix2gpuVerbs() {
		root := newRoot(&Env{}, v.name, "--help")
		cmd, _, err := root.Find([]string{v.name})
		if err != nil || cmd.Name() != v.name {
			t.Errorf("%s: found %v, %v", v.name, cmd, err)
			continue
		}
		if alone := len(root.Commands()) == 1; alone == (v.name == "man" || v.name == "completion") {
			t.Errorf("%s: alone: %v", v.name, alone)
		}
		same, _, err := whole.Find([]string{v.name})
		if err != nil || same.GroupID != cmd.GroupID || same.Annotations[askingKey] != cmd.Annotations[askingKey] || same.UsageString() != cmd.UsageString() {
			t.Errorf("%s is another verb than in the whole table", v.name)
		}
	}
	for _, args := range [][]string{{"list"}, {"--color", "never", "ps"}, {"help", "ps"}, {"psx"}, {"__complete", "ps"}} {
		if got, want := len(newRoot(&Env{}, args...).Commands()), len(whole.Commands()); got != want {
			t.Errorf("%q: %d verbs of %d", args, got, want)
		}
	}
}

func TestWriteTable(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	state := &control.State{Snapshot: control.Snapshot{At: now, Services: []control.Service{
		{Label: "postgresql", State: "running", Health: "healthy", PID: 42, Since: now.Add(-81 * time.Second), Restarts: 1},
		{Label: "api", State: "waiting", Since: now.Add(-time.Second), Why: "waits for postgresql to be ready: it is starting"},
	}}}
	var b bytes.Buffer
	writeTable(&Env{Stdout: &b, Width: 70}, psRows(state, false), nil, state)
	want := `NAME        STATE    HEALTH   RESTARTS  PID  AGE
postgresql  running  healthy  1         42   1m21s
api         waiting  -        0         -    1s
    waits for postgresql to be ready: it is starting
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestEveryVerbIsDescribed holds that help, man page and reference say
// something of each verb and flag.
func TestEveryVerbIsDescribed(t *testing.T) {
	for _, root := range []string{"nix2gpu", processCompose} {
		env := &Env{Args: []string{root}}
		table := newRoot(env)
		if root == processCompose {
			table = newProcessCompose(env)
		}
		for _, cmd := range visible(table) {
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("%s %s: short description %q", root, cmd.Name(), cmd.Short)
			}
		}
		var b bytes.Buffer
		writeMan(&b, table)
		if !strings.Contains(b.String(), ".SH EXIT STATUS") {
			t.Errorf("the manual page of %s lacks the exit status", root)
		}
	}
}
