package supervisor

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	_ "time/tzdata" // this machine may have none

	"nix2gpu/control"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// The clock of these tests begins at midnight of Saturday 1 January 2000, UTC.

// utc keeps a test from what the machine's own zone is.
func utc(lines ...string) *project.Project {
	p := services(lines...)
	for _, s := range p.Services {
		if s.Schedule != nil && s.Schedule.Cron != "" && s.Schedule.Zone == "" {
			s.Schedule.Zone = "UTC"
		}
	}
	return p
}

func TestCronRuns(t *testing.T) {
	play(t, utc("backup: cron=*/10_*_*_*_*", "web:"), map[project.ID]any{"backup": act{lasts: 5 * time.Second}}, Options{}, func(s *scene) {
		s.wantState("backup", control.Scheduled, "runs Sat 1 Jan 00:10 UTC, in 10 min")
		s.pass(10 * time.Minute)
		if st := s.status("backup"); st.State != control.Running || st.Starts != 1 || st.Schedule != "*/10 * * * * (UTC)" ||
			!st.Next.Equal(time.Date(2000, 1, 1, 0, 20, 0, 0, time.UTC)) {
			s.Errorf("got %+v", st)
		}
		s.pass(6 * time.Second)
		s.wantState("backup", control.Scheduled, "runs Sat 1 Jan 00:20 UTC, in 9 min; the last run succeeded")
		s.pass(2 * time.Hour)
		if st := s.status("backup"); st.Starts != 13 || st.Missed != 0 || st.Restarts != 0 {
			s.Errorf("got %+v", st)
		}
		if snap := s.Snapshot(); !snap.Healthy || !snap.Settled {
			s.Errorf("got %+v", snap)
		}
	})
}

// What is said at the start, and of each run.
func TestScheduleIsSaid(t *testing.T) {
	play(t, utc("report: cron=0_3_*_*_* zone=Europe/Berlin", "web:"), map[project.ID]any{"report": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.pass(3 * time.Hour)
		s.wantLines(`
			0s starting process-compose with 2 services
			0s web: starting
			0s report: next run Sat 1 Jan 03:00 CET
			500ms all services healthy
			500ms without a probe: web
			2h0m0s report: starting
			2h0m1s report: completed`)
		s.wantState("report", control.Scheduled, "runs Sun 2 Jan 03:00 CET, in 23 h; the last run succeeded")
	})
}

func TestIntervalAndStart(t *testing.T) {
	play(t, services("tick: every=10s +atstart"), map[project.ID]any{"tick": act{lasts: time.Second}}, Options{}, func(s *scene) {
		if st := s.status("tick"); st.State != control.Running || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.pass(9 * time.Second)
		if st := s.status("tick"); st.State != control.Scheduled || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.pass(21 * time.Second)
		if st := s.status("tick"); st.Starts != 4 {
			s.Errorf("got %+v", st)
		}
	})
}

func TestOverlap(t *testing.T) {
	long := map[project.ID]any{"job": act{lasts: 25 * time.Second}}
	for overlap, want := range map[string]struct{ starts, missed int }{
		"skip":    {2, 4}, // at 10, 40; at 20, 30, 50, 60 it runs
		"queue":   {3, 0}, // at 10, 35, 60
		"replace": {6, 0},
	} {
		t.Run(overlap, func(t *testing.T) {
			play(t, services("job: every=10s overlap="+overlap), long, Options{}, func(s *scene) {
				s.pass(61 * time.Second)
				if st := s.status("job"); st.Starts != want.starts || st.Missed != want.missed || strings.Contains(st.LastMissed, "is left out") != (overlap == "skip") {
					s.Errorf("got %d starts, %d missed, want %+v\n%s", st.Starts, st.Missed, want, s.world.transcript())
				}
				said := strings.Count(s.world.transcript(), "is left out: the last one is running")
				if (said == 2) != (overlap == "skip") || said > 2 { // once for each run that is in the way
					s.Errorf("%d lines about runs that are left out:\n%s", said, s.world.transcript())
				}
			})
		})
	}
}

