package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// What nobody asked for is no part of the summary, wherever it stands.
func TestSummaryCountsTheWanted(t *testing.T) {
	play(t, services("a: +disabled", "b", "c: +probe", "d: +disabled"), map[project.ID]any{"c": act{ready: time.Minute}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		if snap := s.Snapshot(); snap.Summary != "1 of 2 services healthy" || snap.Settled || snap.Healthy {
			t.Errorf("snapshot = %+v", snap)
		}
		s.pass(time.Minute)
		if snap := s.Snapshot(); snap.Summary != "all services healthy" || !snap.Settled || !snap.Healthy {
			t.Errorf("snapshot = %+v", snap)
		}
	})
}

// Services that have started one after the other are summed up when the last of them has run
// for long enough, and not at the moment of each, which would take the square of their number.
func TestSummaryLooksOnce(t *testing.T) {
	var lines []string
	acts := map[project.ID]any{}
	for i := range 50 {
		id := fmt.Sprintf("s%02d", i)
		lines, acts[project.ID(id)] = append(lines, id), act{staging: time.Duration(i+1) * time.Millisecond}
	}
	play(t, services(lines...), acts, Options{}, func(s *scene) {
		s.pass(time.Minute)
		if log := s.world.transcript(); !strings.Contains(log, "550ms all services healthy\n") {
			t.Errorf("there is no summary at 550ms:\n%s", log)
		}
		if n := s.Engine.core.lastTimer; n > 2 { // the engine stands still
			t.Errorf("%d looks for one summary", n)
		}
	})
}

// A service that was restarted three times in a row is not on its way any more.
func TestSummaryOfALoop(t *testing.T) {
	play(t, services("a: restart=always delay=10s", "b"), map[project.ID]any{"a": act{lasts: time.Second, code: 4}}, Options{}, func(s *scene) {
		for n, want := range []string{1: "1 of 2 services healthy", 2: "1 of 2 services healthy", 3: "1 of 2 services healthy; restarting: a (exit code 4)"} {
			if n == 0 {
				continue
			}
			for s.status("a").Streak < n {
				s.pass(time.Second)
			}
			if snap := s.Snapshot(); snap.Summary != want || snap.Settled != (n == 3) {
				t.Errorf("after %d restarts: %q, settled %t", n, snap.Summary, snap.Settled)
			}
		}
		if st := s.status("a"); st.Restarts != 3 || st.Starts != 3 || st.State != control.Backoff {
			t.Errorf("a = %+v, want 3 restarts begun, the third not over", st)
		}
	})
}

// A reload of what is there already is no news.
func TestReloadOfTheSame(t *testing.T) {
	play(t, services("a"), nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		changes, err := s.Reload(ctx, project.TakenAsValid(services("a")), nil)
		s.must(err)
		s.pass(time.Second)
		if !changes.IsEmpty() {
			t.Errorf("changes = %+v", changes)
		}
		s.wantLines(`
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a`)
	})
}

// What a service did before the last request for it counts no more, unless it
// goes on.
func TestARequestForgets(t *testing.T) {
	p := services("dep: +probe", "a: dep=ready", "b")
	play(t, p, map[project.ID]any{"dep": []act{{}, {ready: -1}}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.must(s.Stop(ctx, []project.ID{"a", "dep"}))
		s.pass(time.Second)
		s.must(s.Wait(ctx, "a", project.Exited)) // it ran, and was stopped
		_, err := s.Start(ctx, []project.ID{"a"}, StartOptions{})
		s.must(err)
		s.must(s.Stop(ctx, []project.ID{"a"}))
		s.wantState("a", control.Stopped, "")
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.Wait(short, "a", project.Exited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a did not run since it was asked to, and has exited: %v", err)
		}
	})
	// It runs although it is disabled; a reload makes it wanted, which changes
	// nothing for it.
	p = services("a: +disabled", "b")
	play(t, p, map[project.ID]any{"a": act{lasts: 5 * time.Second}}, Options{}, func(s *scene) {
		_, err := s.Start(ctx, []project.ID{"a"}, StartOptions{})
		s.must(err)
		s.pass(time.Second)
		_, err = s.Reload(ctx, project.TakenAsValid(services("a", "b", "c: a=started")), nil)
		s.must(err)
		s.pass(10 * time.Second)
		s.wantState("a", control.Completed, "")
		s.wantState("c", control.Running, "")
		if st := s.status("a"); st.Starts != 1 {
			t.Errorf("a has %d starts", st.Starts)
		}
		s.must(s.Wait(ctx, "a", project.Started))
	})
}

