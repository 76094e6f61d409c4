package main_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// At a terminal top goes on until q or Ctrl-C, and leaves the terminal as it was.
func TestTopAtATerminal(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{
  services.custom."busy" = { enable = true; command = [ "bash" "-c" "while :; do :; done" ]; };
  services.custom."calm" = { enable = true; command = "sleep infinity"; };
  services.custom."wide" = { enable = true; command = [ "python3" "-c" "import threading as t; keep = [open('/dev/null') for _ in range(20)]; [t.Thread(target=t.Event().wait).start() for _ in range(4)]; t.Event().wait()" ]; };
}`)
	run := s.Start("up")
	run.WaitLine("all services healthy")
	tm := engine.OpenTerminal(s, `bash -c '`+s.Bin+` top --interval 200ms; echo ends with $?; stty -a'`)
	tm.WaitFor("sorted by name (keys: n c m t f g; q ends)")
	tm.WaitFor("NAME  PROCESSES  THREADS  FILES  CPU%  CPU")
	share := regexp.MustCompile(`busy +1 +1 +[0-9]+ +([1-9][0-9]*\.[0-9]|0\.[1-9]) `)
	if !testkit.Eventually(func() bool { return share.MatchString(tm.Output()) }) {
		t.Fatalf("a share of the processor never appears:\n%s", tm.Output())
	}
	for _, k := range []struct{ key, order, first string }{
		{"m", "memory", "wide"}, {"c", "cpu", "busy"}, {"t", "threads", "wide"}, {"n", "name", "busy"}, {"f", "files", "wide"}, {"g", "gpu", "busy"},
	} {
		tm.Press(k.key)
		head := "sorted by " + k.order + " (keys"
		tm.WaitFor(head)
		page := tm.WaitFor(head) // the next one is whole
		for _, name := range []string{"busy", "calm", "wide"} {
			if first, at := strings.Index(page, k.first+" "), strings.Index(page, name+" "); at < first || first < 0 {
				t.Errorf("sorted by %s it shows\n%s", k.order, page)
			}
		}
	}
	tm.Press("x") // which chooses nothing
	tm.WaitFor("sorted by gpu")
	tm.Press("q")
	tm.WaitFor("ends with 0")
	tm.Wait()
	if out := tm.Output(); strings.Contains(out, "-icanon") || regexp.MustCompile(`-echo\b[^a-z]`).MatchString(out) {
		t.Errorf("the terminal is left without echo or lines:\n%s", out)
	}

	tm = engine.OpenTerminal(s, s.Bin+" top --interval 200ms")
	tm.WaitFor("sorted by name")
	tm.Press("\x03")
	tm.Wait()

	// It ends with the project.
	tm = engine.OpenTerminal(s, s.Bin+" top --interval 200ms calm")
	if page := tm.WaitFor("calm "); strings.Contains(page, "busy") {
		t.Errorf("asked for one service it shows\n%s", page)
	}
	run.Stop()
	tm.WaitFor("the project ended")
	if code := tm.Wait(); code != 0 {
		t.Errorf("exit code %d at the project's end", code)
	}
}

// Printed once, it has the numbers of each process.
func TestTopOnce(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{
  services.custom."pair" = { enable = true; command = [ "bash" "-c" "sleep infinity & exec sleep infinity" ]; };
  services.custom."threads" = { enable = true; command = [ "python3" "-c" "import threading as t; [t.Thread(target=t.Event().wait).start() for _ in range(4)]; print('ready', flush=True); t.Event().wait()" ]; };
}`)
	run := s.Start("up")
	run.WaitLine("[threads] ready")
	var top struct {
		Services []struct {
			Label          string
			PIDs           []int
			Threads, Files int
		}
	}
	if !testkit.Eventually(func() bool { // the shell has started its child
		if err := json.Unmarshal([]byte(s.MustExec("top", "-o", "json")), &top); err != nil {
			t.Fatal(err)
		}
		return len(top.Services) == 2 && len(top.Services[0].PIDs) == 2
	}) {
		t.Fatalf("top shows %+v", top)
	}
	if pair, threads := top.Services[0], top.Services[1]; pair.Threads != 2 || pair.Files < 6 || threads.Threads != 5 || threads.Files < 3 {
		t.Errorf("top shows %+v", top)
	}
	tm := engine.OpenTerminal(s, s.Bin+" top --no-stream --sort threads")
	tm.Wait()
	out := tm.Output()
	if strings.Contains(out, "CPU%") || !regexp.MustCompile(`^NAME +PROCESSES +THREADS +FILES +CPU +MEMORY\nthreads +1 +5 +[0-9]+ .*\npair +2 +2 +[0-9]+ `).MatchString(out) {
		t.Errorf("printed once:\n%s", out)
	}
	for _, c := range []struct{ flag, want string }{
		{"--sort=age", `nix2gpu: --sort must be name, cpu, memory, threads, files or gpu, not "age"`},
		{"--interval=1ms", "nix2gpu: --interval must be 100ms or more, not 1ms"},
	} {
		if _, errs, code := s.Exec("top", c.flag); code != 2 || !strings.HasPrefix(errs, c.want+"\n") {
			t.Errorf("%s: exit code %d\n%s", c.flag, code, errs)
		}
	}
	run.Stop()
}
