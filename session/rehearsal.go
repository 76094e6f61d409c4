package session

import (
	"context"
	"sync"

	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// A rehearsal has the tests of the configurations that a session begins with, which run
// while the services start. The main process of a service waits for its own test; its
// init one-shots and other services do not. What a request or a reload starts later was
// tested before it got to the engine.
type rehearsal struct {
	project *project.Project

	mu       sync.Mutex
	attempts map[project.ID]*attempt // those that no process has waited for yet
}

// rehearse starts the tests of what the job starts, unless whoever made the job has run
// them. The function that it returns waits for their end, which that of ctx hastens.
func (s *session) rehearse(ctx context.Context) (end func()) {
	if !s.job.Untested {
		return func() {}
	}
	c := &check{Machine: s.Machine, project: s.job.Project.Project()}
	for _, id := range s.job.Services {
		if _, refused := s.job.Refused[id]; !refused {
			c.ids = append(c.ids, id)
		}
	}
	if !c.tests() {
		return func() {}
	}
	remove, err := c.makeScratch()
	if err != nil {
		s.log.Warn("configurations are not tested", "err", err)
		return func() {}
	}
	list := c.trials(ctx, func(a *attempt) {
		switch {
		case a.note != "" && ctx.Err() == nil:
			s.log.Info("a configuration was not tested", "service", a.service.ID, "why", a.note)
		case a.digest != "":
			s.Passed(a.service.ID, a.digest)
		}
	})
	s.rehearsal = &rehearsal{project: c.project, attempts: map[project.ID]*attempt{}}
	for _, a := range list {
		s.rehearsal.attempts[a.service.ID] = a
	}
	var done sync.WaitGroup
	done.Go(func() {
		for _, a := range list {
			<-a.over
		}
		remove()
	})
	return done.Wait
}

// admit waits until the configuration of a main process has been tested, or cancel is
// closed. Its error says what the server rejects.
func (s *session) admit(p *project.Project, proc *project.Process, cancel <-chan struct{}) error {
	r := s.rehearsal
	if r == nil || p != r.project {
		return nil
	}
	r.mu.Lock()
	a := r.attempts[proc.Service]
	delete(r.attempts, proc.Service) // the next start was tested anew
	r.mu.Unlock()
	if a == nil {
		return nil
	}
	select {
	case <-a.over:
	case <-cancel:
		return nil
	}
	if !a.failed {
		return nil
	}
	msg := a.msg
	if at := a.pos.String(); at != "" {
		msg = at + ": " + msg
	}
	return &supervisor.RejectedError{Msg: msg, Hint: a.hint}
}
