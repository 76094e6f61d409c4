package faults

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// deafDisk mounts a file system in dir whose server never answers: who opens a file waits
// in the kernel, and no signal ends that. asked is closed once somebody waits; free ends
// the wait.
func deafDisk(t *testing.T, dir string) (asked chan struct{}, free func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a file system")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("deaf", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		t.Fatal(err)
	}
	asked = make(chan struct{})
	go func() {
		request := make([]byte, 1<<17)
		if _, err := unix.Read(fd, request); err != nil {
			return // it was unmounted
		}
		// The first request is INIT. The answer: a header, then what we speak.
		answer := make([]byte, 16+64)
		binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
		copy(answer[8:16], request[8:16]) // the number of the request
		binary.NativeEndian.PutUint32(answer[16:], 7)
		binary.NativeEndian.PutUint32(answer[20:], 31)
		binary.NativeEndian.PutUint32(answer[36:], 4096) // the largest write
		if _, err := unix.Write(fd, answer); err != nil {
			return
		}
		if _, err := unix.Read(fd, request); err == nil { // to be answered by nobody
			close(asked)
		}
	}()
	var done bool
	free = func() {
		if !done {
			done = true
			_ = unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH) // which also ends what waits
			_ = unix.Close(fd)
		}
	}
	t.Cleanup(free)
	return asked, free
}

// TestUnkillable stops a project of which one service waits in the kernel: it is named,
// and the stop goes on without it.
func TestUnkillable(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom = {
  "stuck" = { enable = true; command = "cat deaf/x"; shutdown.timeout_seconds = 1; };
  "fine" = { enable = true; command = "exec sleep 1000"; };
}; }
`)
	asked, free := deafDisk(t, filepath.Join(s.Dir, "deaf"))
	up := s.Start("up")
	select {
	case <-asked:
	case <-time.After(testkit.Patience):
		t.Fatal("nobody reads from the disk")
	}
	began := time.Now()
	up.Signal(syscall.SIGTERM)
	code := up.Wait()
	took := time.Since(began)
	if out := up.Stdout(); !strings.Contains(out, "stuck: process ") || !strings.Contains(out, "unkillable") || !strings.Contains(out, "all services stopped") {
		t.Errorf("exit code %d after %v, and it said\n%s", code, took, up.Output())
	}
	t.Attr("R13", fmt.Sprintf("in state D, with a grace of 1 s: named, and the stop over after %v with exit code %d", took.Round(time.Millisecond), code))
	free()
	s.WantNothingLeft()
}

// TestTraced stops a service that somebody traces and has forgotten: it gets no signal but
// SIGKILL, and is no child of ours to reap until the tracer lets it go.
func TestTraced(t *testing.T) {
	s := stack(t, `command = "exec sleep 1000"; shutdown.timeout_seconds = 1;`)
	up := s.Start("up")
	up.WaitLine("svc: starting")
	var pid int
	if !testkit.Eventually(func() bool {
		for _, p := range s.Net.Processes() {
			if n, _ := fmt.Sscanf(p, "%d sleep 1000", &pid); n == 1 && strings.HasSuffix(p, "sleep 1000") {
				return true
			}
		}
		return false
	}) {
		t.Fatal("it does not run")
	}
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	if err := syscall.PtraceAttach(pid); err != nil {
		t.Skipf("nothing may be traced here: %v", err)
	}
	if _, err := syscall.Wait4(pid, nil, syscall.WALL, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	up.Signal(syscall.SIGTERM)
	code := up.Wait()
	t.Attr("R13", fmt.Sprintf("traced, with a grace of 1 s: the stop over after %v with exit code %d", time.Since(began).Round(time.Millisecond), code))
	if !strings.Contains(up.Stdout(), "all services stopped") {
		t.Errorf("exit code %d:\n%s", code, up.Output())
	}
	_, _ = syscall.Wait4(pid, nil, syscall.WALL, nil) // it is let go
	s.WantNothingLeft()
}

// TestStormOfSignals sends signals that ask for nothing, and many that ask to reload, then
// many that ask to stop: the service goes on, then there is one stop.
func TestStormOfSignals(t *testing.T) {
	s := stack(t, `command = "bash -c 'trap \"echo bye; exit 0\" TERM; echo armed $$; while :; do sleep 0.05; done'";`)
	up := s.Start("up")
	up.WaitLine("[svc] armed")
	one, err := connect(s).Service(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range rounds(20, 200) {
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGPIPE, syscall.SIGURG, syscall.SIGCONT} {
			up.Signal(sig)
			n++
		}
	}
	up.WaitLine("reload")
	again, err := connect(s).Service(t.Context(), "svc")
	if err != nil || again.PID != one.PID || again.Starts != 1 {
		t.Errorf("after the storm: %+v, %v; want process %d", again, err, one.PID)
	}
	for range 200 {
		up.Signal(syscall.SIGTERM)
		n++
	}
	if code := up.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if out := up.Stdout(); strings.Count(out, "stopping 1 service") != 1 || strings.Count(out, "[svc] bye") > 1 {
		t.Errorf("it said\n%s", out)
	}
	t.Attr("R12", fmt.Sprintf("%d signals: one stop, exit code 0", n))
	s.WantNothingLeft()
}
