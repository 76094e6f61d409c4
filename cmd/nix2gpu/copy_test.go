package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// TestRunAtATerminal uses a copy of a service as a person does: typed text, Ctrl-C and
// the size of the window reach it, and its output is in its log.
func TestRunAtATerminal(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom."api" = { enable = true; command = "exec sleep 1000"; environment.PS1 = "% "; }; }`)
	s.MustExec("up", "-d", "--wait")
	tm := engine.OpenTerminal(s, s.Bin+" run -t api sh")
	tm.WaitFor("% ")
	tm.Type("echo $((6*7)); stty size")
	tm.WaitFor("\n42\n50 200\n% ")
	tm.Type("trap 'echo resized' WINCH; echo $((1+1))set")
	tm.WaitFor("\n2set\n% ")
	tm.Resize(100, 40)
	if !testkit.Eventually(func() bool { // it gets the new size a little later
		tm.Type("echo $((4))size: $(stty size)")
		tm.WaitFor("4size: ")
		return strings.HasPrefix(tm.WaitFor("\n"), "40 100")
	}) {
		t.Errorf("its terminal did not get the new size:\n%s", tm.Output())
	}
	tm.Type("sh -c 'echo $((2+1))begin; exec sleep 1000'") // between its own jobs a shell may lose a signal
	tm.WaitFor("3begin\n")
	tm.Press("\x03")
	tm.Type("echo interrupted: $?")
	tm.WaitFor("interrupted: 130\n") // the prompt may come late
	tm.Type("exit 9")
	if code := tm.Wait(); code != 9 {
		t.Errorf("exit code %d, want the command's own", code)
	}
	if log := s.MustExec("logs", "api-run-1"); !strings.Contains(log, "[api-run-1] 42\n") || !strings.Contains(log, "interrupted: 130\n") {
		t.Errorf("the log has\n%s", log)
	}
	s.MustExec("down")
}

// signalsOfACopy are the signals that may come, and their effect.
var signalsOfACopy = []struct {
	name, script string
	signal       os.Signal
	code         int
	prints       string
}{
	{"Ctrl-C", `trap "echo got INT; exit 3" INT; echo began; while :; do sleep 0.02; done`, syscall.SIGINT, 3, "got INT"},
	{"TERM is the stop signal", `trap "echo got USR2; exit 4" USR2; echo began; while :; do sleep 0.02; done`, syscall.SIGTERM, 4, "got USR2"},
	{"TERM that is ignored", `trap "" USR2; echo began; while :; do sleep 0.02; done`, syscall.SIGTERM, 137, ""},
	{"the terminal goes", `trap "" HUP USR2; (setsid sleep 1000 &); echo began; while :; do sleep 0.02; done`, syscall.SIGHUP, 137, ""},
}

// TestRunPassesSignals ends a copy without a terminal by each signal: the copy gets it,
// and nothing is left.
func TestRunPassesSignals(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom."api" = { enable = true; command = "exec sleep 1000"; shutdown.signal = "SIGUSR2"; shutdown.timeout_seconds = 1; }; }`)
	s.MustExec("up", "-d", "--wait")
	for _, c := range signalsOfACopy {
		t.Run(c.name, func(t *testing.T) {
			r := s.Start("run", "--rm", "api", "sh", "-c", c.script)
			r.WaitLine("began")
			r.Signal(c.signal)
			if code := r.Wait(); code != c.code || !strings.Contains(r.Stdout(), c.prints) {
				t.Errorf("exit code %d, printed %q; want %d and %q", code, r.Stdout(), c.code, c.prints)
			}
		})
	}
	s.MustExec("down")
	s.WantNothingLeft()
}
