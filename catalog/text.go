package catalog

import (
	"cmp"
	"path"
	"sort"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// Texts that stand for something in a string: a package, a generated file, the file
// of a secret. The context of the string has "package:<attr>",
// "file:<name>" or "secret:<name>" then, and "source:<path>" for a path of the definition, which stands for itself.
const (
	PackagesPrefix = "/nix2gpu/packages/"
	FilesPrefix    = "/nix2gpu/files/"
	SecretsPrefix  = "/nix2gpu/secrets/"
)

// A Place says what the paths in a definition are relative to.
type Place struct {
	Root       string // the definition's folder, absolute
	WorkingDir string // what the definition calls that folder; default: /workspace

	// Replicas are how many of a custom service run, by its name, instead of what the
	// definition says.
	Replicas map[string]int

	// Replaced has the types that a definition's own modules stand in for.
	Replaced map[string]string

	// Links maps further paths of secrets' files to the secrets' names.
	Links map[string]string

	// MainProgram returns the program to run when a definition names a package only.
	// If it is nil, the program has the package's name.
	MainProgram func(attr string) string
}

// Text turns a string of a definition into text that holds on any machine: references
// to packages and files become parts, and so do the root and the working directory
// wherever they occur as a path.
func (p Place) Text(s module.Str) project.Text {
	marks := p.marks(s.Context)
	var out project.Text
	rest, from := s.S, 0
	for i := 0; i < len(rest); {
		m, ok := markAt(marks, rest, i)
		if !ok {
			i++
			continue
		}
		if i > from {
			out = append(out, project.Part{Literal: rest[from:i]})
		}
		i += len(m.text)
		end := i
		if m.sub && i < len(rest) && rest[i] == '/' {
			end = i + pathLength(rest[i:])
		}
		out = append(out, m.part(rest[i:end]))
		i, from = end, end
	}
	if from < len(rest) || len(out) == 0 {
		out = append(out, project.Part{Literal: rest[from:]})
	}
	return out
}

// Path is like Text for a string that is a path: a relative one is below the root.
func (p Place) Path(s module.Str) project.Text {
	out := p.Text(s)
	if len(out) == 0 || !out[0].IsLiteral() {
		return out
	}
	first := out[0].Literal
	if first == "" || first[0] == '/' || first[0] == '~' || first[0] == '$' {
		return out
	}
	sub := path.Clean("/" + first)
	if strings.HasPrefix(path.Clean(first), "..") {
		sub = "/" + path.Clean(first) // above the root: kept as typed
	}
	if sub == "/" {
		sub = ""
	}
	if len(out) > 1 && strings.HasSuffix(first, "/") {
		sub += "/" // what follows is below it
	}
	return append(project.RootPath(sub), out[1:]...)
}

// A mark is a text that stands for a part.
type mark struct {
	text string
	sub  bool // a path below it belongs to the part
	free bool // known by its text alone: it must stand alone as a path
	part func(sub string) project.Part
}

// Scalar returns a string, number or boolean as a program is given it, and nil for
// anything else, null included.
func (p Place) Scalar(c *module.Config) project.Text {
	switch c.Kind() {
	case module.KindStr:
		return p.Text(c.Str())
	case module.KindBool:
		return project.Lit(strconv.FormatBool(c.Bool()))
	case module.KindInt:
		return project.Lit(strconv.Itoa(c.Int()))
	case module.KindFloat:
		return project.Lit(strconv.FormatFloat(c.Float(), 'g', -1, 64))
	}
	return nil
}

func (p Place) marks(context []string) []mark {
	root := func(above string) func(string) project.Part {
		return func(sub string) project.Part {
			sub = above + sub
			return project.Part{Root: &sub}
		}
	}
	var marks []mark
	for _, c := range context {
		kind, name, _ := strings.Cut(c, ":")
		switch kind {
		case "package":
			marks = append(marks, mark{text: PackagesPrefix + name, sub: true, part: func(sub string) project.Part {
				return project.Part{Package: &project.PackagePart{Attr: name, Sub: sub}}
			}})
		case "file":
			marks = append(marks, mark{text: FilesPrefix + name, part: func(string) project.Part {
				return project.Part{File: &name}
			}})
		case "secret":
			marks = append(marks, mark{text: SecretsPrefix + name, part: func(string) project.Part {
				return project.Part{SecretFile: &name}
			}})
		case "source":
			marks = append(marks, mark{text: name, sub: true, part: root(relative(p.Root, name))})
		}
	}
	for link, name := range p.Links {
		marks = append(marks, mark{text: link, free: true, part: func(string) project.Part {
			return project.Part{SecretFile: &name}
		}})
	}
	// The longest first, since one may begin another: python3, python3Packages.
	sort.SliceStable(marks, func(i, j int) bool {
		a, b := marks[i], marks[j]
		return cmp.Compare(len(b.text), len(a.text)) < 0
	})
	if p.Root != "" && p.Root != "/" {
		marks = append(marks, mark{text: p.Root, sub: true, free: true, part: root("")})
	}
	if dir := path.Clean(cmp.Or(p.WorkingDir, "/workspace")); dir != "/" && dir != p.Root {
		marks = append(marks, mark{text: dir, sub: true, free: true, part: root("")})
	}
	return marks
}

func markAt(marks []mark, s string, i int) (mark, bool) {
	for _, m := range marks {
		if !strings.HasPrefix(s[i:], m.text) {
			continue
		}
		end := i + len(m.text)
		if m.free && (i > 0 && (s[i-1] == '/' || isPathByte(s[i-1])) || end < len(s) && isPathByte(s[end])) {
			continue
		}
		return m, true
	}
	return mark{}, false
}

// isPathByte reports whether c is common in the names of files. Any other character
// ends a path here, which does no harm: it then belongs to the next part.
func isPathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80 ||
		c == '.' || c == '_' || c == '-' || c == '+' || c == '@' || c == '%'
}

func pathLength(s string) int {
	n := 0
	for n < len(s) && (s[n] == '/' || isPathByte(s[n])) {
		n++
	}
	return n
}

// relative is how to get from root to file: "" or with a slash in front.
func relative(root, file string) string {
	up := ""
	for at := root; ; at = path.Dir(at) {
		if file == at {
			return up
		}
		if below, ok := strings.CutPrefix(file, strings.TrimSuffix(at, "/")+"/"); ok {
			return up + "/" + below
		}
		if at == "/" || at == "." || at == "" {
			return file
		}
		up += "/.."
	}
}
