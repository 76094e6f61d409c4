package supervisor

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// plans are what a reload may meet: what runs, waits, has ended or was stopped, and what
// becomes of it.
func plans() (before, after *project.Project, want map[project.ID]string) {
	before = services("a", "b", "tied: b=started+restart", "far: tied=started+restart", "gone", "job", "off: +disabled", "turned", "waits: never=ready", "never: +probe", "stopped", "refused", "moved: a=started", "timed: every=1h", "untimed: every=1h")
	after = services("a", "b", "tied: b=started+restart", "far: tied=started+restart", "job", "off", "turned: +disabled", "waits: never=ready", "never: +probe", "stopped", "refused", "moved: b=started", "timed: every=2h", "untimed", "new", "newoff: +disabled")
	for _, id := range []project.ID{"b", "waits", "stopped", "job", "timed"} {
		after.Processes[id].Env = map[string]project.Value{"X": {Text: project.Lit("1")}}
	}
	return before, after, map[project.ID]string{
		"a":       "none",
		"b":       "restart changed [environment.X]",
		"tied":    "restart dependency with [b]",
		"far":     "restart dependency with [tied]",
		"gone":    "stop removed",
		"job":     "start changed [environment.X]",
		"off":     "start enabled",
		"turned":  "stop disabled",
		"waits":   "start changed [environment.X]",
		"never":   "none",
		"stopped": "none stopped [environment.X]",
		"refused": "start retried",
		"moved":   "none",
		"timed":   "none [environment.X]",
		"untimed": "start changed",
		"new":     "start added",
		"newoff":  "none added",
	}
}

// What is planned is what a reload does.
func TestPlan(t *testing.T) {
	before, after, want := plans()
	acts := map[project.ID]any{"job": act{lasts: time.Second}, "never": act{ready: -1}}
	valid, err := project.Validated(after)
	if err != nil {
		t.Fatal(err)
	}
	play(t, before, acts, Options{Refused: map[project.ID]string{"refused": "no such program"}}, func(s *scene) {
		s.pass(5 * time.Second)
		s.must(s.Stop(ctx, []project.ID{"stopped"}))
		s.pass(time.Second)
		was := map[project.ID]control.Service{}
		for _, st := range s.Snapshot().Services {
			was[st.ID] = st
		}
		plan, err := s.Plan(ctx, valid, nil)
		s.must(err)
		for _, one := range plan {
			text := string(one.Action)
			if one.Cause != "" {
				text += " " + string(one.Cause)
			}
			if one.Differs != nil {
				text += fmt.Sprintf(" %v", one.Differs)
			}
			if one.With != nil {
				text += fmt.Sprintf(" with %v", one.With)
			}
			if text != want[one.ID] {
				t.Errorf("%s: %q, want %q", one.ID, text, want[one.ID])
			}
			delete(want, one.ID)
		}
		if len(want) > 0 {
			t.Errorf("nothing is planned for %v", want)
		}
		s.pass(time.Second)
		if now := s.Snapshot(); now.Services[0].Starts != was[now.Services[0].ID].Starts {
			t.Error("the plan was carried out")
		}
		done, err := s.Reload(ctx, valid, nil)
		s.must(err)
		if !reflect.DeepEqual(done.Plan, plan) {
			t.Errorf("the reload planned %+v\nand before it %+v", done.Plan, plan)
		}
		s.pass(5 * time.Second)
		now := map[project.ID]control.Service{}
		for _, st := range s.Snapshot().Services {
			now[st.ID] = st
		}
		for _, one := range plan {
			st, there := now[one.ID]
			switch starts := st.Starts - was[one.ID].Starts; one.Action {
			case control.PlanNone:
				if starts != 0 {
					t.Errorf("%s was started, and that was not planned", one.ID)
				}
			case control.PlanStop:
				if there && st.State.Live() {
					t.Errorf("%s is %s, and was to stop", one.ID, st.State)
				}
			default:
				if starts != 1 && st.State != control.Waiting {
					t.Errorf("%s was started %d times, and was to %s: it is %s", one.ID, starts, one.Action, st.State)
				}
			}
		}
	})
}
