package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// startup is how the start of a service went, by the seconds of the project.
func (s *scene) startup(id project.ID) string {
	s.Helper()
	all, err := s.Startups(ctx)
	s.must(err)
	for _, u := range all.Services {
		if u.ID != id {
			continue
		}
		at := func(name string, t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return fmt.Sprintf(" %s %v", name, t.Sub(all.Since))
		}
		text := at("asked", u.Asked) + at("began", u.Began) + at("started", u.Started) + at("ready", u.Ready) + at("ended", u.Ended)
		for _, step := range u.Steps {
			text += fmt.Sprintf(" [%s%s%s]", step.Process, at("from", step.Began), at("to", step.Ended))
		}
		if u.Restarts > 0 {
			text += fmt.Sprintf(" %d restarts", u.Restarts)
		}
		return strings.TrimSpace(text + " " + u.Outcome)
	}
	s.Fatalf("no service %q", id)
	return ""
}

func (s *scene) wantStartup(id project.ID, want string) {
	s.Helper()
	if got := s.startup(id); got != strings.TrimSpace(want) {
		s.Errorf("%s:\ngot  %s\nwant %s", id, got, want)
	}
}

func TestStartups(t *testing.T) {
	p := services("db: +init +probe +setup", "api: db=ready +probe restart=on_failure", "job: db=started", "later: +disabled", "stuck: slow=ready", "slow: +probe", "bad")
	acts := map[project.ID]any{
		"db-init":  act{lasts: 2 * time.Second},
		"db":       act{ready: time.Second},
		"db-setup": act{lasts: 3 * time.Second},
		"api":      []act{{lasts: time.Second, code: 1, ready: -1}, {ready: time.Second}},
		"job":      act{lasts: 10 * time.Second},
		"slow":     act{ready: -1},
		"bad":      act{lasts: time.Second, code: 1},
	}
	p.Processes["api"].Restart.Delay = project.For(4 * time.Second)
	play(t, p, acts, Options{}, func(s *scene) {
		s.pass(30 * time.Second)
		s.wantStartup("db", "asked 0s began 0s started 2s ready 6s [db-init from 0s to 2s] [db from 2s to 3s] [db-setup from 3s to 6s]")
		s.wantStartup("api", "asked 0s began 6s started 6s ready 12s [api from 11s to 12s] 1 restarts")
		s.wantStartup("job", "asked 0s began 2s started 2s ready 2s ended 12s [job from 2s to 2s]")
		s.wantStartup("later", "")
		s.wantStartup("stuck", "asked 0s")
		s.wantStartup("slow", "asked 0s began 0s started 0s [slow from 0s]")
		s.wantStartup("bad", "asked 0s began 0s started 0s ready 0s ended 1s [bad from 0s to 0s]")
		// What comes after the start changes nothing of it, and another start begins anew.
		db := s.startup("db")
		s.world.news(s.T, "db", control.Probe{Role: project.ReadinessProbe})
		s.pass(time.Second)
		s.world.news(s.T, "db", control.Probe{Role: project.ReadinessProbe, OK: true})
		s.wantStartup("db", db)
		s.must(s.Stop(ctx, []project.ID{"slow", "stuck", "api"}))
		s.pass(time.Second)
		s.wantStartup("slow", "asked 0s began 0s started 0s ended 31s [slow from 0s] stopped")
		s.wantStartup("stuck", "asked 0s ended 31s stopped")
		s.must(s.Restart(ctx, []project.ID{"api"}))
		s.pass(2 * time.Second)
		s.wantStartup("api", "asked 32s began 32s started 32s ready 33s [api from 32s to 33s]")
		s.Down()
		<-s.done
		s.wantStartup("db", db)
	})
}
