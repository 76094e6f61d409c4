package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"nix2gpu/control"
	"nix2gpu/project"
)

// Copies are those of services that "run" makes, as the session knows them.
type Copies interface {
	Running() []control.RunningCopy
	// Signal sends a signal to one that runs, 0 to stop it, and reports whether there is one
	// of that name.
	Signal(name string, signal project.Signal) (bool, error)
	// Ended reports whether one has ended whose end can still be asked for.
	Ended(name string) bool
	// Await returns how one has ended, once it has.
	Await(ctx context.Context, name string) (control.EndedCopy, error)
	// Tell takes from the process pid, which ran it, how one has ended; without a name,
	// that it runs none. A project that was begun for copies ends with the last.
	Tell(end control.EndedCopy, pid int) error
}

// copiesOf takes the names of copies out of an action that can be about them: of wait
// also of those that have ended.
func (s *Server) copiesOf(verb string, a *control.Action) (copies []string) {
	if s.opts.Copies == nil || verb != "stop" && verb != "kill" && verb != "wait" {
		return nil
	}
	running := s.opts.Copies.Running()
	a.Services = slices.DeleteFunc(a.Services, func(name string) bool {
		is := slices.ContainsFunc(running, func(c control.RunningCopy) bool { return c.Name == name }) ||
			verb == "wait" && s.opts.Copies.Ended(name)
		if is {
			copies = append(copies, name)
		}
		return is
	})
	return copies
}

// awaitCopies waits for the ends of copies where the request is to wait.
func (s *Server) awaitCopies(ctx context.Context, verb string, copies []string, until string) (ended []control.EndedCopy, err error) {
	if verb != "wait" || len(copies) == 0 {
		return nil, nil
	}
	switch cond, _ := project.ParseCondition(until); {
	case until == "", until == control.ForSettled, until == control.ForStopped, cond == project.Exited, cond == project.Completed:
	default:
		return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("not supported: %s is a copy, and is never %s", copies[0], until),
			Hint: "wait until it has exited"}
	}
	done, err := connOf(ctx).follow()
	if err != nil {
		return nil, err
	}
	defer done()
	for _, name := range copies {
		end, err := s.opts.Copies.Await(ctx, name)
		if err != nil {
			return nil, err
		}
		ended = append(ended, end)
	}
	return ended, nil
}

// tell sends copies what stop and kill mean.
func (s *Server) tell(verb string, copies []string, signal project.Signal) error {
	switch {
	case len(copies) == 0 || verb == "wait":
		return nil
	case verb == "stop":
		signal = 0
	case !signal.Valid():
		return &control.Error{Code: control.CodeInvalid, Msg: "signal must be set"}
	}
	for _, name := range copies {
		if _, err := s.opts.Copies.Signal(name, signal); err != nil {
			return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("cannot signal %s: %v", name, err)}
		}
	}
	return nil
}

// run answers, once the dependencies of the service are there, with what the calling
// process needs to run a copy of it.
func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	var req control.RunRequest
	if err := s.decode(w, r, maxBody, &req); err != nil {
		return err
	}
	if s.opts.Run == nil || req.Service == "" && len(req.Command) == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: "run needs the name of a service, or a command"}
	}
	var id project.ID
	if req.Service != "" {
		var err error
		if id, err = s.resolveOne(r.Context(), req.Service); err != nil {
			return err
		}
	}
	done, err := connOf(r.Context()).follow()
	if err != nil {
		return err
	}
	defer done()
	copied, err := s.opts.Run(r.Context(), id, req, client(r, id))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, copied)
	return nil
}

// copyEnded takes from the calling process how the copy that it ran has ended.
func (s *Server) copyEnded(w http.ResponseWriter, r *http.Request) error {
	var end control.EndedCopy
	if err := s.decode(w, r, maxBody, &end); err != nil {
		return err
	}
	if s.opts.Copies == nil {
		return &control.Error{Code: control.CodeInvalid, Msg: "there are no copies here", Hint: "\"nix2gpu run\" makes them"}
	}
	if err := s.opts.Copies.Tell(end, int(peerOf(r).Pid)); err != nil { // present, since guard let the request in
		return err
	}
	writeJSON(w, http.StatusOK, control.Reply{Services: []control.Service{}})
	return nil
}
