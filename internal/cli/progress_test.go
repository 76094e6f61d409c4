package cli

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDrawBar(t *testing.T) {
	const mb = 1e6
	for width, want := range map[int]string{
		120: "downloading  [=========           ]  45%  45.0 MB of 100.0 MB  15.0 MB/s",
		70:  "downloading  [=========           ]  45%  45.0 MB of 100.0 MB",
		40:  "downloading  45%  45.0 MB of 100.0 MB",
		20:  "downloading  45%",
		10:  "45%",
		3:   "",
	} {
		if got := drawBar(reading{subject: "downloading", done: 45 * mb, total: 100 * mb, inBytes: true}, 3*time.Second, width); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	for width, want := range map[int]string{
		100: "installing  [=========           ]  45%  Preparing to configure redis-server (amd64)",
		70:  "installing  [=========           ]  45%  Preparing to configure redi…",
		50:  "installing  [=========           ]  45%",
		30:  "installing  45%",
	} {
		apt := reading{subject: "installing", done: 4567, total: 10000, detail: "Preparing to configure redis-server (amd64)"}
		if got := drawBar(apt, 3*time.Second, width); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	// Whatever there is to say, it stays in its line.
	for width := range 200 {
		for _, subject := range []string{"pushing", "packing " + strings.Repeat("größer ", 20)} {
			for _, r := range []reading{{subject: subject, inBytes: true}, {subject: subject, detail: subject}} {
				r.done, r.total = 1, 3<<40
				if line := drawBar(r, time.Hour, width); utf8.RuneCountInString(line) >= max(width, 1) {
					t.Errorf("%d columns: %q", width, line)
				}
			}
		}
	}
}

// screen is what a terminal shows of its last line, and all lines above it.
func screen(written string) string {
	var lines []string
	line := ""
	for _, r := range strings.NewReplacer("\x1b[K", "\x00").Replace(written) {
		switch r {
		case '\r':
			line = "" // what is written anew is never shorter than its end of line
		case '\x00':
		case '\n':
			lines = append(lines, line)
			line = ""
		default:
			line += string(r)
		}
	}
	return strings.Join(append(lines, line), "\n")
}

// aTerminal is an Env whose stderr is a terminal of that kind.
func aTerminal(env ...string) (*Env, *bytes.Buffer, *time.Time) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	return &Env{Stderr: &out, StderrTTY: true, Environ: append([]string{"TERM=xterm"}, env...), Now: func() time.Time { return now }}, &out, &now
}

func TestBarMakesRoomForOthers(t *testing.T) {
	env, out, now := aTerminal()
	down := env.progressOf("downloading")
	down(1, 4)
	*now = now.Add(time.Second)
	down(2, 4)
	if got := screen(out.String()); !strings.HasPrefix(got, "downloading  [==========") {
		t.Errorf("shown is %q", got)
	}
	fmt.Fprintln(env.Stderr, "mirror: busy, trying again in 1s")
	if got := screen(out.String()); !strings.HasPrefix(got, "mirror: busy, trying again in 1s\ndownloading  [==========") {
		t.Errorf("shown is %q, want the message, and the bar below it", got)
	}
	*now = now.Add(time.Second)
	down(3, 4)
	if got := screen(out.String()); !strings.HasPrefix(got, "mirror: busy, trying again in 1s\ndownloading  [===============") {
		t.Errorf("shown is %q, want the bar below the message", got)
	}
	down(4, 4)
	if got := screen(out.String()); got != "mirror: busy, trying again in 1s\n" {
		t.Errorf("shown is %q, want no bar of what is done", got)
	}
	// It is drawn ten times a second at most.
	before := out.Len()
	for n := range int64(1000) {
		down(n+1, 2000)
	}
	if drawn := strings.Count(out.String()[before:], "\r"); drawn != 1 {
		t.Errorf("drawn %d times within no time, want once", drawn)
	}
	env.endProgress()
	if got := screen(out.String()); got != "mirror: busy, trying again in 1s\n" {
		t.Errorf("shown is %q after the end", got)
	}
	if env.Stderr != out {
		t.Error("stderr is not given back")
	}
}

// A line that is not at its end yet, such as "Reading database ... ", is not written
// over.
func TestBarWaitsForTheEndOfALine(t *testing.T) {
	env, out, now := aTerminal()
	bar := env.progress()
	bar.share("installing", "Unpacking hello", 20)
	fmt.Fprint(env.Stderr, "Reading ")
	*now = now.Add(time.Second)
	bar.share("installing", "Configuring hello", 60)
	if got := screen(out.String()); got != "Reading " {
		t.Errorf("shown is %q, want the beginning of a line alone", got)
	}
	fmt.Fprintln(env.Stderr, "done")
	bar.share("installing", "Configuring hello", 60)
	if got := screen(out.String()); got != "Reading done\ninstalling  [============        ]  60%  Configuring hello" {
		t.Errorf("shown is %q", got)
	}
	env.endProgress()
	if got := screen(out.String()); got != "Reading done\n" {
		t.Errorf("shown is %q after the end", got)
	}
}

func TestNoBarWhereNobodyLooks(t *testing.T) {
	for name, change := range map[string]func(*Env){
		"pipe":        func(e *Env) { e.StderrTTY = false },
		"dumb":        func(e *Env) { e.Environ = []string{"TERM=dumb"} },
		"no TERM":     func(e *Env) { e.Environ = nil },
		"CI":          func(e *Env) { e.Environ = append(e.Environ, "CI=true") },
		"CI by digit": func(e *Env) { e.Environ = append(e.Environ, "CI=1") },
	} {
		env, out, _ := aTerminal()
		change(env)
		if env.progressOf("downloading") != nil || env.Stderr != out {
			t.Errorf("%s: there is a bar", name)
		}
	}
	if env, _, _ := aTerminal("NO_COLOR=1", "CI=false"); env.progressOf("downloading") == nil {
		t.Error("NO_COLOR: there is no bar, which has no colours anyway")
	}
}

// Downloads and pushes tell it from several goroutines.
func TestBarFromSeveralGoroutines(t *testing.T) {
	env, out, _ := aTerminal()
	tell := env.progressOf("pushing")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range int64(100) {
				tell(n, 100)
				fmt.Fprintln(env.Stderr, "a message")
			}
		})
	}
	all.Wait()
	env.endProgress()
	if got := screen(out.String()); got != strings.Repeat("a message\n", 800) {
		t.Errorf("shown is %q", got)
	}
}
