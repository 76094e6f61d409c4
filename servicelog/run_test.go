package servicelog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/servicelog"
)

func TestDrainDoesNotWaitForDescendants(t *testing.T) {
	var out testkit.Buffer
	h := openHub(t, servicelog.Options{Stdout: &out})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(run.Stdout, strings.Repeat("line\n", 10_000)+"last words")
	// The process is gone; a descendant still has the pipe.
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(run.Stdout, "the descendant goes on\n")
	run.Started()
	select {
	case <-run.Done():
	case <-t.Context().Done():
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("[a] line\n", 10_000) + "[a] last words\n[a] the descendant goes on\n"
	if got := out.String(); got != want {
		t.Errorf("got %d bytes ending in %q, want %d", len(got), got[max(0, len(got)-80):], len(want))
	}
}

// A pipe is as large as others until somebody fills it.
func TestPipeGrows(t *testing.T) {
	h := openHub(t, servicelog.Options{Dir: t.TempDir()})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Started()
	size := func(f *os.File) int {
		n, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	usual := size(run.Stdout)
	fmt.Fprintln(run.Stdout, "a line")
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := size(run.Stdout); n != usual || n > 64<<10 {
		t.Errorf("after a line the pipe holds %d bytes, after none %d", n, usual)
	}
	flood := []byte(strings.Repeat("line\n", 10_000))
	if !testkit.Eventually(func() bool { // the reader may come while little has been written
		_, _ = run.Stdout.Write(flood)
		return size(run.Stdout) > usual
	}) {
		t.Errorf("after a flood it still holds %d bytes", usual)
	}
	if n := size(run.Stderr); n != usual {
		t.Errorf("the other one holds %d bytes, want %d", n, usual)
	}
}

// TestCloseDrainsAll ends the hub when the pipes of many runs are full.
func TestCloseDrainsAll(t *testing.T) {
	var out testkit.Buffer
	h := openHub(t, servicelog.Options{Dir: t.TempDir(), Stdout: &out})
	const runs, lines = 20, 5000
	for i := range runs {
		run, err := h.Source(fmt.Sprint(i), "a", servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(run.Stdout, strings.Repeat("line\n", lines))
		defer run.Started() // a descendant has it until then
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "[a] line\n"); n != runs*lines {
		t.Errorf("%d lines, want %d", n, runs*lines)
	}
}

// The watch sees each line once, in its order, and what it says of one comes behind
// it on stdout: a service is not ready above the line that says so.
func TestWhatFollowsFromALineComesBehindIt(t *testing.T) {
	var out testkit.Buffer
	h := openHub(t, servicelog.Options{Stdout: &out})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(func(_ servicelog.Stream, l []byte) { h.Say("saw " + string(l)) })
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(run.Stdout, "one\n")
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(run.Stdout, "two\nthree\n")
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(run.Stderr, "four")
	run.Started()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "[a] one\n[nix2gpu] saw one\n[a] two\n[a] three\n[nix2gpu] saw two\n[nix2gpu] saw three\n[a] four\n[nix2gpu] saw four\n"
	if got := out.String(); got != want {
		t.Errorf("stdout: got\n%s\nwant\n%s", got, want)
	}
}

// TestEndlessLine writes 64 MB without a newline.
func TestEndlessLine(t *testing.T) {
	h := openHub(t, servicelog.Options{Stdout: discard{}})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	chunk := []byte(strings.Repeat("x", 1<<20))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	for range 64 {
		if _, err := run.Stdout.Write(chunk); err != nil {
			t.Fatal(err)
		}
		runtime.GC() // what is garbage does not count
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc)
	}
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// smallDisk mounts a file system of 64 KiB.
func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestDegraded wants trouble to be told while it lasts, and its end to be
// noticed although the service has nothing to say.
func TestDegraded(t *testing.T) {
	dir := smallDisk(t)
	ended := make(chan struct{}, 1)
	h := openHub(t, servicelog.Options{Dir: filepath.Join(dir, "logs"), Degraded: func(_ string, err error) {
		if err == nil {
			ended <- struct{}{}
		}
	}})
	if why, _ := h.Degraded(); why != "" {
		t.Errorf("degraded at the beginning: %s", why)
	}
	before := time.Now()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the file system is larger than it should be")
	}
	for _, id := range []string{"a", "b"} {
		emit(t, h.Source(id, id, servicelog.SourceOptions{}), "lost\n")
		why, since := h.Degraded()
		want := map[string]string{
			"a": `the log of "a" cannot be written: no space left on device`,
			"b": `the logs of "a" and 1 more cannot be written: no space left on device`,
		}[id]
		if why != want || since.Before(before) || since.After(time.Now()) {
			t.Errorf("got %q since %v, want %q", why, since, want)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-ended:
		case <-t.Context().Done():
			t.Fatal("the end of the trouble was not noticed")
		}
	}
	if why, _ := h.Degraded(); why != "" {
		t.Errorf("degraded although there is space: %s", why)
	}
	gaps := 0
	for rec, err := range h.Reader().Records(t.Context(), servicelog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n, _, _ := rec.Gap()
		gaps += n
	}
	if gaps != 2 { // the marks of the runs have waited
		t.Errorf("%d lines are marked as missing, want 2", gaps)
	}
}

// TestFullDisk fills the volume of the logs, and frees it again.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	var degraded, recovered atomic.Int32
	var out testkit.Buffer
	h := openHub(t, servicelog.Options{Dir: filepath.Join(dir, "logs"), Stdout: &out,
		Degraded: func(source string, err error) {
			if err != nil {
				degraded.Add(1)
			} else {
				recovered.Add(1)
			}
		}})
	ballast := filepath.Join(dir, "ballast")
	s := h.Source("a", "a", servicelog.SourceOptions{})
	emit(t, s, "before\n")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the file system is larger than it should be")
	}
	const lost = 1000
	emit(t, s, strings.Repeat(strings.Repeat("z", 50)+"\n", lost))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	emit(t, s, "after\n")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != lost+2 {
		t.Errorf("stdout has %d lines, want %d", n, lost+2)
	}
	kept, gaps := 0, 0
	for rec, err := range servicelog.NewReader(filepath.Join(dir, "logs")).Records(t.Context(), servicelog.Query{Marks: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if n, why, ok := rec.Gap(); ok {
			gaps += n
			if why != "no space left on device" {
				t.Errorf("the gap's reason is %q", why)
			}
			continue
		}
		kept++
	}
	// Marks of the runs count as lines that are kept, or lost.
	if kept+gaps != lost+2+3 || gaps == 0 {
		t.Errorf("%d lines kept and %d counted as lost, want %d together", kept, gaps, lost+5)
	}
	if degraded.Load() != 1 || recovered.Load() != 1 {
		t.Errorf("told %d times of trouble and %d times of its end, want once each", degraded.Load(), recovered.Load())
	}
	t.Attr("R4", fmt.Sprintf("%d lines kept, %d counted as lost, of %d; told once of the trouble and once of its end", kept, gaps, lost+2+3))
}

func TestPlantedFilesAreRefused(t *testing.T) {
	for name, plant := range map[string]func(path, victim string) error{
		"symlink":  func(path, victim string) error { return os.Symlink(victim, path) },
		"hardlink": func(path, victim string) error { return os.Link(victim, path) },
		"fifo":     func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		"folder":   func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
			if err := os.WriteFile(victim, []byte("precious\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(filepath.Join(dir, "a.log"), victim); err != nil {
				t.Fatal(err)
			}
			told := make(chan error, 10)
			h := openHub(t, servicelog.Options{Dir: dir, Degraded: func(_ string, err error) { told <- err }})
			emit(t, h.Source("a", "a", servicelog.SourceOptions{}), "evil\n")
			if err := <-told; err == nil {
				t.Error("no error was told")
			}
			if b, _ := os.ReadFile(victim); string(b) != "precious\n" {
				t.Errorf("the victim is now %q", b)
			}
		})
	}
	t.Run("folder is a link", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(t.TempDir(), link); err != nil {
			t.Fatal(err)
		}
		if _, err := servicelog.Open(servicelog.Options{Dir: link}); err == nil {
			t.Error("a folder that is a link was accepted")
		}
	})
}

