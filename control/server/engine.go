package server

import (
	"context"
	"time"

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
		Next: st.Next, KillAt: st.KillAt,
	}
	for _, u := range st.WaitsFor {
		out.WaitsFor = append(out.WaitsFor, control.Unmet{
			Service: string(u.Service), Label: u.Label, Condition: string(u.Condition), Why: u.Why, Hopeless: u.Hopeless,
		})
	}
	if x := st.Exit; x != nil {
		out.Exit = &control.Exit{
			Process: string(x.Process), Code: x.Status(), Signal: x.SignalName, OOM: x.OOM,
			Error: x.Error, Text: x.String(), Because: x.Because, At: x.At,
		}
		if x.Ran > 0 {
			out.Exit.Ran = rounded(x.Ran).String()
		}
	}
	if p := st.Probe; p != nil {
		out.Probe = &control.Probe{Role: string(p.Role), OK: p.OK, Output: p.Output, At: p.At}
	}
	for _, p := range st.Ports {
		out.Ports = append(out.Ports, control.Port{Port: p.Port, Protocol: p.Protocol, Address: p.Address})
	}
	return out
}

// rounded leaves what a person reads: 145ms, 3.2s, 1h2m3s.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func event(ev supervisor.Event) *control.Event {
	return &control.Event{Seq: ev.Seq, From: ev.From.String(), Service: service(ev.Status), Lost: ev.Lost}
}
