package wheel

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// Requirements is the content of a requirements file and of those that it includes.
type Requirements struct {
	Pos   project.Pos // position of the option that names the file
	File  string      // its name in the definition
	Lines []Line
	// Index and Extra are the URLs of indexes in the file, unchanged: ${NAME} stands for
	// a variable.
	Index   string
	Extra   []string
	NoIndex bool     // --no-index: use no index
	Folders []string // --find-links: folders with wheels
	Pre     bool     // --pre: versions before a release will do
}

// A Line is a requirement in the file.
type Line struct {
	*Requirement
	Hashes []string // SHA-256, in hexadecimal, that will do; empty if it has none
	Pos    project.Pos
}

// Active returns the lines that apply to a target.
func (r *Requirements) Active(t Target) []Line {
	var out []Line
	for _, l := range r.Lines {
		if l.Applies(t) {
			out = append(out, l)
		}
	}
	return out
}

// Place returns where a project is required: "requirements.txt:3:1".
func (r *Requirements) Place(project string) string {
	for _, l := range r.Lines {
		if l.Name == project {
			return l.Pos.String()
		}
	}
	return r.Pos.String()
}

// Twice reports projects that several active lines name; pip refuses that too.
func (r *Requirements) Twice(t Target) project.Errors {
	var wrong project.Errors
	first := map[string]Line{}
	for _, l := range r.Active(t) {
		if before, ok := first[l.Name]; ok {
			wrong = append(wrong, &project.Error{Pos: l.Pos, Msg: fmt.Sprintf("%q appears twice: %s has %q", l.Name, before.Pos, before.String()), Hint: "keep one of them"})
			continue
		}
		first[l.Name] = l
	}
	return wrong
}

// deepestInclude bounds how deep files include others.
const deepestInclude = 20

// Parse parses a requirements file and those that it includes; read returns a file's text
// by its name. It reports all errors. What pip would accept but an image can't have is
// an error too, with a cure.
func Parse(file string, read func(name string) ([]byte, error)) (*Requirements, project.Errors) {
	p := &parser{read: read, out: &Requirements{File: file}}
	p.file(file, project.Pos{}, nil)
	return p.out, p.wrong
}

type parser struct {
	read  func(string) ([]byte, error)
	out   *Requirements
	wrong project.Errors
}

func (p *parser) errorf(pos project.Pos, hint, format string, args ...any) {
	p.wrong = append(p.wrong, &project.Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) file(name string, from project.Pos, above []string) {
	if slices.Contains(above, name) {
		p.errorf(from, "", "%q includes itself", name)
		return
	}
	if len(above) >= deepestInclude {
		p.errorf(from, "", "files include each other more than %d deep", deepestInclude)
		return
	}
	data, err := p.read(name)
	if err != nil {
		p.errorf(from, "", "cannot read the requirements: %v", err)
		return
	}
	for _, l := range logicalLines(name, string(data)) {
		p.line(l, append(slices.Clone(above), name))
	}
}

// A logical line is a line of the file, with those that continue it.
type logical struct {
	text  string
	file  string
	parts []part // the lines that its text comes from
}

type part struct {
	at        int // offset in the text
	line, col int
}

// pos returns the position of a byte of the text in the file.
func (l *logical) pos(at int) project.Pos {
	from := l.parts[0]
	for _, p := range l.parts {
		if p.at <= at {
			from = p
		}
	}
	return project.Pos{File: l.file, Line: from.line, Col: from.col + at - from.at}
}

// logicalLines joins lines that end in a backslash, and removes comments, like pip.
func logicalLines(file, text string) []logical {
	var out []logical
	var now *logical
	text = strings.TrimPrefix(text, "\ufeff")
	number := 0
	for raw := range strings.Lines(text) {
		number++
		raw = strings.TrimRight(raw, "\r\n")
		comment := strings.HasPrefix(strings.TrimLeft(raw, " \t"), "#")
		body, goesOn := strings.CutSuffix(raw, "\\")
		goesOn = goesOn && !comment
		if !goesOn {
			body = raw
		}
		if now == nil {
			now = &logical{file: file}
		}
		if comment && len(now.parts) > 0 { // a comment ends a continued line
			body = " "
		}
		now.parts = append(now.parts, part{len(now.text), number, 1})
		now.text += body
		if !goesOn {
			out, now = append(out, *now), nil
		}
	}
	if now != nil {
		out = append(out, *now)
	}
	kept := out[:0]
	for _, l := range out {
		l.text = withoutComment(l.text)
		if strings.TrimSpace(l.text) != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// withoutComment cuts a line at a # at its beginning or behind a blank.
func withoutComment(s string) string {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return s[:i]
		}
	}
	return s
}

// words splits a text into words, with their offsets, by the rules for options.
func words(s string, from int) (out []string, at []int) {
	for i := from; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		end := i
		for end < len(s) && s[end] != ' ' && s[end] != '\t' {
			end++
		}
		out, at = append(out, s[i:end]), append(at, i)
		i = end
	}
	return out, at
}

