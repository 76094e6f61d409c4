package supervisor

import (
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// pick returns the records of ids; nil means all that are wanted.
func (c *core) pick(ids []project.ID) ([]*service, error) {
	var list []*service
	if ids == nil {
		for _, s := range c.order {
			if s.wanted {
				list = append(list, s)
			}
		}
		return list, nil
	}
	for _, id := range ids {
		if s := c.services[id]; s == nil || s.gone {
			return nil, &UnknownError{id}
		}
	}
	for _, s := range c.order {
		if slices.Contains(ids, s.id) {
			list = append(list, s)
		}
	}
	return list, nil
}

// errStopping returns an error while the project stops: nothing may begin then.
func (c *core) errStopping() error {
	if c.stopping != nil {
		return &StoppingError{c.stopping.result.Reason}
	}
	return nil
}

func (c *core) start(ids []project.ID, opts StartOptions) ([]project.ID, error) {
	all := ids == nil || opts.All
	if ids == nil {
		ids = c.enabled()
	}
	list, err := c.pick(ids)
	if err != nil {
		return nil, err
	}
	if err := c.errStopping(); err != nil {
		return nil, err
	}
	var begin []project.ID
	for _, id := range c.project.Select(ids, opts.NoDeps) {
		s := c.services[id]
		named := slices.Contains(list, s)
		s.wanted = true
		c.arrange(s)
		switch {
		case s.state == control.Scheduled && (!named || opts.Missing):
		case s.state.Live() && s.state != control.Stopping:
		case s.state == control.Completed && (!named || opts.Missing):
		case s.state == control.Waiting && !opts.NoDeps:
		default:
			begin = append(begin, id)
			s.due = s.due || named && !all && !opts.Missing
			if s.spec.System && !named { // it comes with those that it works for
				c.dueAtStart([]project.ID{id})
			}
		}
	}
	if all || opts.Missing {
		c.dueAtStart(begin)
	}
	c.want(begin, opts.NoDeps, opts.Refused)
	return begin, nil
}

// unwant stops a service, which then stays stopped.
func (c *core) unwant(s *service) {
	s.wanted = false
	c.disarrange(s)
	s.hasRun, s.ok = false, false // or an earlier run would satisfy those that wait for one
	c.feed(s, Stop)
}

// dueAtStart makes those services due whose schedules ask for a run at the start.
func (c *core) dueAtStart(ids []project.ID) {
	for _, id := range ids {
		if s := c.services[id]; s.spec.Schedule != nil && s.spec.Schedule.AtStart {
			s.due = true
		}
	}
}

// enabled returns the services that run if none are named.
func (c *core) enabled() []project.ID {
	ids := []project.ID{}
	for _, s := range c.order {
		if !s.spec.Disabled && !s.gone {
			ids = append(ids, s.id)
		}
	}
	return ids
}

func (c *core) stop(ids []project.ID) error {
	list, err := c.pick(ids)
	if err != nil {
		return err
	}
	for _, s := range list {
		c.unwant(s)
		for _, other := range c.runsOf(s) {
			c.unwant(other)
		}
	}
	return nil
}

func (c *core) restart(ids []project.ID) error {
	list, err := c.pick(ids)
	if err != nil {
		return err
	}
	if err := c.errStopping(); err != nil {
		return err
	}
	begin := []project.ID{}
	for _, s := range list {
		s.streak, s.cause = streak{}, ""
		if ids == nil && s.state == control.Scheduled {
			continue // which nothing of runs
		}
		s.due, s.again = true, false
		if ids != nil {
			c.rest(s)
		}
		if !s.state.Live() {
			begin = append(begin, s.id)
			continue
		}
		s.wanted = true
		c.arrange(s)
		s.startup = startup{asked: c.world.Now()}
		c.feed(s, Restart)
	}
	c.expectSummary(list)
	_, err = c.start(begin, StartOptions{})
	return err
}

func (c *core) signal(ids []project.ID, signal project.Signal) error {
	list, err := c.pick(ids)
	if err != nil {
		return err
	}
	if !signal.Valid() {
		return &SignalError{signal}
	}
	var further []*service
	for _, s := range list {
		before := len(further)
		for _, other := range c.runsOf(s) {
			if other.process != nil && other.process.spawned && !slices.Contains(list, other) {
				further = append(further, other)
			}
		}
		if (s.process == nil || !s.process.spawned) && len(further) > before {
			continue
		}
		if s.process == nil || !s.process.spawned {
			return &NotRunningError{Service: s.id, Label: s.spec.Label, Why: s.facts().describe()}
		}
		if s.process.pid == 0 {
			return &NotRunningError{Service: s.id, Label: s.spec.Label, Why: whyElsewhere}
		}
	}
	for _, s := range append(list, further...) {
		if s.process != nil && s.process.spawned {
			c.world.Signal(s.process.ID, signal, false)
		}
	}
	return nil
}

// reload makes p the project. Services in which nothing that runs has changed go on.
func (c *core) reload(p *project.Project, zones map[string]*time.Location, refused map[project.ID]string) (project.Changes, error) {
	if err := c.errStopping(); err != nil {
		return project.Changes{}, err
	}
	p, changes := c.against(p)
	for _, s := range c.order {
		s.suspended, s.rapid = false, 0
	}
	for _, id := range changes.Removed {
		s := c.services[id]
		s.gone, c.removed = true, true
		c.unwant(s)
	}
	var begin []project.ID
	for _, s := range c.order {
		q := p.Services[s.id]
		switch {
		case q == nil || q.Disabled == s.spec.Disabled:
		case q.Disabled:
			c.unwant(s)
		default:
			begin = append(begin, s.id)
		}
	}
	c.adopt(p, zones)
	begin = append(begin, c.rescheduled()...)
	for _, s := range c.order {
		if s.wanted {
			c.arrange(s)
		}
	}
	for _, id := range changes.Added {
		s := c.services[id]
		stopped := s.further() && !c.first(s).wanted && !slices.Contains(changes.Added, c.first(s).id)
		if !p.Services[id].Disabled && !stopped {
			begin = append(begin, id)
		}
	}
	c.dueAtStart(changes.Added)
	for _, id := range changes.Changed {
		s := c.services[id]
		switch {
		case s.state == control.Stopping: // it stays stopped, or is to start again anyway
		case s.state == control.Scheduled && s.spec.Schedule != nil: // its next run is another one
		case s.state.Live():
			s.streak, s.cause = streak{}, causeChanged
			s.startup = startup{asked: c.world.Now()}
			c.feed(s, Restart)
		case s.wanted:
			begin = append(begin, id)
		}
	}
	for _, s := range c.order {
		if s.wanted && !slices.Contains(begin, s.id) && (s.refused != "" || s.state == control.Failed && s.exit.Final) {
			begin = append(begin, s.id)
		}
	}
	c.summary.due = c.summary.due || !changes.IsEmpty()
	c.want(begin, false, refused)
	for _, s := range c.order { // their dependencies may have changed
		if s.state == control.Waiting || s.state == control.Skipped && s.wanted {
			c.look(s)
		}
	}
	return changes, nil
}

// forgetGone drops the records of removed services once none of their processes live.
func (c *core) forgetGone() {
	if !c.removed {
		return
	}
	c.removed, c.summary.moving = false, nil
	c.order = slices.DeleteFunc(c.order, func(s *service) bool {
		if s.gone && !s.state.Active() {
			delete(c.services, s.id)
			return true
		}
		c.removed = c.removed || s.gone
		return false
	})
}