// TestFolderIsOursAlone closes a folder that others may look into, and refuses
// one that is another's.
func TestFolderIsOursAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openHub(t, servicelog.Options{Dir: dir})
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v; want 0700", fi.Mode(), err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	if err := os.Chown(dir, 4242, 4242); err != nil {
		t.Fatal(err)
	}
	if _, err := servicelog.Open(servicelog.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "belongs to user 4242") {
		t.Errorf("Open = %v, want a refusal", err)
	}
}

func TestIDsAreSafeFileNames(t *testing.T) {
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir})
	ids := []string{"../x", "a/b", "-rf", ".hidden", "per%cent", "new\nline", "ünï", strings.Repeat("n", 300)}
	for _, id := range ids {
		emit(t, h.Source(id, id, servicelog.SourceOptions{}), id)
	}
	for _, id := range ids {
		if got := read(t, h.Reader(), servicelog.Query{Sources: []string{id}}); len(got) == 0 {
			t.Errorf("nothing was kept of %q", id)
		}
	}
	got, err := h.Reader().Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:len(ids)-1] {
		if !slices.Contains(got, id) {
			t.Errorf("sources %q lack %q", got, id)
		}
	}
	t.Attr("S8", fmt.Sprintf("%d of %d names kept apart", len(ids), len(ids)))
}

