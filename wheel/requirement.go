package wheel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Normalize returns the form that indexes give a project's name (PEP 503):
// "Flask_Login" becomes "flask-login".
func Normalize(name string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.", r) }) {
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		b.WriteString(part)
	}
	return b.String()
}

var nameForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`) })

// IsName reports whether a text is a valid name of a project or an extra.
func IsName(s string) bool { return s != "" && nameForm().FindString(s) == s }

// A Requirement names a project and the versions of it that will do. It is a line of a
// requirements file, or a wheel's Requires-Dist.
type Requirement struct {
	Name   string // normalized
	Extras []string
	Specs  Specifiers
	URL    string // from "name @ url"; then Specs is empty
	marker *marker
}

// A SyntaxError says what is wrong with a text, and where.
type SyntaxError struct {
	At  int // offset in bytes
	Msg string
}

func (e *SyntaxError) Error() string { return e.Msg }

func syntaxError(at int, format string, args ...any) error {
	return &SyntaxError{at, fmt.Sprintf(format, args...)}
}

// ParseRequirement parses a requirement by PEP 508, such as "name[extra]>=1.0;
// python_version < '3.12'". The error is a [*SyntaxError].
func ParseRequirement(text string) (*Requirement, error) {
	p := scanner{text: text}
	p.space()
	name := nameForm().FindString(p.rest())
	if name == "" {
		return nil, syntaxError(p.at, "a requirement must begin with the name of a project, as in \"flask==3.0.2\"")
	}
	p.at += len(name)
	r := &Requirement{Name: Normalize(name)}
	p.space()
	if p.take("[") {
		for p.space(); !p.take("]"); p.space() {
			extra := nameForm().FindString(p.rest())
			if extra == "" {
				return nil, syntaxError(p.at, "extras must be names between brackets, as in \"uvicorn[standard]\"")
			}
			p.at += len(extra)
			r.Extras = append(r.Extras, Normalize(extra))
			if p.space(); !p.take(",") && !strings.HasPrefix(p.rest(), "]") {
				return nil, syntaxError(p.at, "extras must be names between brackets, as in \"uvicorn[standard]\"")
			}
		}
		slices.Sort(r.Extras)
		r.Extras = slices.Compact(r.Extras)
	}
	p.space()
	if p.take("@") {
		p.space()
		end := strings.IndexAny(p.rest(), " \t")
		if end < 0 {
			end = len(p.rest())
		}
		r.URL = p.rest()[:end]
		p.at += end
	} else if err := r.versions(&p); err != nil {
		return nil, err
	}
	p.space()
	if p.take(";") {
		var err error
		if r.marker, err = parseMarker(&p); err != nil {
			return nil, err
		}
	}
	if p.space(); p.rest() != "" {
		return nil, syntaxError(p.at, "%q is not understood: a requirement is a name, versions, and a marker behind a semicolon", p.rest())
	}
	return r, nil
}

func (r *Requirement) versions(p *scanner) error {
	end := strings.IndexByte(p.rest(), ';')
	if end < 0 {
		end = len(p.rest())
	}
	at, text := p.at, strings.TrimSpace(p.rest()[:end])
	p.at += end
	if inner, ok := strings.CutPrefix(text, "("); ok {
		if inner, ok = strings.CutSuffix(inner, ")"); !ok {
			return syntaxError(at, "%q has no closing parenthesis", text)
		}
		text = inner
	}
	if text == "" {
		return nil
	}
	var err error
	if r.Specs, err = ParseSpecifiers(text); err != nil {
		return syntaxError(at, "%v", err)
	}
	return nil
}

// String returns the requirement as people write it, without its marker.
func (r *Requirement) String() string {
	text := r.Name
	if len(r.Extras) > 0 {
		text += "[" + strings.Join(r.Extras, ",") + "]"
	}
	if r.URL != "" {
		return text + " @ " + r.URL
	}
	return text + r.Specs.String()
}

// Applies reports whether the requirement holds on a target, if extras of the project
// that has it are asked for.
func (r *Requirement) Applies(t Target, extras ...string) bool {
	if r.marker == nil {
		return true
	}
	for _, extra := range append([]string{""}, extras...) {
		if r.marker.holds(t, extra) {
			return true
		}
	}
	return false
}

// Unknown returns a variable in the requirement's marker that is not known before an
// image runs; "" if there is none.
func (r *Requirement) Unknown() string { return r.marker.unknown() }

// A scanner reads a text from its beginning.
type scanner struct {
	text string
	at   int
}

func (p *scanner) rest() string { return p.text[p.at:] }

func (p *scanner) space() {
	p.at += len(p.rest()) - len(strings.TrimLeft(p.rest(), " \t"))
}

func (p *scanner) take(s string) bool {
	if !strings.HasPrefix(p.rest(), s) {
		return false
	}
	p.at += len(s)
	return true
}

// word takes the word s, unless it is only the beginning of a longer one.
func (p *scanner) word(s string) bool {
	rest, ok := strings.CutPrefix(p.rest(), s)
	if !ok || rest != "" && strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", rest[0]) >= 0 {
		return false
	}
	p.at += len(s)
	return true
}
