package wheel

import (
	"strings"
)

// A marker is a condition on the environment (PEP 508): a comparison, or two markers with
// "and" or "or" between them.
type marker struct {
	op          string // "and", "or", or a comparison's operator
	left, right *marker
	a, b        operand
}

type operand struct {
	text     string
	variable bool
}

// deepest bounds how deep markers nest.
const deepest = 50

func parseMarker(p *scanner) (*marker, error) { return parseOr(p, 0) }

func parseOr(p *scanner, depth int) (*marker, error) {
	return parseChain(p, depth, "or", func(p *scanner, depth int) (*marker, error) {
		return parseChain(p, depth, "and", parseComparison)
	})
}

func parseChain(p *scanner, depth int, word string, next func(*scanner, int) (*marker, error)) (*marker, error) {
	m, err := next(p, depth)
	for err == nil {
		if p.space(); !p.word(word) {
			return m, nil
		}
		var right *marker
		if right, err = next(p, depth); err == nil {
			m = &marker{op: word, left: m, right: right}
		}
	}
	return nil, err
}

func parseComparison(p *scanner, depth int) (*marker, error) {
	if depth > deepest {
		return nil, syntaxError(p.at, "the marker nests more than %d deep", deepest)
	}
	if p.space(); p.take("(") {
		m, err := parseOr(p, depth+1)
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(")") {
			return nil, syntaxError(p.at, "the marker has no closing parenthesis")
		}
		return m, nil
	}
	m := &marker{}
	var err error
	if m.a, err = parseOperand(p); err != nil {
		return nil, err
	}
	p.space()
	at := p.at
	for _, op := range []string{"===", "==", "!=", "<=", ">=", "~=", "<", ">"} {
		if p.take(op) {
			m.op = op
			break
		}
	}
	switch {
	case m.op != "":
	case p.word("in"):
		m.op = "in"
	case p.word("not"):
		if p.space(); p.word("in") {
			m.op = "not in"
		}
	}
	if m.op == "" {
		return nil, syntaxError(at, "a marker must compare, as in \"python_version < '3.12'\"")
	}
	p.space()
	if m.b, err = parseOperand(p); err != nil {
		return nil, err
	}
	if m.a.variable == m.b.variable && !m.a.variable {
		return nil, syntaxError(at, "a marker must compare a variable, such as python_version")
	}
	return m, nil
}

func parseOperand(p *scanner) (operand, error) {
	for _, quote := range []string{"'", `"`} {
		if !p.take(quote) {
			continue
		}
		text, _, ok := strings.Cut(p.rest(), quote)
		if !ok {
			return operand{}, syntaxError(p.at, "the marker has no closing quote")
		}
		p.at += len(text) + 1
		return operand{text: text}, nil
	}
	for _, name := range variables() {
		if p.word(name) {
			return operand{strings.NewReplacer("os.name", "os_name", "sys.platform", "sys_platform", "platform.machine", "platform_machine",
				"platform.python_implementation", "platform_python_implementation").Replace(name), true}, nil
		}
	}
	return operand{}, syntaxError(p.at, "a marker compares variables, such as python_version, with text in quotes")
}

func variables() []string {
	return []string{
		"python_version", "python_full_version", "os_name", "sys_platform", "platform_machine", "platform_python_implementation",
		"platform_system", "platform_release", "platform_version", "implementation_name", "implementation_version", "extra",
		"os.name", "sys.platform", "platform.machine", "platform.python_implementation", // their old names
	}
}

// unknown returns a variable of the marker that is about the kernel on which an image
// will run; "" if there is none.
func (m *marker) unknown() string {
	if m == nil {
		return ""
	}
	if m.left != nil {
		if name := m.left.unknown(); name != "" {
			return name
		}
		return m.right.unknown()
	}
	for _, o := range []operand{m.a, m.b} {
		if o.variable && (o.text == "platform_release" || o.text == "platform_version") {
			return o.text
		}
	}
	return ""
}

// holds evaluates the marker.
func (m *marker) holds(t Target, extra string) bool {
	switch m.op {
	case "and":
		return m.left.holds(t, extra) && m.right.holds(t, extra)
	case "or":
		return m.left.holds(t, extra) || m.right.holds(t, extra)
	}
	value := func(o operand) string {
		if o.variable {
			return t.variable(o.text, extra)
		}
		return o.text
	}
	a, b := value(m.a), value(m.b)
	if m.a.text == "extra" && m.a.variable || m.b.text == "extra" && m.b.variable {
		a, b = Normalize(a), Normalize(b)
	}
	switch m.op {
	case "in":
		return strings.Contains(b, a)
	case "not in":
		return !strings.Contains(b, a)
	case "===":
		return a == b
	}
	// A comparison of versions if the right side is one, or else of text.
	if c, err := parseSpecifier(m.op + b); err == nil {
		if v, err := ParseVersion(a); err == nil {
			return c.has(v)
		}
	}
	switch m.op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	}
	return false
}
