package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RunsOf returns the ids of the services that stand for the further runs that there may be
// of a service with a schedule: "job-2" and so on. Other services have none.
func (p *Project) RunsOf(id ID) (ids []ID) {
	if s := p.Services[id]; s != nil && s.Schedule != nil {
		for n := 2; n <= s.Schedule.Concurrent; n++ {
			ids = append(ids, furtherID(id, n))
		}
	}
	return ids
}

// AllRuns returns ids and the further runs of each.
func (p *Project) AllRuns(ids []ID) []ID {
	out := slices.Clone(ids)
	for _, id := range ids {
		out = append(out, p.RunsOf(id)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func furtherID(id ID, n int) ID { return ID(fmt.Sprintf("%s-%d", id, n)) }

// WithRuns returns the project with a service for each of the runs that a schedule allows
// at once beside the first. So each of them has its own process, log and state. p is not
// changed.
func (p *Project) WithRuns() *Project {
	out := p
	for id := range p.Services {
		for i, other := range p.RunsOf(id) {
			if out == p {
				whole := *p
				out = &whole
				out.Services, out.Processes = maps.Clone(p.Services), maps.Clone(p.Processes)
			}
			out.addRun(p.Services[id], other, i+2)
		}
	}
	return out
}

// addRun adds the nth run of a service.
func (p *Project) addRun(of *Service, id ID, n int) {
	s := *of
	s.ID, s.Instance, s.Label = id, fmt.Sprintf("%s-%d", of.Instance, n), fmt.Sprintf("%s-%d", of.Label, n)
	s.Schedule = &Schedule{Of: of.ID, Pos: of.Schedule.Pos}
	s.Ports = nil // they are told of the first
	s.Family = "" // it is no replica: scale counts those
	more := func(pid ID) ID {
		proc := *p.Processes[pid]
		proc.ID, proc.Service = id+ID(strings.TrimPrefix(string(pid), string(of.ID))), id // as if the service were written
		p.Processes[proc.ID] = &proc
		return proc.ID
	}
	all := func(ids []ID) (out []ID) {
		for _, pid := range ids {
			out = append(out, more(pid))
		}
		return out
	}
	s.Init, s.Main, s.Setup = all(of.Init), more(of.Main), all(of.Setup)
	p.Services[id] = &s
}
