package faults

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// sleeper returns a stack whose service only waits.
func sleeper(t *testing.T) *testkit.Stack {
	t.Helper()
	return stack(t, `command = "sleep 1000";`)
}

// state returns the state folder of a stack.
func state(s *testkit.Stack) string { return filepath.Join(s.Dir, ".nix2gpu", filepath.Base(s.Dir)) }

// TestPlantedInStateFolder puts links and FIFOs where the supervisor writes. It must
// not write through any, nor wait for any: up ends.
func TestPlantedInStateFolder(t *testing.T) {
	link := func(t *testing.T, path, victim string) {
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
	}
	fifo := func(t *testing.T, path, _ string) {
		if err := unix.Mkfifo(path, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, what string
		plant      func(t *testing.T, path, victim string)
		refused    bool
	}{
		{"supervisor.log", "a FIFO", fifo, true},
		{"supervisor.log", "a link", link, true},
		{"supervisor.lock", "a FIFO", fifo, true},
		{"supervisor.lock", "a link", link, true},
		{"journal", "a FIFO", fifo, true},
		{"journal", "a link", link, true},
		{"journal.new", "a FIFO", fifo, false},
		{"journal.new", "a link", link, false},
		{"project.json.new", "a FIFO", fifo, false},
		{"project.json.new", "a link", link, false},
		{"project.json", "a FIFO", fifo, false},
	} {
		t.Run(c.name+" is "+c.what, func(t *testing.T) {
			s := sleeper(t)
			if err := os.MkdirAll(state(s), 0o755); err != nil {
				t.Fatal(err)
			}
			s.Write("victim", "precious")
			path, victim := filepath.Join(state(s), c.name), filepath.Join(s.Dir, "victim")
			c.plant(t, path, victim)
			_, stderr, code := s.Exec("up", "-d")
			if c.refused {
				if code != 1 || !strings.Contains(stderr, path+": it is "+c.what) || !strings.Contains(stderr, "hint: ") {
					t.Errorf("exit code %d, %q; want a refusal with its cure", code, stderr)
				}
			} else if code != 0 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
				t.Errorf("the victim has %q, %v", data, err)
			}
			s.Exec("down")
			s.WantNothingLeft()
		})
	}
}

// TestStateFolderOfAnother has somebody else prepare the state folder, which is
// refused.
func TestStateFolderOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	const nobody = 65534
	for name, c := range map[string]struct {
		prepare func(s *testkit.Stack) error
		want    string
	}{
		"folder": {func(s *testkit.Stack) error {
			if err := os.MkdirAll(state(s), 0o755); err != nil {
				return err
			}
			return os.Chown(state(s), nobody, nobody)
		}, "it belongs to user 65534"},
		"link": {func(s *testkit.Stack) error {
			if err := os.MkdirAll(filepath.Dir(state(s)), 0o755); err != nil {
				return err
			}
			if err := os.Symlink(s.T.TempDir(), state(s)); err != nil {
				return err
			}
			return os.Lchown(state(s), nobody, nobody)
		}, "is a link of user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sleeper(t)
			if err := c.prepare(s); err != nil {
				t.Fatal(err)
			}
			_, stderr, code := s.Exec("up", "-d")
			if code != 1 || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "NIX2GPU_STATE") {
				t.Errorf("exit code %d, %q; want %q and a cure", code, stderr, c.want)
			}
			s.WantNothingLeft()
		})
	}
}

// TestTwoUsersOneProject lets root come second: root can't join, and is told why.
func TestTwoUsersOneProject(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := sleeper(t)
	if err := os.Chmod(s.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	as := []string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "HOME=/nonexistent", "XDG_RUNTIME_DIR=", s.Bin}
	up := s.StartCommand("setpriv", append(as, "up")...)
	up.WaitLine("svc: starting")
	_, stderr, code := s.Exec("up", "-d")
	if want := "a project runs here as pid "; code != 1 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "hint: ") {
		t.Errorf("exit code %d, %q; want %q", code, stderr, want)
	}
	wantRunning(t, s, "sleep 1000", 1)
	up.Stop()
}