// As many runs as are allowed are made at once, each with a pid, a log and an end of its
// own. overlap is about the next one.
func TestConcurrentRuns(t *testing.T) {
	long := map[project.ID]any{"job": act{lasts: 25 * time.Second}, "job-2": []act{{lasts: 25 * time.Second, code: 3}, {lasts: 25 * time.Second}}}
	for overlap, want := range map[string]struct{ first, second, missed int }{
		"skip":    {2, 2, 2}, // at 10, 20, 40, 50; at 30, 60 both run
		"queue":   {3, 2, 0}, // at 10, 20, 35 (for 30), 45 (for 40), 60 (for 50)
		"replace": {3, 3, 0}, // each ends the older one
	} {
		t.Run(overlap, func(t *testing.T) {
			play(t, services("job: every=10s most=2 overlap="+overlap), long, Options{}, func(s *scene) {
				if snap := s.Snapshot(); snap.Services[1].RunOf != "job" || snap.Services[1].State != control.Scheduled || strings.Contains(s.world.transcript(), "job-2") ||
					!strings.Contains(s.world.transcript(), "with 1 service") {
					s.Errorf("got %+v\n%s", snap.Services, s.world.transcript())
				}
				s.pass(22 * time.Second)
				a, b := s.status("job"), s.status("job-2")
				if a.State != control.Running || b.State != control.Running || a.PID == 0 || b.PID == 0 || a.PID == b.PID || b.Starts != 1 || b.Schedule != "" {
					s.Errorf("got %+v\n%+v", a, b)
				}
				s.pass(39 * time.Second)
				if a, b := s.status("job"), s.status("job-2"); a.Starts != want.first || b.Starts != want.second || a.Missed != want.missed {
					s.Errorf("got %d and %d starts, %d missed, want %+v\n%s", a.Starts, b.Starts, a.Missed, want, s.world.transcript())
				}
				said := strings.Count(s.world.transcript(), "is left out: 2 are running, as many as may be")
				if (said == 2) != (overlap == "skip") || said > 2 {
					s.Errorf("%d lines about runs that are left out:\n%s", said, s.world.transcript())
				}
				if overlap == "skip" {
					s.after("job-2: failed: exit code 3")
				}
			})
		})
	}
}

