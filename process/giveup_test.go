package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// TestStuckIsWaitedForOnce: what GiveUp has returned is waited for no second time by Close,
// and named by it no second time. What nobody has given up is. In both cases the guard
// hears that no more wait is needed. A stranger that nobody has killed before is killed and
// waited for.
func TestStuckIsWaitedForOnce(t *testing.T) {
	for name, givenUp := range map[string]bool{"given up": true, "not given up": false} {
		t.Run(name, func(t *testing.T) { closeStuck(t, givenUp) })
	}
}

func closeStuck(t *testing.T, givenUp bool) {
	h, err := New(Options{Run: "stuck-once"})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			h.Close()
		}
	}()
	list, err := os.Create(filepath.Join(t.TempDir(), "list"))
	if err != nil {
		t.Fatal(err)
	}
	h.guard = &guardLink{list: list, at: make(map[int]int64)}
	waits := 0
	h.after = func(d time.Duration) <-chan time.Time {
		waits++
		return time.After(d)
	}
	dir := filepath.Join(t.TempDir(), "deaf")
	asked, free := testkit.DeafDisk(t, dir)
	p, err := h.Start(Spec{Name: "svc", Argv: []string{"/bin/cat", dir + "/x"}})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-time.After(testkit.Patience):
		t.Fatal("nobody reads from the disk")
	}
	if left := p.GiveUp(); left != nil {
		t.Errorf("before Kill, GiveUp returns %v", left)
	}
	p.Kill()
	if !testkit.Eventually(func() bool { info, err := Inspect(p.PID()); return err == nil && info.State == 'D' }) {
		t.Fatal("it does not get into state D")
	}
	var left []Info
	if givenUp {
		left = p.GiveUp()
	}
	if givenUp && (len(left) != 1 || left[0].PID != p.PID() || left[0].State != 'D' || left[0].Name != "cat") {
		t.Fatalf("GiveUp returns %+v, want process %d in state D", left, p.PID())
	}
	if wchan, _ := readProc(procDir(p.PID()) + "/wchan"); givenUp && left[0].WaitingFor != strings.Trim(string(wchan), "0\n") {
		t.Errorf("it waits for %q, the kernel says %q", left[0].WaitingFor, wchan)
	}
	stranger := exec.Command("/bin/sh", "-c", `trap "" TERM; sleep 1000; sleep 1000`)
	stranger.Env = []string{CookieVar + "=stuck-once/svc#1"}
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	pid := stranger.Process.Pid
	defer func() {
		if info, err := Inspect(pid); err == nil && info.PPID == syscall.Getpid() && !info.dead() {
			stranger.Process.Kill()
			t.Errorf("the stranger %v lives on", info)
		}
	}()

	err, closed = h.Close(), true
	var told *ToldError
	var survivors *SurvivorError
	if errors.As(err, &told) != givenUp || !errors.As(err, &survivors) || len(survivors.Left) != 1 || survivors.Left[0].PID != p.PID() {
		t.Errorf("Close = %v, want that %d is left, and was named before: %v", err, p.PID(), givenUp)
	}
	if want := map[bool]int{true: 0, false: 1}[givenUp]; waits != want {
		t.Errorf("Close has waited %d times, want %d", waits, want)
	}
	running, err := os.ReadFile(list.Name())
	if _, abandoned := readListed(running); err != nil || len(abandoned) != 1 || abandoned[p.PID()] == 0 {
		t.Errorf("the guard hears that %v are waited for no more (%v), want process %d", abandoned, err, p.PID())
	}
	free()
	if !testkit.Eventually(func() bool { info, err := Inspect(p.PID()); return err != nil || info.dead() }) {
		t.Error("it does not end")
	}
	syscall.Wait4(p.PID(), nil, 0, nil)
}

// TestSweepWaitsForNothingAbandoned, and goes on until all else has ended.
func TestSweepWaitsForNothingAbandoned(t *testing.T) {
	start := func() (*exec.Cmd, Info) {
		cmd := exec.Command("/bin/sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		info, err := Inspect(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return cmd, info
	}
	_, stuck := start() // it stands for one that can't be ended: sweep leaves it alone
	late, other := start()
	ended := make(chan error, 1)
	looks := 0
	count, left, err := sweep(func(table *table) map[int]Info {
		looks++
		set := map[int]Info{stuck.PID: table.byPID[stuck.PID]}
		if looks == 2 { // it appears when nothing but the stuck one seemed to be left
			set[other.PID] = table.byPID[other.PID]
			go func() { ended <- late.Wait() }()
		}
		return set
	}, nil, 0, map[int]uint64{stuck.PID: stuck.Start})
	if err != nil || count != 1 || len(left) != 1 || left[0].PID != stuck.PID {
		t.Errorf("sweep = %d, %v, %v; want that %d is left", count, left, err, stuck.PID)
	}
	if info, err := Inspect(other.PID); err == nil && !info.dead() {
		t.Errorf("%v appeared late, and lives on", info)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}

	looks = 0
	all := func(table *table) map[int]Info {
		looks++
		return map[int]Info{stuck.PID: table.byPID[stuck.PID]}
	}
	if _, left, err := sweep(all, nil, time.Hour, map[int]uint64{stuck.PID: stuck.Start}); err != nil || len(left) != 1 || looks != 2 {
		t.Errorf("alone: %v, %v after %d looks, want 2", left, err, looks)
	}
	// With another start time, it is another process.
	if count, left, err := sweep(all, nil, 0, map[int]uint64{stuck.PID: stuck.Start + 1}); err != nil || len(left) != 0 || count != 1 {
		t.Errorf("process %d of another start: %d, %v, %v", stuck.PID, count, left, err)
	}
}

// A look through all processes may take longer than what they are given to end.
func TestSweepIsGentleAfterASlowLook(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	const grace = 10 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	_, _, err := sweep(func(table *table) map[int]Info {
		time.Sleep(2 * grace)
		if info, ok := table.byPID[cmd.Process.Pid]; ok {
			return map[int]Info{info.PID: info}
		}
		return map[int]Info{}
	}, map[int]project.Signal{cmd.Process.Pid: project.Signal(unix.SIGUSR1)}, grace, nil)
	if err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "user defined signal 1") {
		t.Errorf("it ended with %v, want SIGUSR1", err)
	}
}
