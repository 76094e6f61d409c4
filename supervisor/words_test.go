package supervisor

import (
	"errors"
	"net"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/stage"
)

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 4 * time.Millisecond: "0s", 6 * time.Millisecond: "10ms", 500 * time.Millisecond: "500ms",
		994 * time.Millisecond: "990ms", 999 * time.Millisecond: "1s", time.Second: "1s", 1040 * time.Millisecond: "1s",
		1260 * time.Millisecond: "1.3s", 9940 * time.Millisecond: "9.9s", 9960 * time.Millisecond: "10s", 10400 * time.Millisecond: "10s",
		12600 * time.Millisecond: "13s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 125 * time.Minute: "2h5m",
		2*time.Hour + 5*time.Second: "2h0m5s", 20 * time.Minute: "20m", 10 * time.Hour: "10h",
	} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%v) = %q, want %q", d, got, want)
		}
	}
}

// What is said of a service to whoever waits for it, in every state.
func TestDescribe(t *testing.T) {
	bad := project.Exit{Code: 3}
	for state, want := range map[control.ServiceState]string{
		control.Stopped: "is stopped", control.Waiting: "waits for its own dependencies",
		control.Init: "is starting", control.Starting: "is starting", control.Setup: "is starting",
		control.Running: "is running", control.Unready: "is not ready",
		control.Ending: "is restarting", control.Restarting: "is restarting", control.Backoff: "is restarting (exit code 3)",
		control.Stopping: "is stopping", control.Completed: "has completed (exit code 3)",
		control.Failed: "failed (it broke)", control.Skipped: "was skipped (it broke)",
	} {
		if got := (facts{state: state, exit: &bad, why: "it broke"}).describe(); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
	for _, exit := range []*project.Exit{nil, {}} {
		if got := (facts{state: control.Completed, exit: exit}).describe(); got != "has completed" {
			t.Errorf("exit %v: %q", exit, got)
		}
	}
}

func TestStopText(t *testing.T) {
	now := time.Unix(100, 0)
	for want, s := range map[string]stop{
		"unkillable: still alive after SIGKILL":  {killed: true, unkillable: true, how: "SIGTERM"},
		"killed, still exiting":                  {killed: true, how: "SIGTERM"},
		"is still being started, killed in 2s":   {killAt: now.Add(2 * time.Second)},
		"got SIGTERM, killed in 2s":              {how: "SIGTERM", killAt: now.Add(2 * time.Second)},
		"got its shutdown command, killed in 0s": {how: shutdownCommand, killAt: now.Add(-time.Second)},
	} {
		if got := (&run{stop: s}).stopText(now); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	if got := sayKilled(1500*time.Millisecond, ""); got != "killed, still running 1.5s after the request to stop" {
		t.Error(got)
	}
}

func TestTally(t *testing.T) {
	named := func(label, why string) *service {
		return &service{spec: &project.Service{Label: label}, why: why, exit: &project.Exit{Code: 9}}
	}
	whole := tally{all: 7, good: 1, failed: []*service{named("a", "broke"), named("b", "")},
		looping: []*service{named("c", "x")}, skipped: []*service{named("d", "x"), named("e", "x")}}
	if got, want := whole.text(true), "1 of 7 services healthy; failed: a (broke), b (exit code 9); restarting: c (exit code 9); skipped: d, e"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := whole.text(false), "1 of 7 services healthy; failed: a, b; restarting: c; skipped: d, e"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for want, whole := range map[string]tally{"": {}, "all services healthy": {all: 2, good: 2}, "0 of 1 service healthy": {all: 1}} {
		if got := whole.text(true); got != want {
			t.Errorf("%+v: %q, want %q", whole, got, want)
		}
	}
}

// A program that is there and can't be executed is told from one that is not.
func TestStartErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		text string
		hint string
	}{
		{&stage.Error{Kind: stage.NoCommand, Msg: "none", Hint: "get it"}, 127, "none", "get it"},
		{&stage.Error{Kind: stage.BadFolder, Msg: "none"}, 127, "none", ""},
		{&stage.Error{Kind: stage.NotExecutable, Msg: "closed", Hint: "chmod"}, 126, "closed", "chmod"},
		{&stage.Error{Kind: stage.NoFormat, Msg: "text"}, 126, "text", ""},
		{&process.StartError{Reason: process.NotExecutable, Detail: "closed", Hint: "chmod"}, 126, "closed", "chmod"},
		{&process.StartError{Reason: process.BadFormat, Detail: "text"}, 126, "text", ""},
		{&process.StartError{Reason: process.Exhausted, Detail: "full"}, 127, "full", ""},
		{errors.New("two\n  lines"), 127, "two lines", ""},
	} {
		if x := startError(tt.err); x.Code != tt.code || x.Error != tt.text || x.Hint != tt.hint {
			t.Errorf("%v: %+v, want %d, %q, %q", tt.err, x, tt.code, tt.text, tt.hint)
		}
	}
}

func TestPortHint(t *testing.T) {
	for want, h := range map[string]process.Holder{
		"port 80 is used by another program": {}, "port 80 is used by nginx (pid 7)": {PID: 7, Name: "nginx"},
	} {
		if got := hintPort(80, h); got != want {
			t.Errorf("%+v: %q, want %q", h, got, want)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for protocol, want := range map[string]bool{"": true, "tcp": true, "udp": false} {
		s := &project.Service{ID: "a", Main: "a", Ports: []project.Port{{Port: l.Addr().(*net.TCPAddr).Port, Protocol: protocol}}}
		main := &project.Process{}
		x := &execution{Run: Run{Project: &project.Project{Processes: map[project.ID]*project.Process{"a": main}}, Service: s}}
		if got := x.portHint(); (got != "") != want {
			t.Errorf("protocol %q: %q", protocol, got)
		}
		main.Settings.Network = project.Loopback
		if got := x.portHint(); got != "" {
			t.Errorf("protocol %q, in another network: %q", protocol, got)
		}
	}
}
