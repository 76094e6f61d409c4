package supervisor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// The transcript is the one that users know, to the letter.
func TestTranscriptOfThePage(t *testing.T) {
	p := services("postgresql.db: +probe +init +setup", "redis.cache: +probe", "nginx.web: postgresql.db=ready +probe")
	play(t, p, map[project.ID]any{
		"nginx.web":           act{ready: 500 * time.Millisecond},
		"postgresql.db":       act{ready: time.Second},
		"postgresql.db-init":  act{lasts: time.Second},
		"postgresql.db-setup": act{lasts: time.Second},
	}, Options{}, func(s *scene) {
		s.wantState("nginx.web", control.Waiting, "waits for postgresql (starting, 0 s)")
		s.wantState("postgresql.db", control.Init, "preparing: runs postgresql.db-init (0 s)")
		s.pass(1500 * time.Millisecond)
		s.wantState("postgresql.db", control.Starting, "its readiness probe has not passed yet")
		s.pass(time.Second)
		s.wantState("postgresql.db", control.Setup, "setting up: runs postgresql.db-setup (0 s)")
		s.pass(2 * time.Second)
		s.wantState("postgresql.db", control.Running, "")
		s.wantState("nginx.web", control.Running, "")
		s.wantLines(`
			0s starting process-compose with 3 services
			0s postgresql: starting
			0s redis: starting
			0s nginx: waiting for dependencies
			3s postgresql: ready
			3s nginx: starting
			3.5s all services healthy`)
		if snap := s.Snapshot(); !snap.Healthy || !snap.Settled || snap.Summary != "all services healthy" {
			t.Errorf("snapshot = %+v", snap)
		}
	})
}

func TestPartialStart(t *testing.T) {
	p := services("db: +probe", "nginx: db=ready", "web: nginx=ready", "other")
	play(t, p, map[project.ID]any{"nginx": act{lasts: time.Second, code: 1}, "db": act{ready: time.Second}}, Options{}, func(s *scene) {
		s.pass(5 * time.Second)
		s.wantLines(`
			0s starting process-compose with 4 services
			0s db: starting
			0s other: starting
			0s nginx: waiting for dependencies
			0s web: waiting for dependencies
			1s db: ready
			1s nginx: starting
			1s nginx: ready
			1s web: starting
			1.5s all services healthy
			1.5s without a probe: nginx, other, web
			2s nginx: failed: exit code 1`)
		s.wantState("nginx", control.Failed, "exit code 1")
		if got, want := s.Snapshot().Summary, "3 of 4 services healthy; failed: nginx (exit code 1)"; got != want {
			t.Errorf("summary = %q, want %q", got, want)
		}
	})
}

func TestFailedDependencySkips(t *testing.T) {
	p := services("db: +probe restart=on_failure max=2", "api: db=ready", "web: api=ready")
	play(t, p, map[project.ID]any{"db": []act{
		{lasts: time.Second, code: 3, ready: -1}, {lasts: time.Second, signal: 11, ready: -1}, {err: `no program "pg"`},
		{ready: time.Second},
	}}, Options{Seed: 1}, func(s *scene) {
		s.pass(1200 * time.Millisecond)
		s.wantState("api", control.Waiting, "waits for db (restarting: exit code 3, 0 s)")
		s.pass(10 * time.Second)
		s.wantState("db", control.Failed, `gave up after 2 restarts: no program "pg"`)
		s.wantState("api", control.Skipped, `db failed (gave up after 2 restarts: no program "pg")`)
		s.wantState("web", control.Skipped, `api was skipped (db failed (gave up after 2 restarts: no program "pg"))`)
		s.wantEnd(127, `db failed (gave up after 2 restarts: no program "pg")`)
	})
}

