package rundir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
)

// Cleaning the checkout removes the lock in the state folder. Another supervisor is
// kept out all the same, and Check reports the loss.
func TestLockOutlivesTheStateFolder(t *testing.T) {
	_, l := layout(t)
	lock, err := l.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
	if err := os.RemoveAll(filepath.Dir(l.State)); err != nil {
		t.Fatal(err)
	}
	if err := lock.Check(); err == nil || !strings.Contains(err.Error(), "the state folder "+l.State+" was removed") {
		t.Errorf("Check = %v, want the folder named", err)
	}
	if got := l.Holder(); got != os.Getpid() {
		t.Errorf("Holder = %d, want us", got)
	}
	var locked *rundir.LockedError
	if _, err := l.Lock(); !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Socket != "" {
		t.Errorf("second Lock = %v", err)
	}
	if err := lock.Check(); err == nil || !strings.Contains(err.Error(), "the lock "+l.LockFile+" was removed") {
		t.Errorf("Check = %v, want the lock named", err) // the second one made the folder
	}
	if err := lock.Release(); err != nil {
		t.Errorf("Release = %v", err)
	}
	if again, err := l.Lock(); err != nil {
		t.Error(err)
	} else {
		again.Release()
	}
}

// Two users have only the lock in the state folder in common: their run locks differ.
func TestUsersShareTheStateLock(t *testing.T) {
	env, l := layout(t)
	lock, err := l.Lock()
	if err != nil {
		t.Fatal(err)
	}
	env.Root = filepath.Join(env.Root, "elsewhere")
	env.State = l.State
	other := rundir.Locate(env, "other", "/srv/other")
	var locked *rundir.LockedError
	if _, err := other.Lock(); !errors.As(err, &locked) || locked.Path != l.LockFile || locked.PID != os.Getpid() {
		t.Errorf("Lock of the other = %v", err)
	}
	if got := other.Holder(); got != os.Getpid() {
		t.Errorf("Holder of the other = %d", got)
	}
	lock.Release()
	if lock, err = other.Lock(); err != nil {
		t.Fatal(err)
	}
	lock.Release()
	if left := files(t, env.Root); len(left) != 2 { // itself and run, which belongs to the machine
		t.Errorf("left: %v", left)
	}
}

func TestOneProjectASocket(t *testing.T) {
	env, _ := layout(t)
	env.Socket = filepath.Join(env.Root, "control.sock")
	first := rundir.Locate(env, "first", env.Root)
	second := rundir.Locate(env, "second", env.Root)
	lock, err := first.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var locked *rundir.LockedError
	_, err = second.Lock()
	if !errors.As(err, &locked) || locked.Socket != env.Socket || locked.PID != os.Getpid() {
		t.Errorf("Lock of the second = %v", err)
	}
	want := fmt.Sprintf("the control socket %s is in use by the project \"first\" in %s, which runs as pid %d", env.Socket, env.Root, os.Getpid())
	if err == nil || !strings.HasPrefix(err.Error(), want+"\n  hint: ") {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := second.Holder(); got != 0 {
		t.Errorf("Holder of the second = %d, want none: only its socket is taken", got)
	}
	if err := first.Prepare(); err != nil {
		t.Fatal(err)
	}
	lock.Release()
	if lock, err = second.Lock(); err != nil {
		t.Fatal(err)
	}
	lock.Release()
	if left, _ := filepath.Glob(env.Socket + "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A disk that is too full for the lock of the state folder prevents no run.
func TestLockOnAFullDisk(t *testing.T) {
	env, _ := layout(t)
	testkit.WithDisk(t, 64<<10, func(d testkit.Disk) error {
		env.State = filepath.Join(d.Dir, "state")
		l := rundir.Locate(env, "web", env.Root)
		if err := d.Fill(); err != nil {
			return err
		}
		lock, err := l.Lock()
		if err != nil {
			return err
		}
		if err := l.Prepare(); err != nil {
			return err
		}
		if got := l.Holder(); got != os.Getpid() {
			return fmt.Errorf("Holder = %d", got)
		}
		if err := lock.Check(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
			return fmt.Errorf("Check = %v, want the full disk", err)
		}
		if err := d.Free(); err != nil {
			return err
		}
		if err := lock.Check(); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		if _, err := os.Stat(l.LockFile); err != nil {
			return err
		}
		return lock.Release()
	})
}

// Whoever asks for the holder takes the lock for a moment, where the last one left its
// file and another process has its pid now. That must keep no supervisor out.
func TestAskingForTheHolderKeepsNobodyOut(t *testing.T) {
	_, l := layout(t)
	done := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer close(done)
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					l.Holder()
				}
			}
		})
	}
	stale := fmt.Appendf(nil, "%d\n", os.Getppid())
	for round := range 300 {
		if err := l.Prepare(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{filepath.Join(filepath.Dir(l.Socket), l.Key+".lock"), l.LockFile} {
			if err := os.WriteFile(path, stale, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		lock, err := l.Lock()
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckState(t *testing.T) {
	_, l := layout(t)
	if err := l.CheckState(); err != nil {
		t.Errorf("without a state folder: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	if err := os.MkdirAll(l.State, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(l.State, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	var e *rundir.FolderError
	for verb, err := range map[string]error{"CheckState": l.CheckState(), "Prepare": l.Prepare(), "Lock": lockError(l)} {
		if !errors.As(err, &e) || e.Why != "it belongs to user 65534" || !strings.Contains(e.Hint, "NIX2GPU_STATE") {
			t.Errorf("%s = %v", verb, err)
		}
	}
}

func lockError(l rundir.Layout) error {
	_, err := l.Lock()
	return err
}
