package process_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// hog is a shell with a memory limit whose child takes more than that, and what
// the shell does then.
func hog(then string) process.Spec {
	spec := shell("python3 -c 'x = bytearray(200 << 20)'; " + then)
	spec.Limits.Memory = 32 << 20
	return spec
}

// A descendant that is killed for lack of memory is told while the program lives.
func TestOutOfMemoryOfADescendant(t *testing.T) {
	h := newHost(t, process.Options{})
	kills := make(chan int, 8)
	spec := hog("sleep 1000")
	spec.OutOfMemory = func(n int) { kills <- n }
	p := start(t, h, spec)
	if err := p.Unlimited(); err != nil {
		t.Skip(err)
	}
	select {
	case n := <-kills:
		if n != 1 {
			t.Errorf("told of %d kills, want 1", n)
		}
	case <-p.Done():
		t.Fatalf("it ended: %v", p.Exit())
	}
	// It was told: a KILL from elsewhere has another reason.
	if err := unix.Kill(p.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "done", p.Done())
	if n, e := p.OutOfMemory(), p.Exit(); n != 0 || e.OOM {
		t.Errorf("at its end %d kills more, %+v", n, e)
	}
}

// One at the end of the program is told with it.
func TestOutOfMemoryAtTheEnd(t *testing.T) {
	h := newHost(t, process.Options{})
	p := start(t, h, hog("exit 3"))
	if err := p.Unlimited(); err != nil {
		t.Skip(err)
	}
	await(t, "done", p.Done())
	if n, e := p.OutOfMemory(), p.Exit(); n != 1 || e.Code != 3 || e.OOM {
		t.Errorf("%d kills, %+v; want 1, and exit code 3", n, e)
	}
	spec := hog("")
	spec.Argv = []string{"/bin/sh", "-c", "exec python3 -c 'x = bytearray(200 << 20)'"}
	p = start(t, h, spec)
	await(t, "done", p.Done())
	if n, e := p.OutOfMemory(), p.Exit(); n != 0 || !e.OOM {
		t.Errorf("the program itself: %d kills beside, %+v", n, e)
	}
}
