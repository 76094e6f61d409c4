package glob

import (
	"fmt"
	"path"
	"strings"
)

// most bounds how many patterns the braces of one stand for.
const most = 1000

// Check says what is wrong with a pattern.
func Check(pattern string) error {
	if pattern == "" {
		return fmt.Errorf("must not be empty")
	}
	all, err := expand(pattern, nil)
	if err != nil {
		return err
	}
	for _, p := range all {
		for name := range strings.SplitSeq(p, "/") {
			if _, err := path.Match(name, ""); err != nil {
				return fmt.Errorf("must be like \"**/*_test.go\", not %q: a bracket is open, or a \\ escapes nothing", pattern)
			}
		}
	}
	return nil
}

// Match reports whether a path, with slashes, is one that the pattern stands for. One that
// is wrong stands for none.
func Match(pattern, name string) bool {
	all, err := expand(pattern, nil)
	if err != nil {
		return false
	}
	names := strings.Split(name, "/")
	for _, p := range all {
		if match(strings.Split(p, "/"), names) {
			return true
		}
	}
	return false
}

// match looks at all ways to part names among the patterns, and at each pair of them once.
func match(patterns, names []string) bool {
	can := make([]bool, len(names)+1) // whether the patterns so far stand for the first i names
	can[0] = true
	for _, p := range patterns {
		next := make([]bool, len(names)+1)
		for i := range can {
			switch {
			case !can[i]:
			case p == "**":
				for j := i; j < len(next); j++ {
					next[j] = true
				}
			case i < len(names):
				ok, err := path.Match(p, names[i])
				next[i+1] = next[i+1] || err == nil && ok
			}
		}
		can = next
	}
	return can[len(names)]
}

// expand appends the patterns without braces that one stands for.
func expand(pattern string, to []string) ([]string, error) {
	open := index(pattern, 0, "{")
	if open < 0 {
		return append(to, pattern), nil
	}
	from, depth := open+1, 0
	var err error
	for i := from; ; i++ {
		if i = index(pattern, i, "{},"); i < 0 {
			return nil, fmt.Errorf("must have a } for each {, not %q", pattern)
		}
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case depth > 0:
		default:
			// What stands behind the last } goes with each of them.
			end := i
			if c == ',' {
				if end, err = closing(pattern, i); err != nil {
					return nil, err
				}
			}
			if to, err = expand(pattern[:open]+pattern[from:i]+pattern[end+1:], to); err != nil {
				return nil, err
			}
			if len(to) > most {
				return nil, fmt.Errorf("must stand for at most %d patterns", most)
			}
			if from = i + 1; c == '}' {
				return to, nil
			}
		}
	}
}

// closing returns where the braces end that i is within.
func closing(pattern string, i int) (int, error) {
	for depth := 0; ; i++ {
		if i = index(pattern, i, "{}"); i < 0 {
			return 0, fmt.Errorf("must have a } for each {, not %q", pattern)
		}
		switch {
		case pattern[i] == '{':
			depth++
		case depth == 0:
			return i, nil
		default:
			depth--
		}
	}
}

// index returns where the first of some characters is, from i on, that no \ escapes; -1 if
// there is none.
func index(pattern string, i int, chars string) int {
	for ; i < len(pattern); i++ {
		if pattern[i] == '\\' {
			i++
		} else if strings.IndexByte(chars, pattern[i]) >= 0 {
			return i
		}
	}
	return -1
}
