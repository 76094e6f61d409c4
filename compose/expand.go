package compose

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// expand replaces $NAME, ${NAME} and ${NAME:-default} in s, and $$ by $. For a
// variable that is not set, it inserts what unset returns.
//
// process-compose expands the text of the whole file before it parses it. We expand keys
// and values after parsing. The result is the same, except that a value can't become YAML
// structure, and positions stay right. See veil.
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
func closing[T string | []byte](s T) int {
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
		if of, ok := strings.CutPrefix(body, "#"); ok && of != "" && nameLength(of) == len(of) {
			if value, set := lookup(of); set {
				return strconv.Itoa(utf8.RuneCountInString(value)), nil
			}
		}
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
	if !set {
		return unset(name, source), nil
	}
	if colon {
		if text, ok := substring(value, op); ok {
			return text, nil
		}
		return source, nil
	}
	if text, ok := edit(value, op); ok {
		return text, nil
	}
	return source, nil
}

// substring takes part of a value: "from", or "from:length", in characters.
func substring(value, op string) (string, bool) {
	start, length, bounded := strings.Cut(op, ":")
	chars := []rune(value)
	from, err := strconv.Atoi(start)
	if err != nil || from < 0 {
		return "", false
	}
	chars = chars[min(from, len(chars)):]
	if bounded {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 {
			return "", false
		}
		chars = chars[:min(n, len(chars))]
	}
	return string(chars), true
}

// edit applies an operator that changes a value: the case, without a prefix or suffix,
// or with something replaced.
func edit(value, op string) (string, bool) {
	first := func(change func(string) string) string {
		_, n := utf8.DecodeRuneInString(value)
		return change(value[:n]) + value[n:]
	}
	switch op {
	case "^":
		return first(strings.ToUpper), true
	case "^^":
		return strings.ToUpper(value), true
	case ",":
		return first(strings.ToLower), true
	case ",,":
		return strings.ToLower(value), true
	}
	switch op[0] {
	case '#', '%':
		pattern, long := op[1:], false
		if strings.HasPrefix(pattern, op[:1]) {
			pattern, long = pattern[1:], true
		}
		if op[0] == '#' {
			return trim(value, pattern, long, func(n int) (string, string) { return value[:n], value[n:] }), true
		}
		return trim(value, pattern, long, func(n int) (string, string) { return value[len(value)-n:], value[:len(value)-n] }), true
	case '/':
		return replace(value, op[1:]), true
	}
	return "", false
}

// trim takes off what matches the pattern at one end, as little or as much of it as can
// be. cut divides the value so that the part at that end has n bytes.
func trim(value, pattern string, long bool, cut func(n int) (end, rest string)) string {
	found, kept := false, value
	for n := 0; n <= len(value); n++ {
		if end, rest := cut(n); glob(pattern, end) {
			if kept, found = rest, true; !long {
				break
			}
		}
	}
	if !found {
		return value
	}
	return kept
}

// glob reports whether s matches a pattern, in which * stands for any text and ? for one
// byte.
func glob(pattern, s string) bool {
	star, from := -1, 0 // where the last * was, and up to where it has matched
	p := 0
	for i := 0; i < len(s); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// replace carries out "old/new", "/old/new" for all, "#old/new" at the beginning and
// "%old/new" at the end.
func replace(value, op string) string {
	kind := byte(0)
	if op != "" && strings.IndexByte("/#%", op[0]) >= 0 {
		kind, op = op[0], op[1:]
	}
	old, text, _ := strings.Cut(op, "/")
	if old == "" {
		return value
	}
	switch kind {
	case '/':
		return strings.ReplaceAll(value, old, text)
	case '#':
		if rest, ok := strings.CutPrefix(value, old); ok {
			return text + rest
		}
		return value
	case '%':
		if rest, ok := strings.CutSuffix(value, old); ok {
			return rest + text
		}
		return value
	}
	return strings.Replace(value, old, text, 1)
}
