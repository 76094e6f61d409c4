package definition

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

// Options tunes [Load]. The zero value works.
type Options struct {
	Dir      string                   // the folder that references are relative to; default: the working folder
	System   string                   // default: this machine's, such as x86_64-linux
	Home     string                   // the folder of ~/; "": ~/ is an error
	Getenv   func(name string) string // for builtins.getEnv; nil: every variable is empty
	Trace    io.Writer                // for builtins.trace; nil: discarded
	MaxSteps int64                    // limit of the evaluation's steps; 0: none
	// MaxMemory limits the heap of the whole program during the evaluation, in bytes;
	// 0: no limit.
	MaxMemory int64
	// Modules are files that are merged with the definition as if it imported them.
	Modules []string
	// Profiles are those whose services are enabled: see [project.Project.Activate].
	Profiles []string
	// Replicas sets how many replicas of a custom service run, by its name, and
	// overrides the definition.
	Replicas map[string]int
}

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		o.Dir = dir
	}
	o.Modules = slices.Clone(o.Modules)
	for i, file := range o.Modules {
		if !filepath.IsAbs(file) {
			o.Modules[i] = filepath.Join(o.Dir, file)
		}
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}
	o.System = cmp.Or(o.System, cmp.Or(arch[runtime.GOARCH], runtime.GOARCH)+"-linux")
	return nil
}

// A Result is one container of a definition.
type Result struct {
	File      string // absolute
	Root      string // its folder
	Container string // "" if the file gives its container no name

	// Project is what runs; nil if the file defines no container.
	Project *project.Project
	// Valid holds the same project.
	Valid project.Valid
	// Config holds the container's options; nil if Project is nil.
	Config *module.Config
	// Requirements are the wheels of python.requirements; nil without that option.
	Requirements *wheel.Requirements
	// Evaluation is the evaluation that Config belongs to.
	Evaluation *module.Evaluation
	// Files are those that were read so far, File first, with absolute paths: modules, and
	// what expressions import or read.
	Files []string
	// Warnings are findings that are no errors, sorted by position.
	Warnings []Note
}

// Load reads the container that ref names, or the only one of its file. For a file
// without containers it returns a Result without a Project. An error about the
// definition is of type [Errors], or wraps them as [NoContainerError] does.
func Load(ctx context.Context, ref Ref, opts Options) (*Result, error) {
	e, found, err := open(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	name := ref.Container
	switch {
	case slices.Contains(found.names, name):
	case name == "" && len(found.names) == 1:
		name = found.names[0]
	case name == "" && len(found.names) == 0:
		return &Result{File: e.file, Root: e.root, Files: e.files.evaluated()}, nil
	default:
		return nil, e.noSuch(name, found.names)
	}
	return e.load(found, name)
}

// LoadAll reads every container of a file, or the one that ref names, and returns those
// without errors together with the [Errors] of the others.
func LoadAll(ctx context.Context, ref Ref, opts Options) ([]*Result, error) {
	e, found, err := open(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	names := found.names
	if ref.Container != "" {
		if !slices.Contains(names, ref.Container) {
			return nil, e.noSuch(ref.Container, names)
		}
		names = []string{ref.Container}
	}
	var all []*Result
	var wrong Errors
	for _, name := range names {
		r, err := e.load(found, name)
		if err != nil {
			wrong = append(wrong, asErrors(err, nil)...)
			continue
		}
		all = append(all, r)
	}
	return all, wrong.sorted()
}

// open finds the definition that ref means and evaluates it as far as the names of its
// containers. In a folder it takes the first candidate that defines any, else the last.
func open(ctx context.Context, ref Ref, opts Options) (e *evaluation, found *containers, err error) {
	if err := opts.setDefaults(); err != nil {
		return nil, nil, err
	}
	candidates, err := find(ref, opts.Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range candidates {
		e = newEvaluation(newSource(file, opts.Dir), opts)
		if found, err = e.open(ctx); err != nil {
			return nil, nil, e.errors(err)
		}
		if len(found.names) > 0 {
			break
		}
	}
	return e, found, nil
}

// load makes the Result of one container.
func (e *evaluation) load(found *containers, name string) (*Result, error) {
	var wrong Errors
	if name != "" {
		if err := checkName(name); err != nil {
			wrong = append(wrong, &Error{Pos: found.pos(name), Msg: err.Error()})
		}
	}
	merged, c := found.at(name)
	c.Check()
	b := e.build(merged, c, name)
	p, notes := b.project, b.notes
	wrong = append(wrong, asErrors(b.wrong, e.position)...)
	broken := map[project.ID]bool{} // services whose options are wrong: what follows from that is not reported
	var many module.Errors
	if err := merged.Err(); errors.As(err, &many) {
		placed := map[project.ID]bool{} // broken services with an error that has a position
		for _, one := range many {
			if id := serviceAt(c.Path(), one.Path); id != "" {
				broken[id] = true
				placed[id] = placed[id] || isUser(fromModule(one).Pos)
			}
		}
		for _, one := range many {
			out := fromModule(one)
			if id := serviceAt(c.Path(), one.Path); !isUser(out.Pos) && id != "" {
				if placed[id] {
					continue // it follows from the error that has a position
				}
				if svc := p.Services[id]; svc != nil {
					out.Pos = e.position(svc.Pos)
				}
			}
			wrong = append(wrong, out)
		}
	} else if err != nil {
		wrong = append(wrong, asErrors(err, e.position)...)
	}
	for _, path := range merged.Broken() { // perhaps by an error in an option of the user's own
		if id := serviceAt(c.Path(), path); id != "" {
			broken[id] = true
		}
	}
	if len(e.opts.Profiles) > 0 {
		p.Activate(e.opts.Profiles) // the caller reports those that no service has
	}
	var invalid project.Errors
	valid, err := project.Validated(p)
	if errors.As(err, &invalid) {
		for _, one := range invalid {
			if !broken[one.Service] {
				wrong = append(wrong, asErrors(project.Errors{one}, e.position)...)
			}
		}
	}
	if len(wrong) > 0 {
		return nil, e.errors(wrong)
	}
	r := &Result{File: e.file, Root: e.root, Container: name, Project: p, Valid: valid, Config: c, Requirements: b.requirements, Evaluation: merged,
		Files: e.files.evaluated()}
	for _, n := range notes {
		r.Warnings = append(r.Warnings, Note{e.display(n.pos), n.text})
		p.Notes = append(p.Notes, project.Note{Pos: e.projectPos(n.pos), Text: n.text})
	}
	return r, nil
}

// serviceAt returns the id of the service that the option at path belongs to, or "".
func serviceAt(container, path []string) project.ID {
	if len(path) < len(container)+3 || path[len(container)] != "services" {
		return ""
	}
	typ, instance := project.CanonicalType(path[len(container)+1]), path[len(container)+2]
	if typ == "custom" {
		return project.ID(instance)
	}
	return project.ID(typ + "." + instance)
}
