package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

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

// replicaName is the instance of one of several.
func replicaName(of string, n int) string { return fmt.Sprintf("%s-%d", of, n) }

// familiesOf are the ports of custom services that have one, by the name of each and,
// of several replicas, by that of all.
func familiesOf(services *module.Config, given map[string]int) map[string][]int {
	out := map[string][]int{}
	for _, c := range services.Each("custom") {
		if !c.Bool("enable") || !c.Has("port") {
			continue
		}
		count, numbered := replicasOf(c, given)
		for n := range count {
			out[c.Name()] = append(out[c.Name()], c.Int("port")+n)
			if numbered {
				out[replicaName(c.Name(), n)] = []int{c.Int("port") + n}
			}
		}
	}
	return out
}

// upstream are the addresses at which a custom service listens that an option names,
// with all of its replicas.
func (in *Instance) upstream(c *module.Config) (addresses []string) {
	ports := in.families[c.String()]
	if len(ports) == 0 {
		c.Errorf("%q must be a custom service with a port\n  hint: services.custom.%s.port = 8001;", c.String(), c.String())
	}
	for _, port := range ports {
		addresses = append(addresses, "127.0.0.1:"+strconv.Itoa(port))
	}
	return addresses
}

// number gives a custom service that says how many it is the number of the first.
func (in *Instance) number() {
	count, numbered := replicasOf(in.Config, in.place.Replicas)
	if !numbered {
		return
	}
	in.replicas, in.numbered = count, true
	in.service.Family = in.Config.Name()
	in.Name = replicaName(in.Config.Name(), 0)
	in.ID = project.ID(in.Name)
	in.service.ID, in.service.Instance, in.service.Main = in.ID, in.Name, in.ID
	in.service.Disabled = count == 0
}

// replicate adds the other replicas of a service that was generated as the first.
func (in *Instance) replicate() {
	for n := 1; n < in.replicas; n++ {
		if id := project.ID(replicaName(in.Config.Name(), n)); in.project.Services[id] != nil {
			in.Errorf("another service has the name %q already", id)
			return
		}
		in.others = append(in.others, in.replica(n))
	}
}

// replica is one more of the service: it differs by its number, and by its port.
func (in *Instance) replica(n int) *project.Service {
	base := 0
	if in.Has("port") {
		base = in.Int("port")
	}
	if base > 0 && base+n > 65535 {
		in.Get("port").Errorf("port of the last replica must be at most 65535, not %d", base+in.replicas-1)
	}
	service, main := *in.service, *in.project.Processes[in.ID]
	id := project.ID(replicaName(in.Config.Name(), n))
	service.ID, service.Instance, service.Main = id, string(id), id
	main.ID, main.Service = id, id
	main.Env = maps.Clone(main.Env)
	for name, was := range map[string]int{project.ReplicaVar: 0, "PORT": base} {
		// What the user has set to something else is meant so.
		if v, ok := main.Env[name]; ok && v.Text.String() == strconv.Itoa(was) {
			main.Env[name] = project.Value{Text: project.Lit(strconv.Itoa(was + n))}
		}
	}
	service.Ports = slices.Clone(service.Ports)
	for i := range service.Ports {
		service.Ports[i].Port = shifted(service.Ports[i].Port, base, n)
	}
	if base == 0 {
		service.Ports = nil // that all would have the same is said once
	}
	for _, probe := range []**project.Probe{&main.Readiness, &main.Liveness, &main.Startup} {
		*probe = shiftedProbe(*probe, base, n)
	}
	in.project.Services[id], in.project.Processes[id] = &service, &main
	return &service
}

// shifted is the port of replica n where it is that of the first.
func shifted(port, base, n int) int {
	if port == base {
		return port + n
	}
	return port
}

func shiftedProbe(p *project.Probe, base, n int) *project.Probe {
	if p == nil {
		return nil
	}
	own := *p
	if p.HTTP != nil {
		check := *p.HTTP
		check.Port = shifted(check.Port, base, n)
		own.HTTP = &check
	}
	if p.TCP != nil {
		check := *p.TCP
		check.Port = shifted(check.Port, base, n)
		own.TCP = &check
	}
	if p.GRPC != nil {
		check := *p.GRPC
		check.Port = shifted(check.Port, base, n)
		own.GRPC = &check
	}
	return &own
}
