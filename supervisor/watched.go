package supervisor

import (
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// watched is what is known of the files that a service watches.
type watched struct {
	touched   string // the file that has last restarted it
	touchedAt time.Time
	rapid     int  // restarts in a row that have followed each other within loopWithin
	suspended bool // it has restarted itself again and again: a reload ends that
}

// A service that writes where it watches restarts itself for ever. So many restarts, each
// so soon after the one before it, are taken for that.
const (
	loopWithin = 3 * time.Second
	loopAfter  = 10
)

// armed reports whether a change of a file restarts the service.
func (s *service) armed() bool {
	return s.spec.Watch != nil && s.wanted && !s.gone && !s.suspended && s.refused == "" && s.spec.Unsupported == ""
}

// watching reports whether a change of a file would start something. The project then stays.
func (c *core) watching() bool {
	return slices.ContainsFunc(c.order, (*service).armed)
}

// touch restarts a service because a file has changed that it watches, and reports whether
// it does.
func (c *core) touch(id project.ID, path string) bool {
	s := c.services[id]
	if s == nil || c.stopping != nil || !s.armed() {
		return false
	}
	if s.renewable() && !c.noteTouch(s, path) {
		return false
	}
	did := c.again(s, path+" changed")
	if s.spec.Watch.Cascade {
		for _, user := range c.downstream(s) {
			did = c.again(user, causeRestarted(s.spec)) || did
		}
	}
	return did
}

// noteTouch counts the restarts of what may be in a loop, and reports whether the next may be made.
func (c *core) noteTouch(s *service, path string) bool {
	now := c.world.Now()
	if s.touched != "" && now.Sub(s.touchedAt) < loopWithin {
		s.rapid++
	} else {
		s.rapid = 0
	}
	s.touched, s.touchedAt = path, now
	if s.rapid >= loopAfter {
		s.suspended = true
		c.world.Say(serviceLine(s.spec, "restarts itself: "+path+" has changed soon after each of its last starts; files are not watched until a reload"), servicelog.Failure)
		c.world.Say(serviceLine(s.spec, "hint: exclude what it writes: watch.paths.exclude"), servicelog.Plain)
		c.publish(s, s.state)
		return false
	}
	return true
}

// downstream returns the services that depend on one, and on those, that are to run: each
// after what it depends on.
func (c *core) downstream(s *service) []*service {
	seen := map[project.ID]bool{s.id: true}
	var list []*service
	for queue := []*service{s}; len(queue) > 0; queue = queue[1:] {
		for _, user := range c.users[queue[0].id] {
			if !seen[user.id] && user.wanted {
				seen[user.id] = true
				list, queue = append(list, user), append(queue, user)
			}
		}
	}
	return list
}

// renewable reports whether a service would be restarted: not one that ends, or is to
// start anyway.
func (s *service) renewable() bool {
	switch s.state {
	case control.Stopping, control.Restarting, control.Scheduled, control.Waiting:
		return false
	}
	return true
}

// again starts a service anew, for a cause, and reports whether that is a restart.
func (c *core) again(s *service, cause string) bool {
	did := s.renewable()
	switch {
	case s.state == control.Stopping, s.state == control.Restarting, s.state == control.Scheduled:
	case s.state.Live():
		s.restarts++
		s.streak, s.cause = streak{}, cause
		s.startup = startup{asked: c.world.Now()}
		c.expectSummary([]*service{s})
		c.feed(s, Restart)
	default:
		if s.state != control.Waiting {
			s.restarts++
			c.world.Say(serviceLine(s.spec, cause), servicelog.Plain)
		}
		c.want([]project.ID{s.id}, s.noDeps, map[project.ID]string{s.id: s.refused})
	}
	return did
}
