package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/stage"
)

// exec returns what a command needs in order to run as the main process of a service
// does. Nothing is started: the client, whose process is pid, replaces itself by the
// command.
func (s *session) exec(ctx context.Context, id project.ID, req control.ExecRequest, pid int) (*control.Surroundings, error) {
	p, err := s.engine.Project(ctx)
	if err != nil {
		return nil, err
	}
	main, err := s.mainRuns(id)
	if err != nil {
		return nil, err
	}
	proc := *p.Processes[p.Services[id].Main]
	if req.User != "" {
		proc.User = req.User
	}
	launch, err := s.Stage().Surroundings(p, &proc, project.Lit(req.Dir))
	if err != nil {
		return nil, stageError(err)
	}
	out, err := surroundings(launch)
	if err != nil {
		return nil, err
	}
	cookie, groups, err := s.lend(string(proc.ID), pid)
	if err != nil {
		return nil, err
	}
	out.Env, out.Cgroups = append(out.Env, cookie), groups
	if proc.Settings.Network != "" {
		out.NetworkOf = main
	}
	return &out, nil
}

// lend is [process.Host.Lend] with an error for people.
func (s *session) lend(name string, pid int) (cookie string, groups []string, err error) {
	if cookie, groups, err = s.host.Lend(name, pid); errors.Is(err, process.ErrClosed) {
		err = &control.Error{Code: control.CodeConflict, Msg: "the project has ended", Hint: "start it with \"nix2gpu up\""}
	}
	return cookie, groups, err
}

// surroundings are those of a launch, as they travel: whoever asks may be another user
// than we are.
func surroundings(launch *stage.Launch) (out control.Surroundings, err error) {
	out = control.Surroundings{Env: launch.Env, Dir: launch.Dir, UID: os.Geteuid(), GID: os.Getegid(),
		NoNewPrivs: launch.NoNewPrivs, Caps: launch.Caps, NoFile: launch.Limits.NoFile, Rlimits: launch.Limits.Rlimits, Settings: launch.Settings, Read: launch.Read, Write: launch.Write}
	if launch.SetUser {
		out.UID, out.GID = int(launch.UID), int(launch.GID)
		for _, g := range launch.Groups {
			out.Groups = append(out.Groups, int(g))
		}
		return out, nil
	}
	out.Groups, err = os.Getgroups()
	return out, err
}

// mainRuns returns the pid of a service's main process, or why it has none for a command
// to join.
func (s *session) mainRuns(id project.ID) (pid int, err error) {
	services := s.engine.Snapshot().Services
	i := slices.IndexFunc(services, func(svc control.Service) bool { return svc.ID == id })
	if i < 0 {
		return 0, &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no service %q", id), Hint: "\"nix2gpu ps\" has the names"}
	}
	if services[i].PID != 0 {
		return services[i].PID, nil
	}
	return 0, &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("%s is not running: it is %s", services[i].Label, services[i].State),
		Hint: fmt.Sprintf("start it with \"nix2gpu start %s\"", services[i].Label)}
}

// stageError makes an error of package stage one of the control socket.
func stageError(err error) error {
	var e *stage.Error
	if !errors.As(err, &e) {
		return err
	}
	out := &control.Error{Code: control.CodeFailed, Msg: e.Msg, Hint: e.Hint}
	switch e.Kind {
	case stage.NoCommand, stage.NoGPU:
		out.Code = control.CodeNoCommand
	case stage.NotExecutable, stage.NoInterpreter, stage.NoFormat:
		out.Code = control.CodeNotProgram
	}
	return out
}
