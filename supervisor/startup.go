package supervisor

import (
	"slices"
	"sort"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// startup is how the last start by request of a service went, until it was ready or had
// ended.
type startup struct {
	asked, began, started, ready, ended time.Time

	outcome string // how it ended, if it was never ready
	tries   int
	steps   []control.StartupStep
}

// over reports whether the service was ready or has ended.
func (u *startup) over() bool { return !u.ready.IsZero() || !u.ended.IsZero() }

// try notes that the service begins, for the first time or again.
func (u *startup) try(now time.Time) {
	if u.over() {
		return
	}
	if u.began.IsZero() {
		u.began = now
	}
	u.tries++
	u.steps = nil
}

// enters notes a change of state.
func (u *startup) enters(to control.ServiceState, now time.Time) {
	begun := !u.over()
	switch to {
	case control.Running:
		if begun {
			u.ready = now
		}
	case control.Completed, control.Failed:
		if u.ended.IsZero() {
			u.ended = now
		}
		if begun && to == control.Failed {
			u.outcome = string(to)
		}
	case control.Skipped, control.Stopping, control.Stopped:
		if begun && !u.asked.IsZero() {
			u.ended, u.outcome = now, string(control.Stopped)
			if to == control.Skipped {
				u.outcome = string(to)
			}
		}
	}
}

// spawns notes that a process of the service is being started.
func (u *startup) spawns(r *run, now time.Time) {
	if !u.over() {
		u.steps = append(u.steps, control.StartupStep{Process: r.Process.ID, Role: r.role, Doing: r.Process.Doing, Began: now})
	}
}

// done notes the end of a step: a one-shot has ended, or the main process is ready.
func (u *startup) done(id project.ID, now time.Time) {
	for i := range u.steps {
		if s := &u.steps[i]; s.Process == id && s.Ended.IsZero() {
			s.Ended = now
		}
	}
}

// startups returns how the starts of all services went, by label. All times are by the clock
// as it is set now: between one from before and one from after there would be hours.
func (c *core) startups() control.Startups {
	now, clock := c.world.Now(), c.world.Clock()
	out := control.Startups{Since: ByClock(c.began, now, clock), Services: []control.Startup{}}
	for _, s := range c.order {
		u := control.Startup{ID: s.id, Label: s.spec.Label, Type: s.spec.Type, System: s.spec.System, Timed: s.spec.Schedule != nil, Asked: s.startup.asked, Began: s.startup.began,
			Started: s.startup.started, Ready: s.startup.ready, Ended: s.startup.ended, Outcome: s.startup.outcome,
			Restarts: max(0, s.startup.tries-1), Steps: slices.Clone(s.startup.steps)}
		times := []*time.Time{&u.Asked, &u.Began, &u.Started, &u.Ready, &u.Ended}
		for i := range u.Steps {
			times = append(times, &u.Steps[i].Began, &u.Steps[i].Ended)
		}
		for _, t := range times {
			*t = ByClock(*t, now, clock)
		}
		for id, d := range s.spec.DependsOn {
			u.Needs = append(u.Needs, control.StartupNeed{Service: id, Condition: d.Condition})
		}
		sort.SliceStable(u.Needs, func(i, j int) bool {
			a, b := u.Needs[i], u.Needs[j]
			return strings.Compare(string(a.Service), string(b.Service)) < 0
		})
		out.Services = append(out.Services, u)
	}
	return out
}
