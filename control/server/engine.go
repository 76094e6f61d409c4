package server

import (
	"context"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// An Engine is what the server needs of a supervisor.Engine, which documents the
// methods. They are called from many goroutines.
type Engine interface {
	Project(ctx context.Context) (*project.Project, error)
	Snapshot() control.Snapshot
	Details(ctx context.Context) ([]control.Detail, error)
	Counts(ctx context.Context) ([]supervisor.Counts, error)
	Startups(ctx context.Context) (control.Startups, error)
	Subscribe(ctx context.Context, after uint64) (supervisor.Subscription, error)
	Start(ctx context.Context, ids []project.ID, opts supervisor.StartOptions) ([]project.ID, error)
	Stop(ctx context.Context, ids []project.ID) error
	Restart(ctx context.Context, ids []project.ID) error
	Kill(ctx context.Context, ids []project.ID, signal project.Signal) error
	Wait(ctx context.Context, id project.ID, cond project.Condition) error
	Settled(ctx context.Context, ids []project.ID) ([]control.Service, error)
	Stopped(ctx context.Context, ids []project.ID) error
	Reload(ctx context.Context, p project.Valid) (supervisor.Reloaded, error)
	Plan(ctx context.Context, p project.Valid) ([]control.Planned, error)
	Down()
	DownNow()
}

// state adds to a snapshot what only the server knows.
func (s *Server) state(ctx context.Context, snap control.Snapshot) *control.State {
	state := &control.State{
		Schema: control.SchemaVersion, Root: s.opts.Root, Definition: s.opts.Definition, Given: s.opts.Given,
		PID: s.opts.PID, Version: s.opts.Version, Snapshot: snap,
	}
	if s.opts.Degraded != nil {
		state.Degraded = s.opts.Degraded()
	}
	if s.opts.OutOfMemory != nil {
		state.OutOfMemory = s.opts.OutOfMemory()
	}
	if s.opts.Copies != nil {
		state.Copies = s.opts.Copies.Running()
		for i := range state.Copies {
			if !maySee(ctx, AccessDefinition) {
				state.Copies[i].Command = nil
			}
		}
	}
	return state
}
