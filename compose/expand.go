package compose

import (
	"fmt"
	"strings"
)

// expand replaces $NAME, ${NAME} and ${NAME:-default} in s, and $$ by $. For a
// variable that is not set, it inserts what unset returns.
//
// process-compose expands the text of the whole file before it parses it. We expand
// values after parsing. The result is the same, except that a value can't become YAML
// structure, and positions stay right.
func expand(s string, lookup func(string) (string, bool), unset func(name, source string) string) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '$' {
			b.WriteByte(s[i])
			i++
			continue
		}
		rest := s[i+1:]
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			i += 2
		case strings.HasPrefix(rest, "{"):
			end := closing(rest)
			if end < 0 {
				return "", fmt.Errorf("%q has no closing brace; write %q for the text itself", "${", "$${")
			}
			source := s[i : i+2+end]
			value, err := expandBraces(rest[1:end], source, lookup, unset)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
			i += 1 + end + 1
		default:
			n := nameLength(rest)
			if n == 0 { // "$(", "$1" or a lone dollar: left to the shell
				b.WriteByte('$')
				i++
				continue
			}
			name := rest[:n]
			if value, ok := lookup(name); ok {
				b.WriteString(value)
			} else {
				b.WriteString(unset(name, "$"+name))
			}
			i += 1 + n
		}
	}
	return b.String(), nil
}

// closing returns the index of the brace that closes s[0], or -1.
func closing(s string) int {
	open := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

// expandBraces expands what stands between braces: a name, perhaps with an operator
// of the shell. An operator that it does not know is left to the shell that will run
// the command: it returns source.
func expandBraces(body, source string, lookup func(string) (string, bool), unset func(name, source string) string) (string, error) {
	n := nameLength(body)
	name, op := body[:n], body[n:]
	if n == 0 {
		return source, nil
	}
	value, set := lookup(name)
	if op == "" {
		if !set {
			return unset(name, source), nil
		}
		return value, nil
	}
	colon := strings.HasPrefix(op, ":")
	there := set && (!colon || value != "")
	if colon {
		op = op[1:]
	}
	if op == "" {
		return source, nil
	}
	word := op[1:]
	switch op[0] {
	case '-', '=':
		if there {
			return value, nil
		}
		return expand(word, lookup, unset)
	case '+':
		if !there {
			return "", nil
		}
		return expand(word, lookup, unset)
	case '?':
		if there {
			return value, nil
		}
		if word == "" {
			word = "is not set"
		}
		return "", fmt.Errorf("variable %s: %s", name, word)
	}
	if colon || !set {
		return source, nil
	}
	switch op {
	case "^^":
		return strings.ToUpper(value), nil
	case ",,":
		return strings.ToLower(value), nil
	}
	return source, nil
}
