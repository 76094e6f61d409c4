package compose

import (
	"time"

	"nix2gpu/project"
)

// schedule reads when a process runs. overlap is an extension of the format.
func (r *one) schedule(svc *project.Service, proc *project.Process) {
	n := r.f.get("schedule")
	if n == nil {
		return
	}
	f := r.l.fields(n, "schedule")
	s := &project.Schedule{Cron: r.render("cron", f.text("cron", "")), AtStart: f.boolean("run_on_start"), Pos: n.pos}
	svc.Schedule = s
	zone := r.render("timezone", f.text("timezone", ""))
	if s.Cron != "" {
		s.Pos, s.Zone = f.pos("cron"), zone
	} else if zone != "" {
		r.l.note(r.id, f.pos("timezone"), "timezone has no effect on an interval")
	}
	if s.Zone != "" {
		svc.SetOption("timezone", f.pos("timezone"))
	}
	if s.Files() {
		proc.Packages = append(proc.Packages, project.PackageRef{Attr: "tzdata", Pos: f.pos("timezone")})
	}
	every := f.text("interval", "")
	switch d, err := time.ParseDuration(every); {
	case every == "":
	case err != nil:
		r.l.fail(f.pos("interval"), "interval must be like \"30s\" or \"1h30m\", not %q", every)
	case s.Cron != "":
		r.l.note(r.id, f.pos("interval"), "interval has no effect, since cron is set")
	default:
		s.Interval, s.Pos = project.Duration(d), f.pos("interval")
	}
	if s.Overlap = project.Overlap(f.text("overlap", "")); s.Overlap == project.OverlapSkip {
		s.Overlap = ""
	}
	if n := f.number("max_concurrent", 1, 0, 1<<20); n > 1 {
		s.Concurrent = n
	}
	f.done()
}

// schedule writes it.
func schedule(s *project.Schedule) mapping {
	var m mapping
	if s == nil {
		return m
	}
	m.add("cron", s.Cron)
	m.add("timezone", s.Zone)
	if s.Interval != 0 {
		m.add("interval", time.Duration(s.Interval).String())
	}
	m.add("run_on_start", s.AtStart)
	m.add("overlap", string(s.Overlap))
	if s.Concurrent > 1 {
		m.add("max_concurrent", s.Concurrent)
	}
	return m
}