// What is asked of a service with a schedule is asked of all of its runs; what is asked of
// one of them, by its own name, of that one.
func TestRequestsOfConcurrentRuns(t *testing.T) {
	reload := func(s *scene, line string) project.Changes {
		s.Helper()
		valid, err := project.Validated(services(line))
		s.must(err)
		done, err := s.Reload(ctx, valid, nil)
		s.must(err)
		s.pass(time.Second)
		return done.Changes
	}
	both := func(s *scene, first, second control.ServiceState) {
		s.Helper()
		if a, b := s.status("job"), s.status("job-2"); a.State != first || b.State != second {
			s.Errorf("%s and %s, want %s and %s\n%s", a.State, b.State, first, second, s.world.transcript())
		}
	}
	begin := func(t *testing.T, do func(*scene)) {
		acts := map[project.ID]any{"job": act{lasts: time.Minute}, "job-2": act{lasts: time.Minute}}
		play(t, services("job: every=10s most=2"), acts, Options{}, func(s *scene) {
			s.pass(21 * time.Second)
			both(s, control.Running, control.Running)
			do(s)
		})
	}
	begin(t, func(s *scene) {
		s.must(s.Stop(ctx, []project.ID{"job"}))
		s.must(s.Stopped(ctx, []project.ID{"job", "job-2"}))
		both(s, control.Stopped, control.Stopped)
		s.pass(time.Minute)
		both(s, control.Stopped, control.Stopped)
		_, err := s.Start(ctx, []project.ID{"job"}, StartOptions{})
		s.must(err)
		s.pass(time.Second)
		both(s, control.Running, control.Scheduled) // one run, and not two
		s.pass(10 * time.Second)
		both(s, control.Running, control.Running)
	})
	begin(t, func(s *scene) {
		s.must(s.Stop(ctx, []project.ID{"job-2"}))
		s.pass(20 * time.Second)
		both(s, control.Running, control.Stopped) // there is room for it no more
		if lines := s.world.transcript(); strings.Count(lines, "is left out: 1 is running, job-2 is stopped") != 1 || strings.Contains(lines, "2 are running") {
			s.Error(lines)
		}
		_, err := s.Start(ctx, []project.ID{"job-2"}, StartOptions{})
		s.must(err)
		s.pass(time.Second)
		both(s, control.Running, control.Running)
		s.must(s.Restart(ctx, []project.ID{"job"}))
		s.pass(time.Second)
		both(s, control.Running, control.Scheduled)
		if st := s.status("job"); st.Starts != 2 {
			s.Errorf("got %+v", st)
		}
	})
	begin(t, func(s *scene) {
		s.must(s.Kill(ctx, []project.ID{"job"}, project.SIGKILL))
		s.pass(time.Second)
		both(s, control.Scheduled, control.Scheduled)
	})
	begin(t, func(s *scene) { // another number: what is no run any more is stopped
		if got := reload(s, "job: every=10s most=3"); len(got.Added) != 1 || len(got.Removed)+len(got.Changed) > 0 {
			s.Errorf("got %+v", got)
		}
		both(s, control.Running, control.Running)
		s.pass(10 * time.Second)
		if st := s.status("job-3"); st.State != control.Running {
			s.Errorf("got %+v", st)
		}
		if got := reload(s, "job: every=10s most=2"); len(got.Removed) != 1 {
			s.Errorf("got %+v", got)
		}
		both(s, control.Running, control.Running)
		if n := len(s.Snapshot().Services); n != 2 {
			s.Errorf("%d services", n)
		}
		s.Down()
		s.wantEnd(0, requested)
	})
}

// A further run of one service does not excuse another that does not run.
func TestKillOfWhatRunsInPart(t *testing.T) {
	play(t, services("job: every=10s most=2", "web: restart=no"), map[project.ID]any{"job": act{lasts: time.Minute}, "job-2": act{lasts: time.Minute}}, Options{}, func(s *scene) {
		s.pass(21 * time.Second)
		s.must(s.Stop(ctx, []project.ID{"web"}))
		s.must(s.Stopped(ctx, []project.ID{"web"}))
		var not *NotRunningError
		if err := s.Kill(ctx, []project.ID{"job", "web"}, project.SIGKILL); !errors.As(err, &not) || not.Service != "web" {
			s.Errorf("got %v", err)
		}
	})
}

// Each replica of a service with a schedule has that schedule.
func TestScheduleOfReplicas(t *testing.T) {
	p := services("job-0: every=10s most=2", "job-1: every=10s most=2")
	for _, s := range p.Services {
		s.Family = "job"
	}
	play(t, p, map[project.ID]any{"job-0": act{lasts: time.Second}, "job-1": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.pass(25 * time.Second)
		for _, id := range []project.ID{"job-0", "job-1"} {
			if st := s.status(id); st.Starts != 2 || st.State != control.Scheduled || st.Family != "job" {
				s.Errorf("got %+v", st)
			}
			if st := s.status(id + "-2"); st.Family != "" { // it would be counted as a replica
				s.Errorf("got %+v", st)
			}
		}
	})
}