func TestSkippedWaitsAgain(t *testing.T) {
	p := services("db: +probe", "api: db=ready", "other")
	play(t, p, map[project.ID]any{"db": []act{{lasts: time.Second, code: 3, ready: -1}, {ready: time.Second}}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.wantState("api", control.Skipped, "db failed (exit code 3)")
		_, err := s.Start(ctx, []project.ID{"db"}, StartOptions{})
		s.must(err)
		s.pass(500 * time.Millisecond)
		s.wantState("api", control.Waiting, "waits for db (starting, 0 s)")
		s.pass(5 * time.Second)
		s.wantState("api", control.Running, "")
		s.wantLines(`
			0s starting process-compose with 3 services
			0s db: starting
			0s other: starting
			0s api: waiting for dependencies
			1s db: failed: exit code 3
			1s api: skipped: db failed (exit code 3)
			1s 1 of 3 services healthy; failed: db (exit code 3); skipped: api
			2s db: starting
			2s api: waiting for dependencies
			3s db: ready
			3s api: starting
			3.5s all services healthy
			3.5s without a probe: api, other`)
	})
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		cond    string
		dep     string // beside the name
		act     act
		at      time.Duration // when the dependant has started; 0: never
		skipped string
	}{
		{cond: "started", dep: "+probe", act: act{ready: time.Second}, at: time.Millisecond},
		{cond: "started", act: act{err: "no program"}, skipped: "dep failed (no program)"},
		{cond: "ready", act: act{}, at: time.Millisecond},
		{cond: "ready", dep: "+probe", act: act{ready: time.Second}, at: time.Second},
		{cond: "ready", dep: "+probe +setup", act: act{ready: time.Second, lasts: 3 * time.Second}, at: 0, skipped: "dep failed (dep-setup: exit code 1)"},
		{cond: "completed", act: act{lasts: time.Second}, at: time.Second},
		{cond: "completed", act: act{lasts: time.Second, code: 2}, skipped: "dep failed (exit code 2)"},
		{cond: "exited", act: act{lasts: time.Second, code: 2}, at: time.Second},
		{cond: "exited", act: act{lasts: time.Second}, at: time.Second},
		{cond: "ready", dep: "+probe", act: act{lasts: time.Second, ready: -1}, skipped: "dep has completed"},
	} {
		t.Run(tt.cond+tt.dep, func(t *testing.T) {
			p := services("dep: "+tt.dep, "user: dep="+tt.cond, "stays")
			play(t, p, map[project.ID]any{"dep": tt.act, "dep-setup": act{lasts: time.Second, code: 1}}, Options{}, func(s *scene) {
				if tt.at > 0 {
					if before := tt.at - 2*time.Millisecond; before > 0 {
						s.pass(before)
						if st := s.status("user"); st.State != control.Waiting {
							t.Errorf("user is %s before the time", st.State)
						}
					}
					s.pass(3 * time.Millisecond)
					s.wantState("user", control.Running, "")
					return
				}
				s.pass(time.Minute)
				s.wantState("user", control.Skipped, tt.skipped)
			})
		})
	}
}

// A one-shot without a probe was ready once it had started: who comes later
// need not wait for what is over.
func TestLateStarterLooksAtNow(t *testing.T) {
	p := services("db: +probe", "late: db=ready +disabled", "job")
	play(t, p, map[project.ID]any{"db": act{ready: time.Second}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.world.news(t, "db", control.Probe{Role: project.ReadinessProbe, Output: "connection refused"})
		s.wantState("db", control.Unready, "readiness probe failed: connection refused")
		_, err := s.Start(ctx, []project.ID{"late"}, StartOptions{})
		s.must(err)
		s.pass(time.Second)
		s.wantState("late", control.Waiting, "waits for db (not ready, 1 s)")
		s.world.news(t, "db", control.Probe{Role: project.ReadinessProbe, OK: true})
		s.wantState("late", control.Running, "")
		if st := s.status("db"); st.Starts != 1 {
			t.Errorf("losing readiness restarted db: %d starts", st.Starts)
		}
	})
}

