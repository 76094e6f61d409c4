package control

import (
	"time"

	"nix2gpu/project"
)

// Startups are how the starts of the services of a project went.
type Startups struct {
	Since    time.Time `json:"since"` // when the project began
	Services []Startup `json:"services"`
}

// A Startup is how the last start of a service went that somebody asked for, with the
// automatic restarts until it was ready. A time that has not come yet is zero.
type Startup struct {
	ID       project.ID    `json:"id"`
	Label    string        `json:"label"`
	Type     string        `json:"type"`
	System   bool          `json:"system,omitempty"`   // as that of a Service
	Asked    time.Time     `json:"asked,omitzero"`     // somebody wanted it
	Began    time.Time     `json:"began,omitzero"`     // what it waits for was there
	Started  time.Time     `json:"started,omitzero"`   // its main process was executed
	Ready    time.Time     `json:"ready,omitzero"`     // it was ready
	Ended    time.Time     `json:"ended,omitzero"`     // it completed, or came to another end
	Outcome  string        `json:"outcome,omitempty"`  // of one that was never ready: "failed", "stopped" or "skipped"
	Restarts int           `json:"restarts,omitempty"` // before it was ready
	Steps    []StartupStep `json:"steps,omitempty"`    // of the last try, in their order
	Needs    []StartupNeed `json:"needs,omitempty"`    // what it waits for, by id
}

// A StartupStep is one process of a start: a one-shot until its end, the main process
// until it is ready.
type StartupStep struct {
	Process project.ID   `json:"process"`
	Role    project.Role `json:"role"`
	Doing   string       `json:"doing,omitempty"` // what a one-shot is at
	Began   time.Time    `json:"began"`
	Ended   time.Time    `json:"ended,omitzero"`
}

// A StartupNeed is a dependency of a service.
type StartupNeed struct {
	Service   project.ID        `json:"service"`
	Condition project.Condition `json:"condition"`
}

// find is the start of a service; nil: there is none.
func (s *Startups) find(id project.ID) *Startup {
	for i := range s.Services {
		if s.Services[i].ID == id {
			return &s.Services[i]
		}
	}
	return nil
}

// Met is when a condition on the service was met; zero: it was not, yet.
func (u *Startup) Met(cond project.Condition) time.Time {
	switch cond {
	case project.Started:
		return u.Started
	case project.LogReady:
		for _, step := range u.Steps {
			if step.Role == project.Main {
				return step.Ended
			}
		}
	case project.Completed:
		if u.Outcome == "" {
			return u.Ended
		}
	case project.Exited:
		if u.Outcome == "" || u.Outcome == string(Failed) {
			return u.Ended
		}
	case project.Ready:
		return u.Ready
	}
	return time.Time{}
}

// There is when the start of a service was over: it was ready, or had ended where
// another waits for that, or had failed. Zero: it is not over, or was given up.
func (s *Startups) There(u *Startup) time.Time {
	for i := range s.Services {
		for _, n := range s.Services[i].Needs {
			if n.Service == u.ID && (n.Condition == project.Completed || n.Condition == project.Exited) {
				return u.Met(project.Exited)
			}
		}
	}
	if u.Ready.IsZero() {
		return u.Met(project.Exited)
	}
	return u.Ready
}

// A Link is a service in the chain of those that one had to wait for, one after the
// other.
type Link struct {
	*Startup
	Condition project.Condition // what was waited for; empty of the first
	At        time.Time         // when that was so; zero: it is not, yet
}

// Took is what the service itself took, until now where it is not there yet; 0: it has
// not begun.
func (l Link) Took(now time.Time) time.Duration {
	switch {
	case l.Began.IsZero():
		return 0
	case !l.At.IsZero():
		return l.At.Sub(l.Began)
	case !l.Ended.IsZero():
		return l.Ended.Sub(l.Began)
	}
	return now.Sub(l.Began)
}

// Chain is the critical chain of a service: itself, then of what it waits for the one
// that it waited for last, and so on.
func (s *Startups) Chain(id project.ID) []Link {
	u := s.find(id)
	if u == nil {
		return nil
	}
	chain := []Link{{Startup: u, At: s.There(u)}}
	for len(chain) <= len(s.Services) { // a reload may have made a circle of two projects
		var last *Link
		for _, n := range u.Needs {
			v := s.find(n.Service)
			if v == nil || v.Asked.IsZero() {
				continue
			}
			l := Link{v, n.Condition, v.Met(n.Condition)}
			switch {
			case !l.At.IsZero() && l.At.Before(u.Asked), l.At.IsZero() && !u.Began.IsZero(): // it was not waited for
			case last == nil, !last.At.IsZero() && (l.At.IsZero() || l.At.After(last.At)):
				last = &l
			}
		}
		if last == nil {
			break
		}
		chain = append(chain, *last)
		u = last.Startup
	}
	return chain
}
