package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/safefile"
)

// entries are the pids that a journal's lines leave.
func entries(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	head, rest, _ := strings.Cut(string(data), "\n")
	if !strings.HasPrefix(head, "nix2gpu-journal 3 ") {
		return "", fmt.Errorf("head %q", head)
	}
	left := make(ledger)
	for line := range strings.Lines(rest) {
		if !left.add(line) {
			return "", fmt.Errorf("line %q", line)
		}
	}
	return fmt.Sprint(left), nil
}

// On a full disk the journal lacks what it could not write, says so, and is
// complete again with space: no line of it is half a record.
func TestJournalOnAFullDisk(t *testing.T) {
	testkit.WithDisk(t, 32<<10, func(d testkit.Disk) error {
		path := filepath.Join(d.Dir, "journal")
		j, err := openJournal(Options{Journal: path, Run: "run", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		h := &Host{journal: j}
		rec := func(pid int) record { return record{pid, uint64(pid), 15, "run/svc#1", [2]uint64{}, 0} }
		full := fmt.Sprint(ledger{})
		add := func(pid int) {
			j.started(rec(pid))
			all := ledger{}
			for pid := range j.live {
				all[pid] = rec(pid)
			}
			full = fmt.Sprint(all)
		}
		add(100)
		if err := h.CheckJournal(); err != nil {
			return fmt.Errorf("with space: %w", err)
		}
		if err := d.Fill(); err != nil {
			return err
		}
		pid := 101
		for ; j.err == nil; pid++ { // up to the end of the file's last page
			add(pid)
		}
		if err := h.CheckJournal(); !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("on a full disk: %v", err)
		}
		add(pid)
		j.ended(101)
		if err := d.Free(); err != nil {
			return err
		}
		j.ended(102)
		add(pid + 1)
		if err := h.CheckJournal(); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		if got, err := entries(path); err != nil || got != full {
			return fmt.Errorf("journal has %s, %v; want %s", got, err, full)
		}
		if err := j.remove(); err != nil {
			return err
		}
		j.ended(103)
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("it is there again after its end: %v", err)
		}
		return h.CheckJournal()
	})
}

// A journal that could not even be begun is begun later.
func TestJournalIsBegunOnAFullDisk(t *testing.T) {
	testkit.WithDisk(t, 32<<10, func(d testkit.Disk) error {
		path := filepath.Join(d.Dir, "journal")
		if err := d.Fill(); err != nil {
			return err
		}
		j, err := openJournal(Options{Journal: path, Run: "run", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		j.started(record{100, 100, 15, "run/svc#1", [2]uint64{}, 0})
		h := &Host{journal: j}
		if err := h.CheckJournal(); !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("on a full disk: %v", err)
		}
		if err := d.Free(); err != nil {
			return err
		}
		if err := h.CheckJournal(); err != nil {
			return fmt.Errorf("with space: %w", err)
		}
		if got, err := entries(path); err != nil || !strings.Contains(got, "100") {
			return fmt.Errorf("journal has %s, %v", got, err)
		}
		return j.remove()
	})
}

func TestPlantedJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := unix.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var refused *safefile.Error
	if _, err := Recover(path); !errors.As(err, &refused) {
		t.Errorf("Recover = %v, want a refusal", err)
	}
	if _, err := openJournal(Options{Journal: path, Log: slog.New(slog.DiscardHandler)}); !errors.As(err, &refused) {
		t.Errorf("openJournal = %v, want a refusal", err)
	}
}

// TestJournalStaysSmall is rewritten once most of its lines are of the past,
// and not while they are of what runs.
func TestJournalStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(Options{Journal: path, Run: "run", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	lines := func() int {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n") - 1 // without the head
	}
	rec := func(pid int) record { return record{pid, uint64(pid), 15, "run/svc#1", [2]uint64{}, 0} }
	for pid := 2; pid < 402; pid++ {
		j.started(rec(pid))
	}
	for pid := 1000; pid < 1550; pid++ {
		j.started(rec(pid))
		j.ended(pid)
	}
	j.flush()
	if got := lines(); got != 400+2*550 {
		t.Errorf("%d lines with 400 that run, want all %d", got, 400+2*550)
	}
	for pid := 2; pid < 401; pid++ {
		j.ended(pid)
	}
	for pid := 2000; pid < 4000; pid++ {
		j.started(rec(pid))
		j.ended(pid)
		if got := lines(); got > 1600 {
			t.Fatalf("%d lines with one that runs", got)
		}
	}
	j.flush()
	if got, err := entries(path); err != nil || got != fmt.Sprint(ledger{401: rec(401)}) {
		t.Errorf("the journal has %s, %v, want the one that runs", got, err)
	}
	j.ended(401)
	for pid := 5000; pid < 5600; pid++ { // also when nothing runs
		j.started(rec(pid))
		j.ended(pid)
	}
	j.flush()
	if got, err := entries(path); err != nil || got != fmt.Sprint(ledger{}) {
		t.Errorf("the journal has %s, %v, want nothing", got, err)
	}
	if open := opened(t, path); len(open) != 1 {
		t.Errorf("%q are open, want the last one only", open)
	}
	if err := j.remove(); err != nil {
		t.Error(err)
	}
}

// opened lists our descriptors of files that have this path, or had it.
func opened(t *testing.T, path string) (files []string) {
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		// One that was given its name when it was whole is shown by its folder alone.
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, filepath.Dir(path)+"/") {
			files = append(files, to)
		}
	}
	return files
}
