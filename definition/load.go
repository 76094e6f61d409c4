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
	Dir      string                   // what references are relative to; default: the working folder
	System   string                   // default: this machine's, such as x86_64-linux
	Home     string                   // what ~/ stands for; "": an error
	Getenv   func(name string) string // for builtins.getEnv; nil: all are empty
	Trace    io.Writer                // for builtins.trace; nil: discarded
	MaxSteps int64                    // of evaluation; 0: no limit
	// MaxMemory is what the heap of the program may grow to, in bytes; 0: no limit.
	MaxMemory int64
	// Modules are files that set options of the container as well, merged with
	// the definition as if it imported them.
	Modules []string
	// Profiles are those whose services are enabled: see [project.Project.Activate].
	Profiles []string
	// Replicas are how many of a custom service run, by its name, whatever the
	// definition says.
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

// A Result is a container that was read.
type Result struct {
	File      string // absolute
	Root      string // its folder
	Container string // "" for the one of a file that names none

	// Project is what runs; nil when the definition is wrong, or when the
	// file defines no container.
	Project *project.Project
	// Valid is the same, as what it has been found to be.
	Valid project.Valid
	// Config is the container's options; nil with Project nil.
	Config *module.Config
	// Requirements are the wheels of python.requirements; nil without.
	Requirements *wheel.Requirements
	// Evaluation is what Config belongs to.
	Evaluation *module.Evaluation
	// Warnings are non-fatal findings.
	Warnings []Note
}

// Load reads the container that ref names, or the only one of its file. A
// file without containers gives a Result without a Project. The error is
// [Errors] when it is about the definition.
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
		return &Result{File: e.file, Root: e.root}, nil
	default:
		return nil, e.noSuch(name, found.names)
	}
	return e.load(found, name)
}

// LoadAll reads every container of a file, or the one that ref names. It
// reports the errors of all of them.
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

// open finds the definition that ref means and evaluates it as far as its
// containers. Of a folder the first definition counts that has any.
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

// load reads one container.
func (e *evaluation) load(found *containers, name string) (*Result, error) {
	var wrong Errors
	if name != "" {
		if err := checkName(name); err != nil {
			wrong = append(wrong, &Error{Pos: found.pos(name), Msg: err.Error()})
		}
	}
	merged, c := found.at(name)
	c.Check()
	b := e.build(merged, c, cmp.Or(name, filepath.Base(e.root)))
	p, notes := b.project, b.notes
	wrong = append(wrong, asErrors(b.wrong, e.position)...)
	broken := map[project.ID]bool{} // services whose options are wrong
	var many module.Errors
	if err := merged.Err(); errors.As(err, &many) {
		placed := map[project.ID]bool{} // those of which it is known where
		for _, one := range many {
			if id := serviceAt(c.Path(), one.Path); id != "" {
				broken[id] = true
				placed[id] = placed[id] || fromModule(one).Pos.IsValid()
			}
		}
		for _, one := range many {
			out := fromModule(one)
			if id := serviceAt(c.Path(), one.Path); !out.Pos.IsValid() && id != "" {
				if placed[id] {
					continue // what a reader of the options makes of the same mistake
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
	if len(e.opts.Profiles) > 0 {
		p.Activate(e.opts.Profiles) // those that no service has are the caller's affair
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
	r := &Result{File: e.file, Root: e.root, Container: name, Project: p, Valid: valid, Config: c, Requirements: b.requirements, Evaluation: merged}
	for _, n := range notes {
		r.Warnings = append(r.Warnings, Note{e.display(n.pos), n.text})
		p.Notes = append(p.Notes, project.Note{Pos: e.projectPos(n.pos), Text: n.text})
	}
	return r, nil
}

// serviceAt is the service that an option at path belongs to, "" if to none.
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
