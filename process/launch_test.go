package process_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/process"
	"nix2gpu/project"
)

// field is a line of /proc/self/status as a child prints it.
func field(t *testing.T, statusText, name string) string {
	t.Helper()
	for line := range strings.Lines(statusText) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("no %s in %s", name, statusText)
	return ""
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may do this")
	}
}

const showStatus = "cat /proc/self/status"

// A privilege is something that a spec changes, and that its script shows.
type privilege struct {
	change func(*process.Spec)
	script string
	check  func(t *testing.T, out string)
}

func privileges() map[string]privilege {
	nobody := &process.User{UID: 65534, GID: 65534, Groups: []int{4, 65534}}
	umask, nice := 0o027, 7
	return map[string]privilege{
		"user": {func(s *process.Spec) { s.User = nobody }, showStatus, func(t *testing.T, out string) {
			if got := strings.Fields(field(t, out, "Uid")); got[0] != "65534" || got[2] != "65534" {
				t.Errorf("uid %v", got)
			}
			if got := strings.Fields(field(t, out, "Gid")); got[0] != "65534" {
				t.Errorf("gid %v", got)
			}
			if got := field(t, out, "Groups"); got != "4 65534" {
				t.Errorf("groups %q", got)
			}
		}},
		"no new privileges": {func(s *process.Spec) { s.NoNewPrivs = true }, showStatus, func(t *testing.T, out string) {
			if got := field(t, out, "NoNewPrivs"); got != "1" {
				t.Errorf("NoNewPrivs %s", got)
			}
		}},
		"new privileges": {func(s *process.Spec) {}, showStatus, func(t *testing.T, out string) {
			if got := field(t, out, "NoNewPrivs"); got != "0" {
				t.Errorf("NoNewPrivs %s", got)
			}
		}},
		"umask": {func(s *process.Spec) { s.Umask = &umask }, "umask", func(t *testing.T, out string) {
			if got := strings.TrimSpace(out); got != "0027" {
				t.Errorf("umask %s", got)
			}
		}},
		"nice": {func(s *process.Spec) { s.Nice = &nice }, "nice", func(t *testing.T, out string) {
			if out != "7\n" {
				t.Errorf("nice %s", out)
			}
		}},
		"the score for lack of memory": {func(s *process.Spec) { s.OOMScore = &umask }, "cat /proc/self/oom_score_adj", func(t *testing.T, out string) {
			if out != "23\n" {
				t.Errorf("score %s", out)
			}
		}},
		"other limits": {func(s *process.Spec) {
			s.Limits = process.LimitsOf(project.Limits{Rlimits: map[string]project.Rlimit{"core": {}, "stack": {Soft: 8 << 20, Hard: project.Infinity}, "memlock": {Soft: 1 << 20, Hard: 2 << 20}}})
		}, "ulimit -c; ulimit -s; ulimit -Hs; ulimit -l; ulimit -Hl", func(t *testing.T, out string) {
			if out != "0\n8192\nunlimited\n1024\n2048\n" {
				t.Errorf("limits %q", out)
			}
		}},
		"a network of its own": {func(s *process.Spec) { s.Loopback, s.User = true, nobody },
			"tail -n +3 /proc/net/dev | cut -d: -f1; bash -c '(exec 3<>/dev/tcp/127.0.0.1/1) 2>&1' | grep -o refused | head -n 1; grep CapEff /proc/self/status",
			func(t *testing.T, out string) {
				if got := strings.Join(strings.Fields(out), " "); got != "lo refused CapEff: 0000000000000000" {
					t.Errorf("got %s", got)
				}
			}},
		"open files": {func(s *process.Spec) { s.Limits.NoFile = 123 }, "ulimit -n; ulimit -Hn", func(t *testing.T, out string) {
			if out != "123\n123\n" {
				t.Errorf("limits %q", out)
			}
		}},
		"open files of a user": {func(s *process.Spec) { s.Limits.NoFile, s.User = 123, nobody }, "ulimit -n; id -u; id -G",
			func(t *testing.T, out string) {
				if out != "123\n65534\n65534 4\n" {
					t.Errorf("got %q", out)
				}
			}},
		"capabilities": {func(s *process.Spec) {
			s.Sandbox.DropCaps, s.Sandbox.Caps, s.User = true, []string{"net_bind_service"}, nobody
		}, showStatus, func(t *testing.T, out string) {
			for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
				if got := field(t, out, set); got != "0000000000000400" {
					t.Errorf("%s %s", set, got)
				}
			}
		}},
		"no capabilities of root": {func(s *process.Spec) { s.Sandbox.DropCaps = true }, showStatus,
			func(t *testing.T, out string) {
				for _, set := range []string{"CapPrm", "CapEff", "CapBnd"} {
					if got := field(t, out, set); got != "0000000000000000" {
						t.Errorf("%s %s", set, got)
					}
				}
			}},
	}
}

