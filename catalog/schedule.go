package catalog

import (
	"sync"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

var scheduleSchema = sync.OnceValue(func() module.Type {
	return module.Submodule(module.Schema{Options: module.Options{
		"cron": opt(module.Like(module.String, "30 4 * * 1-5"), "The minute, hour, day of the month, month and day of the week at which it runs, as in crontab(5), or a word such as \"@daily\"."),
		"timezone": opt(module.Like(module.String, "Europe/Berlin"), "The time zone of cron; that of the machine unless set. "+
			"Where its clocks are turned forward, a time that is left out comes at once; where they are turned back, a time that is there twice comes the first time."),
		"interval":       opt(seconds, "The time from one start to the next, instead of cron."),
		"run_on_start":   def(module.Bool, false, "Run it when the project starts, too."),
		"max_concurrent": def(module.IntRange("integer between 1 and 100 (both inclusive)", 1, 100), 1, "How many runs there may be at once. Each has a line in ps, a log and an exit code of its own: the second of job is job-2."),
		"overlap":        def(module.Enum("skip", "queue", "replace"), "skip", "What becomes of a run whose time comes while as many run as may (one unless max_concurrent says more): it is left out (\"skip\"), comes after it (\"queue\"), or takes its place (\"replace\")."),
	}})
})

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
