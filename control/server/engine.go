package server

import (
	"context"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// An Engine is what the server needs of a supervisor.Engine.
type Engine interface {
	Project(ctx context.Context) (*project.Project, error)
	Snapshot() supervisor.Snapshot
	Subscribe(ctx context.Context) (supervisor.Snapshot, <-chan supervisor.Event, func(), error)
	Start(ctx context.Context, ids []project.ID, opts supervisor.StartOptions) ([]project.ID, error)
	Stop(ctx context.Context, ids []project.ID) error
	Restart(ctx context.Context, ids []project.ID) error
	Kill(ctx context.Context, ids []project.ID, signal project.Signal) error
	Wait(ctx context.Context, id project.ID, cond project.Condition) error
	Settled(ctx context.Context, ids []project.ID) ([]supervisor.Status, error)
	Stopped(ctx context.Context, ids []project.ID) error
	Reload(ctx context.Context, p project.Valid) (project.Changes, error)
	Down()
	DownNow()
}

// state is a snapshot as it travels.
func (s *Server) state(snap supervisor.Snapshot) *control.State {
	out := &control.State{
		Schema:     control.SchemaVersion,
		Project:    snap.Project,
		Root:       s.opts.Root,
		Definition: s.opts.Definition,
		PID:        s.opts.PID,
		Version:    s.opts.Version,
		At:         snap.At,
		Since:      snap.Since,
		Phase:      string(snap.Phase),
		Summary:    snap.Summary,
		Healthy:    snap.Healthy,
		Settled:    snap.Settled,
		Services:   make([]control.Service, len(snap.Services)),
	}
	for i, st := range snap.Services {
		out.Services[i] = service(st)
	}
	if stop := snap.Stop; stop != nil {
		out.Stop = &control.Stop{
			Since: stop.Since, Reason: stop.Reason, Deadline: stop.Deadline,
			WaitingFor: stop.WaitingFor, Killing: stop.Killing, ExitCode: stop.ExitCode,
		}
	}
	return out
}

// service is a status as it travels.
func service(st supervisor.Status) control.Service {
	out := control.Service{
		ID: string(st.ID), Label: st.Label, Type: st.Type, Namespace: st.Namespace,
		Disabled: st.Disabled, Wanted: st.Wanted,
		State: st.State.String(), Since: st.Since, Health: string(st.Health), Why: st.Why,
		PID: st.PID, Step: string(st.Step), Started: st.Started,
		Starts: st.Starts, Restarts: st.Restarts, Streak: st.Streak,
		Next: st.Next, KillAt: st.KillAt, Exit: st.Exit,
	}
	for _, u := range st.WaitsFor {
		out.WaitsFor = append(out.WaitsFor, control.Unmet{
			Service: string(u.Service), Label: u.Label, Condition: string(u.Condition), Why: u.Why, Hopeless: u.Hopeless,
		})
	}
	if p := st.Probe; p != nil {
		out.Probe = &control.Probe{Role: string(p.Role), OK: p.OK, Output: p.Output, At: p.At}
	}
	for _, p := range st.Ports {
		out.Ports = append(out.Ports, control.Port{Port: p.Port, Protocol: p.Protocol, Address: p.Address})
	}
	return out
}

func event(ev supervisor.Event) *control.Event {
	return &control.Event{Seq: ev.Seq, From: ev.From.String(), Service: service(ev.Status), Lost: ev.Lost}
}
