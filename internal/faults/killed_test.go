package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// rounds returns how often a fault is repeated: few times in the tests of each day, many
// times by "make faults".
func rounds(few, many int) int {
	if os.Getenv("NIX2GPU_FAULTS") == "many" {
		return many
	}
	return few
}

// connect returns a client of the stack's supervisor.
func connect(s *testkit.Stack) *client.Client {
	return client.New(filepath.Join("/run/nix2gpu", rundir.Key("", s.Dir)+".sock"))
}

// A watcher hears of each change of a service.
type watcher struct {
	t      *testing.T
	events chan control.Event
}

// watch follows the events of a project. It has begun when it returns.
func watch(t *testing.T, s *testkit.Stack) *watcher {
	t.Helper()
	w := &watcher{t, make(chan control.Event, 1000)}
	begun := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		_ = connect(s).Events(ctx, func(m control.Message) error { // it ends with the project
			switch {
			case m.State != nil:
				close(begun)
			case m.Event != nil:
				w.events <- *m.Event
			}
			return nil
		})
	}()
	select {
	case <-begun:
	case <-time.After(testkit.Patience):
		t.Fatal("no events")
	}
	return w
}

// next returns the next event of a service that fits.
func (w *watcher) next(id project.ID, fits func(control.Event) bool) control.Event {
	w.t.Helper()
	deadline := time.After(testkit.Patience)
	for {
		select {
		case ev := <-w.events:
			if ev.Service.ID == id && fits(ev) {
				return ev
			}
		case <-deadline:
			w.t.Fatalf("nothing of what was waited for happens to %s", id)
		}
	}
}

// median sorts times, and returns the one in the middle and the longest.
func median(times []time.Duration) (middle, longest time.Duration) {
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1]
}

// TestServiceKilled kills a service again and again: each end has its reason, and each
// restart comes after its delay, and not before.
func TestServiceKilled(t *testing.T) {
	s := stack(t, `command = "exec sleep 1000"; restart = "always"; restart_delay = "100ms";`)
	up := s.Start("up")
	up.WaitLine("svc: starting")
	w := watch(t, s)
	c := connect(s)
	running := func(ev control.Event) bool { return ev.Service.PID != 0 && ev.Service.State == control.Running }
	one, err := c.Service(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	if one.PID == 0 || one.State != control.Running {
		*one = w.next("svc", running).Service
	}
	n := rounds(10, 200)
	var seen, late []time.Duration
	for range n {
		killed := time.Now()
		if err := syscall.Kill(one.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		ended := w.next("svc", func(ev control.Event) bool { return ev.Service.State == control.Backoff }).Service
		if x := ended.Exit; x == nil || x.Signal != project.SIGKILL || !strings.Contains(ended.Why, "killed by SIGKILL") {
			t.Fatalf("it ended by %+v, because %q", x, ended.Why)
		}
		seen = append(seen, ended.Exit.At.Sub(killed))
		next := w.next("svc", running).Service
		wait := next.Started.Sub(ended.Exit.At)
		if wait < 100*time.Millisecond-time.Millisecond { // the two clocks of a process and of its supervisor have another resolution
			t.Errorf("restarted after %v, and its delay is 100ms", wait)
		}
		late = append(late, wait-100*time.Millisecond)
		*one = next
	}
	sees, seesLast := median(seen)
	lates, latesLast := median(late)
	t.Attr("R1", fmt.Sprintf("%d of %d named; seen after %v (longest %v), restarted %v after the delay (longest %v)", n, n, sees, seesLast, lates, latesLast))
	up.Stop()
}

// TestSupervisorKilledAgainAndAgain kills the supervisor at changing moments of its life.
// Nothing is left, and the next one finds no obstacle.
func TestSupervisorKilledAgainAndAgain(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom = {
  "first" = { enable = true; command = "bash -c '(env -i setsid sleep 1000 &); exec sleep 1001'"; };
  "second" = { enable = true; command = "sleep 1002"; depends_on.first = "started"; };
  "crash" = { enable = true; command = "sleep 0.01; exit 1"; restart_delay = "10ms"; };
}; }
`)
	n := rounds(5, 100)
	var took []time.Duration
	for i := range n {
		up := s.Start("up")
		up.WaitLine([]string{"first: starting", "second: starting", "crash: exit code 1; restarting", "healthy"}[i%4])
		supervisor := up.Supervisor()
		began := time.Now()
		if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if !testkit.Eventually(func() bool { return len(s.Net.Processes()) == 0 }) {
			t.Fatalf("round %d: left: %v", i, s.Net.Processes())
		}
		took = append(took, time.Since(began))
		if code := up.Wait(); code != 137 {
			t.Errorf("round %d: exit code %d, want 137", i, code)
		}
	}
	middle, longest := median(took)
	t.Attr("R2", fmt.Sprintf("nothing left in %d of %d; after %v (longest %v)", n, n, middle.Round(time.Millisecond), longest.Round(time.Millisecond)))
	up := s.Start("up")
	up.WaitLine("second: starting")
	if !testkit.Eventually(func() bool {
		return countMatching(s, "sleep 1000")+countMatching(s, "sleep 1001")+countMatching(s, "sleep 1002") == 3
	}) {
		t.Errorf("want each once: %v", s.Net.Processes())
	}
	up.Stop()
}
