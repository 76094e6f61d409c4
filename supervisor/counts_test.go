package supervisor

import (
	"maps"
	"slices"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

func TestCounts(t *testing.T) {
	p := services("a: restart=on_failure delay=1s max=3", "b: +probe", "c", "d: restart=always delay=1s")
	play(t, p, map[project.ID]any{"a": act{lasts: time.Second, code: 3}, "b": act{ready: 2 * time.Second}, "c": act{lasts: time.Second}, "d": act{err: "no program"}}, Options{}, func(s *scene) {
		s.pass(time.Minute)
		s.must(s.Stop(ctx, []project.ID{"b"}))
		s.pass(time.Minute)
		counts, err := s.Counts(ctx)
		s.must(err)
		of := map[project.ID]Counts{}
		for _, n := range counts {
			of[n.ID] = n
		}
		for id, want := range map[project.ID]map[ExitReason]uint64{"a": {ExitFailed: 4}, "b": {ExitStopped: 1}, "c": {ExitCompleted: 1}} {
			if !maps.Equal(of[id].Exits, want) {
				t.Errorf("exits of %s: %v, want %v", id, of[id].Exits, want)
			}
		}
		if n := of["d"].Exits[ExitNotStarted]; n < 10 || len(of["d"].Exits) != 1 {
			t.Errorf("exits of d: %v", of["d"].Exits)
		}
		if h := of["b"].Ready; h.Sum != 2 || h.Buckets[slices.Index(h.Bounds, 2.5)] != 1 {
			t.Errorf("b was ready after %+v", h)
		}
		if h := of["d"].Ready; h.Buckets != nil {
			t.Errorf("d was ready: %+v", h)
		}
		if p := of["b"].Probes[project.ReadinessProbe]; p.Took.Buckets[0] != 1 || p.Failed != 0 {
			t.Errorf("checks of b: %+v", p)
		}
		counts[0].Exits[ExitOOM] = 7 // a copy
		if again, err := s.Counts(ctx); err != nil || again[0].Exits[ExitOOM] != 0 {
			t.Errorf("again: %+v, %v", again[0], err)
		}
	})
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, v := range []float64{0, .001, .0011, 10, 11} {
		h.observe(v, probeBounds)
	}
	if want := []uint64{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}; !slices.Equal(h.Buckets, want) {
		t.Errorf("buckets %v, want %v", h.Buckets, want)
	}
}

func TestExitReasons(t *testing.T) {
	run := &run{Run: Run{Process: &project.Process{SuccessCode: []int{5}}}}
	for _, tt := range []struct {
		s    service
		x    project.Exit
		want ExitReason
	}{
		{service{state: control.Running}, project.Exit{Code: 5}, ExitCompleted},
		{service{state: control.Running}, project.Exit{Code: 1}, ExitFailed},
		{service{state: control.Running}, project.KilledBy(project.SIGKILL), ExitSignal},
		{service{state: control.Running}, project.Exit{Code: 137, Signal: 9, OOM: true}, ExitOOM},
		{service{state: control.Stopping}, project.KilledBy(project.SIGTERM), ExitStopped},
		{service{state: control.Restarting}, project.Exit{}, ExitStopped},
		{service{state: control.Ending, attempt: attempt{pending: &end{ours: true}}}, project.KilledBy(project.SIGTERM), ExitUnhealthy},
		{service{state: control.Starting}, project.Exit{Code: 127, Error: "no program"}, ExitNotStarted},
	} {
		if got := exitReason(&tt.s, run, tt.x); got != tt.want {
			t.Errorf("%s, %+v: %s, want %s", tt.s.state, tt.x, got, tt.want)
		}
	}
	for reason, doc := range ExitReasons() {
		if reason == "" || doc == "" {
			t.Errorf("%q means %q", reason, doc)
		}
	}
}
