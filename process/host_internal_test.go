package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
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
	go onOwnThread(func() { may <- unix.Unshare(unix.CLONE_FS) == nil })
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

// TestCookieDuringExec: a process that does nothing but execute programs shows its
// cookie at each moment, also while the kernel has no environment to show.
func TestCookieDuringExec(t *testing.T) {
	script := filepath.Join(t.TempDir(), "again")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec \"$0\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script)
	cmd.Env = []string{CookieVar + "=run/again#1"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	for i := range 20_000 {
		if got := cookieOf(cmd.Process.Pid); got != "run/again#1" {
			t.Fatalf("look %d: the cookie is %q", i, got)
		}
	}
}

// TestHidesEnvironment: only an exec is waited for.
func TestHidesEnvironment(t *testing.T) {
	line := func(state string, flags int, code, begin, end string) []byte {
		f := append([]string{state, "1", "7", "7", "0", "-1", strconv.Itoa(flags)}, slices.Repeat([]string{"0"}, 40)...)
		f[22-3], f[27-3] = "100", code
		return []byte("7 (a) b) " + strings.Join(append(f, begin, end, "0"), " "))
	}
	for name, tt := range map[string]struct {
		stat []byte
		want bool
	}{
		"the kernel makes its memory":    {line("R", 0x400000, "0", "0", "0"), true},
		"its environment begins":         {line("D", 0x400000, "0", "140722", "140722"), true},
		"it has been executed since":     {line("S", 0x400000, "93824", "140722", "140800"), true},
		"it has an empty environment":    {line("S", 0x400000, "93824", "140722", "140722"), false},
		"a thread of the kernel":         {line("S", 0x208040, "0", "0", "0"), false},
		"it ends":                        {line("R", 0x400004, "0", "0", "0"), false},
		"a zombie":                       {line("Z", 0x400000, "0", "0", "0"), false},
		"a kernel that tells too little": {[]byte("7 (a) S 1 7 7 0 -1 4194304"), false},
	} {
		if got := hidesEnvironment(tt.stat); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestCookieOfABareProcess: one that was started without any environment has no
// cookie, and nobody waits for one.
func TestCookieOfABareProcess(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Env = []string{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if !testkit.Eventually(func() bool { // once its exec is over
		stat, err := readProc(procDir(cmd.Process.Pid) + "/stat")
		return err == nil && !hidesEnvironment(stat)
	}) {
		t.Error("it would be waited for")
	}
	if got := cookieOf(cmd.Process.Pid); got != "" {
		t.Errorf("cookie %q of a process without environment", got)
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
	DropProgram()
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

// TestWalkBelow looks for children of a process with one thread, whose threads are not
// read, and of ourselves, whose thread that forks is not the main one.
func TestWalkBelow(t *testing.T) {
	if _, ok := childrenOf(os.Getpid()); !ok {
		return // this kernel has no lists of children
	}
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	// Neither shell is replaced by its last command, as "exit" comes after it.
	p, err := h.Start(Spec{Argv: []string{"/bin/sh", "-c", "/bin/sh -c 'sleep 10000; exit 0'; exit 0"}})
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[int]Info)
	for deadline := time.Now().Add(testkit.Patience); len(found) != 2; time.Sleep(time.Millisecond) {
		if clear(found); !walkBelow(p.PID(), found) || time.Now().After(deadline) {
			t.Fatalf("below the shell are %v, want a shell and its sleep", found)
		}
	}
	if clear(found); !walkBelow(os.Getpid(), found) || found[p.PID()].PPID != os.Getpid() {
		t.Errorf("below the test are %v, want the shell %d", found, p.PID())
	}
	p.Kill()
	<-p.Done()
}
