package rundir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
)

// ownLog opens the log of a project whose state is in dir.
func ownLog(dir string) (rundir.Layout, *rundir.Log, error) {
	l := rundir.Locate(rundir.Env{UID: os.Geteuid(), State: dir}, "web", dir)
	log, err := l.OpenLog()
	return l, log, err
}

func TestLogOnAFullDisk(t *testing.T) {
	testkit.WithDisk(t, 64<<10, func(d testkit.Disk) error {
		l, log, err := ownLog(d.Dir)
		if err != nil {
			return err
		}
		line := func(n int) { fmt.Fprintf(log, "line %d %s\n", n, strings.Repeat("x", 3000)) }
		line(1)
		if err := log.Check(); err != nil {
			return fmt.Errorf("with space: %w", err)
		}
		if err := d.Fill(); err != nil {
			return err
		}
		line(2) // the rest of the page, then nothing
		line(3)
		if err := log.Check(); !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("on a full disk: %v", err)
		}
		if err := d.Free(); err != nil {
			return err
		}
		line(4)
		if err := errors.Join(log.Check(), log.Close()); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		line(5) // after the end it is lost
		if log.Check() == nil {
			return errors.New("a closed log is well")
		}
		data, err := os.ReadFile(l.Log)
		if err != nil {
			return err
		}
		var got []string
		for text := range strings.Lines(string(data)) {
			got = append(got, text[:7])
		}
		if want := "line 1 ,line 2 ,time=20,line 4 "; strings.Join(got, ",") != want || !strings.Contains(string(data), "were lost\" count=2\n") {
			return fmt.Errorf("the log has %q, want %s with 2 counted as lost", got, want)
		}
		return nil
	})
}

func TestLogThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	l, log, err := ownLog(filepath.Join(dir, "gone"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(log, "nobody reads this")
	if log.Check() == nil {
		t.Error("a log without a folder is well")
	}
	if err := os.Mkdir(l.State, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := log.Check(); err != nil {
		t.Errorf("with a folder: %v", err)
	}
	log.Close()
	if data, err := os.ReadFile(l.Log); err != nil || !strings.Contains(string(data), "count=1") {
		t.Errorf("the log is %q, %v", data, err)
	}
}

func TestLogIsBegunAnew(t *testing.T) {
	l, log, err := ownLog(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	if err := os.Truncate(l.Log, 5<<20); err != nil {
		t.Fatal(err)
	}
	if log, err = l.OpenLog(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	for path, size := range map[string]int64{l.Log: 0, l.Log + ".1": 5 << 20} {
		if st, err := os.Stat(path); err != nil || st.Size() != size {
			t.Errorf("%s: %v, %v; want %d bytes", path, st, err, size)
		}
	}
	// And while it is written: a supervisor may run for years.
	if log, err = l.OpenLog(); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1<<20-1) + "\n"
	for range 5 {
		fmt.Fprint(log, line)
	}
	fmt.Fprintln(log, "the first line of another file")
	log.Close()
	if data, err := os.ReadFile(l.Log); err != nil || string(data) != "the first line of another file\n" {
		t.Errorf("the log has %d bytes, %v", len(data), err)
	}
	if st, err := os.Stat(l.Log + ".1"); err != nil || st.Size() != 5<<20 {
		t.Errorf("the log before it: %v, %v; want 5 lines of a MiB", st, err)
	}
	os.Remove(l.Log)
	if err := unix.Mkfifo(l.Log, 0o600); err != nil {
		t.Fatal(err)
	}
	var e *rundir.FolderError
	if _, err := l.OpenLog(); !errors.As(err, &e) || e.Why != "it is a FIFO" || e.Hint == "" {
		t.Errorf("a FIFO: %v", err)
	}
}
