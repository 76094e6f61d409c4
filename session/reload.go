package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
)

// evaluateAgain reads the definition anew and hands the result to the engine.
// What is wrong with it is said, and changes nothing.
func (s *session) evaluateAgain(ctx context.Context) {
	p, err := s.evaluate()
	if err == nil {
		err = s.preflight(ctx, p)
	}
	if err != nil {
		s.hub.Say("reload failed; nothing was changed: " + strings.ReplaceAll(err.Error(), "\n  hint:", "\nhint:"))
		s.log.Warn("reload failed", "err", err)
		return
	}
	changes, err := s.engine.Reload(ctx, p)
	switch {
	case err != nil:
		s.hub.Say("reload failed: " + err.Error())
	case changes.IsEmpty():
		s.hub.Say("reloaded: nothing has changed")
	default:
		s.hub.Sayf("reloaded: %d added, %d removed, %d changed", len(changes.Added), len(changes.Removed), len(changes.Changed))
	}
}

// reload is asked before the engine takes a project that came through the
// socket: it must be valid, and able to run here.
func (s *session) reload(ctx context.Context, p *project.Project) (project.Valid, error) {
	valid, err := project.Validated(p)
	if err != nil {
		return valid, &control.Error{Code: control.CodeInvalid, Msg: err.Error()}
	}
	if err := s.preflight(ctx, valid); err != nil {
		return valid, &control.Error{Code: control.CodeConflict, Msg: err.Error()}
	}
	return valid, nil
}

// preflight asks of a reload what is asked of a start, for what it would
// start: an unmet precondition is a *Refusal. Ports that services hold now are
// no obstacle: two that want the same one are no valid project.
func (s *session) preflight(ctx context.Context, next project.Valid) error {
	now, err := s.engine.Project(ctx)
	if err != nil {
		return err
	}
	changes := now.Diff(next.Project())
	snap := s.engine.Snapshot()
	ids := slices.DeleteFunc(slices.Concat(changes.Added, changes.Changed), func(id project.ID) bool {
		return next.Project().Services[id].Disabled ||
			slices.ContainsFunc(snap.Services, func(st control.Service) bool { return st.ID == id && !st.Wanted }) // left as it is
	})
	unmet, err := s.Preconditions(next.Project(), ids, held(now, snap))
	if err == nil && len(unmet) > 0 {
		err = &Refusal{s.Root, unmet}
	}
	for _, short := range Shortages(next.Project(), next.Project().Enabled()) {
		s.hub.Say("warning: " + short.Msg + "; " + short.Hint)
	}
	return err
}

// held are the ports of what runs.
func held(p *project.Project, snap control.Snapshot) []project.Port {
	var ports []project.Port
	for _, st := range snap.Services {
		if s := p.Services[st.ID]; s != nil && st.PID != 0 {
			ports = append(ports, s.Ports...)
		}
	}
	return ports
}

// maxEvaluated bounds what is read from the child.
const maxEvaluated = 64 << 20

// evaluate runs our own program. Its memory, and what goes wrong in it, is not
// ours.
func (s *session) evaluate() (project.Valid, error) {
	if len(s.job.Reload) == 0 {
		return project.Valid{}, errors.New("not supported: a reload of what was started with namespaces or environment files")
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return project.Valid{}, err
	}
	defer out.Close()
	complaint, complaintEnd, err := os.Pipe()
	if err != nil {
		outEnd.Close()
		return project.Valid{}, err
	}
	defer complaint.Close()
	child, err := s.host.Start(process.Spec{
		Name: "reload", Argv: append([]string{s.Self}, s.job.Reload...), Env: s.Environ, Dir: "/",
		Stdout: outEnd, Stderr: complaintEnd,
	})
	outEnd.Close()
	complaintEnd.Close()
	if err != nil {
		return project.Valid{}, err
	}
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(complaint, 64<<10))
		_, _ = io.Copy(io.Discard, complaint) // or the child would wait for us
		said <- text
	}()
	data, err := io.ReadAll(io.LimitReader(out, maxEvaluated+1))
	if err == nil && len(data) > maxEvaluated {
		err = fmt.Errorf("the project has more than %d MiB", maxEvaluated>>20)
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
		return project.Valid{}, errors.New(why)
	}
	p, err := project.Decode(bytes.NewReader(data))
	if err != nil {
		return project.Valid{}, fmt.Errorf("what was evaluated: %v", err)
	}
	return project.TakenAsValid(p), nil // the child has validated it
}
