package project

import (
	"maps"
	"slices"
	"testing"
)

// Further runs have the processes that a service of their name would have, and are no
// replicas. No two processes have one name.
func TestWithRuns(t *testing.T) {
	p := &Project{
		Services: map[ID]*Service{"job": {
			ID: "job", Family: "job", Main: "job", Init: []ID{"job-init", "job-init-2"}, Setup: []ID{"job-setup"},
			Schedule: &Schedule{Concurrent: 2},
		}},
		Processes: map[ID]*Process{},
	}
	for _, id := range p.Services["job"].ProcessIDs() {
		p.Processes[id] = &Process{ID: id, Service: "job"}
	}
	out := p.WithRuns()
	got := slices.Sorted(maps.Keys(out.Processes))
	want := []ID{"job", "job-2", "job-2-init", "job-2-init-2", "job-2-setup", "job-init", "job-init-2", "job-setup"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, id := range out.Services["job-2"].ProcessIDs() {
		if out.Processes[id].ID != id || out.Processes[id].Service != "job-2" {
			t.Errorf("%s: got %+v", id, out.Processes[id])
		}
	}
	if out.Services["job-2"].Family != "" || len(p.Processes) != 4 {
		t.Errorf("got %+v, and of the first %+v", out.Services["job-2"], p.Processes)
	}
}