// A run that fails is retried as the restart policy says; then the next one comes. The
// project goes on.
func TestFailedRun(t *testing.T) {
	acts := map[project.ID]any{"job": []act{{lasts: time.Second, code: 3}, {lasts: time.Second, code: 3}, {lasts: time.Second}}}
	play(t, utc("job: cron=0_*_*_*_* restart=on_failure max=1 delay=5s", "web:"), acts, Options{}, func(s *scene) {
		s.pass(time.Hour + 2*time.Second)
		s.wantState("job", control.Backoff, "exit code 3; restarts in 4s")
		s.pass(time.Minute)
		s.wantState("job", control.Scheduled, "runs Sat 1 Jan 02:00 UTC, in 58 min; the last run failed: gave up after 1 restart: exit code 3")
		if snap := s.Snapshot(); snap.Healthy || snap.Summary != "1 of 2 services healthy; failed: job (gave up after 1 restart: exit code 3)" {
			s.Errorf("got %q", snap.Summary)
		}
		s.pass(time.Hour)
		if snap := s.Snapshot(); !snap.Healthy {
			s.Errorf("got %q", snap.Summary)
		}
	})
}

// One that waits for a retry runs when its time has come.
func TestRunInBackoff(t *testing.T) {
	acts := map[project.ID]any{"job": []act{{lasts: time.Second, code: 3}, {lasts: time.Second}}}
	play(t, utc("job: cron=*_*_*_*_* restart=on_failure delay=1h"), acts, Options{}, func(s *scene) {
		s.pass(2*time.Minute + 2*time.Second)
		if st := s.status("job"); st.State != control.Scheduled || st.Starts != 2 || st.Streak != 0 {
			s.Errorf("got %+v", st)
		}
	})
}

func TestSuspendedAndSet(t *testing.T) {
	play(t, utc("hourly: cron=0_*_*_*_*", "nightly: cron=0_3_*_*_*"), map[project.ID]any{"hourly": act{lasts: time.Second}, "nightly": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.pass(30 * time.Minute)
		s.world.set(5 * time.Hour) // as after a night: no timer has run
		s.pass(lookEvery)
		s.after("hourly: the run of Sat 1 Jan 01:00 UTC comes 4 h late; 4 more runs missed: the machine was suspended, or its clock was set")
		s.after("nightly: the run of Sat 1 Jan 03:00 UTC comes 2 h late: the machine was suspended, or its clock was set")
		s.pass(2 * time.Second)
		if st := s.status("nightly"); st.Missed != 0 || st.LastMissed != "" {
			s.Errorf("got %+v", st)
		}
		if st := s.status("hourly"); st.Starts != 1 || st.Missed != 4 || !strings.HasPrefix(st.LastMissed, "the run of Sat 1 Jan 01:00 UTC comes 4 h late; 4 more") {
			s.Errorf("got %+v", st)
		}
		// Half an hour back: what comes each hour begins anew, and what runs at 3:00
		// does so once.
		s.world.set(-3*time.Hour + time.Minute)
		s.pass(lookEvery)
		s.after("hourly: the clock was set back by 2 h; next run Sat 1 Jan 03:00 UTC")
		s.pass(time.Hour)
		if st := s.status("hourly"); st.Starts != 2 {
			s.Errorf("got %+v", st)
		}
		if st := s.status("nightly"); st.Starts != 1 || !st.Next.Equal(time.Date(2000, 1, 2, 3, 0, 0, 0, time.UTC)) {
			s.Errorf("got %+v", st)
		}
		s.world.set(-24 * time.Hour)
		s.pass(lookEvery)
		s.after("nightly: the clock was set back by 23 h; next run Sat 1 Jan 03:00 UTC")
	})
}

