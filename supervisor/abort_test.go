package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

func TestAbortOnExit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lines  []string
		acts   map[project.ID]any
		from   project.ID
		code   int
		reason string
	}{
		{"a failure, however it would be restarted", []string{"a: restart=always", "b"}, map[project.ID]any{"a": act{lasts: 1e9, code: 4}}, "", 4, "a failed (exit code 4)"},
		{"a service that is meant to go on ends well", []string{"a: restart=on_failure", "b"}, map[project.ID]any{"a": act{lasts: 1e9}}, "", 0, "a has completed"},
		{"a one-shot that succeeds is none", []string{"a", "b: restart=always"}, map[project.ID]any{"a": act{lasts: 1e9}, "b": act{lasts: 2e9, code: 3}}, "", 3, "b failed (exit code 3)"},
		{"nor one whose end is waited for", []string{"a: restart=on_failure", "b: a=completed restart=always"},
			map[project.ID]any{"a": act{lasts: 1e9}, "b": act{lasts: 1e9, code: 3}}, "", 3, "b failed (exit code 3)"},
		{"a one-shot that fails", []string{"a", "b"}, map[project.ID]any{"a": act{lasts: 1e9, code: 2}}, "", 2, "a failed (exit code 2)"},
		{"one-shots alone", []string{"a", "b: a=completed"}, map[project.ID]any{"a": act{lasts: 1e9}, "b": act{lasts: 1e9}}, "", 0, "all services have completed"},
		{"its own code, when it succeeds", []string{"db: restart=always", "tests"}, map[project.ID]any{"tests": act{lasts: 1e9}}, "tests", 0, "tests has completed"},
		{"when it fails", []string{"db: restart=always", "tests"}, map[project.ID]any{"tests": act{lasts: 1e9, code: 7}}, "tests", 7, "tests failed (exit code 7)"},
		{"when another ends first, it was stopped", []string{"db: restart=always", "tests"}, map[project.ID]any{"db": act{lasts: 1e9, code: 9}}, "tests", 143, "db failed (exit code 9)"},
		{"a stop that it takes well is no success", []string{"db: restart=always", "tests"},
			map[project.ID]any{"db": act{lasts: 1e9, code: 9}, "tests": act{quits: true}}, "tests", 9, "db failed (exit code 9)"},
		{"not even where the other has ended well", []string{"db: restart=always", "tests"},
			map[project.ID]any{"db": act{lasts: 1e9}, "tests": act{quits: true}}, "tests", 1, "db has completed"},
		{"when it never runs", []string{"seed", "tests: seed=completed"}, map[project.ID]any{"seed": act{lasts: 1e9, code: 5}}, "tests", 5, "seed failed (exit code 5)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, services(tt.lines...), tt.acts, Options{AbortOnExit: true, ExitCodeFrom: tt.from}, func(s *scene) {
				s.wantEnd(tt.code, tt.reason)
				for _, st := range s.Snapshot().Services {
					if st.Restarts > 0 {
						t.Errorf("%s was restarted", st.ID)
					}
				}
			})
		})
	}
	t.Run("a stop by request is no end", func(t *testing.T) {
		play(t, services("a", "b"), nil, Options{AbortOnExit: true, ExitCodeFrom: "a"}, func(s *scene) {
			s.must(s.Stop(ctx, []project.ID{"b"}))
			s.must(s.Restart(ctx, []project.ID{"a"}))
			s.pass(time.Hour)
			if st := s.status("a"); st.State != control.Running {
				t.Errorf("a is %s", st.State)
			}
			s.Down()
			s.wantEnd(0, "requested")
		})
	})
	t.Run("it cannot run here", func(t *testing.T) {
		play(t, services("a", "b"), nil, Options{AbortOnExit: true, ExitCodeFrom: "a", Refused: map[project.ID]string{"a": "no such program"}}, func(s *scene) {
			s.wantEnd(1, "a was skipped (no such program)")
		})
	})
}

func TestLeave(t *testing.T) {
	p := services("a")
	p.WhenDone = project.WhenDoneStay
	play(t, p, map[project.ID]any{"a": act{lasts: time.Second}}, Options{Leave: true}, func(s *scene) {
		s.wantEnd(0, "all services have completed")
	})
}

// The stop of the whole project has another grace, longer or shorter than that of a
// process; a stop of one service has its own.
func TestStopGrace(t *testing.T) {
	for _, grace := range []time.Duration{0, 2 * time.Second, time.Minute} {
		p := services("a: grace=5s", "b: grace=5s")
		play(t, p, map[project.ID]any{"a": act{deaf: true}, "b": act{deaf: true}}, Options{StopGrace: &grace}, func(s *scene) {
			s.pass(time.Second)
			s.must(s.Stop(ctx, []project.ID{"b"}))
			s.pass(5 * time.Second)
			if st := s.status("b"); st.State != control.Stopped {
				t.Errorf("b is %s 5 s after it was told to stop", st.State)
			}
			began := time.Now()
			s.Down()
			s.wantEnd(0, "requested")
			if took := time.Since(began); took != grace {
				t.Errorf("with %v the stop takes %v", grace, took)
			}
		})
	}
}