// A state that the log knows has its reason there, and none where there is none.
func TestLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	play(t, services("a: restart=no", "b"), map[project.ID]any{"a": act{lasts: time.Second, code: 7}}, Options{Log: log}, func(s *scene) {
		s.pass(2 * time.Second)
	})
	for _, line := range []string{
		`msg="state changed" service=a from=stopped to=starting` + "\n",
		`msg="state changed" service=a from=starting to=running pid=101` + "\n",
		`msg="state changed" service=a from=running to=failed why="exit code 7"` + "\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no %q in\n%s", line, b.String())
		}
	}
}

func TestEventsAreNumbered(t *testing.T) {
	play(t, services("a: restart=always delay=1s"), map[project.ID]any{"a": act{lasts: time.Second}}, Options{}, func(s *scene) {
		sub, err := s.Subscribe(ctx, 0)
		s.must(err)
		events, cancel := sub.Events, sub.Cancel
		defer cancel()
		var last uint64
		for range 10 {
			ev := <-events
			if last > 0 && ev.Seq != last+1 || ev.Seq == 0 {
				t.Errorf("event %d comes after %d", ev.Seq, last)
			}
			last = ev.Seq
		}
	})
}

// TestStartIsAnEvent: whoever waits for a program that has a probe hears of its
// start, which changes no state.
func TestStartIsAnEvent(t *testing.T) {
	play(t, services("a: +probe delay=1s"), map[project.ID]any{"a": act{linger: time.Second}}, Options{}, func(s *scene) {
		sub, err := s.Subscribe(ctx, 0)
		s.must(err)
		events, cancel := sub.Events, sub.Cancel
		defer cancel()
		s.must(s.Restart(ctx, []project.ID{"a"}))
		s.pass(5 * time.Second)
		for {
			select {
			case ev := <-events:
				if ev.From == control.Starting && ev.Service.State == control.Starting && ev.Service.PID != 0 {
					return
				}
			default:
				t.Error("no event says that the program was started")
				return
			}
		}
	})
}

// What a probe says of a process that is to stop is not heard.
func TestVerdictsWhileStopping(t *testing.T) {
	play(t, services("a: +probe", "b"), map[project.ID]any{"a": act{linger: 5 * time.Second}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.must(s.Stop(ctx, []project.ID{"a"}))
		s.world.news(t, "a", control.Probe{Role: project.LivenessProbe, Output: "status 500"})
		s.wantState("a", control.Stopping, "got SIGTERM, killed in 10s")
		if st := s.status("a"); st.KillAt.Sub(st.Since) != 10*time.Second {
			t.Errorf("killed at %v, told at %v", st.KillAt, st.Since)
		}
		s.pass(6 * time.Second)
		s.wantState("a", control.Stopped, "")
	})
}

// Before it is ready, that it is not is said once; in set-up not at all.
func TestNotReadyIsSaidOnce(t *testing.T) {
	p := services("a: +probe", "b: +probe +setup")
	play(t, p, map[project.ID]any{"a": act{ready: -1}}, Options{}, func(s *scene) {
		for range 2 {
			s.world.news(t, "a", control.Probe{Role: project.ReadinessProbe, Output: "status 503"})
			s.world.news(t, "b", control.Probe{Role: project.ReadinessProbe, Output: "status 503"})
		}
		s.wantState("b", control.Setup, "setting up: runs b-setup (0 s)")
		s.wantLines(`
			0s starting process-compose with 2 services
			0s a: starting
			0s b: starting
			0s a: not ready yet: readiness probe failed: status 503`)
	})
}

// A liveness kill is a failure, also of a program that exits with 0.
func TestFailureWithoutACode(t *testing.T) {
	play(t, services("a: +probe restart=no", "b: +end"), map[project.ID]any{"a": act{quits: true}, "b": act{lasts: time.Minute}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.world.news(t, "a", control.Probe{Role: project.LivenessProbe, Output: "status 500"})
		s.pass(time.Second)
		s.wantState("a", control.Failed, "liveness probe failed: status 500")
	})
	play(t, services("a: +probe restart=exit_on_failure", "b"), map[project.ID]any{"a": act{quits: true}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.world.news(t, "a", control.Probe{Role: project.LivenessProbe, Output: "status 500"})
		s.wantEnd(1, "a failed (liveness probe failed: status 500)")
	})
}

