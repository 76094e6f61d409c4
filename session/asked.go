package session

import (
	"context"
	"errors"
	"slices"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// asked is the engine as the control socket sees it. What a request starts has the
// same preconditions as what the session started with, looked up anew.
type asked struct {
	*supervisor.Engine
	session *session
}

// Start starts services. It refuses those that can't run on this machine.
func (a asked) Start(ctx context.Context, ids []project.ID, opts supervisor.StartOptions) ([]project.ID, error) {
	a.session.copies.joined()
	return a.start(ctx, ids, opts)
}

func (a asked) start(ctx context.Context, ids []project.ID, opts supervisor.StartOptions) ([]project.ID, error) {
	p, err := a.Project(ctx)
	if err != nil {
		return nil, err
	}
	if ids == nil {
		ids, opts.All = p.Enabled(), true
	}
	snap := a.Snapshot()
	_, starts := split(snap, p.Select(ids, opts.NoDeps))
	unmet, err := a.session.Preconditions(ctx, p, starts, held(p, snap))
	if err != nil {
		return nil, err
	}
	opts.Refused = Reasons(unmet)
	return a.Engine.Start(ctx, ids, opts)
}

// Details adds what the logs lack.
func (a asked) Details(ctx context.Context) ([]control.Detail, error) {
	details, err := a.Engine.Details(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.Project(ctx)
	if err != nil {
		return nil, err
	}
	logs := a.session.logCounts(p)
	for i, d := range details {
		details[i].Log = control.LogGaps{Dropped: logs[d.ID].Dropped, Lost: logs[d.ID].Lost,
			RemovedFiles: logs[d.ID].RemovedFiles, RemovedBytes: logs[d.ID].RemovedBytes}
	}
	return details, nil
}

// Restart restarts services that run, and starts the others. It fails, and all go on
// as they were, when a server rejects the configuration that it would get, or a file
// of the user's is missing.
func (a asked) Restart(ctx context.Context, ids []project.ID) error {
	a.session.copies.joined()
	live, starts := split(a.Snapshot(), ids)
	if err := a.takeConfiguration(ctx, live); err != nil {
		return err
	}
	if err := a.Engine.Restart(ctx, live); err != nil || len(starts) == 0 {
		return err
	}
	_, err := a.Start(ctx, starts, supervisor.StartOptions{})
	return err
}

// takeConfiguration fails if one of the running services would not accept its
// configuration, or lacks a file that it is lent.
func (a asked) takeConfiguration(ctx context.Context, ids []project.ID) error {
	p, err := a.Project(ctx)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id project.ID) bool {
		s := p.Services[id]
		if s == nil || p.Processes[s.Main] == nil {
			return true
		}
		lent := slices.ContainsFunc(p.Processes[s.Main].Files, func(f project.File) bool { return len(f.Source) > 0 })
		return p.Processes[s.Main].Test == nil && !lent
	})
	if len(ids) == 0 {
		return nil
	}
	unmet, err := a.session.Preconditions(ctx, p, ids, held(p, a.Snapshot()))
	if err != nil {
		return err
	}
	unmet = slices.DeleteFunc(unmet, func(u Precondition) bool { return u.Kind != ConfigRejected && u.Kind != FileMissing })
	if len(unmet) == 0 {
		return nil
	}
	return &control.Error{Code: control.CodeConflict, Msg: (&Refusal{a.session.Root, unmet}).Error(), Hint: "correct it and restart again; it goes on as it was"}
}

// Reload makes the engine run another project, unless something that this would
// start can't run on this machine. What could not run before is refused again.
func (a asked) Reload(ctx context.Context, p project.Valid) (supervisor.Reloaded, error) {
	p, made := a.session.makeEnv(ctx, p)
	refused, err := a.refused(ctx, p)
	if err != nil {
		return supervisor.Reloaded{}, err
	}
	for _, short := range Shortages(p.Project(), p.Project().Enabled()) {
		a.session.hub.Say("warning: " + short.Msg + "; " + short.Hint)
	}
	a.session.noteListen(p.Project())
	// Of two at once, the later one for the engine is the later one for the rest.
	a.session.reloading.Lock()
	defer a.session.reloading.Unlock()
	changes, err := a.Engine.Reload(ctx, p, refused)
	if err == nil {
		if len(changes.Added) > 0 { // they stay when the copies have ended
			a.session.copies.joined()
		}
		a.session.made.take(made)
		a.session.keepLogs(p.Project())
		a.session.rotateCopies(p.Project())
		a.session.watchFiles(p.Project())
	}
	return changes, err
}

// Plan says what Reload would do, and refuses what it would. It runs no command
// that prints a variable: that of a new one counts as changed.
func (a asked) Plan(ctx context.Context, p project.Valid) ([]control.Planned, error) {
	p = withEnv(p, a.session.made.foreseen(p.Project()))
	refused, err := a.refused(ctx, p)
	if err != nil {
		return nil, err
	}
	return a.Engine.Plan(ctx, p, refused)
}

// refused are those of a reload that can't run on this machine, where that is no reason
// to refuse all of it.
func (a asked) refused(ctx context.Context, p project.Valid) (map[project.ID]string, error) {
	refused, err := a.session.preflight(ctx, p.Project())
	var unmet *Refusal
	if errors.As(err, &unmet) {
		err = &control.Error{Code: control.CodeConflict, Msg: unmet.Error()}
	}
	return refused, err
}

// Down ends the project. Somebody waits for that, so a reader of stdout that has
// stopped reading can't delay the end for long.
func (a asked) Down() {
	a.session.hasten()
	a.Engine.Down()
}

// DownNow is Down without a grace period: it kills.
func (a asked) DownNow() {
	a.session.hasten()
	a.Engine.DownNow()
}

// split separates services that live from the others.
func split(snap control.Snapshot, ids []project.ID) (live, rest []project.ID) {
	live = []project.ID{}
	for _, id := range ids {
		if slices.ContainsFunc(snap.Services, func(s control.Service) bool { return s.ID == id && s.State.Live() }) {
			live = append(live, id)
		} else {
			rest = append(rest, id)
		}
	}
	return live, rest
}
