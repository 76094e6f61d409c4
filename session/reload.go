package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// evaluateAgain evaluates the definition again and hands the result to the engine. An
// error is printed, and nothing changes.
func (s *session) evaluateAgain(ctx context.Context) {
	p, err := s.evaluate(s.kept(nil))
	var changes supervisor.Reloaded
	if err == nil {
		changes, err = asked{s.engine, s}.Reload(ctx, p)
	}
	switch {
	case err != nil:
		s.hub.Say("reload failed; nothing was changed: " + strings.ReplaceAll(err.Error(), "\n  hint:", "\nhint:"))
		s.log.Warn("reload failed", "err", err)
	case changes.IsEmpty():
		s.hub.Say("reloaded: nothing has changed")
	default:
		s.hub.Sayf("reloaded: %d added, %d removed, %d changed", len(changes.Added), len(changes.Removed), len(changes.Changed))
	}
}

// reload validates a project that came through the socket, before the engine takes
// it.
func (s *session) reload(_ context.Context, p *project.Project) (project.Valid, error) {
	valid, err := project.Validated(p)
	if err != nil {
		return valid, &control.Error{Code: control.CodeInvalid, Msg: err.Error()}
	}
	return valid, nil
}

// preflight checks the preconditions of what a reload would start; one that is not
// met is a *Refusal. Ports that our services hold don't count, since no two services
// of a valid project have the same one. A service that could not run before does not
// stop the reload: it is refused again if it still can't.
func (s *session) preflight(ctx context.Context, next *project.Project) (refused map[project.ID]string, err error) {
	now, err := s.engine.Project(ctx)
	if err != nil {
		return nil, err
	}
	changes := now.Diff(next)
	snap := s.engine.Snapshot()
	was := make(map[project.ID]control.Service, len(snap.Services))
	for _, st := range snap.Services {
		was[st.ID] = st
	}
	var ids, down []project.ID
	for id, service := range next.Services {
		st, known := was[id]
		switch {
		case service.Disabled, known && !st.Wanted: // the reload leaves it as it is
		case st.State == control.Skipped, st.State == control.Failed && st.Exit != nil && st.Exit.Final:
			down = append(down, id)
		case slices.Contains(changes.Added, id), slices.Contains(changes.Changed, id):
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(down)
	unmet, err := s.Preconditions(ctx, next, slices.Concat(ids, down), held(now, snap))
	if err != nil {
		return nil, err
	}
	refused = Reasons(unmet)
	if unmet = slices.DeleteFunc(unmet, func(u Precondition) bool { return slices.Contains(down, u.Service) }); len(unmet) > 0 {
		return nil, &Refusal{s.Root, unmet}
	}
	return refused, nil
}

// held returns the ports of this machine that services have which run.
func held(p *project.Project, snap control.Snapshot) []project.Port {
	var ports []project.Port
	for _, st := range snap.Services {
		if s := p.Services[st.ID]; s != nil && st.PID != 0 && !p.Apart(s) {
			ports = append(ports, s.Ports...)
		}
	}
	return ports
}

// maxEvaluated bounds what is read from the child, in bytes.
const maxEvaluated = 64 << 20

// An evaluationError is why a definition could not be evaluated, as our own program has
// said it, and with its exit code.
type evaluationError struct {
	said string
	code int
}

func (e *evaluationError) Error() string { return e.said }

// evaluated evaluates the definition again for a request, with other numbers of replicas
// of some services.
func (s *session) evaluated(_ context.Context, replicas map[string]int) (project.Valid, error) {
	p, err := s.evaluate(s.kept(replicas))
	var said *evaluationError
	switch {
	case errors.As(err, &said):
		msg, hint, _ := strings.Cut(strings.TrimPrefix(said.said, "nix2gpu: "), "\nhint: ")
		code := control.CodeInvalid
		for _, k := range control.Kinds() {
			if k.Exit == said.code && k.Code == control.CodeNotFound {
				code = k.Code
			}
		}
		return p, &control.Error{Code: code, Msg: msg, Hint: hint}
	}
	return p, err
}

// kept are the arguments for what stays as it is now, whoever asked for it since the start:
// profiles, and that files are not watched. So do, where replicas says other numbers of
// replicas, those of services that it does not name, if the definition still has them;
// without it the definition says all numbers.
func (s *session) kept(replicas map[string]int) (args []string) {
	now := s.engine.Snapshot()
	for _, profile := range now.Profiles {
		args = append(args, "--kept-profile", profile)
	}
	if now.NoWatch {
		args = append(args, "--no-watch")
	}
	if replicas == nil {
		return args
	}
	kept := map[string]int{}
	for _, svc := range now.Services {
		if _, named := replicas[svc.Family]; svc.Family != "" && svc.Family != string(svc.ID) && !named && !svc.Disabled {
			kept[svc.Family]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		args = append(args, "--kept-scale", fmt.Sprintf("%s=%d", name, kept[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		args = append(args, "--scale", fmt.Sprintf("%s=%d", name, replicas[name]))
	}
	return args
}

// evaluateIn is the folder of an evaluation: the definition's, so that messages name its
// files as the user does, unless that is gone.
func (s *session) evaluateIn() string {
	if info, err := os.Stat(s.Root); err != nil || !info.IsDir() {
		return "/"
	}
	return s.Root
}

// isProfiles reports whether a variable names profiles. Those of the start need not be
// those of now.
func isProfiles(variable string) bool { return strings.HasPrefix(variable, project.ProfilesVar+"=") }

// evaluate runs our own program to evaluate the definition, with these further arguments,
// so that its memory and its failures are not the supervisor's.
func (s *session) evaluate(args []string) (project.Valid, error) {
	s.evaluating.Lock() // one at a time: each takes memory
	defer s.evaluating.Unlock()
	stdout, stdoutEnd, err := os.Pipe()
	if err != nil {
		return project.Valid{}, err
	}
	defer stdout.Close()
	stderr, stderrEnd, err := os.Pipe()
	if err != nil {
		stdoutEnd.Close()
		return project.Valid{}, err
	}
	defer stderr.Close()
	child, err := s.host.Start(process.Spec{
		Name: "reload", Argv: slices.Concat([]string{s.Self}, s.job.Reload, args), Env: slices.DeleteFunc(slices.Clone(s.Environ), isProfiles), Dir: s.evaluateIn(),
		Stdout: stdoutEnd, Stderr: stderrEnd,
	})
	stdoutEnd.Close()
	stderrEnd.Close()
	if err != nil {
		return project.Valid{}, err
	}
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(stderr, 64<<10))
		_, _ = io.Copy(io.Discard, stderr) // so that the child never blocks in a write
		said <- text
	}()
	data, err := io.ReadAll(io.LimitReader(stdout, maxEvaluated+1))
	if err == nil && len(data) > maxEvaluated {
		err = fmt.Errorf("the project is larger than %d MiB", maxEvaluated>>20)
	}
	if err != nil {
		child.Kill()
		return project.Valid{}, err
	}
	why := strings.TrimSpace(string(<-said))
	<-child.Done()
	if exit := child.Exit(); !exit.Success() {
		if why == "" {
			why = exit.String()
		}
		return project.Valid{}, &evaluationError{why, exit.Code}
	}
	p, err := project.Decode(bytes.NewReader(data))
	if err != nil {
		return project.Valid{}, fmt.Errorf("cannot read what was evaluated: %v", err)
	}
	return project.TakenAsValid(p), nil // the child has validated it
}
