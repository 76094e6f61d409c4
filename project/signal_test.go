package project_test

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]project.Signal{
		"SIGTERM": 15, "term": 15, "HUP": 1, "9": 9, "64": 64, "33": 33, "SIGIOT": 6, "CLD": 17, "sigpoll": 29,
		"SIGRTMIN": 34, "SIGRTMIN+3": 37, "RTMIN+0": 34, "SIGRTMIN+30": 64,
		"SIGRTMAX": 64, "rtmax-2": 62, "SIGRTMAX-0": 64, "SIGRTMAX-30": 34,
		"": 0, "0": 0, "65": 0, "-1": 0, "SIG": 0, "SIGNOPE": 0, "SIG15": 0, "SIGSIGTERM": 0, "SIGRTMIN+": 0,
		"SIGRTMIN+31": 0, "SIGRTMIN+99": 0, "SIGRTMIN-1": 0, "SIGRTMIN+-1": 0, "SIGRTMIN++1": 0,
		"SIGRTMAX-31": 0, "SIGRTMAX+1": 0, "SIGRTMAX-300": 0, "SIGTERM+1": 0, "signal 33": 0,
	} {
		got, err := project.ParseSignal(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", text, int(got), err, int(want))
		}
	}
}

// The names must be those of another table, golang.org/x/sys/unix.
func TestSignalNamesAreTheKernels(t *testing.T) {
	for n := 1; n <= 31; n++ {
		if got, want := project.Signal(n).String(), unix.SignalName(unix.Signal(n)); got != want {
			t.Errorf("signal %d is %q, want %q", n, got, want)
		}
	}
}

func TestSignalIsItsText(t *testing.T) {
	for n := 1; n <= 64; n++ {
		s := project.Signal(n)
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := project.ParseSignal(string(text)); err != nil || got != s {
			t.Errorf("signal %d is written %q and read as %d (%v)", n, text, int(got), err)
		}
		if !s.Valid() {
			t.Errorf("signal %d is not valid", n)
		}
	}
	for n, want := range map[int]string{
		0: "signal 0", 33: "signal 33", 34: "SIGRTMIN", 35: "SIGRTMIN+1", 49: "SIGRTMIN+15",
		50: "SIGRTMAX-14", 63: "SIGRTMAX-1", 64: "SIGRTMAX", 65: "signal 65", -1: "signal -1",
	} {
		s := project.Signal(n)
		if got := s.String(); got != want {
			t.Errorf("Signal(%d) is %q, want %q", n, got, want)
		}
		if s.Valid() != (n >= 1 && n <= 64) {
			t.Errorf("Signal(%d).Valid() = %t", n, s.Valid())
		}
	}
}

func TestSignalInJSON(t *testing.T) {
	type stop struct {
		Signal project.Signal `json:"signal,omitempty"`
	}
	for want, s := range map[string]project.Signal{`{"signal":"SIGRTMAX"}`: 64, `{"signal":"33"}`: 33, `{}`: 0} {
		if got, err := json.Marshal(stop{s}); err != nil || string(got) != want {
			t.Errorf("Marshal(%d) = %s, %v, want %s", int(s), got, err, want)
		}
		var got stop
		if err := json.Unmarshal([]byte(want), &got); err != nil || got.Signal != s {
			t.Errorf("Unmarshal(%s) = %d, %v, want %d", want, int(got.Signal), err, int(s))
		}
	}
	err := json.Unmarshal([]byte(`{"signal":"SIGNOPE"}`), new(stop))
	const want = `signal must be a name such as SIGTERM or a number from 1 to 64, not "SIGNOPE"`
	if err == nil || err.Error() != want {
		t.Errorf("Unmarshal = %v, want %s", err, want)
	}
}
