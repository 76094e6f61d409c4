package supervisor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/project"
)

// A shutdown command that fails is followed by the signal at once; the signal
// comes once, whoever else thinks of it.
func TestSignalIsSentOnce(t *testing.T) {
	p := services("a")
	p.Processes["a"].Shutdown.Command = &project.Command{Shell: project.Lit("bye")}
	play(t, p, map[project.ID]any{"a": act{refuses: true, deaf: true}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.Down()
		s.pass(time.Second)
		if got, want := s.signals(), []string{"a SIGTERM"}; !slices.Equal(got, want) {
			t.Errorf("signals %q a second after the command has failed, want %q", got, want)
		}
		s.wantEnd(0, "requested")
		if got, want := s.signals(), []string{"a SIGTERM"}; !slices.Equal(got, want) {
			t.Errorf("signals %q, want %q", got, want)
		}
	})
}

func TestStopOfNothing(t *testing.T) {
	p := services("a")
	p.WhenDone = project.WhenDoneStay
	play(t, p, map[project.ID]any{"a": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.Down()
		s.wantEnd(0, "requested")
		s.wantLines(`
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: completed`)
	})
}

// Each of three levels has a third of the budget before the next is told.
func TestBudgetOfThreeLevels(t *testing.T) {
	p := services("a", "b: a=ready", "c: b=ready")
	deaf := act{deaf: true}
	play(t, p, map[project.ID]any{"a": deaf, "b": deaf, "c": deaf}, Options{StopBudget: 9 * time.Second}, func(s *scene) {
		s.pass(time.Second)
		s.Down()
		for _, want := range [][]string{{"c SIGTERM"}, {"c SIGTERM", "b SIGTERM"}, {"c SIGTERM", "b SIGTERM", "a SIGTERM"}} {
			s.pass(2900 * time.Millisecond)
			if got := s.signals(); !slices.Equal(got, want) {
				t.Errorf("%v after the stop began the signals are %q, want %q", time.Since(s.world.began)-time.Second, got, want)
			}
			s.pass(100 * time.Millisecond)
		}
		s.wantEnd(0, "requested")
		if took := time.Since(s.world.began); took != 10*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// Whoever was told a second ago is named as well.
func TestWaitingIsSaidAfterASecond(t *testing.T) {
	p := services("api", "web: api=started")
	play(t, p, map[project.ID]any{"web": act{linger: time.Second}, "api": act{linger: 8 * time.Second}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.Down()
		s.pass(time.Minute)
		s.wantLines(`
			0s starting process-compose with 2 services
			0s api: starting
			0s web: waiting for dependencies
			0s web: starting
			500ms all services healthy
			500ms without a probe: api, web
			1s stopping 2 services
			3s still stopping: waiting for api (got SIGTERM, killed in 9s)
			10s all services stopped`)
	})
}

// The wait that is announced is the one to come, and the hint is given when a
// service begins to fail and when it has failed for good.
func TestBackoffIsAnnounced(t *testing.T) {
	p := services("a: restart=on_failure max=3", "b")
	play(t, p, map[project.ID]any{"a": act{err: "no program", hint: "install it"}}, Options{Seed: 3}, func(s *scene) {
		sub, err := s.Subscribe(ctx, 0)
		s.must(err)
		events, cancel := sub.Events, sub.Cancel
		defer cancel()
		s.pass(time.Minute)
		s.wantLines(`
			0s starting process-compose with 2 services
			0s a: starting
			0s b: starting
			0s a: no program; restarting in 500ms
			0s a: hint: install it
			` + s.after("a: starting (restart 1)") + `
			` + s.after("a: no program; restarting in 1s") + `
			` + s.after("a: starting (restart 2)") + `
			` + s.after("a: no program; restarting in 2s") + `
			` + s.after("1 of 2 services healthy; restarting: a (no program)") + `
			` + s.after("a: starting (restart 3)") + `
			` + s.after("a: failed: gave up after 3 restarts: no program") + `
			` + s.after("a: hint: install it") + `
			` + s.after("1 of 2 services healthy; failed: a (gave up after 3 restarts: no program)"))
		var waits []string
		for len(events) > 0 {
			if ev := <-events; ev.Service.ID == "a" && ev.Service.State == "backoff" {
				waits = append(waits, ev.Service.Why)
			}
		}
		// With the jitter, of which the announcement has none.
		if want := []string{"no program; restarts in 980ms", "no program; restarts in 2.1s"}; !slices.Equal(waits, want) {
			t.Errorf("events say %q, want %q", waits, want)
		}
	})
}

// What can't be killed is waited for once, and named once with its state. As process 1 of
// a container the stop is over soon after its time.
func TestStuck(t *testing.T) {
	stuck := act{deaf: true, dying: time.Minute}
	for name, tt := range map[string]struct {
		options Options
		after   time.Duration // of the stop
	}{
		"a grace":              {Options{Grace: time.Second}, 6 * time.Second},
		"a time for all":       {Options{Grace: time.Second, StopBudget: 9 * time.Second}, 6 * time.Second},
		"a grace that is long": {Options{Grace: 10 * time.Second, StopBudget: 9 * time.Second}, 9500 * time.Millisecond},
		"little time is left":  {Options{Grace: 6 * time.Second, StopBudget: 9 * time.Second}, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, services("a"), map[project.ID]any{"a": stuck}, tt.options, func(s *scene) {
				s.pass(time.Second)
				s.Down()
				s.wantEnd(0, "requested")
				if took := time.Since(s.world.began) - time.Second; took != tt.after {
					t.Errorf("the stop took %v, want %v", took, tt.after)
				}
				const line = "a: process 101 is unkillable: still alive after SIGKILL: sh (pid 7, state D in disk_wait)"
				if out := s.world.transcript(); strings.Count(out, line) != 1 || strings.Count(out, "unkillable") != 1 {
					t.Errorf("it said\n%s\nwant one line with %q", out, line)
				}
				time.Sleep(time.Minute) // it ends after all
			})
		})
	}
}

// What a restart has waited for in vain is not waited for again at the stop of the project.
func TestStuckBeforeTheStop(t *testing.T) {
	play(t, services("a"), map[project.ID]any{"a": act{deaf: true, dying: time.Minute}}, Options{Grace: time.Second}, func(s *scene) {
		s.pass(time.Second)
		restart, cancel := context.WithCancel(context.Background())
		defer cancel()
		go s.Restart(restart, []project.ID{"a"})
		s.pass(6500 * time.Millisecond) // it is given up after 6 s
		s.Down()
		s.wantEnd(0, "requested")
		if took := time.Since(s.world.began); took != 7500*time.Millisecond {
			t.Errorf("the stop took %v", took-7500*time.Millisecond)
		}
		if out := s.world.transcript(); strings.Count(out, "unkillable") != 1 {
			t.Errorf("it said\n%s", out)
		}
		time.Sleep(time.Minute)
	})
}
