package module

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// plain returns what a value of the type is, in words that need no knowledge of the
// module system: "a whole number, 0 or more". It completes "must be".
func (t *typeInfo) plain(depth int) string {
	t = t.real()
	if depth == 0 {
		return t.text(shown{})
	}
	inner := func(i int) string { return t.elems[i].plain(depth - 1) }
	switch t.name {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "intBetween":
		if t.high == math.MaxInt64 {
			return fmt.Sprintf("a whole number, %d or more", t.low)
		}
		return fmt.Sprintf("a whole number from %d to %d", t.low, t.high)
	case "float", "number":
		return "a number"
	case "numbersNonnegative":
		return "a number, 0 or more"
	case "numbersPositive":
		return "a number, more than 0"
	case "str", "separatedString":
		return "text"
	case "nonEmptyStr":
		return "text that is not empty"
	case "singleLineStr":
		return "one line of text"
	case "path", "externalPath":
		return "a path"
	case "package":
		return "a package"
	case "attrs":
		return "a set { … }"
	case "submodule":
		return "a set of options { … }"
	case "nullOr":
		return inner(0)
	case "either", "oneOf", "coercedTo":
		var parts []string
		for i := range t.elems {
			for part := range strings.SplitSeq(inner(i), " or ") { // list no alternative twice
				if !slices.Contains(parts, part) {
					parts = append(parts, part)
				}
			}
		}
		return strings.Join(parts, " or ")
	case "listOf", "nonEmptyListOf":
		return "a list [ … ] of " + strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(inner(0), "a "), "one "), "of ")
	case "attrsOf", "lazyAttrsOf":
		return "a set { NAME = …; } of " + strings.TrimPrefix(strings.TrimPrefix(inner(0), "a "), "of ")
	case "enum":
		text, one := strings.CutSuffix(t.text(shown{depth: depth}), " (singular enum)")
		if one {
			text = strings.TrimPrefix(text, "value ")
		}
		return text
	}
	return "of type " + t.text(shown{depth: depth})
}
