package process_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/process"
)

// trialMain runs a trial as the hidden verb of the real binary does.
func trialMain(args []string) int {
	os.Setenv("HELPER", "trial") // also of the process that it starts for the program
	if os.Getenv("POWERLESS") != "" && strings.Contains(args[len(args)-1], `"report"`) {
		if err := dropAll(); err != nil {
			return status(err)
		}
	}
	if os.Getenv("UNFILTERED") != "" {
		if err := forbidFilters(); err != nil {
			return status(err)
		}
	}
	code, err := process.TrialMain(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// dropAll takes all capabilities from the main thread, as a security module does that
// lets everybody make user namespaces and do nothing in them.
func dropAll() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// forbidFilters makes the kernel refuse filters of system calls to this thread, as one
// without them does.
func forbidFilters() error {
	runtime.LockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SECCOMP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// A trial can't reach what listens on this machine, whoever runs it: where the kernel
// grants no network of its own, it may connect to nobody. Where the kernel can't keep it
// from that either, it says so and runs all the same.
func TestTrialReachesNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	script := `id -u; id -g; sed -n 's/^CapEff:\t//p' /proc/self/status
if (exec 3<>/dev/tcp/127.0.0.1/` + port + `) 2>/dev/null; then echo reached; else
	(exec 3<>/dev/tcp/127.0.0.1/` + port + `) 2>&1 | grep -o 'refused\|unreachable' | head -n 1
fi
exit 7`
	trial := process.Trial{Path: "/bin/bash", Argv: []string{"bash", "-c", script}, Dir: "/"}
	as := func(uid uint32) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	// granted tells by another program whether the kernel grants a user a network.
	granted := func(attr *syscall.SysProcAttr) bool {
		cmd := exec.Command("unshare", "-Un", "true")
		cmd.SysProcAttr = attr
		return cmd.Run() == nil
	}
	type run struct {
		name    string
		cmd     *exec.Cmd
		trial   process.Trial
		granted bool
		open    bool // connections can't be forbidden
		uid     int
		caps    bool // those of root
	}
	self, uid := "/proc/self/exe", os.Geteuid() // whose path others may not reach
	refusing := []string{"-Ur", "sh", "-c", `for of in user net; do echo 0 >/proc/sys/user/max_${of}_namespaces; done; exec "$0" "$@"`, os.Args[0]}
	runs := []run{{"whoever runs the test", exec.Command(self), trial, granted(nil), false, uid, uid == 0}}
	if granted(nil) {
		runs = append(runs, run{"namespaces are refused", exec.Command("unshare", refusing...), trial, false, false, 0, true})
		unfiltered := run{"connections can't be forbidden", exec.Command("unshare", refusing...), trial, false, true, 0, true}
		unfiltered.cmd.Env = []string{"UNFILTERED=1"}
		runs = append(runs, unfiltered)
		powerless := run{"the loopback is refused", exec.Command(self), trial, false, false, uid, false}
		powerless.cmd.Env = []string{"POWERLESS=1"}
		if uid == 0 { // to whom the kernel gives a network without that process
			powerless.cmd.SysProcAttr, powerless.uid = as(1000), 1000
		}
		runs = append(runs, powerless)
	}
	if uid == 0 {
		other := run{"not root", exec.Command(self), trial, granted(as(1000)), false, 1000, false}
		other.cmd.SysProcAttr = as(1000)
		runs = append(runs, other)
		// Root of a container, which may change users and not make namespaces.
		contained := func(trial process.Trial, uid int) run {
			cmd := exec.Command("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", os.Args[0])
			return run{fmt.Sprintf("root of a container for %d", uid), cmd, trial, granted(nil), false, uid, uid == 0}
		}
		runs = append(runs, contained(trial, 0))
		trial.User = &process.User{UID: 1000, GID: 1000}
		runs = append(runs, contained(trial, 1000))
	}
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			args, err := r.trial.Args()
			if err != nil {
				t.Fatal(err)
			}
			r.cmd.Args = append(r.cmd.Args, args[1:]...)
			r.cmd.Env = append(append(os.Environ(), "HELPER=trial"), r.cmd.Env...)
			out, err := r.cmd.CombinedOutput()
			if code := r.cmd.ProcessState.ExitCode(); code != 7 {
				t.Fatalf("exit code %d (%v), want the program's; it printed:\n%s", code, err, out)
			}
			rest, why := process.CutShared(string(out))
			lines := strings.Fields(rest)
			if len(lines) != 4 {
				t.Fatalf("it printed:\n%s", out)
			}
			want := "refused"
			switch {
			case r.open:
				want = "reached"
			case !r.granted:
				want = "unreachable"
			}
			if lines[3] != want || (why != "") != r.open {
				t.Errorf("the listener of another network is %s, because of %q; want %s", lines[3], why, want)
			}
			if id := strconv.Itoa(r.uid); lines[0] != id || lines[1] != id {
				t.Errorf("it runs as %s:%s, want %s", lines[0], lines[1], id)
			}
			if caps := strings.Trim(lines[2], "0") != ""; caps != r.caps {
				t.Errorf("capabilities %s, want those of uid %d", lines[2], r.uid)
			}
		})
	}
}

// A program that can't be run and one that a signal ends are told apart, also through
// the process between.
func TestTrialEnds(t *testing.T) {
	for name, c := range map[string]struct {
		trial process.Trial
		code  int
		says  string
	}{
		"no such program": {process.Trial{Path: "/no/such", Argv: []string{"such"}, Dir: "/"}, process.TrialBroken, "/no/such does not exist"},
		"killed":          {process.Trial{Path: "/bin/sh", Argv: []string{"sh", "-c", "kill -9 $$"}, Dir: "/"}, 128 + 9, ""},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := c.trial.Args()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/proc/self/exe", args[1:]...)
			cmd.Env = append(os.Environ(), "HELPER=trial")
			if os.Geteuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
			}
			out, _ := cmd.CombinedOutput()
			code := cmd.ProcessState.ExitCode()
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() { // it has become the program
				code = 128 + int(cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			}
			rest, _ := process.CutShared(string(out))
			if code != c.code || !strings.Contains(rest, c.says) {
				t.Errorf("exit code %d, want %d; it printed %q, want %q", code, c.code, out, c.says)
			}
		})
	}
}

// Ports that anybody may open here, anybody may open in a trial.
func TestTrialOpensThePortsOfHere(t *testing.T) {
	const lowest = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	trial := process.Trial{Path: "/bin/cat", Argv: []string{"cat", lowest}, Dir: "/"}
	args, err := trial.Args()
	if err != nil {
		t.Fatal(err)
	}
	n := testkit.NewNet(t)
	for _, uid := range []uint32{0, 1000} {
		cmd := exec.Command("/proc/self/exe", args[1:]...)
		cmd.Env = append(os.Environ(), "HELPER=trial")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		var out []byte
		err := n.Do(func() (err error) {
			if err = os.WriteFile(lowest, []byte("81"), 0); err == nil {
				out, err = cmd.CombinedOutput()
			}
			return err
		})
		if rest, _ := process.CutShared(string(out)); err != nil || rest != "81\n" {
			t.Errorf("for uid %d they begin at %q, want 81 (%v)", uid, out, err)
		}
	}
}
