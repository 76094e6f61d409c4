package definition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
	"nix2gpu/project"
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
	// Evaluation is what Config belongs to.
	Evaluation *module.Evaluation
	// Warnings are what is no error and should be known.
	Warnings []Note
}

// ErrNoDefinition is what [Discover] and [Load] return when a folder has no
// definition.
var ErrNoDefinition = errors.New("no definition here")

// Load reads the container that ref names, or the only one of its file. A
// file without containers gives a Result without a Project. The error is
// [Errors] when it is about the definition.
func Load(ctx context.Context, ref Ref, opts Options) (*Result, error) {
	s, found, err := openRef(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	name := ref.Container
	switch {
	case slices.Contains(found.names, name):
	case name == "" && len(found.names) == 1:
		name = found.names[0]
	case name == "" && len(found.names) == 0:
		return &Result{File: s.file, Root: s.root}, nil
	default:
		return nil, s.noSuch(name, found.names)
	}
	return s.load(found, name)
}

// LoadAll reads every container of a file, or the one that ref names. It
// reports the errors of all of them.
func LoadAll(ctx context.Context, ref Ref, opts Options) ([]*Result, error) {
	s, found, err := openRef(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	names := found.names
	if ref.Container != "" {
		if !slices.Contains(names, ref.Container) {
			return nil, s.noSuch(ref.Container, names)
		}
		names = []string{ref.Container}
	}
	var all []*Result
	var wrong Errors
	for _, name := range names {
		r, err := s.load(found, name)
		if err != nil {
			wrong = append(wrong, asErrors(err, nil)...)
			continue
		}
		all = append(all, r)
	}
	return all, wrong.sorted()
}

// Names lists the containers of a file; one without a name is "".
func Names(ctx context.Context, ref Ref, opts Options) ([]string, error) {
	_, found, err := openRef(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	return found.names, nil
}

// Discover finds the definition of a folder: a flake.nix that has containers,
// else nix2gpu.nix. The error wraps [ErrNoDefinition] when there is neither.
func Discover(ctx context.Context, dir string, opts Options) (string, error) {
	if err := opts.setDefaults(); err != nil {
		return "", err
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(opts.Dir, dir)
	}
	flake, own := filepath.Join(dir, "flake.nix"), filepath.Join(dir, "nix2gpu.nix")
	hasOwn := exists(own)
	if exists(flake) {
		names, err := Names(ctx, Ref{Path: flake}, opts)
		switch {
		case err == nil && len(names) > 0:
			return flake, nil
		case err != nil && !hasOwn:
			return "", err
		}
	}
	if hasOwn {
		return own, nil
	}
	return "", fmt.Errorf("%w: folder %q has neither a flake.nix with nix2gpu containers nor a nix2gpu.nix", ErrNoDefinition, dir)
}

func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && !info.IsDir()
}

// openRef finds the file of ref and evaluates it as far as its containers.
func openRef(ctx context.Context, ref Ref, opts Options) (*session, *containers, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, nil, err
	}
	file := cmp.Or(ref.Path, ".")
	if !filepath.IsAbs(file) {
		file = filepath.Join(opts.Dir, file)
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, Errors{{Msg: fmt.Sprintf("no file %q", cmp.Or(ref.Path, ".")), Hint: nearFile(file)}}
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		if file, err = Discover(ctx, file, opts); err != nil {
			return nil, nil, err
		}
	}
	// The folder may be reached by a link; paths that programs report are real.
	if real, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(real, filepath.Base(file))
	}
	s := newSession(filepath.Clean(file), opts)
	found, err := s.open(ctx)
	if err != nil {
		return nil, nil, s.errors(err)
	}
	return s, found, nil
}

// nearFile suggests a file of the same folder.
func nearFile(file string) string {
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if near(e.Name(), filepath.Base(file)) {
			return fmt.Sprintf("did you mean %q?", e.Name())
		}
	}
	return ""
}

// missingFileHint is the cure of an error about a file that is not there.
func missingFileHint(e *Error) string {
	rest, ok := strings.CutPrefix(e.Msg, "cannot read ")
	file, why, _ := strings.Cut(rest, ": ")
	if !ok || why != fs.ErrNotExist.Error() && why != syscall.ENOENT.Error() || !filepath.IsAbs(file) {
		return ""
	}
	if hint := nearFile(file); hint != "" {
		return hint
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return fmt.Sprintf("there is no folder %q either", filepath.Dir(file))
	}
	return "make it, or correct the path: it is relative to the file that names it"
}