func TestNothingLeaksOverManyRuns(t *testing.T) {
	h := openHub(t, servicelog.Options{Stdout: discard{}, Dir: t.TempDir()})
	s := h.Source("a", "a", servicelog.SourceOptions{})
	once := func() {
		run, err := s.Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(run.Stdout, "hello")
		run.Started()
		if err := run.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-run.Done()
	}
	once()
	descriptors := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	fds, routines := descriptors(), runtime.NumGoroutine()
	for range 1000 {
		once()
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for runtime.NumGoroutine() > routines && ctx.Err() == nil {
		runtime.Gosched() // the last readers are on their way out
	}
	if n := runtime.NumGoroutine(); n > routines {
		t.Errorf("%d goroutines, %d before", n, routines)
	}
	if n := descriptors(); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

// TestDrainEndsUnderAFlood has a descendant that never stops writing.
func TestDrainEndsUnderAFlood(t *testing.T) {
	h := openHub(t, servicelog.Options{Stdout: discard{}})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for line := []byte(strings.Repeat("flood\n", 10_000)); !stop.Load(); {
			run.Stdout.Write(line)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for range 20 {
		if err := run.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	<-ended
	run.Started()
	<-run.Done()
}

// TestIdleCost prints what a thousand idle services cost.
func TestIdleCost(t *testing.T) {
	h := openHub(t, servicelog.Options{Stdout: discard{}, Dir: t.TempDir()})
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := memory()
	const services = 300
	var runs []*servicelog.Run
	for i := range services {
		run, err := h.Source(fmt.Sprint(i), fmt.Sprint(i), servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			t.Skipf("%d services need more descriptors than there are: %v", services, err)
		}
		fmt.Fprintln(run.Stdout, "started")
		if err := run.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	per := float64(memory()-before) / services / 1024 // less than nothing where other tests have left much
	t.Logf("%.1f KiB a service", per)
	if per > 64 {
		t.Errorf("an idle service costs %.1f KiB", per)
	}
	for _, run := range runs {
		run.Started()
	}
}
