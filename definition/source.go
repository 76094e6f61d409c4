package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nix2gpu/nix/syntax"
	"nix2gpu/project"
)

// A source is a definition's file, and how messages name it and the files
// around it. All that is known before anything is evaluated.
type source struct {
	file  string // absolute
	root  string // its folder: where the project is
	dir   string // the user's folder, which messages name files relative to
	files *files
}

// newSource settles where the definition in file is. The folder may be reached
// by a link; paths that programs report are real.
func newSource(file, dir string) *source {
	if real, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(real, filepath.Base(file))
	}
	file = filepath.Clean(file)
	return &source{file: file, root: filepath.Dir(file), dir: dir,
		files: &files{named: file, sources: map[string]*syntax.Source{}}}
}

// A NoContainerError says that a definition has no container of a name: another
// file may have it.
type NoContainerError struct {
	Errors
	File  string   // as messages call it
	Names []string // those that it has; "" is one without a name
}

func (e *NoContainerError) Unwrap() error { return e.Errors }

// noSuch says that a container must be named, or that none has the given name.
func (s *source) noSuch(name string, names []string) error {
	file := shorten(s.file, s.dir)
	e := &Error{}
	switch {
	case len(names) == 0:
		e.Msg = fmt.Sprintf("no container %q: %s defines none", name, file)
		e.Hint = fmt.Sprintf("define it there: perSystem.nix2gpu.%q = { … };", name)
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
	if name != "" {
		return &NoContainerError{Errors{e}, file, names}
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

// errors gives errors the names of files that people use.
func (s *source) errors(err error) error {
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
func (s *source) display(p syntax.Pos) syntax.Pos {
	if !p.IsValid() || !filepath.IsAbs(p.File()) {
		return p
	}
	name := shorten(p.File(), s.dir)
	return syntax.Pos{Source: syntax.NewSource(name, p.Source.Text), Offset: p.Offset}
}

func (s *source) displayText(text string) string {
	return strings.ReplaceAll(text, strings.TrimSuffix(s.dir, "/")+"/", "")
}

// position finds the text of a project's position.
func (s *source) position(p project.Pos) syntax.Pos {
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
func (s *source) projectPos(p syntax.Pos) project.Pos {
	if !p.IsValid() {
		return project.Pos{}
	}
	line, col := p.LineCol()
	return project.Pos{File: shorten(p.File(), s.root), Line: line, Col: col}
}

// missingFileHint is the cure of an error about a file that is not there.
func missingFileHint(e *Error) string {
	missing, ok := errors.AsType[*fs.PathError](e.cause)
	if !ok || !errors.Is(missing, fs.ErrNotExist) || !filepath.IsAbs(missing.Path) {
		return ""
	}
	file := missing.Path
	if hint := nearFile(file); hint != "" {
		return hint
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return fmt.Sprintf("there is no folder %q either", filepath.Dir(file))
	}
	return "make it, or correct the path: it is relative to the file that names it"
}
