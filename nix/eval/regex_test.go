package eval_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// ambiguous finds what has several ways to match, of which Nix may take another: a group with a
// quantifier, and an alternative that is empty; see the list of differences.
var ambiguous = regexp.MustCompile(`\)[*+?{]|\(\||\|\)|^\||\|$|\|\|`)

// TestRegexAgainstNix compares what random expressions find in random texts; -seed tries
// others.
func TestRegexAgainstNix(t *testing.T) {
	r := newRepl(t)
	random := regexGrammar{rand.New(rand.NewPCG(*seed, 1))}
	lines := make([]string, *programs)
	for i := range lines {
		pattern := random.alternatives(3)
		text := make([]byte, random.IntN(6))
		for k := range text {
			text[k] = "aab-B"[random.IntN(5)]
		}
		if ambiguous.MatchString(pattern) {
			lines[i] = fmt.Sprintf("builtins.match %q %q == null", pattern, text)
			continue
		}
		lines[i] = fmt.Sprintf("[ (builtins.match %q %q) (builtins.split %[1]q %[2]q) ]", pattern, text)
	}
	ours, theirs := r.both(t, lines)
	for i, line := range lines {
		if differ(line, ours[i], theirs[i]) {
			t.Errorf("%s\n Nix: %s\nours: %s", line, theirs[i], ours[i])
		}
	}
}

type regexGrammar struct{ *rand.Rand }

func (g regexGrammar) alternatives(depth int) string {
	branches := make([]string, 1+g.IntN(4)/3)
	for i := range branches {
		for range g.IntN(4) {
			// A group that is repeated has no groups: Nix might try to match it for ever.
			times := []string{"", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"}[g.IntN(9)]
			within := depth
			if times != "" && times != "?" {
				within = min(within, 1)
			}
			branches[i] += g.atom(within) + times
		}
	}
	return strings.Join(branches, "|")
}

func (g regexGrammar) atom(depth int) string {
	if depth > 0 && g.IntN(3) == 0 {
		return "(" + g.alternatives(depth-1) + ")"
	}
	return []string{"a", "b", "-", "a", ".", "[ab]", "[^a]", "[[:upper:]]", "[a-]", "B"}[g.IntN(10)]
}
