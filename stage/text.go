package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// Resolve returns what t is on this machine. It makes the packages and the generated
// files exist that t names.
func (s *Stage) Resolve(p *project.Project, t project.Text) (string, error) {
	return s.resolve(p, t, plain, 0)
}

// resolveShell is Resolve for a shell line: each path that replaces a placeholder is
// quoted so that it stays one word, or part of one.
func (s *Stage) resolveShell(p *project.Project, t project.Text) (string, error) {
	return s.resolve(p, t, func(before, place string) (string, error) { return quoteAt(before, place), nil }, 0)
}

// A quoter returns what replaces a placeholder in a text: place, quoted for where it
// stands, after the text before.
type quoter func(before, place string) (string, error)

// maxDepth bounds how deep generated files may name each other.
const maxDepth = 20

func (s *Stage) resolve(p *project.Project, t project.Text, quote quoter, depth int) (string, error) {
	if depth > maxDepth {
		return "", &Error{Kind: BadText, Msg: "generated files name each other in a circle"}
	}
	var b strings.Builder
	for _, part := range t {
		if part.IsLiteral() {
			b.WriteString(part.Literal)
			continue
		}
		place, err := s.place(p, part, depth)
		if err != nil {
			return "", err
		}
		quoted, err := quote(b.String(), place)
		if err != nil {
			return "", err
		}
		b.WriteString(quoted)
	}
	return b.String(), nil
}

func (s *Stage) place(p *project.Project, part project.Part, depth int) (string, error) {
	switch {
	case part.Package != nil:
		return s.packagePath(part.Package)
	case part.Root != nil:
		return s.at.Root + *part.Root, nil
	case part.State != nil:
		return s.at.State + *part.State, nil
	case part.Run != nil:
		return s.at.Run + *part.Run, nil
	case part.Self:
		return s.at.Self, nil
	case part.File != nil:
		return s.generated(p, *part.File, depth)
	}
	if part.SecretFile != nil {
		return s.secretPath(*part.SecretFile)
	}
	return s.secret(p, *part.Secret, depth)
}

func (s *Stage) packagePath(part *project.PackagePart) (string, error) {
	dir, err := s.provider.Path(part.Attr)
	if err != nil {
		if lacks, ok := err.(*packages.MissingError); ok {
			return "", &Error{Kind: BadPackage, Msg: lacks.Error(), cause: lacks}
		}
		return "", &Error{Kind: BadPackage, Msg: err.Error(), cause: err}
	}
	if program, ok := strings.CutPrefix(part.Sub, "/bin/"); ok && program != "" && !strings.ContainsAny(program, "/*?[$") {
		if _, err := os.Stat(dir + part.Sub); err != nil {
			return "", &Error{Kind: BadPackage,
				Msg:  fmt.Sprintf("package %q has no program %q on this machine", part.Attr, program),
				Hint: packages.ProgramCure(part.Attr, program)}
		}
	}
	return dir + part.Sub, nil
}

// generated writes the project's generated file of that name and returns its path. A
// name may also be a folder of such files.
func (s *Stage) generated(p *project.Project, name string, depth int) (string, error) {
	folder := filepath.Join(s.at.Run, "files")
	path := filepath.Join(folder, name)
	if !filepath.IsLocal(name) {
		return "", &Error{Kind: BadText, Msg: fmt.Sprintf("generated file %q must have a plain name", name)}
	}
	found := false
	for other, f := range p.Files {
		if other != name && !strings.HasPrefix(other, name+"/") {
			continue
		}
		found = true
		if err := s.generate(p, filepath.Join(folder, other), f, depth); err != nil {
			return "", err
		}
	}
	if !found {
		return "", &Error{Kind: BadText, Msg: fmt.Sprintf("the project has no generated file %q", name)}
	}
	return path, nil
}

// generate makes one of the project's generated files, at path.
func (s *Stage) generate(p *project.Project, path string, f *project.File, depth int) error {
	switch {
	case f.Folder:
		if err := makeParents(path); err != nil {
			return makeError(path, err)
		}
		return nil
	case len(f.Link) > 0:
		target, err := s.resolve(p, f.Link, plain, depth+1)
		if err != nil {
			return err
		}
		return link(path, target)
	}
	content, err := s.resolve(p, f.Content, escaping(f.Escape), depth+1)
	if err != nil {
		return err
	}
	return s.put(path, content, f.Mode, nil)
}

// plain is the quoter that quotes nothing.
func plain(_, place string) (string, error) { return place, nil }

// escaping returns a quoter that puts a backslash before each of chars.
func escaping(chars string) quoter {
	if chars == "" {
		return plain
	}
	return func(_, place string) (string, error) {
		if strings.ContainsAny(place, "\r\n") {
			return "", &Error{Kind: BadText, Msg: "a path or secret that becomes part of a line must not contain a line end"}
		}
		var b strings.Builder
		for i := range len(place) {
			if strings.IndexByte(chars, place[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(place[i])
		}
		return b.String(), nil
	}
}

// path resolves t as a path. A relative one is below the root, and the empty one is
// the root itself.
func (s *Stage) path(p *project.Project, t project.Text) (string, error) {
	path, err := s.Resolve(p, t)
	if err != nil {
		return "", err
	}
	if strings.ContainsRune(path, 0) {
		return "", &Error{Kind: BadText, Msg: fmt.Sprintf("path %q must not contain a zero byte", path)}
	}
	return s.absolute(path), nil
}

// absolute completes a path of the user's: a relative one is below the root.
func (s *Stage) absolute(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.at.Root, path)
	}
	return filepath.Clean(path)
}

// quoteAt quotes place for the shell, where it stands after the text before. Plain
// paths stay as they are.
func quoteAt(before, place string) string {
	if strings.IndexFunc(place, special) < 0 {
		return place
	}
	switch quoteState(before) {
	case '\'':
		return strings.ReplaceAll(place, "'", `'\''`)
	case '"':
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(place)
	}
	return "'" + strings.ReplaceAll(place, "'", `'\''`) + "'"
}

func special(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r))
}

// quoteState returns in which quotes a shell text ends: ', ", or 0 for none.
func quoteState(text string) byte {
	var in byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && in != '\'':
			i++
		case in == 0 && (c == '\'' || c == '"'):
			in = c
		case c == in:
			in = 0
		}
	}
	return in
}