// supervisors counts the supervisors of a stack.
func supervisors(s *testkit.Stack) (n int) {
	for _, p := range s.Net.Processes() {
		if strings.Contains(p, " supervise ") && !strings.Contains(p, " guard ") {
			n++
		}
	}
	return n
}

// TestStateFolderRemoved removes the state folder while the project runs: a second up
// joins all the same, down ends it, and the loss is reported.
func TestStateFolderRemoved(t *testing.T) {
	s := sleeper(t)
	up := s.Start("up")
	up.WaitLine("svc: starting")
	if got := s.MustExec("ps"); strings.Contains(got, "degraded") {
		t.Errorf("ps, before: %s", got)
	}
	if err := os.RemoveAll(filepath.Dir(state(s))); err != nil {
		t.Fatal(err)
	}
	lost := "degraded: the state folder " + state(s) + " was removed"
	for _, verb := range [][]string{{"ps"}, {"status"}, {"status", "svc"}} {
		if got := s.MustExec(verb...); !strings.Contains(got, lost) || !strings.Contains(got, "(since ") {
			t.Errorf("%v: %s\nwant %q", verb, got, lost)
		}
	}
	up.WaitLine("[nix2gpu] " + lost)

	_, stderr, code := s.Exec("up", "-d")
	if code != 0 || !strings.Contains(stderr, "already running as pid "+strconv.Itoa(up.Supervisor())) {
		t.Errorf("a second up: exit code %d, %s", code, stderr)
	}
	wantRunning(t, s, "sleep 1000", 1)
	s.MustExec("down")
	up.Wait()
	s.WantNothingLeft()
}

