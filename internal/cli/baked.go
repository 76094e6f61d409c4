package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"nix2gpu/catalog"
	"nix2gpu/container"
	"nix2gpu/project"
)

// isBaked reports whether t means the project of the image that we run in. That is
// what is meant where no definition is named.
func (t *target) isBaked(env *Env) bool {
	return len(t.files)+len(t.modules) == 0 && env.isBaked()
}

// loadBaked reads the project of the image. Nothing is evaluated.
func (t *target) loadBaked(env *Env) (*loaded, error) {
	l, err := readBaked(env.Baked, t.scales)
	if err != nil {
		return nil, err
	}
	if t.container != "" && t.container != l.container {
		return nil, hint(usageError("there is no container %q in this image", t.container), "it was built from %q", l.container)
	}
	if err := t.narrow(env, l); err != nil {
		return nil, err
	}
	if err := t.scaled(l); err != nil {
		return nil, err
	}
	return l, t.checkProfiles(env, l)
}

// readBaked reads the project of an image, with other numbers of replicas of some services,
// and adds the services that each container has. Where file does not exist, the image has
// no project.
func readBaked(file string, scales map[string]int) (*loaded, error) {
	l := &loaded{name: file, baked: true}
	f, err := os.Open(file)
	switch {
	case err == nil:
		defer f.Close()
		if l.project, err = project.Decode(f); err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%s: %v", file, err)}
		}
	case errors.Is(err, fs.ErrNotExist):
		l.project = emptyProject(container.WorkingDir)
	default:
		return nil, err
	}
	if err := l.project.Scale(scales); err != nil {
		return nil, &invalid{container.WorkingDir, err}
	}
	defined := *l.project
	l.defined = &defined
	defined.Services, defined.Processes = maps.Clone(defined.Services), maps.Clone(defined.Processes)
	defined.Files, defined.Users = maps.Clone(defined.Files), maps.Clone(defined.Users)
	catalog.AddSystem(l.project)
	l.container = l.project.Name
	l.root = cmp.Or(l.project.Container.WorkingDir, container.WorkingDir)
	if l.valid, err = project.Validated(l.project); err != nil {
		return nil, &invalid{l.root, err}
	}
	return l, nil
}

// asDefined returns the project without the services that each container has.
func (l *loaded) asDefined() *project.Project {
	if l.defined != nil {
		return l.defined
	}
	return l.project
}
