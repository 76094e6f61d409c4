package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
)

// TestFewerFilesThanItNeeds allows so few descriptors that nothing can run: that is said
// with what is needed, what is allowed, and a cure, and nothing is left.
func TestFewerFilesThanItNeeds(t *testing.T) {
	s := stack(t, `command = "exec sleep 1000"; restart = "no";`)
	limits := []int{9, 12, 16, 20, 24}
	for _, n := range limits {
		up := s.StartCommand("bash", "-c", fmt.Sprintf("ulimit -n %d; exec %s up", n, s.Bin))
		if code := up.Wait(); code == 0 {
			t.Errorf("%d descriptors: exit code 0", n)
		}
		for _, want := range []string{"the service needs about ", fmt.Sprintf(" open files in the supervisor when all of them run, and %d are allowed here", n), "hint: raise the hard limit: \"ulimit -n 1024\"", "too many open files"} {
			if !strings.Contains(up.Output(), want) {
				t.Errorf("%d descriptors: no %q in\n%s", n, want, up.Output())
			}
		}
		s.WantNothingLeft()
	}
	t.Attr("R8", fmt.Sprintf("%d limits at which nothing can run: each said, with the number that is needed", len(limits)))
}

// TestStandardFilesAreClosed starts with the standard descriptors closed. Nothing of what is
// meant for them may get into a file that has their number now.
func TestStandardFilesAreClosed(t *testing.T) {
	closed := []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}
	for _, how := range closed {
		t.Run(how, func(t *testing.T) {
			s := stack(t, `command = "bash -c 'echo out; echo err >&2; ls -l /proc/self/fd/0 >/dev/null && exit 7'"; restart = "no";`)
			up := s.StartCommand("bash", "-c", "exec "+s.Bin+" up "+how)
			if code := up.Wait(); code != 7 {
				t.Errorf("exit code %d, want 7: the service's own\n%s", code, up.Output())
			}
			if got := s.MustExec("logs", "--no-log-prefix", "svc"); got != "out\nerr\n" && got != "err\nout\n" {
				t.Errorf("the log has %q", got)
			}
			files, err := filepath.Glob(filepath.Join(state(s), "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v: %v", files, err)
			}
			for _, file := range files {
				if data, err := os.ReadFile(file); err == nil && filepath.Base(file) != "supervisor.log" && strings.Contains(string(data), "svc: starting") {
					t.Errorf("%s has what was meant for a person:\n%s", file, data)
				}
			}
			s.WantNothingLeft()
		})
	}
	t.Attr("R5", fmt.Sprintf("%d ways to begin with closed descriptors: the logs are complete", len(closed)))
}

// intruder is what a service tries that belongs to another user than the supervisor and its
// sibling. It prints a line for each.
const intruder = `import ctypes, json, os, signal, socket, sys
supervisor, sibling, control, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
def trace(pid):
    if libc.ptrace(16, pid, None, None) != 0: # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")
def dial():
    socket.socket(socket.AF_UNIX).connect(control)
def write(path):
    open(path, "a").write("x")
tries = {}
for who, pid in ("supervisor", supervisor), ("sibling", sibling):
    tries["signals the " + who] = lambda pid=pid: os.kill(pid, 0)
    tries["traces the " + who] = lambda pid=pid: trace(pid)
    for what in "environ", "mem", "maps", "fd/1":
        tries["reads %s of the %s" % (what, who)] = lambda pid=pid, what=what: open("/proc/%d/%s" % (pid, what), "rb").read(1)
    tries["writes oom_score_adj of the " + who] = lambda pid=pid: write("/proc/%d/oom_score_adj" % pid)
tries["asks the supervisor"] = dial
tries["removes the socket"] = lambda: os.remove(control)
tries["becomes root"] = lambda: os.setuid(0)
tries["gains by setgid"] = lambda: os.setgid(0)
for name in os.listdir(folder) if os.access(folder, os.R_OK) else ["journal", "supervisor.log", "supervisor.lock"]:
    tries["writes " + name] = lambda name=name: write(os.path.join(folder, name))
tries["makes a file beside the state"] = lambda: write(os.path.join(folder, "planted"))
for name, do in tries.items():
    try:
        do()
        done = True
    except OSError:
        done = False
    print(json.dumps({"try": name, "done": done}), flush=True)
`

// TestServiceOfAnotherUser runs a service as a user of its own, which tries to get at the
// supervisor, and at a service of root beside it.
func TestServiceOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := testkit.NewStackFrom(t, "")
	s.Write("intruder.py", intruder)
	s.Write("nix2gpu.nix", `{ services.custom = {
  "sibling" = { enable = true; command = "exec sleep 1000"; environment.TOKEN = "precious"; };
  "stranger" = { enable = true; user = "nobody"; command = "bash ./try"; restart = "no"; };
}; }
`)
	s.Write("try", `until [ -e go ]; do sleep 0.05; done; exec python3 ./intruder.py $(cat go)`)
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	up := s.Start("up")
	up.WaitLine("stranger: starting")
	var sibling int
	if !testkit.Eventually(func() bool {
		one, err := connect(s).Service(t.Context(), "sibling")
		if err == nil {
			sibling = one.PID
		}
		return sibling != 0
	}) {
		t.Fatal("the sibling does not run")
	}
	socket := filepath.Join("/run/nix2gpu", rundir.Key("", s.Dir)+".sock")
	s.Write("go.new", fmt.Sprintf("%d %d %s %s", up.Supervisor(), sibling, socket, state(s)))
	if err := os.Rename(filepath.Join(s.Dir, "go.new"), filepath.Join(s.Dir, "go")); err != nil {
		t.Fatal(err)
	}
	up.WaitLine("stranger: completed")
	tries := 0
	for scan := bufio.NewScanner(strings.NewReader(s.MustExec("logs", "--no-log-prefix", "stranger"))); scan.Scan(); {
		var one struct {
			Try  string
			Done bool
		}
		if err := json.Unmarshal(scan.Bytes(), &one); err != nil {
			t.Fatalf("%q: %v", scan.Text(), err)
		}
		if tries++; one.Done {
			t.Errorf("it %s", one.Try)
		}
	}
	if tries < 20 {
		t.Errorf("it has tried %d things", tries)
	}
	t.Attr("S9", fmt.Sprintf("0 of %d tries of a service of another user: at the supervisor, its socket and state, and a sibling", tries))
	s.MustExec("down")
	up.Wait()
	s.WantNothingLeft()
}
