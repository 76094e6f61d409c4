package project_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"nix2gpu/project"
)

// replicated is a project of two workers, what depends on them, and what sends to them.
func replicated() *project.Project {
	one := func(id, service string) *project.Process {
		return &project.Process{ID: project.ID(id), Service: project.ID(service), Role: project.Main, Command: project.Command{Shell: project.Lit("x")}}
	}
	p := &project.Project{Version: project.Version, Name: "shop", Services: map[project.ID]*project.Service{}, Processes: map[project.ID]*project.Process{}}
	for _, name := range []string{"worker-0", "plain", "fixed", "probed", "front", "after", "second"} {
		id := project.ID(name)
		p.Services[id] = &project.Service{ID: id, Type: "custom", Instance: name, Label: name, Main: id}
		p.Processes[id] = one(name, name)
	}
	first := p.Services["worker-0"]
	first.Family, first.Port, first.Ports = "worker", 8001, []project.Port{{Port: 8001}}
	p.Processes["worker-0"].Env = map[string]project.Value{"NIX2GPU_REPLICA": {Text: project.Lit("0")}, "PORT": {Text: project.Lit("8001")}}
	p.Processes["worker-0"].Readiness = &project.Probe{HTTP: &project.HTTPCheck{Port: 8001}}
	p.AddReplica(first, 1)
	p.Services["fixed"].Ports = []project.Port{{Port: 9000}}
	p.Processes["probed"].Readiness = &project.Probe{TCP: &project.TCPCheck{Port: 9001}}
	p.Services["after"].DependsOn = map[project.ID]project.Dependency{"worker-0": {Condition: project.Ready}, "worker-1": {Condition: project.Ready}, "plain": {Condition: project.Started}}
	p.Services["second"].DependsOn = map[project.ID]project.Dependency{"worker-1": {Condition: project.Ready}}
	p.Processes["front"].Files = []project.File{{Path: project.RunPath("/conf"), Content: project.Join(project.Lit("upstream {"), project.EachReplica("worker", " server %s;", []int{8001, 8002}), project.Lit(" }"))}}
	return p
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		to                     map[string]int
		services, after, front string
		wrong                  string
	}{
		{to: map[string]int{"worker": 2},
			services: "after fixed front plain probed second worker-0 worker-1", after: "plain worker-0 worker-1", front: "8001; 8002"},
		{to: map[string]int{"worker": 4, "nobody": 3},
			services: "after fixed front plain probed second worker-0 worker-1 worker-2 worker-3", after: "plain worker-0 worker-1 worker-2 worker-3", front: "8001; 8002; 8003; 8004"},
		{to: map[string]int{"plain": 2},
			services: "after fixed front plain-0 plain-1 probed second worker-0 worker-1", after: "plain-0 plain-1 worker-0 worker-1", front: "8001; 8002"},
		{to: map[string]int{"fixed": 1},
			services: "after fixed-0 front plain probed second worker-0 worker-1", after: "plain worker-0 worker-1", front: "8001; 8002"},
		{to: map[string]int{"worker": 1}, wrong: `second depends on "worker-1", which would be gone`},
		{to: map[string]int{"worker": 0}, wrong: `no replica of "worker" would be left, and front sends to it`},
		{to: map[string]int{"worker": 60000}, wrong: "port of the last replica must be at most 65535, not 68000"},
		{to: map[string]int{"probed": 2}, wrong: "the readiness probes of 2 replicas would all ask at port 9001"},
		{to: map[string]int{"fixed": 2}, wrong: "ports of 2 replicas would be the same"},
	} {
		p := replicated()
		err := p.Scale(c.to)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%v: error %v, want %q", c.to, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", c.to, err)
			continue
		}
		words := func(ids []project.ID) string {
			var out []string
			for _, id := range ids {
				out = append(out, string(id))
			}
			return strings.Join(out, " ")
		}
		if got := words(slices.Sorted(maps.Keys(p.Services))); got != c.services {
			t.Errorf("%v: services %s, want %s", c.to, got, c.services)
		}
		if got := words(slices.Sorted(maps.Keys(p.Processes))); got != c.services {
			t.Errorf("%v: processes %s, want %s", c.to, got, c.services)
		}
		if got := words(slices.Sorted(maps.Keys(p.Services["after"].DependsOn))); got != c.after {
			t.Errorf("%v: after depends on %s, want %s", c.to, got, c.after)
		}
		front := strings.NewReplacer("server ", "", "127.0.0.1:", "", "upstream { ", "", "; }", "").Replace(p.Processes["front"].Files[0].Content.String())
		if front != c.front {
			t.Errorf("%v: front sends to %s, want %s", c.to, front, c.front)
		}
		if _, err := project.Validated(p); err != nil {
			t.Errorf("%v: %v", c.to, err)
		}
	}
}

