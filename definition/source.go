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

// A source is the file of a definition, and how messages name it and the files around
// it: all that is known before the evaluation.
type source struct {
	file  string // absolute
	root  string // its folder, the root of the project
	dir   string // the user's folder; messages name files relative to it
	files *files
}

// newSource returns the source for a file. It resolves links in the path of its folder,
// since paths that programs report are real.
func newSource(file, dir string) *source {
	if real, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(real, filepath.Base(file))
	}
	file = filepath.Clean(file)
	return &source{file: file, root: filepath.Dir(file), dir: dir,
		files: &files{named: file, sources: map[string]*syntax.Source{}, seen: map[string]bool{}}}
}

// A NoContainerError says that a definition has no container of a name. Another file
// may have it.
type NoContainerError struct {
	Errors
	File  string   // as messages name it
	Names []string // the containers that it has; "" is one without a name
}

func (e *NoContainerError) Unwrap() error { return e.Errors }

// noSuch returns the error for a name that no container has, or for a name that is
// missing.
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

// errors returns err as Errors, with files named as people name them.
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

// display returns a position whose file is named relative to the user's folder.
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

// position returns the position in its text for a project's position, or the zero Pos.
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

// projectPos returns a position as a project has it.
func (s *source) projectPos(p syntax.Pos) project.Pos {
	if !p.IsValid() {
		return project.Pos{}
	}
	line, col := p.LineCol()
	return project.Pos{File: shorten(p.File(), s.root), Line: line, Col: col}
}

// missingFileHint returns the hint of an error about a file that does not exist, or "".
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
