package server

import (
	"net/http"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// A Wire is the form in which process-compose's clients send and get what a process is
// defined as. Its errors are about what was sent.
type Wire interface {
	// Process describes a process, with secrets masked.
	Process(p *project.Project, id project.ID) map[string]any
	// DecodeProject reads the project that is to follow now, DecodeProcess one process of it.
	DecodeProject(now *project.Project, body []byte) (*project.Project, error)
	DecodeProcess(now *project.Project, body []byte) (*project.Project, project.ID, error)
}

var errNoWire = &control.Error{Code: control.CodeInvalid, Msg: "not supported: processes in process-compose's form", Hint: "GET /v1/project has them in ours"}

// pcInfo answers what a process is defined as.
func (s *Server) pcInfo(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Wire == nil {
		return errNoWire
	}
	id, err := s.resolveOne(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return s.describe(w, r, id)
}

// describe answers with a process of the project that runs now.
func (s *Server) describe(w http.ResponseWriter, r *http.Request, id project.ID) error {
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s.opts.Wire.Process(p, id))
	return nil
}

// pcUpdateProject runs another project, and answers what became of each process.
func (s *Server) pcUpdateProject(w http.ResponseWriter, r *http.Request) error {
	done, err := s.updated(w, r, maxProject, func(now *project.Project, body []byte) (*project.Project, error) {
		return s.opts.Wire.DecodeProject(now, body)
	})
	if err != nil {
		return err
	}
	pcChanged(w, done)
	return nil
}

// pcUpdateProcess runs another version of one process, and answers with it.
func (s *Server) pcUpdateProcess(w http.ResponseWriter, r *http.Request) error {
	var id project.ID
	_, err := s.updated(w, r, maxBody, func(now *project.Project, body []byte) (next *project.Project, err error) {
		if next, id, err = s.opts.Wire.DecodeProcess(now, body); err == nil {
			about(r, "services", id)
		}
		return next, err
	})
	if err != nil {
		return err
	}
	return s.describe(w, r, id)
}

// updated reloads what decode makes of the project that runs and the body of a request.
func (s *Server) updated(w http.ResponseWriter, r *http.Request, limit int64, decode func(*project.Project, []byte) (*project.Project, error)) (none supervisor.Reloaded, err error) {
	if s.opts.Wire == nil {
		return none, errNoWire
	}
	body, err := s.body(w, r, limit)
	if err != nil {
		return none, err
	}
	s.updating.Lock() // of two at once, the second is made of what came of the first
	defer s.updating.Unlock()
	now, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return none, err
	}
	if !now.Compose {
		return none, &control.Error{Code: control.CodeConflict, Msg: "not supported: this project is not a file of process-compose, whose form can't say all of it", Hint: "change its definition, and POST /project/configuration"}
	}
	next, err := decode(now, body)
	if err != nil {
		return none, &control.Error{Code: control.CodeInvalid, Msg: err.Error()}
	}
	valid, err := s.opts.Reload(r.Context(), next)
	if err != nil {
		return none, err
	}
	return s.opts.Engine.Reload(r.Context(), valid)
}
