package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
	"sort"
)

// ioOptions are the limits at disks, in systemd's words.
func ioOptions() module.Options {
	each := func(t module.Type, path string, sample any, doc string) module.Option {
		return module.Option{Type: module.AttrsOf(module.Like(t, sample)), Default: map[string]any{}, Example: map[string]any{path: sample},
			Description: doc + " The name of each is the device of a disk, or a path on it, relative to the definition's folder."}
	}
	rate := module.OneOf(module.PositiveInt, module.String)
	return module.Options{
		"weight": opt(module.IntRange("integer between 1 and 10000 (both inclusive)", 1, 10000),
			"The part of a busy disk's time that the service gets, compared with others, which have 100. Only a disk with the scheduler bfq, or with io.cost, heeds it."),
		"readBandwidthMax":  each(rate, "/srv", "50M", "How many bytes a second the service may read: a number, or text such as \"50M\"."),
		"writeBandwidthMax": each(rate, "/srv", "20M", "How many bytes a second the service may write: a number, or text such as \"20M\"."),
		"readIOPSMax":       each(module.PositiveInt, "/dev/sda", int64(1000), "How many times a second the service may read."),
		"writeIOPSMax":      each(module.PositiveInt, "/dev/sda", int64(500), "How many times a second the service may write."),
	}
}

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
