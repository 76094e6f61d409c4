package project

import (
	"maps"
	"slices"
)

// ProcessIDs lists the processes of a service in the order in which they run.
func (s *Service) ProcessIDs() []ID {
	return slices.Concat(s.Init, []ID{s.Main}, s.Setup)
}

// Enabled lists the services that run when none is named, sorted.
func (p *Project) Enabled() []ID {
	ids := []ID{}
	for id, s := range p.Services {
		if !s.Disabled {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Shipped lists the services that an image must be able to run, sorted: those that are
// enabled, and those that a profile enables.
func (p *Project) Shipped() []ID {
	ids := []ID{}
	for id, s := range p.Services {
		if !s.Disabled || len(s.Profiles) > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// ProfilesVar is the variable that names profiles.
const ProfilesVar = "NIX2GPU_PROFILES"

// AllProfiles is the profile that stands for all of them.
const AllProfiles = "*"

// Activate enables the services of the profiles, disables those that have only others,
// and assigns labels anew. It returns the profiles that no service has. Validate the
// project again afterwards.
func (p *Project) Activate(profiles []string) (unknown []string) {
	known := map[string]bool{AllProfiles: true}
	for _, s := range p.Services {
		for _, profile := range s.Profiles {
			known[profile] = true
		}
		if len(s.Profiles) > 0 {
			s.Disabled = !slices.ContainsFunc(profiles, func(name string) bool { return name == AllProfiles || slices.Contains(s.Profiles, name) })
		}
	}
	p.Active = slices.Clone(profiles)
	p.AssignLabels()
	return slices.DeleteFunc(slices.Clone(profiles), func(name string) bool { return known[name] })
}

// Profiles lists the profiles of all services, sorted.
func (p *Project) Profiles() []string {
	var all []string
	for _, s := range p.Services {
		all = append(all, s.Profiles...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Select returns what [Project.Needs] does, sorted, and unless noDeps the system services that
// wait for nothing else: they work for those, and come with them.
func (p *Project) Select(names []ID, noDeps bool) []ID {
	chosen := p.Needs(names, noDeps)
	for id, s := range p.Services {
		if !noDeps && s.System && len(s.DependsOn) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(s.DependsOn)), func(of ID) bool { return !chosen[of] }) {
			chosen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(chosen))
}

// Needs returns the named services with everything they depend on. With noDeps
// it returns only those that are named. A service does not enable another one, so what
// is enabled does not bring what is disabled, except for a system service.
func (p *Project) Needs(names []ID, noDeps bool) map[ID]bool {
	chosen := make(map[ID]bool)
	var add func(id ID)
	add = func(id ID) {
		s := p.Services[id]
		if s == nil || chosen[id] {
			return
		}
		chosen[id] = true
		for _, run := range p.RunsOf(id) {
			if p.Services[run] != nil {
				chosen[run] = true
			}
		}
		if noDeps {
			return
		}
		for dep := range s.DependsOn {
			if d := p.Services[dep]; d != nil && (s.Disabled || !d.Disabled || d.System) {
				add(dep)
			}
		}
	}
	for _, id := range names {
		add(id)
	}
	return chosen
}

// StopLevels groups services for a stop. The services of one level can be stopped
// together, once those of the levels before it have ended. The first level has those
// that none of the others depends on. Within a level the ids are sorted.
func (p *Project) StopLevels(ids []ID) [][]ID {
	users := make(map[ID][]ID)
	for id, s := range p.Services {
		for dep := range s.DependsOn {
			users[dep] = append(users[dep], id)
		}
	}
	counts := make(map[ID]bool, len(ids))
	for _, id := range ids {
		counts[id] = true
	}
	depths := make(map[ID]int)
	var depth func(id ID) int
	depth = func(id ID) int {
		if d, known := depths[id]; known {
			return d
		}
		depths[id] = 0 // ends the recursion in a cycle, which only an invalid project has
		d := 0
		for _, user := range users[id] {
			above := depth(user)
			if counts[user] { // a service that goes on still keeps those around it in order
				above++
			}
			d = max(d, above)
		}
		depths[id] = d
		return d
	}
	byDepth := make(map[int][]ID)
	for id := range counts {
		byDepth[depth(id)] = append(byDepth[depth(id)], id)
	}
	var levels [][]ID
	for _, d := range slices.Sorted(maps.Keys(byDepth)) {
		slices.Sort(byDepth[d])
		levels = append(levels, byDepth[d])
	}
	return levels
}

// cycles returns cycles of dependencies, at least one if there are any, each as a path
// that begins with its smallest id and ends where it began.
func (p *Project) cycles() [][]ID {
	const (
		unseen = iota
		open
		done
	)
	mark := make(map[ID]int)
	var path []ID
	var found [][]ID
	var visit func(id ID)
	visit = func(id ID) {
		mark[id] = open
		path = append(path, id)
		for _, dep := range slices.Sorted(maps.Keys(p.Services[id].DependsOn)) {
			switch {
			case p.Services[dep] == nil:
			case mark[dep] == open:
				found = append(found, rotate(path[slices.Index(path, dep):]))
			case mark[dep] == unseen:
				visit(dep)
			}
		}
		path = path[:len(path)-1]
		mark[id] = done
	}
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		if mark[id] == unseen {
			visit(id)
		}
	}
	return found
}

// rotate turns a ring so that its smallest id comes first, and closes it.
func rotate(ring []ID) []ID {
	first := slices.Index(ring, slices.Min(ring))
	out := slices.Concat(ring[first:], ring[:first])
	return append(out, out[0])
}
