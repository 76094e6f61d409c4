package control

import (
	"time"

	"nix2gpu/project"
)

// Startups is the record of a project's service starts, for "nix2gpu analyze".
type Startups struct {
	Since    time.Time `json:"since"` // when the project began
	Services []Startup `json:"services"`
}

// A Startup records the last requested start of a service, automatic restarts until it
// was ready included. The time of an event that has not happened is zero.
type Startup struct {
	ID       project.ID    `json:"id"`
	Label    string        `json:"label"`
	Type     string        `json:"type"`
	System   bool          `json:"system,omitempty"`   // as that of a Service
	Timed    bool          `json:"timed,omitempty"`    // it has a schedule, which says when it runs
	Asked    time.Time     `json:"asked,omitzero"`     // the start was requested
	Began    time.Time     `json:"began,omitzero"`     // its dependencies were there
	Started  time.Time     `json:"started,omitzero"`   // its main process was executed
	Ready    time.Time     `json:"ready,omitzero"`     // it was ready
	Ended    time.Time     `json:"ended,omitzero"`     // it completed, or came to another end
	Outcome  string        `json:"outcome,omitempty"`  // if it was never ready: "failed", "stopped" or "skipped"
	Restarts int           `json:"restarts,omitempty"` // before it was ready
	Steps    []StartupStep `json:"steps,omitempty"`    // of the last attempt, in order
	Needs    []StartupNeed `json:"needs,omitempty"`    // its dependencies, sorted by id
}

// A StartupStep is one process of a start: a one-shot until its end, the main process
// until it is ready.
type StartupStep struct {
	Process project.ID   `json:"process"`
	Role    project.Role `json:"role"`
	Doing   string       `json:"doing,omitempty"` // what a one-shot does
	Began   time.Time    `json:"began"`
	Ended   time.Time    `json:"ended,omitzero"`
}

// A StartupNeed is a dependency of a service.
type StartupNeed struct {
	Service   project.ID        `json:"service"`
	Condition project.Condition `json:"condition"`
}

// find returns the startup of a service, or nil.
func (s *Startups) find(id project.ID) *Startup {
	for i := range s.Services {
		if s.Services[i].ID == id {
			return &s.Services[i]
		}
	}
	return nil
}

// Met returns when the service met a condition, or zero if it has not.
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

// Done returns when the start of a service was over: when it was ready, when it ended
// if another service waits for its end, or when it failed. It returns zero for a start
// that is not over or was given up.
func (s *Startups) Done(u *Startup) time.Time {
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

// A Link is one service of a critical chain.
type Link struct {
	*Startup
	Condition project.Condition // what the link before waited for; empty in the first
	At        time.Time         // when it was met, or zero
}

// Took returns how long the service itself took, without its wait for dependencies: up
// to now if its start is not over, and 0 if it has not begun.
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

// Chain returns the critical chain of a service: the service, then the dependency that
// was met last, then that one's, and so on. It is nil for an unknown service.
func (s *Startups) Chain(id project.ID) []Link {
	u := s.find(id)
	if u == nil {
		return nil
	}
	chain := []Link{{Startup: u, At: s.Done(u)}}
	for len(chain) <= len(s.Services) { // after a reload, records of both projects may form a cycle
		var last *Link
		for _, n := range u.Needs {
			v := s.find(n.Service)
			if v == nil || v.Asked.IsZero() {
				continue
			}
			l := Link{v, n.Condition, v.Met(n.Condition)}
			switch {
			case !l.At.IsZero() && l.At.Before(u.Asked), l.At.IsZero() && !u.Began.IsZero(): // u did not wait for it
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