// Runs that were planned while no supervisor was there are told, and not made.
func TestMissedWhileDown(t *testing.T) {
	var last atomic.Pointer[map[project.ID]Planned]
	var log testkit.Buffer
	opts := Options{
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
		Keep: func(m map[project.ID]Planned) { last.Store(&m) },
		Planned: map[project.ID]Planned{
			"a": {"0 * * * *", "UTC", time.Date(1999, 12, 31, 22, 0, 0, 0, time.UTC)},
			"b": {"0 * * * *", "UTC", time.Date(1999, 12, 31, 22, 0, 0, 0, time.UTC)}, // another schedule now
			"c": {"0 * * * *", "UTC", time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)},
		},
	}
	play(t, utc("a: cron=0_*_*_*_*", "b: cron=5_*_*_*_*", "c: cron=0_*_*_*_*"), map[project.ID]any{}, opts, func(s *scene) {
		s.wantLines(`
			0s starting process-compose with 3 services
			0s a: 3 planned runs missed while the project was not up, the first Fri 31 Dec 22:00 UTC
			0s a: next run Sat 1 Jan 01:00 UTC
			0s b: next run Sat 1 Jan 00:05 UTC
			0s c: next run Sat 1 Jan 01:00 UTC
			0s all services healthy`)
		const why = "3 planned runs missed while the project was not up, the first Fri 31 Dec 22:00 UTC"
		if st := s.status("a"); st.Missed != 3 || st.LastMissed != why {
			s.Errorf("got %+v", st)
		}
		logged := log.String()
		if want := `level=WARN msg="schedule not kept" service=a missed=3 why="` + why + `"`; strings.Count(logged, "schedule not kept") != 1 || !strings.Contains(logged, want) {
			s.Errorf("the log lacks %q:\n%s", want, logged)
		}
		kept := *last.Load()
		if len(kept) != 3 || !kept["b"].Next.Equal(time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)) {
			s.Errorf("kept %+v", kept)
		}
		s.pass(6 * time.Minute)
		kept = *last.Load()
		if !kept["b"].Next.Equal(time.Date(2000, 1, 1, 1, 5, 0, 0, time.UTC)) {
			s.Errorf("kept %+v", kept)
		}
	})
}

func TestRequestsOfSchedules(t *testing.T) {
	play(t, utc("job: cron=0_*_*_*_*", "web:"), map[project.ID]any{"job": act{lasts: 10 * time.Minute}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		_, err := s.Start(ctx, []project.ID{"job"}, StartOptions{Missing: true}) // up, while it is up
		s.must(err)
		s.wantState("job", control.Scheduled, "runs Sat 1 Jan 01:00 UTC, in 59 min")
		s.must(s.Restart(ctx, nil)) // of all
		s.pass(time.Second)
		if st := s.status("job"); st.State != control.Scheduled {
			s.Errorf("got %+v", st)
		}
		_, err = s.Start(ctx, []project.ID{"job"}, StartOptions{}) // now
		s.must(err)
		s.pass(time.Second)
		if st := s.status("job"); st.State != control.Running || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.must(s.Restart(ctx, []project.ID{"job"}))
		s.pass(time.Second)
		if st := s.status("job"); st.State != control.Running || st.Starts != 2 {
			s.Errorf("got %+v", st)
		}
		s.must(s.Stop(ctx, []project.ID{"job"}))
		s.pass(3 * time.Hour)
		if st := s.status("job"); st.State != control.Stopped || st.Starts != 2 || !st.Next.IsZero() {
			s.Errorf("got %+v", st)
		}
		_, err = s.Start(ctx, nil, StartOptions{}) // of all: its schedule goes on
		s.must(err)
		s.pass(time.Second)
		s.wantState("job", control.Scheduled, "runs Sat 1 Jan 04:00 UTC, in 59 min")
		s.pass(time.Hour)
		if st := s.status("job"); st.State != control.Running || st.Starts != 3 {
			s.Errorf("got %+v", st)
		}
	})
}

// A dependant waits for the first run, and then for none.
func TestDependsOnSchedule(t *testing.T) {
	play(t, utc("dump: cron=0_*_*_*_*", "web: dump=completed"), map[project.ID]any{"dump": act{lasts: time.Second}}, Options{}, func(s *scene) {
		s.wantState("web", control.Waiting, "waits for dump (has not run yet, 0 s; not completed yet)")
		s.pass(time.Hour + 2*time.Second)
		if st := s.status("web"); st.State != control.Running {
			s.Errorf("got %+v", st)
		}
	})
}

