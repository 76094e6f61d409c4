package supervisor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// What is restarted again and again is no healthy service for the moments in which
// it runs: neither is said so, nor does the summary change with each restart.
func TestSummaryStaysWhileSomethingRestarts(t *testing.T) {
	p := services("a: restart=always delay=1s", "b: +probe")
	play(t, p, map[project.ID]any{
		"a": []act{{lasts: time.Millisecond, code: 1}, {lasts: time.Millisecond, code: 1}, {lasts: time.Millisecond, code: 1},
			{lasts: 3 * time.Second, code: 2}, {lasts: 3 * time.Second, code: 2}, {lasts: 3 * time.Second, code: 2}, {}},
	}, Options{}, func(s *scene) {
		s.pass(3500 * time.Millisecond) // three restarts
		for range 26 {                  // until it runs for good
			if snap := s.Snapshot(); !strings.HasPrefix(snap.Summary, "1 of 2 services healthy; restarting: a (exit code ") || snap.Healthy {
				t.Errorf("summary = %q, healthy %t", snap.Summary, snap.Healthy)
			}
			s.pass(500 * time.Millisecond)
		}
		s.pass(9 * time.Second)
		said := 0
		for line := range strings.Lines(s.world.transcript()) {
			if strings.Contains(line, "services healthy") {
				said++
			}
		}
		if said != 2 || !strings.HasSuffix(s.world.transcript(), "all services healthy\n25.003s without a probe: a") {
			t.Errorf("%d summaries in\n%s", said, s.world.transcript())
		}
	})
}

// Who runs and is asked by no probe is named, below the line that says that all is
// well, and there alone. A one-shot that has completed is well.
func TestUnprobed(t *testing.T) {
	p := services("api", "worker", "db: +probe", "job: restart=no", "bad: restart=no")
	play(t, p, map[project.ID]any{"job": act{lasts: time.Millisecond}, "bad": []act{{lasts: time.Millisecond, code: 1}, {}}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		if got := s.world.transcript(); strings.Contains(got, "without") || !strings.HasSuffix(got, "4 of 5 services healthy; failed: bad (exit code 1)") {
			t.Errorf("said\n%s", got)
		}
		s.must(s.Restart(ctx, []project.ID{"bad"}))
		s.pass(time.Second)
		if got := s.world.transcript(); !strings.HasSuffix(got, "1.5s all services healthy\n1.5s without a probe: api, bad, worker") {
			t.Errorf("said\n%s", got)
		}
		if snap := s.Snapshot(); !slices.Equal(snap.Unprobed, []string{"api", "bad", "worker"}) {
			t.Errorf("unprobed = %q", snap.Unprobed)
		}
	})
}

// What makes a cluster of nodes is no healthy service while it is at that, however long it
// takes: whoever waits until all is well finds a cluster.
func TestCompletes(t *testing.T) {
	p := services("node: +probe", "cluster: node=ready", "client: +probe cluster=ready")
	p.Services["cluster"].Completes = true
	play(t, p, map[project.ID]any{"cluster": act{lasts: 2 * time.Second}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		if st := s.status("cluster"); st.State != control.Running || st.Health != control.HealthStarting || st.Healthy() {
			t.Errorf("it is %s, %q, healthy %t", st.State, st.Health, st.Healthy())
		}
		if st := s.status("client"); st.State != control.Waiting {
			t.Errorf("who waits for it is %s", st.State)
		}
		if snap := s.Snapshot(); snap.Healthy || strings.Contains(s.world.transcript(), "healthy") {
			t.Errorf("summary = %q, said\n%s", snap.Summary, s.world.transcript())
		}
		s.pass(2 * time.Second)
		if snap := s.Snapshot(); !snap.Healthy || !strings.HasSuffix(s.world.transcript(), "all services healthy") {
			t.Errorf("summary = %q, said\n%s", snap.Summary, s.world.transcript())
		}
	})
}

// Where it fails again and again, the summary says so, also while it tries.
func TestCompletesAfterManyFailures(t *testing.T) {
	p := services("node: +probe", "cluster: node=ready restart=on_failure delay=1s")
	p.Services["cluster"].Completes = true
	failing := act{lasts: 2 * time.Second, code: 1}
	play(t, p, map[project.ID]any{"cluster": []act{failing, failing, failing, failing, failing, failing}}, Options{}, func(s *scene) {
		s.pass(12 * time.Second) // three restarts
		for range 5 {
			if snap := s.Snapshot(); !strings.HasPrefix(snap.Summary, "1 of 2 services healthy; restarting: cluster (exit code 1)") || snap.Healthy {
				t.Errorf("%s: summary = %q, healthy %t", s.status("cluster").State, snap.Summary, snap.Healthy)
			}
			s.pass(500 * time.Millisecond)
		}
	})
}

