package cli

import (
	"context"
	"errors"
	"fmt"

	"nix2gpu/definition"
)

// evaluate reads a definition in Nix, or in YAML or JSON of the same options.
// A file that defines no container is a project without services.
func (t *target) evaluate(ctx context.Context, env *Env, root, file string) (*loaded, error) {
	ref := definition.Ref{Path: absolute(root, file), Container: t.container}
	result, err := definition.Load(ctx, ref, t.definitionOptions(env))
	var wrong definition.Errors
	switch {
	case errors.As(err, &wrong):
		return nil, &invalid{root, err}
	case errors.Is(err, context.Canceled):
		return nil, context.Canceled
	case err != nil:
		return nil, &exitError{exitUsage, err}
	}
	l := &loaded{project: result.Project, root: result.Root, name: file, config: result.Config, none: result.Project == nil}
	if l.none {
		l.project = emptyProject(root)
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
	return l, nil
}

func (t *target) definitionOptions(env *Env) definition.Options {
	return definition.Options{
		Dir:    env.Dir,
		Home:   env.Getenv("HOME"),
		Getenv: env.Getenv,
		Trace:  env.Stderr,
	}
}