// noSuch says that a container must be named, or that there is none of a name.
func (s *session) noSuch(name string, names []string) error {
	file := shorten(s.file, s.opts.Dir)
	e := &Error{}
	switch {
	case len(names) == 0:
		e.Msg = fmt.Sprintf("no container %q: %s defines none", name, file)
	case name == "":
		e.Msg = fmt.Sprintf("%s defines %d containers; name one", file, len(names))
		e.Hint = references(file, names)
	default:
		e.Msg = fmt.Sprintf("no container %q in %s", name, file)
		if names[0] == "" {
			e.Hint = fmt.Sprintf("its container has no name: %s", file)
			break
		}
		e.Hint = references(file, names)
		for _, n := range names {
			if near(n, name) {
				e.Hint = fmt.Sprintf("did you mean %q?", n)
			}
		}
	}
	return Errors{e}
}

func references(file string, names []string) string {
	refs := make([]string, len(names))
	for i, n := range names {
		refs[i] = file + "#" + n
	}
	return strings.Join(refs, ", ")
}

// load reads one container.
func (s *session) load(found *containers, name string) (*Result, error) {
	var wrong Errors
	if name != "" {
		if err := checkName(name); err != nil {
			wrong = append(wrong, &Error{Pos: found.pos(name), Msg: err.Error()})
		}
	}
	e, c := found.at(name)
	c.Check()
	p, notes := s.build(c, cmp.Or(name, filepath.Base(s.root)))
	broken := map[project.ID]bool{} // services whose options are wrong
	var many module.Errors
	if err := e.Err(); errors.As(err, &many) {
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
					out.Pos = s.position(svc.Pos)
				}
			}
			wrong = append(wrong, out)
		}
	} else if err != nil {
		wrong = append(wrong, asErrors(err, s.position)...)
	}
	var invalid project.Errors
	valid, err := project.Validated(p)
	if errors.As(err, &invalid) {
		for _, one := range invalid {
			if !broken[one.Service] {
				wrong = append(wrong, asErrors(project.Errors{one}, s.position)...)
			}
		}
	}
	if len(wrong) > 0 {
		return nil, s.errors(wrong)
	}
	r := &Result{File: s.file, Root: s.root, Container: name, Project: p, Valid: valid, Config: c, Evaluation: e}
	for _, n := range notes {
		r.Warnings = append(r.Warnings, Note{s.display(n.pos), n.text})
		p.Notes = append(p.Notes, project.Note{Pos: s.projectPos(n.pos), Text: n.text})
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

// errors gives errors the names of files that people use.
func (s *session) errors(err error) error {
	all := asErrors(err, s.position)
	out := make(Errors, len(all))
	for i, e := range all {
		shown := *e
		shown.Pos = s.display(e.Pos)
		if shown.Hint = e.Hint; shown.Hint == "" {
			shown.Hint = missingFileHint(e)
		}
		shown.Msg = s.displayText(e.Msg)
		shown.Hint = s.displayText(shown.Hint)
		shown.Notes = nil
		for _, n := range e.Notes {
			shown.Notes = append(shown.Notes, Note{s.display(n.Pos), s.displayText(n.Msg)})
		}
		out[i] = &shown
	}
	return out.sorted()
}

// display is a place whose file is named relative to the user's folder.
func (s *session) display(p syntax.Pos) syntax.Pos {
	if !p.IsValid() || !filepath.IsAbs(p.File()) {
		return p
	}
	name := shorten(p.File(), s.opts.Dir)
	return syntax.Pos{Source: syntax.NewSource(name, p.Source.Text), Offset: p.Offset}
}

func (s *session) displayText(text string) string {
	return strings.ReplaceAll(text, strings.TrimSuffix(s.opts.Dir, "/")+"/", "")
}

// position finds the text of a project's position.
func (s *session) position(p project.Pos) syntax.Pos {
	if p.File == "" {
		return syntax.Pos{}
	}
	file := p.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.root, file)
	}
	src := s.files.source(file)
	if src == nil {
		return syntax.Pos{}
	}
	return src.AtByte(p.Line, p.Col)
}

// projectPos is a place as a project has it.
func (s *session) projectPos(p syntax.Pos) project.Pos {
	if !p.IsValid() {
		return project.Pos{}
	}
	line, col := p.LineCol()
	return project.Pos{File: shorten(p.File(), s.root), Line: line, Col: col}
}
