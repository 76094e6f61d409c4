package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
	"sort"
)

// applyIO collects what is said of each path.
func (in *Instance) applyIO(io *project.IO) {
	io.Weight = in.Int("limits", "io", "weight")
	byPath := map[string]int{}
	each := func(option string, field func(*project.IOMax) *int64) {
		for _, c := range in.Each("limits", "io", option) {
			n := int64(0)
			if c.Kind() == module.KindStr {
				var err error
				if n, err = parseBytes(c.String()); err != nil {
					c.Errorf("%v", err)
				}
			} else {
				n = int64(c.Int())
			}
			at, ok := byPath[c.Name()]
			if !ok {
				at = len(io.Max)
				byPath[c.Name()] = at
				io.Max = append(io.Max, project.IOMax{Path: in.place.Path(module.Str{S: c.Name()}), Pos: in.place.pos(c.Pos())})
			}
			*field(&io.Max[at]) = n
		}
	}
	each("readBandwidthMax", func(m *project.IOMax) *int64 { return &m.ReadBytes })
	each("writeBandwidthMax", func(m *project.IOMax) *int64 { return &m.WriteBytes })
	each("readIOPSMax", func(m *project.IOMax) *int64 { return &m.ReadOps })
	each("writeIOPSMax", func(m *project.IOMax) *int64 { return &m.WriteOps })
	sort.SliceStable(io.Max, func(i, j int) bool {
		a, b := io.Max[i], io.Max[j]
		return a.Pos.Compare(b.Pos) < 0
	})
}
