package supervisor

import (
	"slices"
	"sort"

	"nix2gpu/control"
	"nix2gpu/project"
)

// against returns p with the runs of its schedules, and how it differs from what runs.
func (c *core) against(p *project.Project) (*project.Project, project.Changes) {
	p = p.WithRuns()
	return p, c.project.Diff(p)
}

// plan returns what a reload of p would do, by label. It must decide like reload: a test
// compares them.
func (c *core) plan(p *project.Project, refused map[project.ID]string) []control.Planned {
	p, changes := c.against(p)
	plan := []control.Planned{}
	for _, s := range c.order {
		if s.gone || s.further() && !s.state.Live() {
			continue
		}
		one := control.Planned{ID: s.id, Label: s.spec.Label, State: s.state, Action: control.PlanNone}
		q := p.Services[s.id]
		if q != nil {
			one.Label = q.Label
			one.Differs, one.Applies = c.project.Differences(p, s.id)
		}
		running := s.state.Active() || s.state == control.Waiting
		changed := slices.Contains(changes.Changed, s.id)
		switch {
		case q == nil:
			one.Cause = control.CauseRemoved
			if running {
				one.Action = control.PlanStop
			}
		case q.Disabled && !s.spec.Disabled:
			one.Cause = control.CauseDisabled
			if running {
				one.Action = control.PlanStop
			}
		case !q.Disabled && s.spec.Disabled && !s.state.Live():
			one.Action, one.Cause = control.PlanStart, control.CauseEnabled
		case s.state == control.Scheduled && s.wanted && q.Schedule == nil:
			one.Action, one.Cause = control.PlanStart, control.CauseChanged
		case s.state == control.Scheduled && q.Schedule != nil: // its next run is another one
		case changed && s.state.Live() && s.state != control.Stopping:
			one.Action, one.Cause = control.PlanRestart, control.CauseChanged
		case changed && s.wanted && s.state != control.Stopping:
			one.Action, one.Cause = control.PlanStart, control.CauseChanged
		case changed:
			one.Cause = control.CauseStopped
		case s.wanted && (s.refused != "" || s.state == control.Failed && s.exit.Final):
			one.Action, one.Cause = control.PlanStart, control.CauseRetried
		}
		plan = append(plan, one)
	}
	for _, id := range changes.Added {
		if sch := p.Services[id].Schedule; sch != nil && sch.Of != "" {
			continue // it waits until there is no other room
		}
		one := control.Planned{ID: id, Label: p.Services[id].Label, Action: control.PlanStart, Cause: control.CauseAdded}
		if p.Services[id].Disabled {
			one.Action = control.PlanNone
		}
		plan = append(plan, one)
	}
	sort.SliceStable(plan, func(i, j int) bool { return compareLabels(plan[i].Label, plan[i].ID, plan[j].Label, plan[j].ID) < 0 })
	c.planDependants(p, plan)
	for i := range plan {
		if plan[i].Action == control.PlanStart || plan[i].Action == control.PlanRestart {
			plan[i].Refused = refused[plan[i].ID]
		}
	}
	return plan
}

// planDependants adds the services that restart because a dependency does.
func (c *core) planDependants(p *project.Project, plan []control.Planned) {
	for again := true; again; {
		again = false
		for i := range plan {
			one := &plan[i]
			s, q := c.services[one.ID], p.Services[one.ID]
			if s == nil || q == nil || !s.state.Live() || s.state == control.Stopping || s.noDeps {
				continue
			}
			for _, dep := range plan {
				if !q.DependsOn[dep.ID].Restart || dep.Action != control.PlanStart && dep.Action != control.PlanRestart || slices.Contains(one.With, dep.Label) {
					continue
				}
				one.With, again = append(one.With, dep.Label), true
				if one.Action == control.PlanNone {
					one.Action, one.Cause = control.PlanRestart, control.CauseDependency
				}
			}
		}
	}
}