// What would fail in the same way again fails at once, whatever the policy, with
// what it said itself. A reload tries it again, and touches nothing else; so does a
// restart of it.
func TestWhatCannotPassIsNotRetried(t *testing.T) {
	for name, mend := range map[string]func(*scene, *project.Project){
		"reload": func(s *scene, p *project.Project) {
			changes, err := s.Reload(ctx, project.TakenAsValid(p), nil)
			s.must(err)
			if !changes.IsEmpty() {
				s.Errorf("changes = %+v", changes)
			}
		},
		"restart": func(s *scene, _ *project.Project) { s.must(s.Restart(ctx, []project.ID{"db"})) },
	} {
		t.Run(name, func(t *testing.T) {
			p := services("db: +probe +setup restart=always", "api: db=ready", "other")
			acts := map[project.ID]any{"db-setup": act{lasts: time.Millisecond, code: project.CannotPass, said: "ERROR: syntax error at or near \"CREAT\""}}
			play(t, p, acts, Options{}, func(s *scene) {
				s.pass(time.Minute)
				s.wantState("db", control.Failed, `db-setup: exit code 78: ERROR: syntax error at or near "CREAT"`)
				s.wantState("api", control.Skipped, "db failed (db-setup: exit code 78)")
				if st := s.status("db"); st.Restarts != 0 || !st.Exit.Final {
					t.Errorf("db = %+v", st)
				}
				pid := s.status("other").PID
				s.world.setScript(func(id project.ID, _ int) act {
					if id == "db-setup" {
						return act{lasts: time.Millisecond}
					}
					return act{}
				})
				mend(s, services("db: +probe +setup restart=always", "api: db=ready", "other"))
				s.pass(time.Minute)
				s.wantState("db", control.Running, "")
				s.wantState("api", control.Running, "")
				if st := s.status("other"); st.PID != pid || st.Starts != 1 {
					t.Errorf("other was restarted: %+v", st)
				}
			})
		})
	}
}

// A code of that number from a main process is its own affair.
func TestCannotPassIsTheWordOfOneShots(t *testing.T) {
	p := services("a: restart=always delay=1s")
	play(t, p, map[project.ID]any{"a": []act{{lasts: time.Millisecond, code: project.CannotPass}, {}}}, Options{}, func(s *scene) {
		s.pass(time.Minute)
		s.wantState("a", control.Running, "")
	})
}

// A reload looks again at what was refused, and at nothing that runs.
func TestReloadOfTheRefused(t *testing.T) {
	p := services("a", "b: a=started", "c")
	play(t, p, nil, Options{Refused: map[project.ID]string{"a": "no user"}}, func(s *scene) {
		s.wantState("a", control.Skipped, "no user")
		if st := s.status("a"); !st.Refused {
			t.Errorf("a = %+v, want it refused", st)
		}
		if st := s.status("b"); st.State != control.Skipped || st.Refused {
			t.Errorf("b = %+v, want it skipped for a", st)
		}
		same := project.TakenAsValid(services("a", "b: a=started", "c"))
		_, err := s.Reload(ctx, same, map[project.ID]string{"a": "no program"})
		s.must(err)
		s.pass(time.Second)
		s.wantState("a", control.Skipped, "no program")
		_, err = s.Reload(ctx, same, nil)
		s.must(err)
		s.pass(time.Second)
		s.wantState("a", control.Running, "")
		s.wantState("b", control.Running, "")
		if st := s.status("c"); st.Starts != 1 {
			t.Errorf("c = %+v, want one start", st)
		}
	})
}

// The line that tells most is the last that speaks of an error.
func TestTelling(t *testing.T) {
	for want, lines := range map[string][]string{
		"": nil,
		`psql:init.sql:1: ERROR: syntax error at or near "CREAT"`: {`nix2gpu: postgresql: script init.sql: exit status 3`,
			`psql:init.sql:1: ERROR:  syntax error at or near "CREAT"`, "LINE 1: CREAT TABLE x;", "        ^"},
		"ModuleNotFoundError: No module named 'x'": {"Traceback (most recent call last):", `  File "a.py", line 1`, "ModuleNotFoundError: No module named 'x'"},
		"[ERROR] no folder":                        {"[Note] starting", "[ERROR] no folder", "[ERROR] no engine", "[ERROR] Aborting", "bye"},
		"bye":                                      {"hello", "bye"},
		"cannot open it":                           {"cannot open it", "hint: an error of yours"},
		"error: a b":                               {"  error:\ta   b ", "done"},
		"nginx: [emerg] x":                         {"nginx: [emerg] x", "stopped"},
		"ERROR: no key":                            {"\x1b[1;31mERROR:\x1b[0m no key", "bye"},
		`error: ␛[2J\x07 x`:                        {"error: \x1b[2J\a x"},
	} {
		if got := telling(lines); got != want {
			t.Errorf("telling(%q) = %q, want %q", lines, got, want)
		}
	}
}

// For a person who watches, what was waited for has its time.
func TestTimed(t *testing.T) {
	p := services("db: +probe", "api: db=ready", "job: restart=no", "bad: restart=no")
	acts := map[project.ID]any{"db": act{ready: 1200 * time.Millisecond}, "job": act{lasts: 40 * time.Millisecond}, "bad": []act{{lasts: time.Millisecond, code: 1}, {}}}
	play(t, p, acts, Options{Timed: true}, func(s *scene) {
		s.pass(3 * time.Second)
		got := s.world.transcript()
		for _, want := range []string{"db: ready (1.2 s)", "job: completed (0.0 s)", "3 of 4 services healthy; failed: bad (exit code 1)"} {
			if !strings.Contains(got, want) {
				t.Errorf("said\n%s\nwant %s", got, want)
			}
		}
		s.must(s.Restart(ctx, []project.ID{"bad"})) // what follows is not about the start
		s.pass(time.Second)
		if got := s.world.transcript(); strings.Contains(got, "all services healthy (") || !strings.Contains(got, "all services healthy") {
			t.Errorf("said\n%s", got)
		}
	})
}
