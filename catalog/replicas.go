package catalog

import (
	"slices"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// maxReplicas catches a slip of the keyboard.
const maxReplicas = 1000

// replicasOf is how many processes a custom service is, and whether it says so: then
// each has a number in its name.
func replicasOf(c *module.Config, given map[string]int) (count int, numbered bool) {
	if n, ok := given[c.Name()]; ok {
		return n, true
	}
	if !c.Has("replicas") {
		return 1, false
	}
	count = c.Int("replicas")
	if count > maxReplicas {
		c.Get("replicas").Errorf("replicas must be at most %d, not %d", maxReplicas, count)
		count = 1
	}
	return count, true
}

// familiesOf are the ports of custom services that have one, by the name of each and,
// of several replicas, by that of all.
func familiesOf(services *module.Config, given map[string]int) map[string][]int {
	out := map[string][]int{}
	for _, c := range services.Each("custom") {
		if !c.Bool("enable") || !c.Has("port") {
			continue
		}
		count, numbered := replicasOf(c, given)
		out[c.Name()] = nil // there may be none of it
		for n := range count {
			out[c.Name()] = append(out[c.Name()], c.Int("port")+n)
			if numbered {
				out[string(project.ReplicaID(c.Name(), n))] = []int{c.Int("port") + n}
			}
		}
	}
	return out
}

// servers is text for a custom service that an option names, which is sent to: form for
// each of its replicas, with the address of that one in place of "%s".
func (in *Instance) servers(c *module.Config, form string) project.Text {
	name := c.String()
	ports, known := in.families[name]
	switch {
	case !known:
		c.Errorf("%q must be a custom service with a port\n  hint: services.custom.%s.port = 8001;", name, name)
	case len(ports) == 0:
		c.Errorf("no replica of %q would be left, and %s sends to it\n  hint: leave at least one, or stop what sends to it", name, in.ID)
	}
	return project.EachReplica(name, form, ports)
}

// number gives a custom service that says how many it is the number of the first.
func (in *Instance) number() {
	count, numbered := replicasOf(in.Config, in.place.Replicas)
	if !numbered {
		return
	}
	in.replicas, in.numbered = count, true
	in.service.Family = in.Config.Name()
	in.ID = project.ReplicaID(in.Config.Name(), 0)
	in.Name = string(in.ID)
	in.service.ID, in.service.Instance, in.service.Main = in.ID, in.Name, in.ID
	in.service.Disabled = count == 0
}

// replicate adds the other replicas of a service that was generated as the first.
func (in *Instance) replicate() {
	if last := in.service.Port + in.replicas - 1; in.service.Port > 0 && last > 65535 {
		in.Get("port").Errorf("port of the last replica must be at most 65535, not %d", last)
		return
	}
	if role, port := in.project.SharedProbe(in.service); in.replicas > 1 && port > 0 && in.Has(string(role)+"_probe") {
		c := in.Get(string(role) + "_probe")
		for _, check := range []string{"http_get", "tcp_socket", "tcp", "grpc"} {
			if c.Has(check) {
				c = c.Get(check, "port")
				break
			}
		}
		c.Errorf("the %s probes of %d replicas would all ask at port %d\n  hint: set port, of which each has its own", role, in.replicas, port)
	}
	for n := 1; n < in.replicas; n++ {
		if id := project.ReplicaID(in.Config.Name(), n); in.project.Services[id] != nil {
			in.Errorf("another service has the name %q already", id)
			return
		}
		other := in.project.AddReplica(in.service, n)
		other.Ports = slices.DeleteFunc(other.Ports, func(p project.Port) bool { return p.Port != other.Port }) // that all would have the same is said once
		in.others = append(in.others, other)
	}
}
