package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// schedule reads when the service runs.
func (in *Instance) schedule(main *project.Process) {
	if !in.Has("schedule") {
		return
	}
	c := in.Get("schedule")
	s := &project.Schedule{Pos: in.place.pos(c.Pos())}
	in.service.Schedule = s
	if c.Kind() == module.KindStr {
		s.Cron = c.String()
		return
	}
	if cron := c.Get("cron"); cron.Has() {
		s.Cron, s.Pos = cron.String(), in.place.pos(cron.Pos())
	}
	if every := in.pause("schedule", "interval"); every != nil {
		s.Interval = *every
		if s.Cron == "" {
			s.Pos = in.place.pos(c.Get("interval").Pos())
		}
	}
	if zone := c.Get("timezone"); zone.Has() {
		s.Zone = zone.String()
		pos := in.place.pos(zone.Pos())
		in.service.SetOption("timezone", pos)
		if s.Files() {
			main.Packages = append(main.Packages, project.PackageRef{Attr: "tzdata", Pos: pos})
		}
	}
	s.AtStart = c.Bool("run_on_start")
	if n := c.Int("max_concurrent"); n > 1 {
		s.Concurrent = n
	}
	s.Overlap = project.Overlap(c.Get("overlap").String())
	if s.Overlap == project.OverlapSkip {
		s.Overlap = ""
	}
}
