package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/compose"
	"nix2gpu/definition"
	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/spelling"
	"nix2gpu/wheel"
)

// A loaded definition is a project and where it came from.
type loaded struct {
	project *project.Project
	valid   project.Valid       // the same project, once it was validated
	root    string              // the definition's folder
	name    string              // what messages call the definition: "flake.nix#web"
	notes   []string            // notes for its author, with positions
	config  *module.Config      // the options of a definition in Nix; nil for others
	none    bool                // the file defines no container
	python  *wheel.Requirements // nil without python.requirements
	files   []string            // absolute
	read    []string            // those and what they include, absolute; nil if somebody else tells who may write to them
	plain   []string            // those of files that hold secrets as text, once they were looked for

	container string // the container's name, even if the user did not type it; "" if it has none
	file      string // what tells a file of process-compose from the folder's own; "" for that
	baked     bool   // it is the project of the image that we run in

	defined *project.Project // of a baked project: without the services that each container has
}

// load reads and validates the definition of t. In a folder it takes the first one
// that has containers. The error is an *invalid when the definition is wrong.
func (t *target) load(ctx context.Context, env *Env) (*loaded, error) {
	if t.isBaked(env) {
		return t.loadBaked(env)
	}
	l, err := t.discovered(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := t.scaled(l); err != nil {
		return nil, err
	}
	return l, t.checkProfiles(env, l)
}

// discovered is load without what is given beside the definition.
func (t *target) discovered(ctx context.Context, env *Env) (l *loaded, err error) {
	candidates, err := t.locate(env)
	if err != nil {
		return nil, err
	}
	search := search{name: t.container}
	for _, d := range candidates {
		if search.passes(d, candidates) {
			continue
		}
		if l, err = t.loadFrom(ctx, env, d); search.failed(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !l.none {
			break
		}
	}
	if l == nil {
		return nil, search.err()
	}
	return l, nil
}

// A search looks for a named container in the definitions of a folder.
type search struct {
	name  string
	found []string // for each file looked at, what it has instead
	last  error
}

// passes skips files of process-compose, which have no containers, if there are
// other definitions.
func (s *search) passes(d located, all []located) bool {
	if s.name == "" || len(all) == 1 || !d.isCompose() {
		return false
	}
	s.found = append(s.found, d.files[0]+" is for process-compose")
	return true
}

// failed reports whether err only says that this file lacks the container, so that
// the next file is tried.
func (s *search) failed(err error) bool {
	var none *definition.NoContainerError
	if !errors.As(err, &none) {
		return false
	}
	s.last = err
	has := "none"
	if len(none.Names) > 0 {
		quoted := make([]string, len(none.Names))
		for i, n := range none.Names {
			quoted[i] = strconv.Quote(n)
		}
		has = strings.Join(quoted, ", ")
		if slices.Equal(none.Names, []string{""}) {
			has = "one without a name"
		}
	}
	s.found = append(s.found, fmt.Sprintf("%s has %s", none.File, has))
	return true
}

// err returns the error for a container that no file has: it names the containers
// that there are.
func (s *search) err() error {
	if len(s.found) == 1 && s.last != nil {
		return s.last
	}
	return hint(usageError("no container %q: %s", s.name, strings.Join(s.found, ", ")), "take one of these names, or name another file with -f")
}

func (t *target) loadFrom(ctx context.Context, env *Env, d located) (l *loaded, err error) {
	switch {
	case d.isCompose():
		if len(t.modules) > 0 {
			return nil, hint(usageError("--module is for definitions in Nix, and %q is a file for process-compose", d.files[0]), "merge another file with it by a second -f")
		}
		l, err = t.loadCompose(env, d.root, d.files)
	case len(d.files) > 1:
		return nil, hint(usageError("several -f are for files for process-compose, and %q is a definition in Nix", d.files[0]), "name one of them with -f, and the others with --module")
	default:
		l, err = t.evaluate(ctx, env, d)
	}
	if err != nil {
		return nil, err
	}
	for _, f := range d.files {
		l.files = append(l.files, absolute(d.root, f))
	}
	if d.isCompose() {
		l.file = d.apart()
	}
	if l.valid.Project() != nil && len(t.namespaces)+len(t.disabled) == 0 && !t.noWatch {
		return l, nil // nothing to leave out, and validated already
	}
	if err := t.narrow(env, l); err != nil {
		return nil, err
	}
	return l, nil
}

// shownFiles are the files of a definition that is several, as messages call them.
func (l *loaded) shownFiles() (names []string) {
	if len(l.files) < 2 {
		return nil
	}
	for _, file := range l.files {
		if rel, err := filepath.Rel(l.root, file); err == nil && filepath.IsLocal(rel) {
			file = rel
		}
		names = append(names, file)
	}
	return names
}

// instance tells the project from others of its folder.
func (l *loaded) instance() string { return orElse(l.container, l.file) }

// narrow enables what profiles add to a definition, disables what t leaves out of it,
// and validates the rest.
func (t *target) narrow(env *Env, l *loaded) (err error) {
	if profiles := t.wantedProfiles(env); len(profiles) > 0 {
		l.project.Activate(profiles)
	}
	t.keepNamespaces(l.project)
	if t.noWatch {
		l.project.Unwatched = true
		for _, s := range l.project.Services {
			s.Watch = nil
		}
	}
	for _, name := range t.disabled {
		if s := l.project.Services[project.ID(name)]; s != nil {
			s.Disabled = true
		}
	}
	if l.valid, err = project.Validated(l.project); err != nil {
		return &invalid{l.root, err}
	}
	return nil
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// A located definition is a file, or several of process-compose to be merged, that
// has not been read yet.
type located struct {
	root  string   // the folder
	files []string // relative to root
}

// locate finds the definition that t means. A folder may have several; the likeliest
// comes first.
func (t *target) locate(env *Env) ([]located, error) {
	if len(t.files) == 0 {
		return discoverAbove(env)
	}
	var d located
	for _, f := range t.files {
		full := env.path(f)
		info, err := os.Stat(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, noDefinition(env, f, full)
		case err != nil:
			return nil, &exitError{exitUsage, err}
		case info.IsDir():
			if len(t.files) > 1 {
				return nil, hint(usageError("%q is a folder, and another definition is named as well", f), "name one of them")
			}
			return discover(env, full)
		}
		if d.root == "" {
			d.root = filepath.Dir(full)
		}
		name, err := filepath.Rel(d.root, full)
		if err != nil {
			name = full
		}
		d.files = append(d.files, name)
	}
	return []located{d}, nil
}

// noDefinition is the error for a file that does not exist, with the one that may
// be meant.
func noDefinition(env *Env, name, full string) error {
	err := usageError("no definition %q", name)
	dir, base := filepath.Split(full)
	var names []string
	entries, _ := os.ReadDir(dir) // a missing folder has no entries
	for _, e := range entries {
		if e.IsDir() || definition.IsRef(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if near := spelling.Nearest(base, names); near != "" {
		return hint(err, "did you mean %q?", filepath.Join(filepath.Dir(name), near))
	}
	if found, none := discover(env, filepath.Clean(dir)); none == nil {
		return hint(err, "%q is there", filepath.Join(filepath.Dir(name), found[0].files[0]))
	}
	return hint(err, "write it, or name another")
}

// discover looks for definitions in a folder that was named.
func discover(env *Env, dir string) ([]located, error) {
	found, err := definitionsIn(env, dir)
	if err == nil && len(found) == 0 {
		err = hint(usageError("no definition in %s", dir),
			"write a nix2gpu.nix or flake.nix there, or name one: %s up FILE", env.name())
	}
	return found, err
}

// definitionsIn looks for definitions in a folder; there may be none. When we are
// called process-compose, that tool's files come first.
func definitionsIn(env *Env, dir string) ([]located, error) {
	names := slices.Concat(definition.FileNames(), compose.DiscoveryNames())
	if env.name() == processCompose {
		names = slices.Concat(compose.DiscoveryNames(), definition.FileNames())
	}
	found, err := definition.Discover(dir, names)
	if errors.Is(err, definition.ErrNoDefinition) {
		return nil, nil
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	var all []located
	for _, file := range found {
		d := located{dir, []string{filepath.Base(file)}}
		if slices.Contains(compose.DiscoveryNames(), d.files[0]) {
			over := compose.OverrideName(d.files[0])
			if _, err := os.Stat(filepath.Join(dir, over)); err == nil {
				d.files = append(d.files, over)
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// apart returns the name by which a file of process-compose is a project of its own beside
// others of its folder: that of the first file, or "" for the one that is found there
// without being named.
func (d located) apart() string {
	base := filepath.Base(d.files[0])
	for _, name := range compose.DiscoveryNames() {
		if _, err := os.Stat(filepath.Join(d.root, name)); err == nil {
			if name == base {
				return ""
			}
			break
		}
	}
	return base
}

// isCompose reports whether the file is process-compose's: YAML or JSON with the
// key that it requires, or empty and of a name that it looks for.
func (d located) isCompose() bool {
	switch filepath.Ext(d.files[0]) {
	case ".yaml", ".yml", ".json":
	default:
		return false
	}
	if slices.Contains(compose.DiscoveryNames(), filepath.Base(d.files[0])) {
		return true
	}
	data, err := os.ReadFile(absolute(d.root, d.files[0]))
	return err != nil || compose.Is(data)
}

func absolute(root, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

func (t *target) loadCompose(env *Env, root string, files []string) (*loaded, error) {
	var read []string
	p, err := compose.Load(compose.Options{
		ReadFile: func(name string) ([]byte, error) {
			read = append(read, absolute(root, name))
			data, err := os.ReadFile(absolute(root, name))
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err // our message names the file already
			}
			return data, err
		},
		Dir:      root,
		Environ:  env.Environ,
		EnvFiles: t.envFiles,
		NoDotEnv: t.noDotEnv,
		Replicas: t.scales,
	}, files...)
	if err != nil {
		return nil, &invalid{root, err}
	}
	l := &loaded{project: p, root: root, name: files[0], read: read}
	if t.container != "" {
		return nil, hint(usageError("%q is a file for process-compose: it has no container %q", files[0], t.container), "leave out the name of the container")
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

// defineContainer is the cure for a file without containers.
const defineContainer = "define one there: perSystem.nix2gpu.NAME = { … };"

// emptyProject is the project of a file without containers.
func emptyProject(root string) *project.Project {
	return &project.Project{
		Version: project.Version, Name: filepath.Base(root),
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
	}
}

// keepNamespaces disables services outside the chosen namespaces, and removes
// dependencies on them.
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

// selected returns the services to run: those named and, unless noDeps, what they
// depend on; without names all that are enabled.
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
