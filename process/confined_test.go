package process_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// Whatever a process in a sandbox does to hide, it stays known as one, and nobody outside is
// taken for one.
func TestConfined(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	for name, script := range map[string]string{"itself": `echo $$; exec sleep 1000`, "twice forked, without environment": nameOnly + "sleep 1000"} {
		for _, sandbox := range []bool{true, false} {
			spec := shell(script)
			spec.NoNewPrivs = true
			if sandbox {
				spec.Sandbox.ReadOnly, spec.Sandbox.ReadWrite = []string{"/"}, []string{"/dev/null"}
			}
			_, err := h.Start(process.Spec{Argv: []string{"/bin/true"}, Sandbox: spec.Sandbox})
			if failed, ok := errors.AsType[*process.StartError](err); ok && failed.Reason == process.Unsupported {
				t.Skip(err)
			}
			_, pids := printing(t, h, spec, 1)
			if got := process.Confined(pids[0], -1); got != sandbox {
				t.Errorf("%s, sandbox %t: Confined = %t", name, sandbox, got)
			}
		}
	}
	if process.Confined(os.Getpid(), -1) || process.Confined(os.Getppid(), -1) {
		t.Error("we are confined")
	}

	if err := h.Close(); err != nil { // it would take the next child for an orphan, if the main thread starts it
		t.Fatal(err)
	}
	ended := exec.Command("true")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, ended.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !process.Confined(ended.Process.Pid, -1) {
		t.Error("one that has ended is known to be outside")
	}
	pidfd, err := unix.PidfdOpen(ended.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if ended.Wait(); !process.Confined(ended.Process.Pid, -1) {
		t.Error("one that is gone is known to be outside")
	}
	if !process.Confined(os.Getpid(), pidfd) {
		t.Error("one that is gone, with a pid that is another's now, is known to be outside")
	}
}

// Where /proc is mounted with hidepid, a process can leave it by its own doing. That does
// not take it out of a sandbox.
func TestConfinedHides(t *testing.T) {
	needRoot(t)
	if err := exec.Command("setpriv", "--version").Run(); err != nil {
		t.Skip(err)
	}
	// A group that nobody has, since who is in that one sees all.
	cmd := exec.Command("unshare", "-m", "sh", "-c", `mount -t proc -o hidepid=2,gid=54321 proc /proc && exec setpriv --bounding-set -sys_ptrace "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "HELPER=hides")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "shown false hidden true" {
		t.Errorf("%v, %q", err, out)
	}
}

// hides prints what Confined says of a child before and after that hides.
func hides(args []string) int {
	if len(args) > 0 {
		fmt.Println("shown")
		_, _ = os.Stdin.Read(make([]byte, 1))
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return status(err)
		}
		fmt.Println("hidden")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	cmd := exec.Command(os.Args[0], "child")
	cmd.Env = append(os.Environ(), "HELPER=hides")
	in, err := cmd.StdinPipe()
	if err != nil {
		return status(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return status(err)
	}
	if err := cmd.Start(); err != nil {
		return status(err)
	}
	var says []string
	for lines := bufio.NewScanner(out); len(says) < 2 && lines.Scan(); {
		says = append(says, fmt.Sprint(lines.Text(), " ", process.Confined(cmd.Process.Pid, -1)))
		_, _ = in.Write([]byte{0})
	}
	in.Close()
	fmt.Print(strings.Join(says, " "))
	return status(cmd.Wait())
}