// TestSocketOfAnotherProject names a control socket that is in use.
func TestSocketOfAnotherProject(t *testing.T) {
	first, second := sleeper(t), sleeper(t)
	socket := filepath.Join(filepath.Dir(first.Dir), "control.sock")
	up := first.Start("up", "--socket", socket)
	up.WaitLine("svc: starting")

	refused := func(want string) {
		t.Helper()
		for _, args := range [][]string{{"up", "--socket", socket}, {"up", "-d", "--socket", socket}} {
			_, stderr, code := second.Exec(args...)
			if code != 1 || !strings.Contains(stderr, socket+" is in use by "+want) || !strings.Contains(stderr, "hint: name another socket") {
				t.Errorf("%v: exit code %d, %s\nwant %q", args, code, stderr, want)
			}
		}
	}
	refused(`the project "project" in ` + first.Dir + ", which runs as pid " + strconv.Itoa(up.Supervisor()))
	if got := first.MustExec("ps", "--socket", socket); !strings.Contains(got, "svc") {
		t.Errorf("the first one's ps: %s", got)
	}
	up.Stop()
	if left, _ := filepath.Glob(socket + "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	l, err := net.Listen("unix", socket) // no supervisor at all
	if err != nil {
		t.Fatal(err)
	}
	refused("another program, pid " + strconv.Itoa(os.Getpid()))
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // as one that was killed leaves it
	up = second.Start("up", "--socket", socket)
	up.WaitLine("svc: starting")
	up.Stop()
}

// TestManyUpsAtOnce starts many ups: one begins, and the others join it.
func TestManyUpsAtOnce(t *testing.T) {
	s := stack(t, `command = "sleep 1000"; ports = [ 18473 ]; readiness_probe = null;`)
	var ups []*testkit.Run
	for range 6 {
		ups = append(ups, s.Start("up", "-d"))
	}
	for _, up := range ups {
		if code := up.Wait(); code != 0 || !strings.Contains(up.Stdout(), "svc: running") {
			t.Errorf("exit code %d: %s", code, up.Output())
		}
	}
	wantRunning(t, s, "sleep 1000", 1)
	if !testkit.Eventually(func() bool { return supervisors(s) == 1 }) { // those that came too late may not have ended
		t.Errorf("%d supervisors", supervisors(s))
	}
	s.MustExec("down")
	s.WantNothingLeft()
}

// TestFullStateDisk starts on a state folder whose disk is full: services run, and what
// can't be written is reported for as long as it can't.
func TestFullStateDisk(t *testing.T) {
	t.Run("folders were there", func(t *testing.T) { fullStateDisk(t, true) })
	t.Run("not even a folder can be made", func(t *testing.T) { fullStateDisk(t, false) })
}

func fullStateDisk(t *testing.T, folders bool) {
	s := sleeper(t)
	disk := filepath.Dir(state(s))
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	prepare := "true"
	if folders {
		prepare = `mkdir -p "$1/project/logs"`
	}
	// Only the supervisor has the disk mounted; the test reaches it through its root.
	up := s.StartCommand("unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=64k,nr_inodes=64 none "$1" && mkdir "$1/filler" || exit 99
		`+prepare+`
		head -c 1000000 /dev/zero 2>/dev/null >"$1/filler/space"
		i=0; while touch "$1/filler/$i" 2>/dev/null; do i=$((i+1)); done
		exec "$2" up`, "sh", disk, s.Bin)
	up.WaitLine("svc: starting")
	const unkept = "this run does not keep the output of services"
	for _, verb := range [][]string{{"ps"}, {"status", "svc"}, {"ps", "-o", "json"}} {
		got := s.MustExec(verb...)
		for _, what := range []string{"the journal cannot be written", "the supervisor's log cannot be written", "the project cannot be kept"} {
			if !strings.Contains(got, what+": ") {
				t.Errorf("%v does not say that %s: %s", verb, what, got)
			}
		}
		if strings.Contains(got, unkept) == folders {
			t.Errorf("%v: %q, folders there: %t", verb, got, folders)
		}
	}
	up.WaitLine("[nix2gpu] degraded: ")
	s.MustExec("restart", "svc") // which works

	mine := fmt.Sprintf("/proc/%d/root%s", up.PID(), disk)
	if err := os.RemoveAll(filepath.Join(mine, "filler")); err != nil {
		t.Fatal(err)
	}
	var got string
	if !testkit.Eventually(func() bool {
		got = s.MustExec("ps")
		return strings.Count(got, "degraded: ") == strings.Count(got, unkept)
	}) {
		t.Errorf("with space again: %s", got)
	}
	up.WaitLine("[nix2gpu] no longer degraded: ")
	journal, err := os.ReadFile(filepath.Join(mine, "project", "journal"))
	if err != nil || !strings.Contains(string(journal), "\n+ ") {
		t.Errorf("the journal is %q, %v; want the service in it", journal, err)
	}
	if log, err := os.ReadFile(filepath.Join(mine, "project", "supervisor.log")); err != nil || !strings.Contains(string(log), "lines of this log were lost") {
		t.Errorf("the supervisor's log is %q, %v; want its gap marked", log, err)
	}
	for _, file := range []string{"project.json", "supervisor.lock"} {
		if _, err := os.Stat(filepath.Join(mine, "project", file)); err != nil {
			t.Errorf("with space again: %v", err)
		}
	}
	up.Stop()
}

// TestLogLocation asks for a copy of the log in a FIFO that nobody reads: that process
// is refused with a cure. The other one runs, with each line on stdout once.
func TestLogLocation(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("process-compose.yaml", `processes:
  hung: {command: "echo never", log_location: fifo}
  shown: {command: "echo hello; sleep 1000", log_location: /dev/stdout}
`)
	if err := unix.Mkfifo(filepath.Join(s.Dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	up := s.Start("up")
	up.WaitLine("[shown] hello")
	var ps string
	if !testkit.Eventually(func() bool {
		ps, _, _ = s.Exec("status", "hung")
		return strings.Contains(ps, "it is a FIFO")
	}) || !strings.Contains(ps, "log_location") && !strings.Contains(ps, "remove") {
		t.Errorf("status does not say why, and what helps:\n%s", ps)
	}
	s.MustExec("down")
	up.Wait()
	if n := strings.Count(up.Stdout(), "hello"); n != 1 {
		t.Errorf("the line is on stdout %d times", n)
	}
	s.WantNothingLeft()
}
