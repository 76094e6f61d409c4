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
	if err != nil {
		return nil, definitionError(root, err)
	}
	return fromDefinition(result, file), nil
}

// definitionError says what an error of the language wing means here.
func definitionError(root string, err error) error {
	var wrong definition.Errors
	switch {
	case errors.As(err, &wrong):
		return &invalid{root, err}
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return &exitError{exitUsage, err}
}

func fromDefinition(result *definition.Result, file string) *loaded {
	l := &loaded{project: result.Project, valid: result.Valid, root: result.Root, name: file, config: result.Config,
		none: result.Project == nil, container: result.Container}
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

// loadAll is load for every container of a definition. What is right comes
// along with the error.
func (t *target) loadAll(ctx context.Context, env *Env) ([]*loaded, error) {
	root, files, err := t.locate(env)
	if err != nil {
		return nil, err
	}
	if isCompose(root, files[0]) || len(files) > 1 {
		l, err := t.load(ctx, env)
		if err != nil {
			return nil, err
		}
		return []*loaded{l}, nil
	}
	ref := definition.Ref{Path: absolute(root, files[0]), Container: t.container}
	results, err := definition.LoadAll(ctx, ref, t.definitionOptions(env))
	if err != nil {
		err = definitionError(root, err)
	}
	var all []*loaded
	for _, r := range results {
		all = append(all, fromDefinition(r, files[0]))
	}
	if len(all) == 0 && err == nil {
		all = append(all, &loaded{root: root, name: files[0], none: true})
	}
	return all, err
}

func (t *target) definitionOptions(env *Env) definition.Options {
	opts := definition.Options{
		Dir:    env.Dir,
		Home:   env.Getenv("HOME"),
		Getenv: env.Getenv,
		Trace:  env.Stderr,

		MaxMemory: memoryLimit(),
	}
	for _, m := range t.modules {
		opts.Modules = append(opts.Modules, env.path(m))
	}
	return opts
}