func TestPrivileges(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	for name, c := range privileges() {
		t.Run(name, func(t *testing.T) {
			needRoot(t)
			spec := shell(c.script)
			c.change(&spec)
			p, out := output(t, h, spec)
			if !p.Exit().Success() {
				t.Fatalf("%v: %s", p.Exit(), out)
			}
			c.check(t, out)
		})
	}
	t.Attr("S9", fmt.Sprintf("%d privileges set and seen", len(privileges())))
}

func TestSandboxHidesFiles(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	open, closed := t.TempDir(), t.TempDir()
	for _, dir := range []string{open, closed} {
		os.WriteFile(filepath.Join(dir, "file"), []byte("content\n"), 0o644)
	}
	spec := shell("cat " + open + "/file; cat " + closed + "/file; echo x > " + open + "/new; echo x > " + closed + "/new; true")
	spec.Sandbox.ReadOnly = []string{"/bin", "/usr", "/lib", "/lib64", "/etc", "/no/such/folder"}
	spec.Sandbox.ReadWrite = []string{open, "/dev/null"}
	p, err := h.Start(spec)
	var failed *process.StartError
	if errors.As(err, &failed) && failed.Reason == process.Unsupported {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "done", p.Done())
	if _, err := os.Stat(open + "/new"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(closed + "/new"); err == nil {
		t.Error("it wrote outside")
	}
	_, out := output(t, h, spec)
	if strings.Count(out, "content") != 1 {
		t.Errorf("it read %s", out)
	}
}

func TestLaunchErrorsAreStartErrors(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	limits := process.Limits{NoFile: 100}
	for name, c := range map[string]struct {
		spec   process.Spec
		reason process.Reason
		want   string
	}{
		"no such file": {process.Spec{Argv: []string{"/no/such"}, Limits: limits}, process.NotFound, "/no/such does not exist"},
		"unknown capability": {process.Spec{Argv: []string{"/bin/true"}, Sandbox: process.Sandbox{DropCaps: true, Caps: []string{"fly"}}},
			process.Failed, `unknown capability "fly"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Start(c.spec)
			var got *process.StartError
			if !errors.As(err, &got) || got.Reason != c.reason || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s: … %s", err, c.reason, c.want)
			}
		})
	}
	plain := newHost(t, process.Options{})
	if _, err := plain.Start(process.Spec{Argv: []string{"/bin/true"}, Limits: limits}); err == nil {
		t.Error("a limit was dropped in silence")
	}
}

func TestMemoryLimitIsTheReason(t *testing.T) {
	h := newHost(t, process.Options{})
	spec := process.Spec{
		Argv:   []string{"/usr/bin/python3", "-c", "x = bytearray(200 << 20)"},
		Limits: process.Limits{Memory: 32 << 20},
	}
	p, err := h.Start(spec)
	if err != nil {
		t.Skip(err) // no python
	}
	await(t, "done", p.Done())
	if err := p.Unlimited(); err != nil {
		t.Skip(err)
	}
	if e := p.Exit(); !e.OOM || e.String() != "out of memory (killed)" {
		t.Errorf("got %v %+v", e, e)
	}
	t.Attr("R3", "of a limit of 32 MiB: named")
}

func TestPidsLimitAndItsGroupIsRemoved(t *testing.T) {
	h := newHost(t, process.Options{})
	spec := shell("cat /proc/self/cgroup; (setsid sleep 1000 &); for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait")
	spec.Limits.Pids = 5
	trial := start(t, h, process.Spec{Argv: []string{"/bin/true"}, Limits: spec.Limits})
	if err := trial.Unlimited(); err != nil {
		t.Skip(err)
	}
	p, out := output(t, h, spec)
	if p.Exit().Success() {
		t.Error("more processes than allowed")
	}
	for line := range strings.Lines(out) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), ":pids:"); ok && strings.Contains(path, "nix2gpu") {
			if _, err := os.Stat("/sys/fs/cgroup/pids" + path); err == nil {
				t.Errorf("%s is left", path)
			}
		}
	}
}

func TestListenerIsNamed(t *testing.T) {
	port := testkit.Port(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	holder, ok := process.Listener(port, "127.0.0.1")
	self, _ := process.Inspect(os.Getpid())
	if !ok || holder.PID != os.Getpid() || holder.Name != self.Name {
		t.Errorf("got %+v %t, want us", holder, ok)
	}
	l.Close()
	if holder, ok := process.Listener(port, "127.0.0.1"); ok {
		t.Errorf("got %+v for a closed port", holder)
	}
	t.Attr("R19", "named by pid and program")
}

func TestFileThatIsBeingWrittenIsRetried(t *testing.T) {
	h := newHost(t, process.Options{})
	program := filepath.Join(t.TempDir(), "program")
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	var failed *process.StartError
	if _, err := h.Start(process.Spec{Argv: []string{program}}); !errors.As(err, &failed) || failed.Reason != process.Busy || !failed.Temporary() {
		t.Errorf("Start of a file open for writing = %v, want busy", err)
	}
	f.Close()
	p := start(t, h, process.Spec{Argv: []string{program}})
	await(t, "done", p.Done())
	t.Attr("R7", "told apart from all others, and started once it was written")
}

func TestOOMScoreOfChildren(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	score := 300
	spec := shell("cat /proc/$$/oom_score_adj")
	spec.OOMScore = &score
	if _, out := output(t, h, spec); out != "300\n" {
		t.Errorf("the score is %q", out)
	}
}

// The children of a supervisor that the kernel spares are not spared with it. Where /proc
// can only be read, they start all the same.
func TestScoreUnderAProtectedSupervisor(t *testing.T) {
	needRoot(t)
	for setup, want := range map[string]string{"": "0\n", "mount -o remount,bind,ro /proc &&": "300\n"} {
		cmd := exec.Command("unshare", "-m", "sh", "-c", "echo 300 >/proc/self/oom_score_adj && mount --bind /proc /proc && "+setup+` exec "$0"`, os.Args[0])
		cmd.Env = append(os.Environ(), "HELPER=scored")
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%q: %v, score %q, want %q", setup, err, out, want)
		}
	}
}

// scored prints the score of a child.
func scored([]string) int {
	h, err := process.New(process.Options{Launch: launchCommand})
	if err != nil {
		return status(err)
	}
	process.Protect(h) // a score below ours takes a right that containers lack
	spec := shell("cat /proc/self/oom_score_adj")
	spec.Stdout = os.Stdout
	p, err := h.Start(spec)
	if err != nil {
		return status(err)
	}
	<-p.Done()
	return status(h.Close())
}

func TestEnvironmentIsExact(t *testing.T) {
	h := newHost(t, process.Options{Run: "exact"})
	p, out := output(t, h, process.Spec{
		Name: "a b", Argv: []string{"/usr/bin/env"}, Env: []string{"A=1", process.CookieVar + "=forged/web#1"},
	})
	if want := "A=1\n" + process.CookieVar + "=" + p.Cookie() + "\n"; out != want || p.Cookie() != "exact/a_b#1" {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestOwnTerminal(t *testing.T) {
	h := newHost(t, process.Options{})
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer slave.Close()
	spec := shell("exec 3</dev/tty && exit 11")
	spec.Stdin, spec.Terminal = slave, process.OwnTerminal
	p := start(t, h, spec)
	await(t, "done", p.Done())
	if got := p.Exit().Code; got != 11 {
		t.Errorf("exit code %d: the terminal is not its own", got)
	}
}

// TestIOLimit lets a process write past the page cache, on this machine's own disk.
func TestIOLimit(t *testing.T) {
	folder := t.TempDir()
	h := newHost(t, process.Options{})
	spec := shell(`dd if=/dev/zero of=x bs=64k count=16 oflag=direct 2>/dev/null && cat /proc/self/cgroup /proc/uptime`)
	spec.Dir = folder
	spec.Limits.IO.Max = []process.IOMax{{Path: folder, WriteBytes: 512 << 10}}
	trial := start(t, h, process.Spec{Argv: []string{"/bin/true"}, Limits: spec.Limits})
	if err := trial.Unlimited(); err != nil {
		t.Skip(err)
	}
	p, out := output(t, h, spec)
	if !p.Exit().Success() || !strings.Contains(out, "nix2gpu") {
		t.Fatalf("%v: %s", p.Exit(), out)
	}
	// 1 MiB at 512 KiB a second takes 2 s, however fast the disk is.
	if ran := time.Duration(p.Exit().Ran); ran < 1600*time.Millisecond {
		t.Errorf("1 MiB at 512 KiB a second took %v", ran)
	}
}
