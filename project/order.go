package project

import (
	"maps"
	"slices"
)

// ProcessIDs lists the processes of a service in the order in which they run.
func (s *Service) ProcessIDs() []ID {
	return slices.Concat(s.Init, []ID{s.Main}, s.Setup)
}

// Select returns the named services with everything they depend on, sorted.
// With noDeps it returns only those that are named.
func (p *Project) Select(names []ID, noDeps bool) []ID {
	chosen := make(map[ID]bool)
	var add func(id ID)
	add = func(id ID) {
		s := p.Services[id]
		if s == nil || chosen[id] {
			return
		}
		chosen[id] = true
		if noDeps {
			return
		}
		for dep := range s.DependsOn {
			add(dep)
		}
	}
	for _, id := range names {
		add(id)
	}
	return slices.Sorted(maps.Keys(chosen))
}

// Levels groups services so that each depends only on those of earlier
// levels: the order of a start; backwards, that of a stop. Within a level the
// order is that of the ids. A project with a cycle is not valid; the members
// of one form the last level.
func (p *Project) Levels(ids []ID) [][]ID {
	left := make(map[ID]bool, len(ids))
	for _, id := range ids {
		left[id] = true
	}
	var levels [][]ID
	for len(left) > 0 {
		var level []ID
		for id := range left {
			if !p.waitsForAny(id, left) {
				level = append(level, id)
			}
		}
		if len(level) == 0 {
			level = slices.Collect(maps.Keys(left))
		}
		slices.Sort(level)
		for _, id := range level {
			delete(left, id)
		}
		levels = append(levels, level)
	}
	return levels
}

func (p *Project) waitsForAny(id ID, others map[ID]bool) bool {
	s := p.Services[id]
	if s == nil {
		return false
	}
	for dep := range s.DependsOn {
		if others[dep] {
			return true
		}
	}
	return false
}

// cycles returns the cycles of dependencies that can be found, each as a path
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
