package supervisor

import (
	"maps"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/cron"
	"nix2gpu/project"
)

// A Planned is when a service with a cron schedule was to run next, for whoever keeps
// that for the next supervisor. It is about this schedule only.
type Planned struct {
	Cron string    `json:"cron"`
	Zone string    `json:"timezone,omitempty"`
	Next time.Time `json:"next"`
}

// timetable is when a service with a schedule runs. A reload keeps it where it leaves
// the schedule as it is.
type timetable struct {
	cron   *cron.Schedule // nil: by its interval
	zone   *time.Location
	wrong  string    // why it can't be known when it runs
	anchor time.Time // of the interval
	next   time.Time // by the clock
	seen   time.Time // what the clock has said last
	timer  timerID

	due   bool // a run is to be made, or is being made
	again bool // and another one after it
	told  bool // that a run was left out while this one is being made

	missed int    // all in all
	lost   string // which were missed last, and why
	hasRun bool   // a run has ended, for good
	ok     bool   // the last one with success
}

const (
	// lookEvery is how long nobody looks at the clock. A timer of hours would not see
	// that the clock was set, or that the machine was suspended.
	lookEvery = time.Minute
	// lateness is how late a run may be without being told.
	lateness = time.Minute
	// setBack is by how much a clock must be set back to be noticed; that of a service
	// that runs at times of day by longRepeat, or it would run a second time.
	setBack    = 2 * time.Second
	longRepeat = 3 * time.Hour
	// manyMissed bounds how many missed runs are counted.
	manyMissed = 1000
)

// schedules returns the zones that a project names, as far as they are known.
func schedules(p *project.Project, load func(string) (*time.Location, error)) map[string]*time.Location {
	zones := make(map[string]*time.Location)
	for _, s := range p.Services {
		if s.Schedule == nil {
			continue
		}
		name := s.Schedule.Zone
		if zones[name] != nil {
			continue
		}
		if name == "" {
			zones[name] = time.Local
		} else if zone, err := load(name); err == nil {
			zones[name] = zone
		}
	}
	return zones
}

// read makes a timetable of the service's schedule, unless it has it already.
func (c *core) read(s *service, was *project.Schedule, zones map[string]*time.Location) {
	is := s.spec.Schedule
	if is.Same(was) {
		return
	}
	c.cancel(s.timer)
	s.timetable = timetable{due: s.due, missed: s.missed, lost: s.lost, hasRun: s.hasRun && was != nil, ok: s.ok && was != nil}
	if is == nil || is.Of != "" {
		return
	}
	if s.zone = zones[is.Zone]; s.zone == nil {
		s.wrong = whyNoZone(is.Zone)
		return
	}
	if is.Cron != "" {
		var err error
		if s.cron, err = cron.Parse(is.Cron); err != nil { // validation does not let this happen
			s.wrong = err.Error()
		}
	}
}

// arrange lets the schedule of a wanted service be kept from now on.
func (c *core) arrange(s *service) {
	if _, armed := c.timers[s.timer]; armed || s.spec.Schedule == nil || s.further() || s.wrong != "" || c.stopping != nil {
		return
	}
	now := c.world.Clock().In(s.zone)
	s.anchor, s.seen = now, now
	c.recall(s, now)
	s.next = s.after(now)
	c.rearm(s)
	c.keepPlanned()
}

// recall tells of the runs that were missed since the last supervisor has ended.
func (c *core) recall(s *service, now time.Time) {
	last, known := c.opts.Planned[s.id]
	delete(c.opts.Planned, s.id)
	if known && s.cron != nil && last.Cron == s.spec.Schedule.Cron && last.Zone == s.spec.Schedule.Zone && !last.Next.After(now) {
		n, first := s.between(last.Next.In(s.zone), now)
		c.notKept(s, n, sayMissedDown(n, s.when(first)))
	}
}

// disarrange ends that.
func (c *core) disarrange(s *service) {
	c.cancel(s.timer)
	s.due, s.again, s.next = false, false, time.Time{}
}

// after is when the service is to run next after a moment.
func (s *service) after(t time.Time) time.Time {
	if s.cron != nil {
		return s.cron.Next(t)
	}
	every := time.Duration(s.spec.Schedule.Interval)
	return s.anchor.Add((t.Sub(s.anchor)/every + 1) * every)
}

// between counts the runs from one that was planned to now.
func (s *service) between(planned, now time.Time) (n int, first time.Time) {
	if s.cron == nil {
		return 1 + int(now.Sub(planned)/time.Duration(s.spec.Schedule.Interval)), planned
	}
	for t := planned; n < manyMissed && !t.IsZero() && !t.After(now); t = s.cron.Next(t) {
		n++
	}
	return n, planned
}

func (c *core) rearm(s *service) {
	wait := min(max(s.next.Sub(s.seen), time.Millisecond), lookEvery)
	s.timer = c.after(wait, timer{kind: runDue, service: s.id})
}

