package cli

import (
	"context"
	"errors"
	"fmt"

	"nix2gpu/definition"
)

// evaluate reads a definition in Nix, or in YAML or JSON of the same options.
// A file that defines no container is a project without services.
func (t *target) evaluate(ctx context.Context, env *Env, d located) (*loaded, error) {
	result, err := definition.Load(ctx, t.ref(d), t.definitionOptions(env))
	if err != nil {
		return nil, definitionError(d.root, err)
	}
	return fromDefinition(result, d.files[0]), nil
}

// ref is the container of t in a definition that was located.
func (t *target) ref(d located) definition.Ref {
	return definition.Ref{Path: absolute(d.root, d.files[0]), Container: t.container}
}

// definitionError makes an error of the language wing one of this package.
func definitionError(root string, err error) error {
	var wrong definition.Errors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return &invalid{root, err}
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return &exitError{exitUsage, err}
}

func fromDefinition(result *definition.Result, file string) *loaded {
	l := &loaded{project: result.Project, valid: result.Valid, root: result.Root, name: file, config: result.Config,
		none: result.Project == nil, container: result.Container, python: result.Requirements, read: result.Files}
	if l.none {
		l.project = emptyProject(result.Root)
	}
	if result.Container != "" {
		l.name += "#" + result.Container
	}
	for _, w := range result.Warnings {
		place := ""
		if w.Pos.IsValid() {
			place = w.Pos.String() + ": "
		}
		l.notes = append(l.notes, fmt.Sprintf("%snote: %s", place, w.Msg))
	}
	return l
}

// loadAll loads every container of a definition. With an error it still returns
// those containers that are valid.
func (t *target) loadAll(ctx context.Context, env *Env) (all []*loaded, err error) {
	candidates, err := t.locate(env)
	if err != nil {
		return nil, err
	}
	search := search{name: t.container}
	for _, d := range candidates {
		if search.passes(d, candidates) {
			continue
		}
		if d.isCompose() || len(d.files) > 1 {
			l, err := t.loadFrom(ctx, env, d)
			if err != nil {
				return nil, err
			}
			return []*loaded{l}, nil
		}
		results, err := definition.LoadAll(ctx, t.ref(d), t.definitionOptions(env))
		for _, r := range results {
			l := fromDefinition(r, d.files[0])
			if len(all) > 0 {
				all[len(all)-1].read = nil // the files are those of the last, which has them all
			}
			all = append(all, l)
		}
		if err = definitionError(d.root, err); search.failed(err) {
			continue
		}
		if err != nil {
			return all, err
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	if len(search.found) > 0 {
		return nil, search.err()
	}
	d := candidates[len(candidates)-1]
	return []*loaded{{root: d.root, name: d.files[0], none: true}}, nil
}

func (t *target) definitionOptions(env *Env) definition.Options {
	opts := definition.Options{
		Dir:    env.Dir,
		Home:   env.Getenv("HOME"),
		Getenv: env.Getenv,
		Trace:  env.Stderr,

		MaxMemory: memoryLimit(), Profiles: t.wantedProfiles(env), Replicas: t.scales,
	}
	for _, m := range t.modules {
		opts.Modules = append(opts.Modules, env.path(m))
	}
	return opts
}
