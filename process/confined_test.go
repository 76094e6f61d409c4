package process_test

import (
	"errors"
	"os"
	"os/exec"
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
