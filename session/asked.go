package session

import (
	"context"
	"slices"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// asked is the engine for those who ask through the socket: what they start
// has the same preconditions as what a session starts with, as they are now.
type asked struct {
	*supervisor.Engine
	session *session
}

// Start refuses those of the services that can't run on this machine.
func (a asked) Start(ctx context.Context, ids []project.ID, opts supervisor.StartOptions) ([]project.ID, error) {
	p, err := a.Project(ctx)
	if err != nil {
		return nil, err
	}
	if ids == nil {
		ids = p.Enabled()
	}
	snap := a.Snapshot()
	starts := slices.DeleteFunc(p.Select(ids, opts.NoDeps), func(id project.ID) bool {
		return slices.ContainsFunc(snap.Services, func(st control.Service) bool { return st.ID == id && st.State.Live() })
	})
	unmet, err := a.session.Preconditions(p, starts, held(p, snap))
	if err != nil {
		return nil, err
	}
	opts.Refused = Reasons(unmet)
	return a.Engine.Start(ctx, ids, opts)
}
