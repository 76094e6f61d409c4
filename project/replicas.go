package project

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ReplicaVar is the variable with the number of a replica, counted from 0.
const ReplicaVar = "NIX2GPU_REPLICA"

// ReplicaID is the id of replica n of a family.
func ReplicaID(family string, n int) ID { return ID(fmt.Sprintf("%s-%d", family, n)) }

// A ReplicasPart is text of a server that sends to replicas: Form is repeated for each of
// those that run, with the address of one in place of its "%s".
type ReplicasPart struct {
	Of   string `json:"of"` // the family, or one of it
	Form string `json:"form"`
}

// EachReplica is text that follows the number of replicas of a service, which listen at
// ports now.
func EachReplica(of, form string, ports []int) Text {
	var b strings.Builder
	for _, port := range ports {
		b.WriteString(strings.ReplaceAll(form, "%s", "127.0.0.1:"+strconv.Itoa(port)))
	}
	return Text{{Literal: b.String(), Replicas: &ReplicasPart{of, form}}}
}

// replicasOf returns the services that name stands for as one that has replicas, or may
// have them, by their numbers.
func (p *Project) replicasOf(name string) (list []*Service) {
	if s := p.Services[ID(name)]; s != nil && s.Type == "custom" && (s.Family == "" || s.Family == name) {
		return []*Service{s}
	}
	for n := 0; ; n++ {
		s := p.Services[ReplicaID(name, n)]
		if s == nil || s.Family != name {
			return list
		}
		list = append(list, s)
	}
}

// AddReplica adds replica n of the family of first, its replica 0, from which it differs
// by its number and by its port. The caller has seen that its name is free.
func (p *Project) AddReplica(first *Service, n int) *Service {
	s, main := *first, *p.Processes[first.Main]
	id := ReplicaID(first.Family, n)
	s.ID, s.Instance, s.Label, s.Main = id, string(id), string(id), id
	main.ID, main.Service = id, id
	main.Env = maps.Clone(main.Env)
	own := map[string]int{ReplicaVar: 0}
	if first.Port > 0 { // else a PORT is the user's, also 0
		own["PORT"] = first.Port
	}
	for name, was := range own {
		// What the user has set to something else is meant so.
		if v, ok := main.Env[name]; ok && v.Text.String() == strconv.Itoa(was) {
			main.Env[name] = Value{Text: Lit(strconv.Itoa(was + n))}
		}
	}
	s.DependsOn = maps.Clone(s.DependsOn)
	s.Ports = slices.Clone(s.Ports)
	if first.Port > 0 {
		s.Port += n
	}
	for i := range s.Ports {
		s.Ports[i].Port = first.shifted(s.Ports[i].Port, n)
	}
	for _, probe := range []**Probe{&main.Readiness, &main.Liveness, &main.Startup} {
		*probe = first.shiftedProbe(*probe, n)
	}
	p.Services[id], p.Processes[id] = &s, &main
	return &s
}

// shifted is the port of replica n where it is that of the first.
func (s *Service) shifted(port, n int) int {
	if port == s.Port {
		return port + n
	}
	return port
}

func (s *Service) shiftedProbe(p *Probe, n int) *Probe {
	if p == nil {
		return nil
	}
	own := *p
	if own.HTTP = copied(p.HTTP); own.HTTP != nil {
		own.HTTP.Port = s.shifted(own.HTTP.Port, n)
	}
	if own.TCP = copied(p.TCP); own.TCP != nil {
		own.TCP.Port = s.shifted(own.TCP.Port, n)
	}
	if own.GRPC = copied(p.GRPC); own.GRPC != nil {
		own.GRPC.Port = s.shifted(own.GRPC.Port, n)
	}
	return &own
}

// SharedProbe returns the probe of s, and the port, by which its replicas would all ask one
// program of this machine, where each should answer for itself; port 0: there is none. What
// another service listens on may well be asked by all of them.
func (p *Project) SharedProbe(s *Service) (role ProbeRole, port int) {
	main := p.Processes[s.Main]
	if main == nil || p.Apart(s) { // there each has all ports
		return "", 0
	}
	for role, probe := range main.Probes() {
		host, port := probe.address()
		if port == 0 || port == s.Port || host != "" && !isLoopback(host) || p.othersListen(s, port) {
			continue
		}
		return role, port
	}
	return "", 0
}

// othersListen reports whether a service that is no replica of s has a port.
func (p *Project) othersListen(s *Service, port int) bool {
	for _, other := range p.Services {
		if other.ID != s.ID && !p.Apart(other) && (s.Family == "" || other.Family != s.Family) &&
			slices.ContainsFunc(other.Ports, func(has Port) bool { return has.Port == port }) {
			return true
		}
	}
	return false
}

