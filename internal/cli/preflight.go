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

// preflight finds out which of the services ids can't run on this machine, and why;
// nil when all can. With --install it first installs what is missing. The refusal is
// the error when no service is left to run, and with --strict. Only with that are
// servers' tests of their configurations run here, and passed is called for each that
// passes; it may be nil.
func preflight(ctx context.Context, env *Env, l *loaded, layout rundir.Layout, ids []project.ID, opts *upOptions, passed func(project.ID, string)) (*session.Refusal, error) {
	m, err := l.tryingMachine(ctx, env, layout)
	if err != nil {
		return nil, err
	}
	m.Later, m.NoDeps, m.Passed = !opts.strict, opts.noDeps, passed
	if err := m.Recover(); err != nil {
		return nil, err
	}
	unmet, err := m.Preconditions(ctx, l.project, ids, nil)
	if ctx.Err() != nil { // we were stopped: the answers are incomplete
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
	if len(opts.target.services) > 0 { // their dependencies alone are of no use
		if wanted, err = l.project.ResolveAll(opts.target.services); err != nil {
			return nil, err
		}
	}
	if opts.strict || len(session.Runnable(l.project, wanted, unmet, opts.noDeps)) == 0 {
		return nil, refusal
	}
	return refusal, nil
}

// installMissing installs what is missing with apt, and shows apt's output; at a
// terminal, a bar below it.
func installMissing(ctx context.Context, env *Env, unmet []session.Precondition) error {
	var names []string
	for _, u := range unmet {
		if u.Missing == nil {
			continue
		}
		if len(u.Missing.Debian) == 0 {
			return hint(fmt.Errorf("cannot install package %q: no Debian package is known for it", u.Missing.Attr),
				"install it by other means, and put its programs on PATH")
		}
		names = append(names, u.Missing.Debian...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	fmt.Fprintf(env.Stderr, "installing %s\n", strings.Join(names, " "))
	var tell func(provision.Step)
	if bar := env.progress(); bar != nil {
		defer env.endProgress()
		tell = func(s provision.Step) { bar.share(s.Doing, s.Text, s.Percent) }
	}
	return provision.Install(ctx, names, provision.Stdio{Out: env.Stderr, Err: env.Stderr}, tell)
}