// Whoever depends on a service with "restart" is restarted by each new start of
// it, also the first that gets so far.
func TestFirstStartRestartsDependants(t *testing.T) {
	p := services("db: +init restart=no", "tied: db=exited+restart", "b")
	play(t, p, map[project.ID]any{"db-init": act{lasts: time.Second, code: 1}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.wantState("db", control.Failed, "db-init: exit code 1")
		s.wantState("tied", control.Running, "")
		s.world.setScript(func(project.ID, int) act { return act{lasts: time.Second} })
		_, err := s.Start(ctx, []project.ID{"db"}, StartOptions{})
		s.must(err)
		s.pass(5 * time.Second)
		s.wantState("db", control.Completed, "")
		if st := s.status("tied"); st.Starts != 2 {
			t.Errorf("tied was started %d times, want again with db", st.Starts)
		}
	})
}

// Whoever gives up waiting takes nobody along.
func TestWaitersAreApart(t *testing.T) {
	play(t, services("a: +probe", "b"), map[project.ID]any{"a": act{ready: time.Minute}}, Options{}, func(s *scene) {
		patient := make(chan error, 2)
		for range 2 {
			go func() { patient <- s.Wait(ctx, "a", project.Ready) }()
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.Wait(short, "a", project.Ready); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
		s.pass(2 * time.Minute)
		for range 2 {
			select {
			case err := <-patient:
				s.must(err)
			default:
				t.Fatal("another waiter was forgotten")
			}
		}
	})
}

// Who waits for the end of some services need not wait for the others.
func TestStopped(t *testing.T) {
	play(t, services("a", "b"), nil, Options{Stay: true}, func(s *scene) {
		s.must(s.Stop(ctx, []project.ID{"a"}))
		s.must(s.Stopped(ctx, []project.ID{"a"}))
		s.wantState("b", control.Running, "")
		all := make(chan error, 1)
		go func() { all <- s.Stopped(ctx, nil) }()
		s.pass(time.Hour)
		if len(all) > 0 {
			t.Error("all have stopped while b runs")
		}
		s.must(s.Stop(ctx, []project.ID{"b"}))
		s.must(<-all)
	})
}

// A copy of the log and each way to say "ready" cost a descriptor more.
func TestFilesNeeded(t *testing.T) {
	p := services("a", "b: +setup +setup", "c")
	p.Processes["a"].Log.File = project.Lit("/log")
	p.Processes["b-setup2"].Log.File = project.Lit("/log")
	p.Processes["c"].Readiness = &project.Probe{Notify: &project.NotifyCheck{FD: 3}}
	p.Processes["c"].Liveness = &project.Probe{Notify: &project.NotifyCheck{Socket: true}}
	for id, want := range map[project.ID]int{"a": filesRun + 1, "b": 2*filesRun + 1, "c": filesRun + 2, "none": 0} {
		if got := FilesNeeded(p, []project.ID{id}); got != want {
			t.Errorf("%s needs %d, want %d", id, got, want)
		}
	}
	if got, want := FilesNeeded(p, []project.ID{"a", "b", "c"}), 4*filesRun+4; got != want {
		t.Errorf("all need %d, want %d", got, want)
	}
}

func TestStatusSaysWhatItWaitsFor(t *testing.T) {
	play(t, services("db: +probe", "api: db=ready", "b"), map[project.ID]any{"db": act{ready: time.Second}}, Options{}, func(s *scene) {
		want := control.Unmet{Service: "db", Label: "db", Condition: project.Ready, Why: "is starting"}
		if st := s.status("api"); len(st.WaitsFor) != 1 || st.WaitsFor[0] != want {
			t.Errorf("api waits for %+v", st.WaitsFor)
		}
		s.pass(2 * time.Second)
		s.must(s.Stop(ctx, []project.ID{"db"}))
		s.pass(time.Second)
		if st := s.status("api"); st.State != control.Running || st.WaitsFor != nil {
			t.Errorf("api runs, and waits for %+v", st.WaitsFor)
		}
	})
}

func TestHealth(t *testing.T) {
	p := services("none", "lives", "reads: +probe", "late: +probe", "over: restart=no +probe")
	p.Processes["lives"].Liveness = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
	play(t, p, map[project.ID]any{"late": act{ready: -1}, "over": act{lasts: time.Millisecond}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		health := func(want map[project.ID]control.Health) {
			t.Helper()
			for id, h := range want {
				if got := s.status(id).Health; got != h {
					t.Errorf("health of %s is %q, want %q", id, got, h)
				}
			}
		}
		health(map[project.ID]control.Health{"none": "", "over": "", "lives": control.HealthHealthy, "reads": control.HealthHealthy, "late": control.HealthStarting})
		s.world.news(t, "reads", control.Probe{Role: project.ReadinessProbe})
		health(map[project.ID]control.Health{"reads": control.HealthUnhealthy})
	})
}

// A restart takes those that run and those that do not, in any order.
func TestRestartOfSeveral(t *testing.T) {
	play(t, services("a", "b", "c"), nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.must(s.Stop(ctx, []project.ID{"a"}))
		s.pass(time.Second)
		s.must(s.Restart(ctx, []project.ID{"a", "b", "c"}))
		s.pass(time.Second)
		for _, id := range []project.ID{"a", "b", "c"} {
			if st := s.status(id); st.State != control.Running || st.Starts != 2 {
				t.Errorf("%s is %s after %d starts", id, st.State, st.Starts)
			}
		}
	})
}

