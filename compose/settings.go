package compose

import (
	"maps"
	"slices"

	"nix2gpu/project"
)

// settings adds those of a process to x, in the words of a definition.
func settings(x *mapping, s *project.Settings) {
	if s.Nice != nil {
		*x = append(*x, entry{"nice", *s.Nice})
	}
	if s.OOMScoreAdjust != nil {
		*x = append(*x, entry{"oomScoreAdjust", *s.OOMScoreAdjust})
	}
	x.add("umask", s.Umask)
	x.add("supplementaryGroups", s.Groups)
	if s.Capabilities != nil {
		*x = append(*x, entry{"capabilities", *s.Capabilities})
	}
}

func (e *encoder) sandbox(x *mapping, s *project.Settings) {
	x.add("network", string(s.Network))
	x.add("sandbox", string(s.Sandbox))
	var paths []string
	for _, text := range s.Writable {
		paths = append(paths, e.show(text))
	}
	x.add("readWritePaths", paths)
}

func ulimits(limits map[string]project.Rlimit) (m mapping) {
	value := func(n uint64) any {
		if n == project.Infinity {
			return "infinity"
		}
		return n
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		l := limits[name]
		if l.Soft == l.Hard {
			m = append(m, entry{name, value(l.Soft)})
			continue
		}
		m = append(m, entry{name, mapping{{"soft", value(l.Soft)}, {"hard", value(l.Hard)}}})
	}
	return m
}