// look at the clock: what is due by it is begun, and what it has left out is told.
func (c *core) tick(s *service) {
	if c.stopping != nil || s.spec.Schedule == nil {
		return
	}
	now := c.world.Clock().In(s.zone)
	back := s.seen.Sub(now)
	s.seen = now
	switch {
	case back > longRepeat, back > setBack && (s.cron == nil || !s.cron.TimesOfDay()):
		s.anchor, s.next = now, time.Time{}
		s.next = s.after(now)
		c.notKept(s, 0, saySetBack(back, s.when(s.next)))
		c.rearm(s)
		c.keepPlanned()
		return
	case now.Before(s.next):
		c.rearm(s)
		return
	}
	n, planned := s.between(s.next, now)
	if late := now.Sub(planned); late > lateness {
		c.notKept(s, n-1, sayLate(n-1, s.when(planned), late))
	}
	s.next = s.after(now)
	c.rearm(s)
	c.keepPlanned()
	c.runNow(s, planned)
}

// further reports whether s stands for a further run of a schedule, beside the first.
func (s *service) further() bool { return s.spec.Schedule != nil && s.spec.Schedule.Of != "" }

// idleRun reports whether s stands for a further run that is not being made.
func (s *service) idleRun() bool { return s.further() && s.state == control.Scheduled }

// first is the service whose schedule s has: itself, but for a further run.
func (c *core) first(s *service) *service {
	if s.further() {
		if of := c.services[s.spec.Schedule.Of]; of != nil {
			return of
		}
	}
	return s
}

// runsOf are the further runs that a schedule allows.
func (c *core) runsOf(s *service) (list []*service) {
	for _, id := range c.project.RunsOf(s.id) {
		if other := c.services[id]; other != nil && !other.gone && c.first(other) == s {
			list = append(list, other)
		}
	}
	return list
}

// room is a further run that can be made now; nil: there are as many as there may be.
func (c *core) room(s *service) *service {
	for _, other := range c.runsOf(s) {
		if other.wanted && (other.state == control.Scheduled || other.state == control.Backoff) {
			return other
		}
	}
	return nil
}

// oldest is the run of a schedule that has been made for the longest.
func (c *core) oldest(s *service) *service {
	for _, other := range c.runsOf(s) {
		if other.state.Live() && other.state != control.Stopping && other.began.Before(s.began) {
			s = other
		}
	}
	return s
}

// runNow begins a run that is due, or does what the schedule says where as many are being
// made as there may be.
func (c *core) runNow(s *service, planned time.Time) {
	var other *service
	if s.state.Live() {
		other = c.room(s)
	}
	switch {
	case s.state == control.Stopping:
		return // to stay down
	case s.state == control.Backoff: // a new run, and not one more try
		s.streak = streak{}
		c.try(s)
	case !s.state.Live() && s.state != control.Waiting:
		s.due = true
		c.try(s)
	case other != nil:
		other.due, other.streak = true, streak{}
		c.try(other)
	case s.spec.Schedule.Overlap == project.OverlapReplace && s.state.Live():
		s = c.oldest(s)
		s.streak, s.cause = streak{}, causeDue
		c.feed(s, Restart)
	case s.spec.Schedule.Overlap == project.OverlapQueue:
		s.again = true
	default:
		line := c.sayLeftOut(s, s.when(planned))
		if s.told {
			s.missed, s.lost = s.missed+1, line
			return
		}
		s.told = true
		c.notKept(s, 1, line)
	}
}

// notKept tells that a schedule is not kept as it was planned, and counts the runs that
// are missed. Nobody may read along, so it is in the log and in the status as well.
func (c *core) notKept(s *service, missed int, line string) {
	if missed > 0 {
		s.missed, s.lost = s.missed+missed, line
	}
	c.say(s, line)
	c.log.Warn("schedule not kept", "service", s.id, "missed", missed, "why", line)
}

// ran notes that a run has ended for good, and lets the service wait for the next.
func (c *core) ran(s *service, ok bool) {
	if s.spec.Schedule == nil || c.stopping != nil || !s.wanted {
		return
	}
	s.hasRun, s.ok = true, ok
	of := c.first(s)
	s.due, of.again, of.told = of.again, false, false
	c.try(s)
}

// rest ends the further runs of a service that is restarted: what follows is one run.
func (c *core) rest(s *service) {
	for _, other := range c.runsOf(s) {
		if !other.wanted {
			continue
		}
		other.due, other.streak, other.cause = false, streak{}, ""
		if other.state.Live() {
			c.feed(other, Restart)
		} else {
			c.try(other)
		}
	}
}

// keepPlanned tells whoever keeps it when services are to run next.
func (c *core) keepPlanned() {
	if c.opts.Keep == nil {
		return
	}
	planned := map[project.ID]Planned{}
	for _, s := range c.order {
		if s.cron != nil && !s.next.IsZero() {
			planned[s.id] = Planned{Cron: s.spec.Schedule.Cron, Zone: s.spec.Schedule.Zone, Next: s.next}
		}
	}
	if !maps.EqualFunc(planned, c.planned, func(a, b Planned) bool {
		return a.Cron == b.Cron && a.Zone == b.Zone && a.Next.Equal(b.Next)
	}) {
		c.planned = planned
		c.opts.Keep(maps.Clone(planned))
	}
}

// rescheduled are the services whose schedule a reload has made, unmade or changed so
// that they have to begin or to wait anew.
func (c *core) rescheduled() (ids []project.ID) {
	for _, s := range c.order {
		ends := s.spec.Schedule == nil && s.state == control.Scheduled
		begins := s.spec.Schedule != nil && slices.Contains([]control.ServiceState{control.Completed, control.Failed}, s.state)
		if s.wanted && !s.gone && (ends || begins) {
			ids = append(ids, s.id)
		}
	}
	return ids
}
