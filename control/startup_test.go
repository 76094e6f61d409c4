package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

var zero = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// at returns a second of the project, and the zero time for 0.
func at(second int) time.Time {
	if second == 0 {
		return time.Time{}
	}
	return zero.Add(time.Duration(second) * time.Second)
}

// start makes a startup with its times given in seconds, and its dependencies as
// "db=ready".
func start(id string, asked, began, started, ready, ended int, needs ...string) control.Startup {
	u := control.Startup{ID: project.ID(id), Label: id, Asked: at(asked), Began: at(began), Started: at(started), Ready: at(ready), Ended: at(ended)}
	for _, n := range needs {
		service, cond, _ := strings.Cut(n, "=")
		u.Needs = append(u.Needs, control.StartupNeed{Service: project.ID(service), Condition: project.Condition(cond)})
	}
	return u
}

func TestChain(t *testing.T) {
	all := control.Startups{Since: zero, Services: []control.Startup{
		start("api", 1, 9, 9, 10, 0, "db=ready", "migrate=completed", "cache=started"),
		start("cache", 1, 1, 2, 30, 0),
		start("db", 1, 1, 3, 4, 0),
		start("job", 1, 9, 9, 9, 20),
		start("late", 15, 15, 15, 16, 0, "db=ready"),
		start("migrate", 1, 4, 4, 4, 9, "db=ready"),
		start("slow", 1, 1, 1, 0, 0),
		start("web", 1, 0, 0, 0, 0, "api=ready", "slow=ready"),
	}}
	failed := start("bad", 1, 1, 1, 0, 5)
	failed.Outcome = string(control.Failed)
	all.Services = append(all.Services, failed, start("after", 1, 5, 5, 5, 0, "bad=exited"))
	now := at(40)
	for id, want := range map[string]string{
		"api":     "api 10s+1s, migrate completed 9s+5s, db ready 4s+3s",
		"cache":   "cache 30s+29s",
		"job":     "job 9s+0s",
		"late":    "late 16s+1s",                   // db was there before it was asked for
		"migrate": "migrate 9s+5s, db ready 4s+3s", // its end is waited for
		"web":     "web -+0s, slow ready -+39s",
		"after":   "after 5s+0s, bad exited 5s+4s",
		"nobody":  "",
	} {
		var links []string
		for _, l := range all.Chain(project.ID(id)) {
			there := "-"
			if !l.At.IsZero() {
				there = l.At.Sub(zero).String()
			}
			links = append(links, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s+%v", l.ID, l.Condition, there, l.Took(now))), " "))
		}
		if got := strings.Join(links, ", "); got != want {
			t.Errorf("the chain of %s is %s, want %s", id, got, want)
		}
	}
}

func TestChainOfACircle(t *testing.T) {
	all := control.Startups{Services: []control.Startup{start("a", 1, 2, 2, 3, 0, "b=ready"), start("b", 1, 2, 2, 3, 0, "a=ready")}}
	if n := len(all.Chain("a")); n != 3 {
		t.Errorf("the chain has %d links", n)
	}
}
