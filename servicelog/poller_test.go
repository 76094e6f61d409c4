package servicelog_test

import (
	"fmt"
	"runtime"
	"testing"

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
