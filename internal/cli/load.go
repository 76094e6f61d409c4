package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/compose"
	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

// A loaded definition is a project with the place that it came from.
type loaded struct {
	project *project.Project
	valid   project.Valid  // the same, once it is known to be valid
	root    string         // the definition's folder
	name    string         // the definition as messages call it: "flake.nix#web"
	notes   []string       // what its reader should know, with places
	config  *module.Config // of a definition in Nix: its options
	none    bool           // the file defines no container
	files   []string       // absolute

	container string // its name, also where the user left it out; "" where it has none
}

// load reads and validates the definition of t. The error is an *invalid
// when the definition is wrong.
func (t *target) load(ctx context.Context, env *Env) (*loaded, error) {
	root, files, err := t.locate(env)
	if err != nil {
		return nil, err
	}
	var l *loaded
	switch {
	case isCompose(root, files[0]):
		if len(t.modules) > 0 {
			return nil, usageError("--module is for definitions in Nix; %q is merged with another file by a second -f", files[0])
		}
		l, err = t.loadCompose(env, root, files)
	case len(files) > 1:
		return nil, usageError("only process-compose files can be merged by several -f; for %q use --module", files[0])
	default:
		l, err = t.evaluate(ctx, env, root, files[0])
	}
	if err != nil {
		return nil, err
	}
	if l.none && len(t.files) == 0 { // a flake of other things: what else is here?
		if next := discoverAfter(env, root, files[0]); next != "" {
			other := *t
			other.files = []string{filepath.Join(root, next)}
			return other.load(ctx, env)
		}
	}
	for _, f := range files {
		l.files = append(l.files, absolute(root, f))
	}
	if l.valid.Project() != nil && len(t.namespaces)+len(t.disabled) == 0 {
		return l, nil // as it was evaluated
	}
	t.keepNamespaces(l.project)
	for _, name := range t.disabled {
		if s := l.project.Services[project.ID(name)]; s != nil {
			s.Disabled = true
		}
	}
	if l.valid, err = project.Validated(l.project); err != nil {
		return nil, &invalid{root, err}
	}
	return l, nil
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// locate finds the definition: its folder, and its files by their names in
// there.
func (t *target) locate(env *Env) (root string, files []string, err error) {
	if len(t.files) == 0 {
		return discover(env, env.Dir)
	}
	for _, f := range t.files {
		full := env.path(f)
		info, err := os.Stat(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil, noDefinition(env, f, full)
		case err != nil:
			return "", nil, &exitError{exitUsage, err}
		case info.IsDir():
			if len(t.files) > 1 {
				return "", nil, usageError("%q is a folder beside another definition", f)
			}
			return discover(env, full)
		}
		if root == "" {
			root = filepath.Dir(full)
		}
		name, err := filepath.Rel(root, full)
		if err != nil {
			name = full
		}
		files = append(files, name)
	}
	return root, files, nil
}

// noDefinition says that a file is not there, and which one may be meant.
func noDefinition(env *Env, name, full string) error {
	err := usageError("no definition %q", name)
	dir, base := filepath.Split(full)
	var names []string
	entries, _ := os.ReadDir(dir) // a folder that is not there has none
	for _, e := range entries {
		if e.IsDir() || isReference(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if near := spelling.Nearest(base, names); near != "" {
		return hint(err, "did you mean %q?", filepath.Join(filepath.Dir(name), near))
	}
	if _, found, none := discover(env, filepath.Clean(dir)); none == nil {
		return hint(err, "%q is there", filepath.Join(filepath.Dir(name), found[0]))
	}
	return hint(err, "write it, or name another")
}

// discover looks for a definition in a folder. Under the name
// process-compose, its files come first.
func discover(env *Env, dir string) (root string, files []string, err error) {
	order := discoveryOrder(env)
	for _, name := range order {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			continue
		}
		if name == "flake.nix" && !mentionsUs(filepath.Join(dir, name)) && exists(dir, order, name) {
			continue
		}
		files := []string{name}
		if slices.Contains(compose.DiscoveryNames(), name) {
			if over := compose.OverrideName(name); exists(dir, []string{over}, "") {
				files = append(files, over)
			}
		}
		return dir, files, nil
	}
	return "", nil, hint(&exitError{exitUsage, fmt.Errorf("no definition in %s", dir)},
		"write a nix2gpu.nix or flake.nix there, or name one: %s up FILE", env.name())
}

// discoveryOrder are the names that are looked for.
func discoveryOrder(env *Env) []string {
	nix := []string{"flake.nix", "nix2gpu.nix"}
	if env.name() == processCompose {
		return slices.Concat(compose.DiscoveryNames(), nix)
	}
	return slices.Concat(nix, compose.DiscoveryNames())
}

// discoverAfter is the next definition in a folder, after one that has no
// containers; "" when there is none.
func discoverAfter(env *Env, dir, name string) string {
	order := discoveryOrder(env)
	for _, next := range order[slices.Index(order, name)+1:] {
		if exists(dir, []string{next}, "") {
			return next
		}
	}
	return ""
}

// exists reports whether the folder has one of the names, the excepted one
// aside.
func exists(dir string, names []string, except string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		if name == except {
			return false
		}
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// mentionsUs reports whether a flake could define containers. Only a flake
// beside another definition is asked, and only one that doesn't contain the
// word is passed over: it is somebody's development shell.
func mentionsUs(flake string) bool {
	data, err := os.ReadFile(flake)
	return err == nil && strings.Contains(string(data), "nix2gpu")
}

// isCompose reports whether the file is process-compose's: YAML or JSON with
// its one required key, or empty under its own name.
func isCompose(root, file string) bool {
	switch filepath.Ext(file) {
	case ".yaml", ".yml", ".json":
	default:
		return false
	}
	if slices.Contains(compose.DiscoveryNames(), filepath.Base(file)) {
		return true
	}
	data, err := os.ReadFile(absolute(root, file))
	return err != nil || compose.Is(data)
}

func absolute(root, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

func (t *target) loadCompose(env *Env, root string, files []string) (*loaded, error) {
	p, err := compose.Load(compose.Options{
		ReadFile: func(name string) ([]byte, error) {
			data, err := os.ReadFile(absolute(root, name))
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err // the name is in the message already
			}
			return data, err
		},
		Dir:      root,
		Environ:  env.Environ,
		EnvFiles: t.envFiles,
		NoDotEnv: t.noDotEnv,
	}, files...)
	if err != nil {
		return nil, &invalid{root, err}
	}
	l := &loaded{project: p, root: root, name: files[0]}
	if t.container != "" {
		return nil, usageError("%q is a file for process-compose: it has no container %q", files[0], t.container)
	}
	for _, n := range p.Notes {
		place := n.Pos.String()
		if place != "" {
			place += ": "
		}
		l.notes = append(l.notes, fmt.Sprintf("%snote: %s", place, n.Text))
	}
	return l, nil
}

// emptyProject is what a file without containers comes to.
func emptyProject(root string) *project.Project {
	return &project.Project{
		Version: project.Version, Name: filepath.Base(root),
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
	}
}

// keepNamespaces disables what is outside the chosen namespaces, and prunes
// dependencies on it.
func (t *target) keepNamespaces(p *project.Project) {
	if len(t.namespaces) == 0 {
		return
	}
	for _, s := range p.Services {
		own := strings.Split(orElse(s.Namespace, "default"), ",")
		if !slices.ContainsFunc(own, func(ns string) bool { return slices.Contains(t.namespaces, ns) }) {
			s.Disabled = true
		}
	}
	for _, s := range p.Services {
		for id := range s.DependsOn {
			if dep := p.Services[id]; dep != nil && dep.Disabled && !s.Disabled {
				delete(s.DependsOn, id)
			}
		}
	}
}

// selected are the services to run: those named, with what they depend on;
// without names all that are enabled.
func (l *loaded) selected(names []string, noDeps bool) ([]project.ID, error) {
	if len(names) == 0 {
		return l.project.Select(l.project.Enabled(), false), nil
	}
	ids, err := l.project.ResolveAll(names)
	if err != nil {
		return nil, &exitError{exitNoService, err}
	}
	return l.project.Select(ids, noDeps), nil
}
