package cache_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/cache"
	"nix2gpu/internal/testkit"
	"nix2gpu/safefile"
)

func TestLocate(t *testing.T) {
	for _, test := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/nix2gpu"}, {"", "/h", "/h/.cache/nix2gpu"}, {"relative", "/h", "/h/.cache/nix2gpu"}, {"", "", ""},
	} {
		got, err := cache.Locate(func(name string) string {
			return map[string]string{"XDG_CACHE_HOME": test.xdg, "HOME": test.home}[name]
		})
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("XDG_CACHE_HOME=%q HOME=%q: %q, %v, want %q", test.xdg, test.home, got, err, test.want)
		}
	}
}

func open(t *testing.T, dir string) *cache.Dir {
	t.Helper()
	c, err := cache.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestWriteMeasureAndPrune(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir)
	for name, text := range map[string]string{"old": "123", "new": "12345"} {
		if err := c.Write("things", name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Write("others", "x", nil); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-40 * 24 * time.Hour)
	for _, name := range []string{"old", "new"} {
		c.Used("things", name, past)
	}
	c.Used("things", "new", time.Now())
	usage, err := cache.Measure(dir)
	if want := []cache.Usage{{Folder: "others", Files: 1}, {Folder: "things", Files: 2, Bytes: 8}}; err != nil || !slices.Equal(usage, want) {
		t.Errorf("Measure: %v, %v, want %v", usage, err, want)
	}
	if _, err := cache.Prune(dir, time.Now().Add(-24*time.Hour)); !errors.Is(err, cache.ErrInUse) {
		t.Errorf("Prune of an open cache: %v", err)
	}
	c.Close()
	gone, err := cache.Prune(dir, time.Now().Add(-24*time.Hour))
	if err != nil || gone.Files != 1 || gone.Bytes != 3 {
		t.Errorf("Prune: %+v, %v", gone, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "things", "new")); err != nil {
		t.Errorf("what was used is gone: %v", err)
	}
	if gone, err = cache.Prune(dir, time.Now().Add(time.Hour)); err != nil || gone.Files != 2 {
		t.Errorf("Prune of everything: %+v, %v", gone, err)
	}
	if usage, err = cache.Measure(filepath.Join(dir, "none")); err != nil || len(usage) > 0 {
		t.Errorf("a cache that is not there: %v, %v", usage, err)
	}
	if gone, err = cache.Prune(filepath.Join(dir, "none"), time.Now()); err != nil || gone.Files != 0 {
		t.Errorf("Prune of a cache that is not there: %v, %v", gone, err)
	}
}

// Several programs may have the cache open, and the lock of one that was killed is
// gone.
func TestLockEndsWithItsHolder(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock is not installed: apt-get install util-linux")
	}
	dir := t.TempDir()
	open(t, dir)
	open(t, dir).Close()
	if _, err := cache.Prune(dir, time.Now()); !errors.Is(err, cache.ErrInUse) {
		t.Errorf("one is still open: %v", err)
	}
	dir = t.TempDir()
	open(t, dir).Close()
	holder := exec.CommandContext(t.Context(), "flock", "-s", filepath.Join(dir, "lock"), "sh", "-c", "echo held; exec sleep 1000")
	holder.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Prune(dir, time.Now()); !errors.Is(err, cache.ErrInUse) {
		t.Errorf("another program has it: %v", err)
	}
	if err := unix.Kill(-holder.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	if !testkit.Eventually(func() bool { _, err := cache.Prune(dir, time.Now()); return err == nil }) {
		t.Error("a killed program keeps the cache locked")
	}
}

func TestOpenWaitsForPruning(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	pruning, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pruning.Close()
	if err := safefile.Flock(t.Context(), pruning, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cache.Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("Open while it is pruned: %v", err)
	}
	opened := make(chan error)
	go func() {
		c, err := cache.Open(t.Context(), dir)
		if err == nil {
			c.Close()
		}
		opened <- err
	}()
	pruning.Close()
	if err := <-opened; err != nil {
		t.Errorf("Open after it was pruned: %v", err)
	}
}

func TestDisks(t *testing.T) {
	testkit.WithDisk(t, 64<<10, func(d testkit.Disk) error {
		dir := filepath.Join(d.Dir, "cache")
		c := open(t, dir)
		if err := c.Write("a", "small", []byte("x")); err != nil {
			return err
		}
		err := c.Write("a", "large", make([]byte, 1<<20))
		if err == nil || !strings.Contains(err.Error(), "no space left on device\nhint: nix2gpu cache prune, or") {
			t.Errorf("a full disk: %v", err)
		}
		if usage, err := cache.Measure(dir); err != nil || len(usage) != 1 || usage[0].Files != 1 {
			t.Errorf("it left %v, %v", usage, err)
		}
		c.Close()
		if err := unix.Mount("", d.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return err
		}
		c, err = cache.Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("a cache that can only be read: %v", err)
		}
		defer c.Close()
		if data, err := os.ReadFile(c.Path("a", "small")); err != nil || string(data) != "x" {
			t.Errorf("%q, %v", data, err)
		}
		err = c.Write("a", "more", nil)
		if err == nil || !strings.Contains(err.Error(), "read-only file system\nhint: put it elsewhere with XDG_CACHE_HOME") {
			t.Errorf("writing to a cache that can only be read: %v", err)
		}
		if _, err = cache.Open(t.Context(), filepath.Join(d.Dir, "none")); err == nil || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("a cache that cannot be made: %v", err)
		}
		return nil
	})
}
