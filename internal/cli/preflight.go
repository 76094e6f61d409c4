package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nix2gpu/project"
	"nix2gpu/provision"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// preflight says which of the services ids can't run on this machine, and why,
// after it has installed what is missing if that was asked for; nil when all
// can. The others run. Where there are none, or with --strict, it is the error.
// Passed is told which configurations their servers have found right; it may be nil.
func preflight(ctx context.Context, env *Env, l *loaded, layout rundir.Layout, ids []project.ID, opts *upOptions, passed func(project.ID, string)) (*session.Refusal, error) {
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	m := l.machine(ctx, env, session.Machine{Layout: layout, Self: self, Passed: passed})
	if err := m.Recover(); err != nil {
		return nil, err
	}
	unmet, err := m.Preconditions(ctx, l.project, ids, nil)
	if ctx.Err() != nil { // what could not be asked to its end says nothing
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if opts.install && slices.ContainsFunc(unmet, func(u session.Precondition) bool { return u.Missing != nil }) {
		if err := installMissing(ctx, env, unmet); err != nil {
			return nil, err
		}
		if unmet, err = m.Preconditions(ctx, l.project, ids, nil); err != nil {
			return nil, err
		}
	}
	for _, s := range session.Shortages(l.project, ids) {
		fmt.Fprintf(env.Stderr, "warning: %s\n  hint: %s\n", s.Msg, s.Hint)
	}
	if len(unmet) == 0 {
		return nil, nil
	}
	refusal := &session.Refusal{Root: l.root, Unmet: unmet}
	wanted := ids
	if len(opts.target.services) > 0 { // what they depend on alone is of no use
		if wanted, err = l.project.ResolveAll(opts.target.services); err != nil {
			return nil, err
		}
	}
	if opts.strict || len(session.Runnable(l.project, wanted, unmet, opts.noDeps)) == 0 {
		return nil, refusal
	}
	return refusal, nil
}

// installMissing lets apt install what is missing. It is the user's wish, so
// its output is shown.
func installMissing(ctx context.Context, env *Env, unmet []session.Precondition) error {
	var names []string
	for _, u := range unmet {
		if u.Missing == nil {
			continue
		}
		if len(u.Missing.Debian) == 0 {
			return fmt.Errorf("cannot install package %q: no Debian package is known for it", u.Missing.Attr)
		}
		names = append(names, u.Missing.Debian...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	fmt.Fprintf(env.Stderr, "installing %s\n", strings.Join(names, " "))
	return provision.Install(ctx, names, provision.Stdio{Out: env.Stderr, Err: env.Stderr})
}