// A replica that Scale adds has its number and its port, as those that were there have.
func TestScaleNumbers(t *testing.T) {
	p := replicated()
	delete(p.Services, "second")
	delete(p.Processes, "second")
	for _, n := range []int{1, 3} { // the way there leaves nothing
		if err := p.Scale(map[string]int{"worker": n}); err != nil {
			t.Fatal(err)
		}
	}
	s, main := p.Services["worker-2"], p.Processes["worker-2"]
	if s.Label != "worker-2" || s.Family != "worker" || s.Port != 8003 || s.Ports[0].Port != 8003 || main.Service != "worker-2" {
		t.Errorf("got %+v", s)
	}
	if main.Env["NIX2GPU_REPLICA"].Text.String() != "2" || main.Env["PORT"].Text.String() != "8003" || main.Readiness.HTTP.Port != 8003 {
		t.Errorf("got %+v", main)
	}
	// What has no port may well have a variable of that name.
	p.Processes["plain"].Env = map[string]project.Value{"PORT": {Text: project.Lit("0")}}
	if err := p.Scale(map[string]int{"plain": 2}); err != nil || p.Processes["plain-1"].Env["PORT"].Text.String() != "0" {
		t.Errorf("a variable of the user: %v, %v", err, p.Processes["plain-1"].Env)
	}
	if err := p.Scale(map[string]int{"plain": 0}); err != nil || !p.Services["plain-0"].Disabled {
		t.Errorf("none of it: %v, %+v", err, p.Services["plain-0"])
	}
}

// Replicas may well be asked at the same port where that is not theirs to listen on.
func TestScaleOfProbedElsewhere(t *testing.T) {
	for name, change := range map[string]func(*project.Project, *project.Probe){
		"another machine": func(_ *project.Project, probe *project.Probe) { probe.TCP.Host = "10.0.0.7" },
		"another service": func(p *project.Project, _ *project.Probe) { p.Services["plain"].Ports = []project.Port{{Port: 9001}} },
		"own networks": func(p *project.Project, _ *project.Probe) {
			p.Processes["probed"].Settings = project.Settings{Network: project.Loopback}
		},
		"no probe of the network": func(_ *project.Project, probe *project.Probe) {
			*probe = project.Probe{Log: &project.LogCheck{Contains: "up"}}
		},
	} {
		p := replicated()
		probe := &project.Probe{TCP: &project.TCPCheck{Port: 9001}}
		p.Processes["probed"].Readiness = probe
		change(p, probe)
		if err := p.Scale(map[string]int{"probed": 2}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplicasInJSON(t *testing.T) {
	p := replicated()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := project.Decode(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Scale(map[string]int{"worker": 3}); err != nil {
		t.Fatal(err)
	}
	if got := again.Processes["front"].Files[0].Content.String(); !strings.Contains(got, "127.0.0.1:8003;") {
		t.Errorf("got %s", got)
	}
}

// Who depends on the only replica by its own name does not depend on what is added.
func TestScaleOfOneNamedItself(t *testing.T) {
	for _, byName := range []bool{false, true} {
		p := replicated()
		delete(p.Services, "worker-1")
		delete(p.Processes, "worker-1")
		p.Services["second"].DependsOn = map[project.ID]project.Dependency{"worker-0": {Condition: project.Ready, Replica: byName}}
		delete(p.Services["after"].DependsOn, "worker-1")
		if err := p.Scale(map[string]int{"worker": 2}); err != nil {
			t.Fatal(err)
		}
		want := 2
		if byName {
			want = 1
		}
		if got := p.Services["second"].DependsOn; len(got) != want || got["worker-0"].Replica != byName {
			t.Errorf("by its own name: %t: it depends on %+v", byName, got)
		}
	}
}

// What keeps a service from being scaled is said once, and a project that is broken anyway
// is left to Validate.
func TestScaleOfBrokenProjects(t *testing.T) {
	taken := replicated()
	taken.Services["worker-2"] = &project.Service{ID: "worker-2", Type: "custom", Instance: "worker-2", Label: "worker-2", Main: "plain"}
	err := taken.Scale(map[string]int{"worker": 3})
	if err == nil || !strings.Contains(err.Error(), `another service has the name "worker-2" already`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a name that is taken: %v", err)
	}
	headless := replicated()
	delete(headless.Processes, "worker-0")
	if err := headless.Scale(map[string]int{"worker": 3}); err != nil {
		t.Errorf("a service without a process: %v", err)
	}
	if _, err := project.Validated(headless); err == nil {
		t.Error("a service without a process is valid")
	}
}
