package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNothingIsHeldForEver: while a zombie is held, the reaper asks for every
// child by its number.
func TestNothingIsHeldForEver(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 3 {
		p, err := h.Start(Spec{Argv: []string{"/bin/true"}})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != 0 || len(h.procs) != 0 {
		t.Errorf("%d zombies are held, %d processes known, when all has ended", h.held, len(h.procs))
	}
}

// TestEarlierKillsAreNotBlamed: what the kernel killed for want of memory before
// a process began says nothing of its end.
func TestEarlierKillsAreNotBlamed(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.mu.Lock()
	h.oomSeen = -1 // as if one had been killed since
	h.mu.Unlock()
	p, err := h.Start(Spec{Argv: []string{"/bin/sh", "-c", "kill -KILL $$"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if exit := p.Exit(); exit.Signal != 9 || exit.OOM {
		t.Errorf("ended with %+v, want KILL and not for want of memory", exit)
	}
}

// TestUmaskNeedsNoHelper where the thread that forks may have one of its own.
func TestUmaskNeedsNoHelper(t *testing.T) {
	h, err := New(Options{}) // without a helper
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	may := make(chan bool)
	go func() {
		runtime.LockOSThread() // and ends with the goroutine
		may <- unix.Unshare(unix.CLONE_FS) == nil
	}()
	want := <-may
	dir, umask := t.TempDir(), 0o027
	ours := func(name string) os.FileMode {
		if err := os.WriteFile(dir+"/"+name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	before := ours("before")
	p, err := h.Start(Spec{Argv: []string{"/bin/sh", "-c", "echo > " + dir + "/file"}, Umask: &umask})
	if (err == nil) != want {
		t.Fatalf("a thread may have a umask: %v; Start = %v", want, err)
	}
	if !want {
		return
	}
	<-p.Done()
	if info, err := os.Stat(dir + "/file"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("made with umask 027: %v, %v", info, err)
	}
	if after := ours("after"); after != before {
		t.Errorf("our own files are made as %v now, before as %v", after, before)
	}
}

// TestPatienceIsForEachProcess: that a process has no environment is found out
// once, and says nothing of a later one with its number.
func TestPatienceIsForEachProcess(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Env = []string{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	info, err := Inspect(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{}
	h.bare.Store(info.PID, info.Start-1)
	if got := h.cookie(info); got != "" {
		t.Errorf("cookie %q of a process without environment", got)
	}
	if start, _ := h.bare.Load(info.PID); start != info.Start {
		t.Errorf("known is the process that started at %v, want the one at %d", start, info.Start)
	}
}

// TestDropProgram gives back what a guard's program occupies; what it needs
// again comes from the file.
func TestDropProgram(t *testing.T) {
	parts, _ := ownProgram(t)
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	page := make([]byte, 4096)
	for _, part := range parts { // all of it comes into memory
		for at := part[0]; at < part[1]; at += int64(len(page)) {
			if _, err := mem.ReadAt(page, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, before := ownProgram(t)
	dropProgram()
	if _, after := ownProgram(t); after > before*9/10 { // some is needed again at once
		t.Errorf("%d KiB of our program are in memory, %d before", after, before)
	}
}

// ownProgram finds where our program's code and constants are, and how many
// KiB of them are in memory.
func ownProgram(t *testing.T) (parts [][2]int64, size int) {
	t.Helper()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	ours := false
	for line := range strings.Lines(string(smaps)) {
		f := strings.Fields(line)
		var from, to int64
		if n, _ := fmt.Sscanf(f[0], "%x-%x", &from, &to); n == 2 {
			if ours = len(f) == 6 && f[5] == self && !strings.Contains(f[1], "w"); ours {
				parts = append(parts, [2]int64{from, to})
			}
		} else if ours && f[0] == "Rss:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			size += kib
		}
	}
	return parts, size
}
