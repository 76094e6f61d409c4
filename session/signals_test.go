package session

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestSignals(t *testing.T) {
	type press struct {
		after  time.Duration // since the one before
		signal os.Signal
	}
	for _, tt := range []struct {
		name     string
		terminal bool
		presses  []press
		want     []action
	}{
		{"TERM, again and again", false, []press{{0, syscall.SIGTERM}, {time.Hour, syscall.SIGTERM}}, []action{stop, stop}},
		{"QUIT, and then TERM", true, []press{{0, syscall.SIGQUIT}, {time.Hour, syscall.SIGTERM}}, []action{stop, stop}},
		{"Ctrl-C that is passed on", true, []press{{0, syscall.SIGINT}, {onePress, syscall.SIGINT}}, []action{stop, nothing}},
		{"Ctrl-C twice", true, []press{{0, syscall.SIGINT}, {onePress + 1, syscall.SIGINT}}, []action{stop, stopNow}},
		{"Ctrl-C after TERM", true, []press{{0, syscall.SIGTERM}, {time.Second, syscall.SIGINT}}, []action{stop, stop}},
		{"HUP of a terminal", true, []press{{0, syscall.SIGHUP}}, []action{stop}},
		{"HUP without one", false, []press{{0, syscall.SIGHUP}, {0, syscall.SIGHUP}}, []action{reload, reload}},
		{"a closed stdout", false, []press{{0, syscall.SIGPIPE}}, []action{nothing}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1, 0)
			h := signalHandler{now: func() time.Time { return now }, terminal: tt.terminal}
			var got []action
			for _, p := range tt.presses {
				now = now.Add(p.after)
				got = append(got, h.of(p.signal))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("actions %v, want %v", got, tt.want)
			}
		})
	}
}