// A run waits for what the service depends on, and comes at once when that is there.
func TestScheduleWithDependencies(t *testing.T) {
	acts := map[project.ID]any{"db": act{ready: 90 * time.Minute}, "dump": act{lasts: time.Second}}
	play(t, utc("db: +probe", "dump: cron=0_*_*_*_* db=ready"), acts, Options{}, func(s *scene) {
		s.pass(time.Hour)
		s.wantState("dump", control.Waiting, "waits for db (starting, 60 min)")
		s.pass(31 * time.Minute)
		if st := s.status("dump"); st.State != control.Scheduled || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.must(s.Stop(ctx, []project.ID{"db"}))
		s.pass(time.Hour)
		s.wantState("dump", control.Waiting, "waits for db (stopped)")
	})
}

func TestReloadOfSchedules(t *testing.T) {
	reload := func(s *scene, lines ...string) {
		s.Helper()
		valid, err := project.Validated(utc(lines...))
		s.must(err)
		_, err = s.Reload(ctx, valid, nil)
		s.must(err)
		s.pass(time.Second)
	}
	play(t, utc("job: cron=0_*_*_*_*", "web:"), map[project.ID]any{"job": act{lasts: 2 * time.Second}}, Options{}, func(s *scene) {
		reload(s, "job: cron=30_*_*_*_*", "web:") // another time
		s.wantState("job", control.Scheduled, "runs Sat 1 Jan 00:30 UTC, in 29 min")
		reload(s, "job: cron=30_*_*_*_* grace=7s", "web:") // the next run is another one
		if st := s.status("job"); st.State != control.Scheduled || st.Starts != 0 {
			s.Errorf("got %+v", st)
		}
		reload(s, "job: cron=30_*_*_*_* grace=7s +atstart", "web:") // that time is over
		if st := s.status("job"); st.State != control.Scheduled || st.Starts != 0 {
			s.Errorf("got %+v", st)
		}
		reload(s, "job: grace=7s", "web:") // no schedule any more
		if st := s.status("job"); st.State != control.Running || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.pass(3 * time.Second)
		s.wantState("job", control.Completed, "")
		reload(s, "job: every=1m grace=7s", "web:") // again one
		if st := s.status("job"); st.State != control.Scheduled || st.Starts != 1 {
			s.Errorf("got %+v", st)
		}
		s.pass(time.Minute)
		if st := s.status("job"); st.Starts != 2 {
			s.Errorf("got %+v", st)
		}
		reload(s, "web:")
		s.pass(time.Hour)
		if strings.Contains(s.world.transcript(), "1h") {
			s.Errorf("it still runs:\n%s", s.world.transcript())
		}
	})
}

// A project does not end while a run is to come, whatever it does when it is done; it
// stops at once, and with AbortOnExit at the first failure.
func TestEndsOfSchedules(t *testing.T) {
	acts := map[project.ID]any{"job": []act{{lasts: time.Second}, {lasts: time.Second, code: 4}}, "once": act{lasts: time.Second}}
	play(t, services("job: every=1m", "once:"), acts, Options{Leave: true, AbortOnExit: true}, func(s *scene) {
		s.pass(90 * time.Second)
		s.wantState("job", control.Scheduled, "runs Sat 1 Jan 00:02:00 "+time.Unix(0, 0).Format("MST")+", in 30 s; the last run succeeded")
		s.wantEnd(4, "job failed (exit code 4)")
	})
	play(t, services("job: every=1m"), nil, Options{}, func(s *scene) {
		s.Down()
		s.wantEnd(0, requested)
	})
}

func TestUnknownZone(t *testing.T) {
	none := Options{Zone: func(string) (*time.Location, error) { return nil, errors.New("no such file") }}
	play(t, services("job: cron=0_*_*_*_* zone=Mars/Olympus", "web:"), nil, none, func(s *scene) {
		s.pass(time.Second)
		s.wantState("job", control.Skipped, `time zone "Mars/Olympus" is not known on this machine`)
	})
}
