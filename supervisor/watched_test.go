package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

func (s *scene) touch(id project.ID, path string, want bool) {
	s.Helper()
	if did, err := s.Touch(ctx, id, path); err != nil || did != want {
		s.Errorf("touch of %s for %s: %t, %v", path, id, did, err)
	}
	s.pass(time.Second)
}

// A change restarts what watches, and with cascade what depends on it: downstream, after
// it, and never upstream. The project stays for as long as somebody watches.
func TestTouch(t *testing.T) {
	play(t, services("lib: restart=no", "assets: restart=no lib=completed watch=./assets +cascade", "api: assets=completed watch=./src", "web: api=started", "other:"),
		map[project.ID]any{"lib": act{lasts: time.Second}, "assets": act{lasts: time.Second}}, Options{}, func(s *scene) {
			s.pass(3 * time.Second)
			s.wantState("assets", control.Completed, "restarts when ./assets changes")
			s.touch("api", "src/a.go", true)
			s.wantState("api", control.Running, "restarts when ./src changes")
			s.touch("assets", "assets/b", true)
			s.pass(3 * time.Second)
			for id, want := range map[project.ID]string{"lib": "1 0", "assets": "2 1", "api": "3 2", "web": "2 1", "other": "1 0"} {
				if st := s.status(id); fmt.Sprint(st.Starts, st.Restarts) != want || st.Watched != (id == "api" || id == "assets") {
					s.Errorf("%s: %d starts, %d restarts, watched %t, want %s", id, st.Starts, st.Restarts, st.Watched, want)
				}
			}
			if st := s.status("assets"); st.Touched != "assets/b" || st.TouchedAt.IsZero() {
				s.Errorf("got %+v", st)
			}
			s.touch("other", "x", false) // it watches nothing
			s.touch("nobody", "x", false)
		})
}

// One that was stopped stays stopped, one that has failed does not, and the project ends
// when nothing is watched any more.
func TestTouchOfWhatDoesNotRun(t *testing.T) {
	play(t, services("build: restart=no watch=src", "off: +disabled watch=src"), map[project.ID]any{"build": []act{{lasts: time.Second, code: 3}, {lasts: time.Second}}}, Options{}, func(s *scene) {
		s.touch("off", "a", false)
		s.pass(2 * time.Second)
		s.wantState("build", control.Failed, "exit code 3; restarts when src changes")
		s.touch("build", "src/main.c", true)
		s.pass(2 * time.Second)
		s.wantState("build", control.Completed, "restarts when src changes")
		s.pass(time.Hour)
		s.must(s.Stop(ctx, []project.ID{"build"}))
		s.wantEnd(0, allCompleted)
	})
}

// What ends, or is to start anyway, is not restarted by a change, and is in no loop.
func TestTouchOfWhatRestarts(t *testing.T) {
	play(t, services("api: watch=.", "user: api=started"), map[project.ID]any{"api": act{deaf: true}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		if did, err := s.Touch(ctx, "api", "out"); err != nil || !did {
			s.Fatalf("got %t, %v", did, err)
		}
		for range 2 * loopAfter {
			if s.status("api").State != control.Restarting {
				s.Fatalf("got %+v", s.status("api"))
			}
			if did, err := s.Touch(ctx, "api", "out"); err != nil || did {
				s.Fatalf("got %t, %v", did, err)
			}
		}
		s.pass(time.Minute)
		if st := s.status("api"); st.Starts != 2 || st.Restarts != 1 {
			s.Errorf("got %+v", st)
		}
		s.touch("api", "out", true)
	})
}

// One that writes what it watches would restart for ever.
func TestTouchInALoop(t *testing.T) {
	play(t, services("api: watch=.", "web:"), nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		for range loopAfter {
			s.touch("api", "out", true)
		}
		s.touch("api", "out", false)
		if lines := s.world.transcript(); !strings.Contains(lines, "api: restarts itself: out has changed soon after each of its last starts; files are not watched until a reload") {
			s.Error(lines)
		}
		s.wantState("api", control.Running, "restarted itself: its files are not watched until a reload")
		s.pass(time.Hour)
		s.touch("api", "out", false)
		p := services("api: watch=.", "web:")
		_, err := s.Reload(ctx, project.TakenAsValid(p), nil)
		s.must(err)
		s.touch("api", "out", true)
		for range 20 { // somebody who works
			s.pass(loopWithin)
			s.touch("api", "a.go", true)
		}
	})
}
