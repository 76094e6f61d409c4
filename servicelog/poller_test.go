package servicelog_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/servicelog"
)

// TestQuietPipesTakeNoGoroutine wants the readers of pipes to end while nothing comes, and
// to begin again as soon as something does.
func TestQuietPipesTakeNoGoroutine(t *testing.T) {
	h := openHub(t, servicelog.Options{Dir: t.TempDir()})
	before := runtime.NumGoroutine()
	const services = 50
	var runs []*servicelog.Run
	for i := range services {
		run, err := h.Source(fmt.Sprint(i), fmt.Sprint(i), servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	for round := range 3 {
		for _, run := range runs {
			fmt.Fprintln(run.Stdout, "out", round)
			fmt.Fprintln(run.Stderr, "err", round)
		}
		for _, run := range runs {
			if err := run.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !testkit.Eventually(func() bool { return runtime.NumGoroutine() <= before+1 }) { // the poller
			t.Errorf("%d goroutines, %d before the runs", runtime.NumGoroutine(), before)
		}
	}
	for _, run := range runs {
		run.Started()
		<-run.Done()
	}
	for i := range services {
		got := read(t, h.Reader(), servicelog.Query{Sources: []string{fmt.Sprint(i)}})
		if len(got) != 6 {
			t.Errorf("%q were kept of service %d, want 6 lines", got, i)
		}
	}
}

// A watch that hangs, as on a file system that is gone, holds up its own service alone, and
// neither a drain nor the end for longer than they may last.
func TestAWatchThatHangsHoldsUpNobodyElse(t *testing.T) {
	h := openHub(t, servicelog.Options{})
	entered, free, seen := make(chan bool, 9), make(chan bool), make(chan bool, 9)
	defer close(free)
	start := func(id string, watch servicelog.Watch) *servicelog.Run {
		run, err := h.Source(id, id, servicelog.SourceOptions{}).Start(watch)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	hung := start("hung", func(servicelog.Stream, []byte) { entered <- true; <-free })
	other := start("other", func(servicelog.Stream, []byte) { seen <- true })
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	fmt.Fprint(hung.Stdout, "no end")
	go func() { drained <- hung.Drain(ctx) }()
	wait := func(c <-chan bool, what string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(testkit.Patience):
			t.Fatal(what)
		}
	}
	wait(entered, "the watch is not called")
	fmt.Fprintln(hung.Stdout, "more")
	fmt.Fprintln(other.Stdout, "line")
	wait(seen, "the other service is not read")
	cancel()
	if err := <-drained; err == nil {
		t.Error("drained before the watch has returned")
	}
	closed := make(chan bool)
	go func() { h.Close(ctx); close(closed) }()
	wait(closed, "the end waits for the watch")
}

// Limits may change while lines come: the race detector looks on.
func TestLimitsChangeWhileLinesCome(t *testing.T) {
	h := openHub(t, servicelog.Options{Dir: t.TempDir()})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		fmt.Fprintln(run.Stdout, "line")
		h.Keep("a", servicelog.Limits{MaxSize: int64(1<<20 + i)})
	}
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}