// After a reload those that wait look again, though nothing else has changed,
// and all is summed up anew.
func TestReloadOfADependency(t *testing.T) {
	play(t, services("a", "x", "w: x=completed"), nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.wantState("w", control.Waiting, "waits for x (running, 1 s; not completed yet)")
		_, err := s.Reload(ctx, project.TakenAsValid(services("a", "x", "w: a=ready")), nil)
		s.must(err)
		s.pass(time.Second)
		s.wantState("w", control.Running, "")
	})
	play(t, services("a"), nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		q := services("a")
		q.Processes["a"].Command = project.Command{Shell: project.Lit("another")}
		_, err := s.Reload(ctx, project.TakenAsValid(q), nil)
		s.must(err)
		s.pass(time.Second)
		s.wantLines(`
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: restarting: its definition changed
			1s a: starting
			1.5s all services healthy
			1.5s without a probe: a`)
	})
}

// Whoever runs an engine hears when little is left to happen: with each summary that
// is said, and not with each that is not.
func TestSettled(t *testing.T) {
	said := 0
	opts := Options{Settled: func() { said++ }} // by the engine, which stands still while it is looked at
	p := services("db: +probe", "api: db=ready", "loop: restart=always delay=1s")
	acts := map[project.ID]any{"db": act{ready: time.Second}, "loop": act{lasts: time.Millisecond, code: 1}}
	play(t, p, acts, opts, func(s *scene) {
		s.pass(time.Minute) // and a minute of failures, which are one piece of news
		if said != 1 {
			t.Errorf("told %d times, want once", said)
		}
		s.must(s.Stop(ctx, []project.ID{"loop"}))
		s.pass(time.Second)
		if said != 2 {
			t.Errorf("told %d times, want once more when all is well", said)
		}
	})
}

// What is told of the past is as long ago as it is, also where somebody has set the clock.
func TestAgesWhereTheClockWasSet(t *testing.T) {
	for _, by := range []time.Duration{0, -5 * time.Hour, 30 * time.Hour} {
		play(t, services("a", "b: restart=no"), map[project.ID]any{"b": act{lasts: time.Millisecond}}, Options{}, func(s *scene) {
			s.world.tell(s.T, "a", Fact{Kind: OutOfMemory, Kills: 1})
			s.pass(10 * time.Second)
			before := s.Snapshot()
			s.world.set(by)
			s.pass(10 * time.Second)
			snap := s.Snapshot()
			a, b := snap.Services[0], snap.Services[1]
			if got := snap.At.Sub(a.Since).Round(time.Second); got != 20*time.Second {
				s.Errorf("set by %v: it is %s since %v, want 20s", by, a.State, got)
			}
			if got := snap.At.Sub(a.Started).Round(time.Second); got != 20*time.Second {
				s.Errorf("set by %v: it was started %v ago, want 20s", by, got)
			}
			if got := snap.At.Sub(snap.Since).Round(time.Second); got != 20*time.Second {
				s.Errorf("set by %v: the project runs since %v, want 20s", by, got)
			}
			if got := snap.At.Sub(a.OutOfMemory.Last).Round(time.Second); got != 20*time.Second {
				s.Errorf("set by %v: the kernel has killed of it %v ago, want 20s", by, got)
			}
			if got := snap.At.Sub(b.Exit.At).Round(time.Second); got != 20*time.Second {
				s.Errorf("set by %v: it has ended %v ago, want 20s", by, got)
			}
			starts, err := s.Startups(ctx)
			s.must(err)
			u := starts.Services[0]
			for what, at := range map[string]time.Time{"the project began": starts.Since, "it was asked for": u.Asked, "it began": u.Began, "it was started": u.Started,
				"it was ready": u.Ready, "its process began": u.Steps[0].Began, "and was ready": u.Steps[0].Ended} {
				if got := snap.At.Sub(at).Round(time.Second); got != 20*time.Second {
					s.Errorf("set by %v: %s %v ago, want 20s", by, what, got)
				}
			}
			if by == 0 && !a.Since.Equal(before.Services[0].Since) {
				s.Errorf("the time of a change is told as %v, and then as %v", before.Services[0].Since, a.Since)
			}
		})
	}
}