// copied is a copy of what p points to, if that is anything.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Scale gives custom services other numbers of replicas, by name, as if the definition
// said so: those that depend on all of them depend on the new ones, and text that names all
// of them has the new ones. Names of no such service are left out. After an error, p is
// of no use. It is for projects whose definition can't be evaluated again.
func (p *Project) Scale(numbers map[string]int) error {
	var wrong Errors
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if old := p.replicasOf(name); len(old) > 0 {
			p.scale(&wrong, name, old, numbers[name])
		}
	}
	p.AssignLabels()
	p.EachText(func(o Owner, t *Text) {
		for i, part := range *t {
			if part.Replicas != nil {
				ports := p.portsOf(part.Replicas.Of)
				if len(ports) == 0 {
					wrong.add(Pos{}, "", "leave at least one, or stop what sends to it", "no replica of %q would be left, and %s sends to it", part.Replicas.Of, p.ownerName(o))
				}
				(*t)[i] = EachReplica(part.Replicas.Of, part.Replicas.Form, ports)[0]
			}
		}
	})
	return wrong.asError()
}

// scale is Scale of one service, which old are now.
func (p *Project) scale(wrong *Errors, name string, old []*Service, n int) {
	first := *old[0]
	if p.Processes[first.Main] == nil {
		return // Validate says so
	}
	main := *p.Processes[first.Main]
	was := make(map[ID]bool, len(old))
	for _, s := range old {
		was[s.ID] = true
	}
	ids := []ID{ReplicaID(name, 0)}
	for i := 1; i < n; i++ {
		ids = append(ids, ReplicaID(name, i))
	}
	for _, id := range ids {
		if p.Services[id] != nil && !was[id] {
			wrong.add(first.Pos, first.ID, "", "another service has the name %q already", id)
			return // with all as it was: nothing else that is said of it would be true
		}
	}
	if role, port := p.SharedProbe(&first); n > 1 && port > 0 && !slices.ContainsFunc(first.Ports, func(has Port) bool { return has.Port == port }) {
		wrong.add(first.Pos, first.ID, "set port, of which each has its own", "the %s probes of %d replicas would all ask at port %d", role, n, port)
	}
	for _, s := range old {
		delete(p.Services, s.ID)
		delete(p.Processes, s.Main)
	}
	for _, port := range first.Ports {
		if n > 1 && port.Port != first.Port && !p.Apart(&first) {
			wrong.add(port.Pos, first.ID, "set port, of which each has its own", "ports of %d replicas would be the same", n)
		}
	}
	if last := first.Port + n - 1; first.Port > 0 && last > 65535 {
		wrong.add(first.Pos, first.ID, "", "port of the last replica must be at most 65535, not %d", last)
	}
	id := ids[0]
	first.Family, first.ID, first.Instance, first.Main = name, id, string(id), id
	first.Disabled = n == 0 || len(first.Profiles) > 0
	if n == 0 {
		first.Profiles = nil // none of them enables it
	}
	main.ID, main.Service, main.Env = id, id, maps.Clone(main.Env)
	if main.Env == nil {
		main.Env = map[string]Value{}
	}
	if _, set := main.Env[ReplicaVar]; !set {
		main.Env[ReplicaVar] = Value{Text: Lit("0")}
	}
	p.Services[id], p.Processes[id] = &first, &main
	for i := range ids[1:] {
		p.AddReplica(&first, i+1)
	}
	for _, user := range p.Services {
		p.dependAnew(wrong, user, was, ids)
	}
}

// dependAnew makes a service that depends on all of the replicas that there were depend on
// all of the new ones. One that it has named itself has to be among these.
func (p *Project) dependAnew(wrong *Errors, user *Service, was map[ID]bool, ids []ID) {
	needs := maps.Clone(user.DependsOn)
	var one Dependency
	byName := false // one of them was named itself
	for id := range was {
		if d, ok := user.DependsOn[id]; ok {
			one, byName = d, byName || d.Replica
			delete(needs, id)
		}
	}
	switch named := len(user.DependsOn) - len(needs); {
	case named == 0:
		return
	case named == len(was) && !byName:
		for _, id := range ids {
			needs[id] = one
		}
	default:
		for id := range was {
			d, ok := user.DependsOn[id]
			if ok && !slices.Contains(ids, id) {
				wrong.add(d.Pos, user.ID, "let it depend on all of them", "%s depends on %q, which would be gone", user.Label, id)
			} else if ok {
				needs[id] = d
			}
		}
	}
	user.DependsOn = needs
}

// portsOf are the ports of the replicas that a name stands for, or of the one.
func (p *Project) portsOf(name string) (ports []int) {
	of := p.replicasOf(name)
	if s := p.Services[ID(name)]; s != nil && len(of) == 0 {
		of = []*Service{s}
	}
	for _, s := range of {
		if s.Port > 0 && (!s.Disabled || len(s.Profiles) > 0) { // else there is none of it
			ports = append(ports, s.Port)
		}
	}
	return ports
}

// ownerName is whose text one is, for people.
func (p *Project) ownerName(o Owner) string {
	if proc := p.Processes[o.Process]; proc != nil {
		return p.label(proc.Service)
	}
	return o.File
}
