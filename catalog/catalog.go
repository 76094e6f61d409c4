package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// A ServiceType is one kind of service.
type ServiceType struct {
	Name    string
	Aliases []string // other names under services
	Doc     string   // one sentence

	rows []row // its own options, beside the common ones

	// Package is the attribute of pkgs that has the server; "" for none.
	Package string
	// User is the user, of [project.SystemUsers], that the main process runs as when
	// nix2gpu runs as root; "" is the container's user.
	User string
	// runAs is the option that says so, where user is one of the server's own.
	runAs string

	// Generate adds the processes of one enabled instance; nil where a table says them.
	Generate func(in *Instance)
	table    *table
}

// Types lists every service type, sorted by name.
func Types() []*ServiceType {
	var all []*ServiceType
	for _, t := range []ServiceType{alloy, dynamodb, elasticmq, loki, mailpit, plantuml, pyroscope, seaweedfs, tempo, custom, postgresql, redis, redisCluster, nginxServer, caddyServer, mysql, httpdServer, rabbitmqServer, kafka, nats, ollama,
		alertmanager, azurite, clickhouse, comfyui, etcd, grafana, jaeger, jupyter, memcached, minio, mlflow, nodeExporter,
		cassandra, chromadb, elasticsearch, mongodb, neo4j, openWebUI, pgadmin, pubsubEmulator, qdrant, searxng, tika, weaviate, pgbouncer, phpfpm, prometheus, vllm, zookeeper} {
		if t.table != nil {
			t.Generate = generateTable
		}
		all = append(all, &t)
	}
	slices.SortFunc(all, func(a, b *ServiceType) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Find returns the service type of that name or alias.
func Find(name string) (*ServiceType, bool) {
	for _, t := range Types() {
		if t.Name == name || slices.Contains(t.Aliases, name) {
			return t, true
		}
	}
	return nil, false
}

// Options declares everything below services: a set of instances for each
// type, and for each alias another name of it.
func Options() module.Options {
	out := module.Options{}
	for _, t := range Types() {
		out[t.Name] = module.Option{
			Type:        module.AttrsOf(module.Later(func() module.Type { return module.Submodule(t.Schema()) })),
			Default:     map[string]any{},
			Description: t.Doc,
		}
		for _, alias := range t.Aliases {
			out[alias] = module.Option{AliasOf: []string{t.Name}, Description: "Another name of services." + t.Name + "."}
		}
	}
	return out
}

// Schema is what one instance of t declares: the common options and its own.
func (t *ServiceType) Schema() module.Schema {
	all := commonOptions(t)
	maps.Copy(all, t.Options())
	return module.Schema{Options: all}
}

// Options are those of t alone, beside the common ones.
func (t *ServiceType) Options() module.Options { return options(t.rows) }

// Generate adds to p what the evaluated services generate, labels them, and
// resolves what they depend on. services is the config at "services".
func Generate(services *module.Config, p *project.Project, place Place) {
	p.Services = orNew(p.Services)
	p.Processes = orNew(p.Processes)
	p.Files = orNew(p.Files)
	disabled := map[project.ID]bool{}
	var instances, forgotten []*Instance
	for _, t := range Types() {
		if _, foreign := place.Replaced[t.Name]; foreign {
			continue
		}
		for _, c := range services.Each(t.Name) {
			in := newInstance(t, c, p, place)
			if !c.Bool("enable") {
				disabled[in.ID] = true
				if !c.IsSet("enable") {
					forgotten = append(forgotten, in)
				}
				continue
			}
			if t.Name == "custom" {
				in.number()
			}
			if p.Services[in.ID] != nil {
				c.Errorf("another service has the name %q already\n  hint: give one of the two another name", in.ID)
				continue
			}
			p.Services[in.ID] = in.service
			instances = append(instances, in)
		}
	}
	users, families := usersOf(instances, p.Container.User), familiesOf(services, place.Replicas)
	for _, in := range instances {
		in.users, in.families = users, families
		in.generate()
	}
	for _, in := range instances {
		in.literalFolders()
		in.replicate()
	}
	p.AssignLabels()
	p.DeclareUsers()
	for _, in := range instances {
		in.resolveDependencies(disabled)
		for _, other := range in.others {
			other.DependsOn = maps.Clone(in.service.DependsOn)
		}
		for _, part := range in.parts {
			part.service.DependsOn = maps.Clone(in.service.DependsOn)
		}
		for _, part := range in.parts {
			in.service.DependsOn = orNew(in.service.DependsOn)
			in.service.DependsOn[part.ID] = project.Dependency{Condition: project.Ready}
		}
	}
	if len(instances) > 0 { // else that nothing runs is said
		for _, in := range forgotten {
			in.note(in.Config, "%s does not run: set enable = true, or false if that is meant", in.ID)
		}
	}
}

// usersOf lists the users that a project's processes run as, for servers that admit
// users of the machine by name.
func usersOf(instances []*Instance, container string) []string {
	var users []string
	add := func(name string) {
		if _, err := strconv.Atoi(name); err == nil {
			return // a number is no name
		}
		if name != "" && name != "root" && !slices.Contains(users, name) {
			users = append(users, name)
		}
	}
	add(container)
	for _, in := range instances {
		if in.Type.Name == "custom" {
			add(in.configuredUser())
		}
	}
	slices.Sort(users)
	return users
}

func orNew[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}
