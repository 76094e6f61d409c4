package session

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"nix2gpu/console"
	"nix2gpu/control"
	"nix2gpu/project"
)

// attach prepares to connect somebody's terminal with that of a service. The function
// it returns does so, through frames, until they detach, the service has ended for
// good, or the project has.
func (s *session) attach(ctx context.Context, id project.ID, req control.AttachRequest) (func(rw io.ReadWriter), error) {
	if _, err := s.terminalOf(ctx, id); err != nil {
		return nil, err
	}
	services := s.engine.Snapshot().Services
	if i := slices.IndexFunc(services, func(svc control.Service) bool { return svc.ID == id }); i < 0 || services[i].State.Rests() {
		if _, err := s.mainRuns(id); err != nil {
			return nil, err
		}
	}
	return func(rw io.ReadWriter) { s.connect(id, req, console.NewFrames(rw)) }, nil
}

// terminalOf returns a service, if it is one with a terminal.
func (s *session) terminalOf(ctx context.Context, id project.ID) (*project.Service, error) {
	p, err := s.engine.Project(ctx)
	if err != nil {
		return nil, err
	}
	service := p.Services[id]
	if service == nil {
		return nil, &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no service %q", id), Hint: "\"nix2gpu ps\" has the names"}
	}
	if !p.Processes[service.Main].TTY {
		return nil, &control.Error{Code: control.CodeConflict, Msg: service.Label + " has no terminal",
			Hint: fmt.Sprintf("set tty = true, or is_tty in a process-compose.yaml; \"nix2gpu logs -f %s\" follows what it prints", service.Label)}
	}
	return service, nil
}

// typeTime is how long a program may leave what is typed unread.
const typeTime = 10 * time.Second

// typeKeys types into the terminal of a service.
func (s *session) typeKeys(ctx context.Context, id project.ID, keys []byte) error {
	service, err := s.terminalOf(ctx, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, typeTime)
	defer cancel()
	switch typed, err := s.consoles.Get(string(id)).Type(ctx, keys); {
	case err != nil:
		return &control.Error{Code: control.CodeTimeout, Msg: fmt.Sprintf("%s has not read what was typed within %v", service.Label, typeTime),
			Hint: fmt.Sprintf("\"nix2gpu logs %s\" shows what it does instead", service.Label)}
	case !typed:
		if _, err := s.mainRuns(id); err != nil {
			return err
		}
		return &control.Error{Code: control.CodeConflict, Msg: service.Label + " is just being started or stopped", Hint: "try again"}
	}
	return nil
}

// connect lasts as long as the attachment.
func (s *session) connect(id project.ID, req control.AttachRequest, frames *console.Frames) {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	sub, err := s.engine.Subscribe(ctx, 0)
	if err != nil {
		return
	}
	defer sub.Cancel()
	a := s.consoles.Get(string(id)).Attach()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		buf := make([]byte, 32<<10)
		for {
			n, err := a.Read(buf)
			if err != nil {
				return
			}
			if frames.Write(console.Text, buf[:n]) != nil {
				leave()
				return
			}
		}
	}()
	a.Resize(console.Size{Rows: req.Rows, Cols: req.Cols}, true)
	go func() {
		defer leave()
		for typed(a, frames) == nil {
		}
	}()
	ended := watchState(ctx, a, id, sub.Snapshot, sub.Events)
	a.End()
	if ended != nil {
		<-shown
		_ = frames.WriteJSON(console.End, ended) // they may have gone
	}
}

// typed takes one frame from the terminal.
func typed(a *console.Attachment, frames *console.Frames) error {
	kind, data, err := frames.Read()
	if err != nil {
		return err
	}
	switch kind {
	case console.Text:
		_, err = a.Write(data)
	case console.Resize:
		var size console.Size
		if err = json.Unmarshal(data, &size); err == nil {
			a.Resize(size, false)
		}
	default:
		err = fmt.Errorf("a frame must be of kind d or r, not %q", kind)
	}
	return err
}

// watchState tells an attachment what becomes of the service, until it has ended: then
// it returns how. It returns nil when they leave.
func watchState(ctx context.Context, a *console.Attachment, id project.ID, snap control.Snapshot, events <-chan control.Event) *console.Ended {
	var last control.Service
	if i := slices.IndexFunc(snap.Services, func(svc control.Service) bool { return svc.ID == id }); i >= 0 {
		last = snap.Services[i]
	}
	if last.State.Rests() { // since it was asked
		return endOf(last)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-events:
			if !ok {
				return &console.Ended{Why: last.Label + ": the project has ended", Code: codeOf(last)}
			}
			if ev.Service.ID != id {
				continue
			}
			last = ev.Service
			switch {
			case last.State.Rests():
				return endOf(last)
			case last.State == control.Backoff:
				a.Say(last.Label + ": " + last.Why)
			case last.State == control.Restarting:
				a.Say(last.Label + ": restarting")
			case last.State == control.Running && ev.From != control.Unready:
				a.Say(last.Label + ": running")
			}
		}
	}
}

func endOf(s control.Service) *console.Ended {
	why := s.Label + ": " + string(s.State)
	if s.Why != "" {
		why += ": " + s.Why
	}
	return &console.Ended{Why: why, Code: codeOf(s)}
}

// codeOf is the exit code of a service that has ended.
func codeOf(s control.Service) int {
	if s.Exit == nil {
		return 0
	}
	return s.Exit.Code
}
