package debian

import (
	"fmt"
	"strings"
)

// Compare compares two versions as dpkg does: negative if a is older than b, zero if
// they are the same, positive if a is newer.
func Compare(a, b string) int {
	ea, ua, ra := splitVersion(a)
	eb, ub, rb := splitVersion(b)
	if c := compareNumbers(ea, eb); c != 0 {
		return c
	}
	if c := comparePart(ua, ub); c != 0 {
		return c
	}
	return comparePart(ra, rb)
}

// splitVersion splits "epoch:upstream-revision".
func splitVersion(v string) (epoch, upstream, revision string) {
	if i := strings.IndexByte(v, ':'); i >= 0 {
		epoch, v = v[:i], v[i+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v, revision = v[:i], v[i+1:]
	}
	return epoch, v, revision
}

// comparePart compares, in turn, text without digits and numbers.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if d := rank(a) - rank(b); d != 0 {
				return d
			}
			a, b = a[1:], b[1:] // equal rank and no digit, so neither is empty
		}
		i, j := digits(a), digits(b)
		if d := compareNumbers(a[:i], b[:j]); d != 0 {
			return d
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// rank returns where the first byte of s sorts: "~" before the end of the text and
// before digits, then letters, then all else.
func rank(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case 'a' <= s[0]|0x20 && s[0]|0x20 <= 'z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

// compareNumbers compares numbers with any number of digits.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// CheckVersion returns what is wrong with a version by Debian's policy; nil if it is
// valid.
func CheckVersion(v string) error {
	epoch, upstream, revision := splitVersion(v)
	switch {
	case v == "":
		return fmt.Errorf("version is empty")
	case strings.Contains(v, ":") && (epoch == "" || digits(epoch) != len(epoch) || len(strings.TrimLeft(epoch, "0")) > 9):
		return fmt.Errorf("version %q: what is before the colon must be a number", v)
	case upstream == "" || !isDigit(upstream[0]):
		return fmt.Errorf("version %q must begin with a digit", v)
	case strings.Contains(v, "-") && revision == "":
		return fmt.Errorf("version %q ends in a dash", v)
	}
	for i := range len(v) {
		if c := v[i]; !isDigit(c) && !isLetter(c) && !strings.ContainsRune(".+-~:", rune(c)) {
			return fmt.Errorf("version %q: %q is not permitted", v, c)
		}
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
