package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/spelling"
)

// aliases are the other spellings of service types.
var aliases = map[string]string{
	"postgres": "postgresql",
	"httpd":    "apache-httpd",
	"mariadb":  "mysql",
	"kafka":    "apache-kafka",
	"nats":     "nats-server",

	"php-fpm":                  "phpfpm",
	"searx":                    "searxng",
	"mailhog":                  "mailpit",
	"prometheus-node-exporter": "node-exporter",
}

// CanonicalType returns the name of a service type that may be given by another
// spelling: "postgresql" for "postgres". It returns unknown names as they are.
func CanonicalType(name string) string {
	if t, ok := aliases[name]; ok {
		return t
	}
	return name
}

// SetUpName returns the name that services-flake gives to the process which sets up an
// instance of a type: "db-init" for one of postgresql. It is "" where there is none.
func SetUpName(typ, instance string) string {
	switch typ {
	case "clickhouse", "minio", "pgadmin", "postgresql":
		return instance + "-init"
	case "mongodb", "mysql":
		return instance + "-configure"
	case "redis-cluster":
		return instance + "-cluster-create"
	case "ollama":
		return instance + "-models"
	}
	return ""
}

// AssignLabels sets the label of each service: the instance of a custom one; for others
// the type, if it has one enabled instance and no custom service has that name, else
// "<type>.<instance>".
func (p *Project) AssignLabels() {
	instances := make(map[string]int) // enabled ones, by type
	taken := make(map[string]bool)    // by custom services
	for _, s := range p.Services {
		switch {
		case s.Type == "custom":
			taken[s.Instance] = true
		case !s.Disabled:
			instances[s.Type]++
		}
	}
	for _, s := range p.Services {
		switch {
		case s.System:
			s.Label = string(s.ID)
		case s.Type == "custom":
			s.Label = s.Instance
		case !s.Disabled && instances[s.Type] == 1 && !taken[s.Type]:
			s.Label = s.Type
		default:
			s.Label = s.Type + "." + s.Instance
		}
	}
}

// A NameError says that a name stands for no service, or for several.
type NameError struct {
	Name       string
	Candidates []ID     // what it may mean, if it is ambiguous
	Known      []string // the labels of all services
	Near       string   // the one of Known that is most like it, or ""
}

func (e *NameError) Error() string {
	switch {
	case len(e.Candidates) > 0:
		return fmt.Sprintf("name %q is ambiguous\n  hint: it may be %s", e.Name, join(e.Candidates))
	case e.Near != "":
		return fmt.Sprintf("no service %q\n  hint: did you mean %q?", e.Name, e.Near)
	case len(e.Known) == 0:
		return fmt.Sprintf("no service %q: there are no services", e.Name)
	}
	return fmt.Sprintf("no service %q\n  hint: the services are %s", e.Name, strings.Join(e.Known, ", "))
}

// Labels lists the labels of the enabled services, in no order and without system
// services.
func (p *Project) Labels() (all []string) {
	for _, s := range p.Services {
		if !s.System && !s.Disabled {
			all = append(all, s.Label)
		}
	}
	return all
}

// Resolve returns the services that a name stands for: an id of a service or of a
// process, a label, an instance if only one service has it, the common name of
// replicas, a [SetUpName], or a type, which stands for all of its enabled instances. They
// are tried in this order. The error is a *NameError.
func (p *Project) Resolve(name string) ([]ID, error) {
	if _, ok := p.Services[ID(name)]; ok {
		return []ID{ID(name)}, nil
	}
	if proc, ok := p.Processes[ID(name)]; ok {
		return []ID{proc.Service}, nil
	}
	for _, match := range []func(*Service) bool{
		func(s *Service) bool { return s.Label == name },
		func(s *Service) bool { return s.Instance == name },
	} {
		switch found := p.matching(match); {
		case len(found) == 1:
			return found, nil
		case len(found) > 1:
			return nil, &NameError{Name: name, Candidates: found}
		}
	}
	// A definition may say services.postgres.db, so users say "postgres.db".
	if typ, instance, ok := strings.Cut(name, "."); ok && CanonicalType(typ) != typ {
		if id := ID(CanonicalType(typ) + "." + instance); p.Services[id] != nil {
			return []ID{id}, nil
		}
	}
	// "worker" stands for worker-0, worker-1 and so on.
	if found := p.matching(func(s *Service) bool { return IsReplica(string(s.ID), name) }); len(found) > 0 {
		return found, nil
	}
	switch found := p.matching(func(s *Service) bool { return name != "" && SetUpName(s.Type, s.Instance) == name }); {
	case len(found) == 1:
		return found, nil
	case len(found) > 1:
		return nil, &NameError{Name: name, Candidates: found}
	}
	found := p.matching(func(s *Service) bool {
		return !s.Disabled && s.Type != "custom" && s.Type == CanonicalType(name)
	})
	if len(found) > 0 {
		return found, nil
	}
	// A profile that is not active may hold the only services of a type, and a
	// dependency on them must still be understood.
	found = p.matching(func(s *Service) bool {
		return len(s.Profiles) > 0 && s.Type != "custom" && s.Type == CanonicalType(name)
	})
	if len(found) > 0 {
		return found, nil
	}
	known := p.Names()
	return nil, &NameError{Name: name, Known: known, Near: spelling.Nearest(name, known)}
}

// IsReplica reports whether id is that of a replica of name: name, "-" and a number.
func IsReplica(id, name string) bool {
	number, ok := strings.CutPrefix(id, name+"-")
	return ok && name != "" && number != "" && strings.Trim(number, "0123456789") == ""
}

// ResolveOne is Resolve for a name that must stand for exactly one service.
func (p *Project) ResolveOne(name string) (ID, error) {
	ids, err := p.Resolve(name)
	if err != nil {
		return "", err
	}
	if len(ids) > 1 {
		return "", &NameError{Name: name, Candidates: ids}
	}
	return ids[0], nil
}

// ResolveAll resolves several names, each service once, sorted. No names give
// no services.
func (p *Project) ResolveAll(names []string) ([]ID, error) {
	var all []ID
	for _, name := range names {
		ids, err := p.Resolve(name)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Names lists the labels of all services, sorted.
func (p *Project) Names() []string {
	var names []string
	for id, s := range p.Services {
		if s.Label == "" {
			names = append(names, string(id))
			continue
		}
		names = append(names, s.Label)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *Project) matching(match func(*Service) bool) []ID {
	var found []ID
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		if match(p.Services[id]) {
			found = append(found, id)
		}
	}
	return found
}

func join(ids []ID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	return strings.Join(names, ", ")
}