func (p *parser) line(l logical, above []string) {
	start := len(l.text) - len(strings.TrimLeft(l.text, " \t"))
	if l.text[start] == '-' {
		p.option(l, start, above)
		return
	}
	end := len(l.text)
	for i := start; i+1 < len(l.text); i++ {
		if (l.text[i] == ' ' || l.text[i] == '\t') && l.text[i+1] == '-' {
			end = i
			break
		}
	}
	pos := l.pos(start)
	text := l.text[start:end]
	if hint, what := notByName(text); what != "" {
		p.errorf(pos, hint, "not supported: %s: %q", what, strings.TrimSpace(text))
		return
	}
	r, err := ParseRequirement(text)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		p.errorf(l.pos(start+syntax.At), "", "%s", syntax.Msg)
		return
	}
	if r.URL != "" {
		p.errorf(pos, indexHint, "not supported: a requirement by its URL: %q", r)
		return
	}
	if name := r.Unknown(); name != "" {
		p.errorf(pos, "take sys_platform, platform_machine or python_version", "not supported: the marker asks for %s, which is known only where the image runs", name)
		return
	}
	out := Line{Requirement: r, Pos: pos}
	p.hashes(l, end, &out)
	p.out.Lines = append(p.out.Lines, out)
}

const (
	indexHint = "name a project with its version, and the index that has it by --extra-index-url"
	ownHint   = "code of your own comes into the image by copyToRoot, or from the volume at /workspace"
)

// notByName recognises requirements that are not names of projects, such as paths and
// URLs.
func notByName(text string) (hint, what string) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	lower := strings.ToLower(first)
	switch {
	case strings.Contains(first, "://") && !strings.Contains(text, "@ "):
		return indexHint, "a requirement by its URL"
	case strings.HasPrefix(first, ".") || strings.HasPrefix(first, "/"):
		return ownHint, "a requirement by its path"
	case strings.HasSuffix(lower, ".whl") || strings.HasSuffix(lower, ".tar.gz") || strings.HasSuffix(lower, ".zip"):
		return indexHint, "a requirement by its file"
	case strings.Contains(text, "${"):
		return "write the value: the same file must mean the same image", "a variable in a requirement"
	}
	return "", ""
}

// hashes parses the options behind a requirement.
func (p *parser) hashes(l logical, from int, out *Line) {
	list, at := words(l.text, from)
	for i := 0; i < len(list); i++ {
		name, value, ok := strings.Cut(list[i], "=")
		pos := l.pos(at[i])
		if name != "--hash" {
			p.errorf(pos, "leave it out: nothing is built", "not supported: %s of a requirement", name)
			return
		}
		if !ok {
			if i++; i == len(list) {
				p.errorf(pos, "", "--hash must name one, as in \"--hash=sha256:…\"")
				return
			}
			value = list[i]
		}
		kind, digest, _ := strings.Cut(value, ":")
		digest = strings.ToLower(digest)
		switch {
		case kind == "sha384" || kind == "sha512":
			p.errorf(pos, "pip-compile --generate-hashes and \"pip hash\" write SHA-256", "not supported: a hash of kind %s", kind)
		case kind != "sha256" || len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "":
			p.errorf(pos, "", "%q must be a hash such as \"sha256:\" and 64 hexadecimal digits", value)
		case !slices.Contains(out.Hashes, digest):
			out.Hashes = append(out.Hashes, digest)
		}
	}
}

// beside returns the name, relative to the definition, of a path in a file.
func (p *parser) beside(l logical, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(path.Dir(l.file), name)
}

// option parses a line with an option for the whole file.
func (p *parser) option(l logical, start int, above []string) {
	list, at := words(l.text, start)
	pos := l.pos(start)
	name, value, has := strings.Cut(list[0], "=")
	if !strings.HasPrefix(name, "--") && len(list[0]) > 2 && !has { // -rother.txt
		name, value, has = list[0][:2], list[0][2:], true
	}
	rest := list[1:]
	if !has && len(rest) > 0 {
		value, rest = rest[0], rest[1:]
	}
	takesValue := true
	switch name {
	case "--require-hashes", "--pre", "--prefer-binary", "--no-index":
		takesValue = false
	}
	if !takesValue && (has || value != "") || takesValue && len(rest) > 0 {
		p.errorf(l.pos(at[len(at)-1]), "write one option a line", "%q does not belong to %s", list[len(list)-1], name)
		return
	}
	if takesValue && value == "" {
		p.errorf(pos, "", "%s needs a value", name)
		return
	}
	value = strings.Trim(value, `"'`)
	switch name {
	case "-r", "--requirement":
		if strings.Contains(value, "://") {
			p.errorf(pos, "keep a copy of it beside this file", "not supported: requirements from %q", value)
			return
		}
		p.file(p.beside(l, value), pos, above)
	case "-i", "--index-url", "--pypi-url":
		p.out.Index = value
	case "--extra-index-url":
		if !slices.Contains(p.out.Extra, value) {
			p.out.Extra = append(p.out.Extra, value)
		}
	case "--pre":
		p.out.Pre = true
	case "--require-hashes", "--prefer-binary", "--only-binary":
		// We only take wheels, and only by their hashes, whatever these say.
	case "-c", "--constraint":
		p.errorf(pos, "put the versions into the requirements themselves: pip-compile --constraint does", "not supported: %s", name)
	case "-e", "--editable":
		p.errorf(pos, ownHint, "not supported: %s %s", name, value)
	case "-f", "--find-links":
		if strings.Contains(value, "://") {
			p.errorf(pos, "serve the wheels as an index, and name it by --extra-index-url; or keep them in a folder beside this file", "not supported: wheels from the page %q", value)
			return
		}
		p.out.Folders = append(p.out.Folders, p.beside(l, value))
	case "--no-index":
		p.out.NoIndex = true
	case "--no-binary":
		p.errorf(pos, "an image is made without running anything: build the wheel yourself (pip wheel), into a folder that --find-links names", "not supported: %s", name)
	case "--trusted-host":
		p.errorf(pos, "certificates are always checked: add that of the host to this machine's", "not supported: %s", name)
	default:
		p.errorf(pos, "leave it out", "not supported: %s", name)
	}
}