func TestRestartPace(t *testing.T) {
	for _, tt := range []struct {
		name, spec string
		act        any
		want       string
	}{
		{
			"constant delay and a limit", "a: restart=on_failure delay=5s max=2", act{lasts: time.Second, code: 7}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: exit code 7; restarting in 5s
			6s a: starting (restart 1)
			7s a: exit code 7; restarting in 5s
			12s a: starting (restart 2)
			13s a: failed: gave up after 2 restarts: exit code 7`,
		},
		{
			"success ends it under on_failure", "a: restart=on_failure", act{lasts: time.Second}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: completed`,
		},
		{
			"every exit counts under always", "a: restart=always delay=1s max=1", act{lasts: time.Second}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: exit code 0; restarting in 1s
			2s a: starting (restart 1)
			3s a: completed`,
		},
		{
			"a good run ends the streak", "a: restart=on_failure delay=1s max=1",
			[]act{{lasts: time.Second, code: 1}, {lasts: 10 * time.Second, code: 1}, {lasts: 9 * time.Second, code: 1}}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: exit code 1; restarting in 1s
			2s a: starting (restart 1)
			12s a: exit code 1; restarting in 1s
			13s a: starting (restart 1)
			22s a: failed: gave up after 1 restart: exit code 1`,
		},
		{
			"with a probe it must have been ready as well", "a: restart=on_failure delay=1s max=1 +probe", act{lasts: 20 * time.Second, code: 1, ready: -1}, `
			0s starting process-compose with 1 service
			0s a: starting
			20s a: exit code 1; restarting in 1s
			21s a: starting (restart 1)
			41s a: failed: gave up after 1 restart: exit code 1
			41s 0 of 1 service healthy; failed: a (gave up after 1 restart: exit code 1)`,
		},
		{
			"a good run is as long as the last wait", "a: restart=on_failure delay=20s max=1", act{lasts: 15 * time.Second, code: 1}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			15s a: exit code 1; restarting in 20s
			35s a: starting (restart 1)
			50s a: failed: gave up after 1 restart: exit code 1`,
		},
		{
			"no restart", "a: restart=no", act{lasts: time.Second, signal: 9}, `
			0s starting process-compose with 1 service
			0s a: starting
			500ms all services healthy
			500ms without a probe: a
			1s a: failed: killed by SIGKILL`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, services(tt.spec), map[project.ID]any{"a": tt.act}, Options{}, func(s *scene) {
				s.pass(5 * time.Minute)
				s.wantLines(tt.want)
			})
		})
	}
}

// A long one-shot that fails is no good run of its service.
func TestFailingOneshotsEndNoStreak(t *testing.T) {
	for _, step := range []string{"init", "setup"} {
		acts := map[project.ID]any{project.ID("a-" + step): act{lasts: 11 * time.Second, code: 1}}
		play(t, services("a: restart=on_failure delay=1s max=1 +"+step), acts, Options{}, func(s *scene) {
			s.pass(time.Minute)
			s.wantState("a", control.Failed, "gave up after 1 restart: a-"+step+": exit code 1")
		})
	}
}

func TestGrowingBackoffJitters(t *testing.T) {
	play(t, services("a: restart=on_failure"), map[project.ID]any{"a": act{lasts: time.Millisecond, code: 1}}, Options{Seed: 7}, func(s *scene) {
		var last time.Time
		for i, base := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			for s.status("a").State != control.Backoff || s.status("a").Next.Equal(last) {
				s.pass(time.Millisecond)
			}
			st := s.status("a")
			last = st.Next
			if wait := st.Next.Sub(st.Since); wait < base*9/10 || wait > base*11/10 || wait == base {
				t.Errorf("wait %d = %v, want %v ± a tenth", i+1, wait, base)
			}
		}
		if got, want := s.Snapshot().Summary, "0 of 1 service healthy; restarting: a (exit code 1)"; got != want {
			t.Errorf("summary = %q, want %q", got, want)
		}
	})
}

func TestLivenessRestarts(t *testing.T) {
	p := services("a: +probe restart=on_failure delay=1s", "user: a=ready")
	play(t, p, map[project.ID]any{"a": act{linger: time.Second}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.world.news(t, "a", control.Probe{Role: project.LivenessProbe, Output: "status 500"})
		s.wantState("a", control.Ending, "got SIGTERM, killed in 10s: liveness probe failed: status 500")
		s.pass(10 * time.Second)
		s.wantState("a", control.Running, "")
		if got, want := s.status("a").Exit.Because, "liveness probe failed: status 500"; got != want {
			t.Errorf("it ended because of %q, want %q", got, want)
		}
		s.wantLines(`
			0s starting process-compose with 2 services
			0s a: starting
			0s user: waiting for dependencies
			0s a: ready
			0s user: starting
			500ms all services healthy
			500ms without a probe: user
			1s a: liveness probe failed: status 500
			2s a: liveness probe failed: status 500; restarting in 1s
			3s a: starting (restart 1)
			3s a: ready`)
	})
}

func TestRequests(t *testing.T) {
	t.Run("concurrent restarts never double", func(t *testing.T) {
		play(t, services("a", "b"), map[project.ID]any{"a": act{deaf: true}}, Options{}, func(s *scene) {
			for range 10 {
				go s.Restart(ctx, []project.ID{"a"})
			}
			s.pass(20 * time.Second)
			s.wantState("a", control.Running, "")
			if st := s.status("a"); st.Starts != 2 || st.Restarts != 0 {
				t.Errorf("a has %d starts, %d restarts, want 2 and 0", st.Starts, st.Restarts)
			}
			s.wantLines(`
				0s starting process-compose with 2 services
				0s a: starting
				0s b: starting
				0s a: restarting
				10s a: killed, still running 10s after SIGTERM
				10s a: starting
				10.5s all services healthy
				10.5s without a probe: a, b`)
		})
	})
	t.Run("stop in backoff is immediate", func(t *testing.T) {
		play(t, services("a: restart=always delay=1h", "b"), map[project.ID]any{"a": act{lasts: time.Second}}, Options{}, func(s *scene) {
			s.pass(2 * time.Second)
			s.wantState("a", control.Backoff, "exit code 0; restarts in 59m59s")
			s.must(s.Stop(ctx, []project.ID{"a"}))
			s.wantState("a", control.Stopped, "")
			s.pass(2 * time.Hour)
			s.wantState("a", control.Stopped, "")
		})
	})
	t.Run("restart in backoff is immediate and clears the streak", func(t *testing.T) {
		play(t, services("a: restart=always delay=1h", "b"), map[project.ID]any{"a": []act{{lasts: time.Second}, {}}}, Options{}, func(s *scene) {
			s.pass(2 * time.Second)
			s.must(s.Restart(ctx, []project.ID{"a"}))
			s.pass(time.Millisecond)
			s.wantState("a", control.Running, "")
			if st := s.status("a"); st.Streak != 0 {
				t.Errorf("streak = %d, want 0", st.Streak)
			}
		})
	})
	t.Run("start brings what is needed", func(t *testing.T) {
		play(t, services("db: +probe", "api: db=ready", "x"), map[project.ID]any{"db": act{ready: time.Second}},
			Options{Services: []project.ID{"x"}}, func(s *scene) {
				begun, err := s.Start(ctx, []project.ID{"api"}, StartOptions{})
				s.must(err)
				if len(begun) != 2 {
					t.Errorf("began %v, want api and db", begun)
				}
				sts, err := s.Settled(ctx, []project.ID{"api"})
				s.must(err)
				if sts[0].State != control.Running {
					t.Errorf("api = %+v", sts[0])
				}
				again, err := s.Start(ctx, []project.ID{"api", "x"}, StartOptions{})
				s.must(err)
				if len(again) != 0 {
					t.Errorf("a second start began %v", again)
				}
			})
	})
	t.Run("start without dependencies", func(t *testing.T) {
		play(t, services("db: +probe", "api: db=ready"), nil, Options{Services: []project.ID{"api"}, NoDeps: true}, func(s *scene) {
			s.wantState("api", control.Running, "")
			s.wantState("db", control.Stopped, "")
		})
	})
	t.Run("start while stopping starts anew", func(t *testing.T) {
		play(t, services("a", "b"), map[project.ID]any{"a": act{linger: time.Second}}, Options{}, func(s *scene) {
			s.must(s.Stop(ctx, []project.ID{"a"}))
			s.wantState("a", control.Stopping, "got SIGTERM, killed in 10s")
			_, err := s.Start(ctx, []project.ID{"a"}, StartOptions{})
			s.must(err)
			s.pass(2 * time.Second)
			s.wantState("a", control.Running, "")
		})
	})
	t.Run("stop before it was executed", func(t *testing.T) {
		play(t, services("a", "b"), map[project.ID]any{"a": act{staging: time.Hour}}, Options{}, func(s *scene) {
			s.must(s.Stop(ctx, []project.ID{"a"}))
			s.pass(time.Millisecond)
			s.wantState("a", control.Stopped, "")
		})
	})
	t.Run("kill sends a signal", func(t *testing.T) {
		play(t, services("a: restart=on_failure delay=1s", "b"), nil, Options{}, func(s *scene) {
			s.must(s.Kill(ctx, []project.ID{"a"}, project.SIGHUP))
			s.pass(time.Second)
			s.wantState("a", control.Running, "")
			s.must(s.Kill(ctx, []project.ID{"a"}, project.SIGINT))
			s.pass(500 * time.Millisecond)
			s.wantState("a", control.Backoff, "killed by SIGTERM; restarts in 500ms")
			var down *NotRunningError
			if err := s.Kill(ctx, []project.ID{"a"}, project.SIGHUP); !errors.As(err, &down) || err.Error() != "a is not running: it is restarting (killed by SIGTERM)" {
				t.Errorf("a signal to what does not run: %v", err)
			}
			for _, sig := range []project.Signal{0, 65} {
				var wrong *SignalError
				if err := s.Kill(ctx, []project.ID{"b"}, sig); !errors.As(err, &wrong) {
					t.Errorf("signal %d: %v", int(sig), err)
				}
			}
		})
	})
	t.Run("unknown", func(t *testing.T) {
		play(t, services("a"), nil, Options{}, func(s *scene) {
			var unknown *UnknownError
			if err := s.Stop(ctx, []project.ID{"zz"}); !errors.As(err, &unknown) {
				t.Errorf("Stop = %v", err)
			}
		})
	})
	t.Run("after the end", func(t *testing.T) {
		play(t, services("a"), map[project.ID]any{"a": act{lasts: time.Second}}, Options{}, func(s *scene) {
			s.wantEnd(0, "all services have completed")
			synctest.Wait()
			sub, err := s.Subscribe(ctx, 1)
			if _, more := <-sub.Events; err != nil || more || sub.Snapshot.Phase != control.PhaseDone || !sub.Resumed || len(sub.Missed) != int(sub.Seq)-1 {
				t.Errorf("Subscribe = %+v, %v, want how it ended", sub, err)
			}
			if err := s.Restart(ctx, []project.ID{"a"}); !errors.Is(err, ErrEnded) {
				t.Errorf("Restart = %v, want ErrEnded", err)
			}
			if snap := s.Snapshot(); snap.Phase != control.PhaseDone || snap.Services[0].State != control.Completed {
				t.Errorf("snapshot after the end = %+v", snap)
			}
		})
	})
}

func TestDependencyRestarts(t *testing.T) {
	p := services("db: +probe", "plain: db=ready", "tied: db=ready+restart")
	play(t, p, map[project.ID]any{"db": act{ready: time.Second}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.must(s.Restart(ctx, []project.ID{"db"}))
		s.pass(5 * time.Second)
		for id, want := range map[project.ID]int{"db": 2, "plain": 1, "tied": 2} {
			if st := s.status(id); st.Starts != want || st.State != control.Running {
				t.Errorf("%s: %s with %d starts, want %d", id, st.State, st.Starts, want)
			}
		}
		s.wantLines(`
			0s starting process-compose with 3 services
			0s db: starting
			0s plain: waiting for dependencies
			0s tied: waiting for dependencies
			1s db: ready
			1s plain: starting
			1s tied: starting
			1.5s all services healthy
			1.5s without a probe: plain, tied
			2s db: restarting
			2s db: starting
			2s tied: restarting: db restarted
			2s tied: waiting for dependencies
			3s db: ready
			3s tied: starting
			3.5s all services healthy
			3.5s without a probe: plain, tied`)
	})
}

func TestEndOfTheProject(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lines  []string
		acts   map[project.ID]any
		change func(*project.Project)
		code   int
		reason string
	}{
		{"nothing to run", nil, nil, nil, 0, "all services have completed"},
		{"all completed", []string{"a", "b: a=completed"}, map[project.ID]any{"a": act{lasts: 1e9}, "b": act{lasts: 1e9}}, nil, 0, "all services have completed"},
		{"the first failure's code", []string{"a", "b"}, map[project.ID]any{"a": act{lasts: 2e9, code: 2}, "b": act{lasts: 1e9, code: 5}}, nil, 5, "b failed (exit code 5)"},
		{"128+n", []string{"a"}, map[project.ID]any{"a": act{lasts: 1e9, signal: 11}}, nil, 139, "a failed (killed by SIGSEGV)"},
		{"exit_on_failure", []string{"a: restart=exit_on_failure", "b"}, map[project.ID]any{"a": act{lasts: 1e9, code: 4}}, nil, 4, "a failed (exit code 4)"},
		{"onFailed exit", []string{"a", "b"}, map[project.ID]any{"a": act{lasts: 1e9, code: 4}},
			func(p *project.Project) { p.OnFailed = project.OnFailedExit }, 4, "a failed (exit code 4)"},
		{"exit on end, and what ends later changes no code", []string{"a: +end", "b: +end"},
			map[project.ID]any{"a": act{lasts: 1e9, code: 5}}, nil, 5, "a failed (exit code 5)"},
		{"exit on end with success", []string{"a: +end", "b"}, map[project.ID]any{"a": act{lasts: 1e9}}, nil, 0, "a has completed"},
		{"exit on end with a code that is a success", []string{"a: +end", "b"}, map[project.ID]any{"a": act{lasts: 1e9, code: 3}},
			func(p *project.Project) { p.Processes["a"].SuccessCode = []int{3} }, 0, "a has completed (exit code 3)"},
		{"a disabled service keeps nothing going", []string{"a", "off: +disabled"}, map[project.ID]any{"a": act{lasts: 1e9}}, nil, 0, "all services have completed"},
		{"exit on skipped", []string{"a", "b: a=completed +skipend", "c"}, map[project.ID]any{"a": act{lasts: 1e9, code: 5}}, nil, 1, "b was skipped (a failed (exit code 5))"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := services(tt.lines...)
			if tt.change != nil {
				tt.change(p)
			}
			play(t, p, tt.acts, Options{}, func(s *scene) { s.wantEnd(tt.code, tt.reason) })
		})
	}
	t.Run("whenDone stay", func(t *testing.T) {
		p := services("a")
		p.WhenDone = project.WhenDoneStay
		play(t, p, map[project.ID]any{"a": act{lasts: 1e9}}, Options{}, func(s *scene) {
			s.pass(time.Hour)
			if snap := s.Snapshot(); snap.Phase != control.PhaseRunning {
				t.Errorf("phase = %s", snap.Phase)
			}
			s.Down()
			s.wantEnd(0, "requested")
		})
	})
	t.Run("what was stopped by request can be started again", func(t *testing.T) {
		play(t, services("a"), nil, Options{}, func(s *scene) {
			s.must(s.Stop(ctx, []project.ID{"a"}))
			s.pass(time.Hour)
			s.must(s.Restart(ctx, []project.ID{"a"}))
			s.pass(time.Millisecond)
			s.wantState("a", control.Running, "")
		})
	})
}

func TestDown(t *testing.T) {
	t.Run("reverse order, a level at a time", func(t *testing.T) {
		p := services("db", "cache", "api: db=ready cache=ready", "web: api=ready")
		play(t, p, map[project.ID]any{
			"web": act{linger: time.Second}, "api": act{linger: 900 * time.Millisecond},
			"db": act{linger: 3 * time.Second, staging: time.Millisecond}},
			Options{}, func(s *scene) {
				s.pass(time.Second)
				s.Down()
				s.pass(1500 * time.Millisecond)
				s.wantState("web", control.Stopped, "")
				s.wantState("api", control.Stopping, "got SIGTERM, killed in 9.5s")
				s.wantState("db", control.Running, "")
				s.Down() // changes nothing
				s.pass(time.Minute)
				s.wantEnd(0, "requested")
				s.wantLines(`
					0s starting process-compose with 4 services
					0s cache: starting
					0s db: starting
					0s api: waiting for dependencies
					0s web: waiting for dependencies
					0s cache: ready
					1ms db: ready
					1ms api: starting
					1ms api: ready
					1ms web: starting
					501ms all services healthy
					501ms without a probe: api, cache, db, web
					1s stopping 4 services
					5s still stopping: waiting for db (got SIGTERM, killed in 7.9s)
					5.9s all services stopped`)
			})
	})
	t.Run("the budget is shared over the levels", func(t *testing.T) {
		p := services("db", "api: db=ready")
		play(t, p, map[project.ID]any{"api": act{deaf: true}, "db": act{linger: time.Second}}, Options{StopBudget: 8 * time.Second}, func(s *scene) {
			s.pass(time.Second)
			s.Down()
			s.pass(4500 * time.Millisecond)
			s.wantState("db", control.Stopping, "got SIGTERM, killed in 3.5s")
			s.pass(time.Second)
			s.wantState("db", control.Stopped, "")
			s.pass(3 * time.Second)
			s.wantEnd(0, "requested")
			s.wantLines(`
				0s starting process-compose with 2 services
				0s db: starting
				0s api: waiting for dependencies
				0s db: ready
				0s api: starting
				500ms all services healthy
				500ms without a probe: api, db
				1s stopping 2 services
				3s still stopping: waiting for api (got SIGTERM, killed in 6s)
				9s api: killed, still running 8s after SIGTERM
				9s all services stopped`)
		})
	})
	t.Run("a second request kills at once", func(t *testing.T) {
		play(t, services("db", "api: db=ready"), map[project.ID]any{"api": act{deaf: true}}, Options{}, func(s *scene) {
			s.Down()
			s.pass(time.Second)
			s.DownNow()
			synctest.Wait()
			s.wantEnd(0, "requested")
			if got := time.Since(s.world.began); got != time.Second {
				t.Errorf("ended after %v, want 1s", got)
			}
		})
	})
	t.Run("during the start, nothing starts any more", func(t *testing.T) {
		p := services("db: +probe +init", "api: db=ready", "loop: restart=always delay=1h", "slow")
		play(t, p, map[project.ID]any{"db-init": act{lasts: time.Hour}, "loop": act{lasts: 1}, "slow": act{staging: time.Hour}}, Options{}, func(s *scene) {
			s.pass(time.Second)
			s.Down()
			synctest.Wait()
			s.wantEnd(0, "requested")
			for _, st := range s.Snapshot().Services {
				if st.State != control.Stopped {
					t.Errorf("%s is %s", st.ID, st.State)
				}
			}
		})
	})
	t.Run("requests are refused meanwhile", func(t *testing.T) {
		play(t, services("a"), map[project.ID]any{"a": act{linger: time.Second}}, Options{}, func(s *scene) {
			s.Down()
			var stopping *StoppingError
			if err := s.Restart(ctx, []project.ID{"a"}); !errors.As(err, &stopping) || stopping.Reason != "requested" {
				t.Errorf("a restart while the project stops: %v", err)
			}
		})
	})
	t.Run("shutdown command comes before the signal", func(t *testing.T) {
		p := services("a")
		p.Processes["a"].Shutdown = project.Shutdown{Command: &project.Command{Shell: project.Lit("bye")}, Signal: project.SIGINT}
		play(t, p, nil, Options{}, func(s *scene) {
			s.pass(time.Second)
			s.Down()
			s.wantEnd(0, "requested")
			s.wantLines(`
				0s starting process-compose with 1 service
				0s a: starting
				500ms all services healthy
				500ms without a probe: a
				1s stopping 1 service
				1s (shutdown command: bye)
				3s still stopping: waiting for a (got its shutdown command, killed in 8s)
				6s all services stopped`)
		})
	})
	t.Run("a cancelled context is a request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newFake(func(project.ID, int) act { return act{} })
			e := New(project.TakenAsValid(services("a")), Options{World: func(report func(Fact)) World { w.report = report; return w }})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if r := e.Run(ctx); r != (Result{0, "requested"}) {
				t.Errorf("Run = %+v", r)
			}
		})
	})
}

func TestWait(t *testing.T) {
	p := services("db: +probe", "job", "bad")
	play(t, p, map[project.ID]any{"db": act{ready: time.Second}, "job": act{lasts: 2 * time.Second}, "bad": act{lasts: time.Second, code: 1}}, Options{}, func(s *scene) {
		s.must(s.Wait(ctx, "db", project.Ready))
		s.must(s.Wait(ctx, "job", project.Completed))
		var hopeless *HopelessError
		if err := s.Wait(ctx, "bad", project.Ready); !errors.As(err, &hopeless) || err.Error() != "bad will not be ready: it failed (exit code 1)" {
			t.Errorf("Wait = %v", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.Wait(short, "db", project.Exited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
		if got := time.Since(s.world.began); got != 3*time.Second {
			t.Errorf("waited until %v", got)
		}
	})
}

func TestReload(t *testing.T) {
	p := services("a", "b", "gone", "w: a=completed", "off", "on: +disabled")
	play(t, p, map[project.ID]any{"gone": act{linger: time.Second}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		q := services("a", "b", "new: b=ready", "w: b=started", "off: +disabled", "on")
		q.Processes["b"].Command = project.Command{Shell: project.Lit("another")}
		changes, err := s.Reload(ctx, project.TakenAsValid(q), nil)
		s.must(err)
		if len(changes.Added) != 1 || len(changes.Removed) != 1 || len(changes.Changed) != 1 {
			t.Errorf("changes = %+v", changes)
		}
		s.pass(2 * time.Second)
		snap := s.Snapshot()
		s.wantState("off", control.Stopped, "disabled")
		s.wantState("on", control.Running, "")
		if len(snap.Services) != 6 {
			t.Errorf("services = %+v", snap.Services)
		}
		for id, want := range map[project.ID]int{"a": 1, "b": 2, "new": 1, "w": 1} {
			if st := s.status(id); st.Starts != want || st.State != control.Running {
				t.Errorf("%s is %s with %d starts, want %d", id, st.State, st.Starts, want)
			}
		}
	})
}

func TestUnsupported(t *testing.T) {
	p := services("a", "b: a=ready", "c")
	p.Services["a"].Unsupported = "needs a GPU"
	play(t, p, nil, Options{}, func(s *scene) {
		s.wantState("a", control.Skipped, "not supported: needs a GPU")
		s.wantState("b", control.Skipped, "a was skipped (not supported: needs a GPU)")
	})
}

// What can't run on this machine is skipped with its reason; the others run.
// A start by request asks anew.
func TestRefused(t *testing.T) {
	why := `package "gpu" is not installed`
	opts := Options{Refused: map[project.ID]string{"a": why}}
	p := func(words ...string) *project.Project {
		return services("a", "b: a=ready", "c: restart=no", "d: "+strings.Join(words, " "))
	}
	play(t, p(), map[project.ID]any{"c": act{lasts: 1e9}, "d": act{lasts: 2e9}}, opts, func(s *scene) {
		s.wantState("a", control.Skipped, why)
		s.wantState("b", control.Skipped, "a was skipped ("+why+")")
		s.wantState("c", control.Running, "")
		s.wantEnd(1, "a was skipped ("+why+")")
	})
	play(t, p(), map[project.ID]any{"c": act{lasts: 1e9, code: 7}, "d": act{lasts: 2e9}}, opts, func(s *scene) {
		s.wantEnd(7, "c failed (exit code 7)")
	})
	play(t, p("+end"), map[project.ID]any{"d": act{lasts: 2e9}}, opts, func(s *scene) {
		s.wantEnd(1, "d has completed; a was skipped ("+why+")")
	})
	play(t, p("+end"), map[project.ID]any{"d": act{lasts: 2e9, code: 4}}, opts, func(s *scene) {
		s.wantEnd(4, "d failed (exit code 4)")
	})
	play(t, p(), nil, opts, func(s *scene) {
		s.Down()
		s.wantEnd(0, "requested")
	})
	play(t, p(), nil, opts, func(s *scene) {
		_, err := s.Start(ctx, []project.ID{"a"}, StartOptions{Refused: map[project.ID]string{"a": "still no"}})
		s.must(err)
		s.wantState("a", control.Skipped, "still no")
		_, err = s.Start(ctx, []project.ID{"b"}, StartOptions{})
		s.must(err)
		s.pass(time.Second)
		s.wantState("a", control.Running, "")
		s.wantState("b", control.Running, "")
	})
}

func TestStartMissing(t *testing.T) {
	play(t, services("job", "a", "b", "off: +disabled"), map[project.ID]any{"job": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.must(s.Stop(ctx, []project.ID{"b"}))
		s.pass(time.Second)
		begun, err := s.Start(ctx, nil, StartOptions{Missing: true})
		s.must(err)
		if len(begun) != 1 || begun[0] != "b" {
			t.Errorf("began %v, want b", begun)
		}
	})
}
