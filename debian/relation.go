package debian

import (
	"fmt"
	"strings"
)

// A Relation names a package and may restrict its version.
type Relation struct {
	Name    string
	Qual    string // after a colon: "any", "native", or an architecture
	Op      string // "<<", "<=", "=", ">=", ">>"; "" for any version
	Version string
}

func (r Relation) String() string {
	text := r.Name
	if r.Qual != "" {
		text += ":" + r.Qual
	}
	if r.Op != "" {
		text += " (" + r.Op + " " + r.Version + ")"
	}
	return text
}

// Admits reports whether a version fulfils the restriction.
func (r Relation) Admits(version string) bool {
	if r.Op == "" {
		return true
	}
	c := Compare(version, r.Version)
	switch r.Op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	}
	return c > 0
}

// Alternatives are relations of which one has to be fulfilled.
type Alternatives []Relation

func (a Alternatives) String() string {
	var b strings.Builder
	for i, r := range a {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// ParseRelations parses the value of a field of a binary package, such as Depends:
// "a (>= 1) | b, c:any". Empty groups are ignored, as by dpkg.
func ParseRelations(text string) ([]Alternatives, error) {
	var out []Alternatives
	for len(text) > 0 {
		var group string
		group, text, _ = strings.Cut(text, ",")
		if strings.TrimSpace(group) == "" {
			continue
		}
		var alternatives Alternatives
		for more := true; more; {
			var one string
			one, group, more = strings.Cut(group, "|")
			r, err := parseRelation(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			alternatives = append(alternatives, r)
		}
		out = append(out, alternatives)
	}
	return out, nil
}

func parseRelation(text string) (Relation, error) {
	var r Relation
	name, rest := text, ""
	if i := strings.IndexAny(text, " \t\n\r("); i >= 0 {
		name, rest = text[:i], strings.TrimSpace(text[i:])
	}
	r.Name = name
	if i := strings.IndexByte(name, ':'); i >= 0 {
		r.Name, r.Qual = name[:i], name[i+1:]
		if !isName(r.Qual) {
			return Relation{}, fmt.Errorf("relation %q: %q is not an architecture", text, r.Qual)
		}
	}
	if !isName(r.Name) {
		return Relation{}, fmt.Errorf("relation %q: %q is not the name of a package", text, r.Name)
	}
	if rest == "" {
		return r, nil
	}
	inner, ok := strings.CutPrefix(rest, "(")
	if ok {
		inner, ok = strings.CutSuffix(inner, ")")
	}
	if !ok {
		return Relation{}, fmt.Errorf("relation %q: after the name there must be a version in parentheses", text)
	}
	inner = strings.TrimSpace(inner)
	op := inner[:len(inner)-len(strings.TrimLeft(inner, "<>="))]
	r.Version = strings.TrimSpace(inner[len(op):])
	switch op {
	case "<<", "<=", "=", ">=", ">>":
		r.Op = op
	case "<", ">": // dpkg takes these obsolete operators for "or equal"
		r.Op = op + "="
	default:
		return Relation{}, fmt.Errorf("relation %q: %q must be <<, <=, =, >= or >>", text, op)
	}
	if r.Version == "" || strings.ContainsAny(r.Version, " \t\n()") {
		return Relation{}, fmt.Errorf("relation %q: %q is not a version", text, r.Version)
	}
	return r, nil
}

// isName reports whether s can be the name of a package or an architecture. It allows
// more than Debian's policy, which wants two characters and no capitals: there are
// archives that break it.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && !isLetter(c) && c != '+' && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s != "" && (isDigit(s[0]) || isLetter(s[0]))
}

// CheckName returns what is wrong with the name of a package; nil if it is valid.
func CheckName(s string) error {
	if !isName(s) {
		return fmt.Errorf("%q is not the name of a package: letters, digits, +, - and . only, a letter or digit first", s)
	}
	return nil
}
