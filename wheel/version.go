package wheel

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Version is a version by PEP 440.
type Version struct {
	text    string // normalized
	epoch   uint64
	release []uint64
	pre     string // "a", "b", "rc", or ""
	preN    uint64
	post    int64 // -1: none
	dev     int64 // -1: none
	local   []string
}

var versionForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)` +
		`(?:[-_.]?(alpha|beta|preview|pre|a|b|c|rc)[-_.]?([0-9]+)?)?` +
		`(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?` +
		`(?:[-_.]?(dev)[-_.]?([0-9]+)?)?` +
		`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)
})

// ParseVersion parses a version by PEP 440, in any of its spellings. Numbers of more
// than 63 bits are an error.
func ParseVersion(s string) (Version, error) {
	m := versionForm().FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	bad := fmt.Errorf("%q is not a version", s)
	if m == nil {
		return Version{}, bad
	}
	v := Version{post: -1, dev: -1}
	wrong := false
	number := func(s string) uint64 {
		if s == "" {
			return 0
		}
		n, err := strconv.ParseUint(s, 10, 63)
		wrong = wrong || err != nil
		return n
	}
	v.epoch = number(m[1])
	for part := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(part))
	}
	if m[3] != "" {
		v.pre, v.preN = map[string]string{"alpha": "a", "a": "a", "beta": "b", "b": "b"}[m[3]], number(m[4])
		v.pre = cmp.Or(v.pre, "rc")
	}
	if m[5] != "" || m[6] != "" {
		v.post = int64(number(m[5] + m[7]))
	}
	if m[8] != "" {
		v.dev = int64(number(m[9]))
	}
	if m[10] != "" {
		for _, part := range strings.FieldsFunc(m[10], func(r rune) bool { return strings.ContainsRune("-_.", r) }) {
			if isNumber(part) {
				part = strconv.FormatUint(number(part), 10)
			}
			v.local = append(v.local, part)
		}
	}
	if wrong {
		return Version{}, bad
	}
	v.text = v.public()
	if len(v.local) > 0 {
		v.text += "+" + strings.Join(v.local, ".")
	}
	return v, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// String returns the version in its normal form.
func (v Version) String() string { return v.text }

// base returns the release that a version belongs to, without suffixes such as rc1.
func (v Version) base() string {
	var b strings.Builder
	if v.epoch != 0 {
		fmt.Fprintf(&b, "%d!", v.epoch)
	}
	for i, n := range v.release {
		if i > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// public returns the normal form without the local part.
func (v Version) public() string {
	text := v.base()
	if v.pre != "" {
		text += fmt.Sprint(v.pre, v.preN)
	}
	if v.post >= 0 {
		text += fmt.Sprint(".post", v.post)
	}
	if v.dev >= 0 {
		text += fmt.Sprint(".dev", v.dev)
	}
	return text
}

// Local returns the part behind the plus: "cu121" of "2.5.1+cu121".
func (v Version) Local() string { return strings.Join(v.local, ".") }

// IsPrerelease reports whether the version comes before its release.
func (v Version) IsPrerelease() bool { return v.pre != "" || v.dev >= 0 }

// withoutLocal returns the version without its local part.
func (v Version) withoutLocal() Version {
	v.local = nil
	v.text = v.public()
	return v
}

// sameBase reports whether two versions belong to the same release.
func (v Version) sameBase(w Version) bool {
	return v.epoch == w.epoch && slices.Equal(trimZeros(v.release), trimZeros(w.release))
}

func trimZeros(r []uint64) []uint64 {
	for len(r) > 0 && r[len(r)-1] == 0 {
		r = r[:len(r)-1]
	}
	return r
}

// Compare compares versions by PEP 440: negative if v is older than w, zero if they are
// the same, positive if v is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.epoch, w.epoch),
		slices.Compare(trimZeros(v.release), trimZeros(w.release)),
		cmp.Compare(v.stage(), w.stage()),
		cmp.Compare(v.preN, w.preN),
		cmp.Compare(v.post, w.post),
		cmp.Compare(v.devOrder(), w.devOrder()),
		slices.CompareFunc(v.local, w.local, compareLocal),
	)
}

// stage orders a development release before alphas, those before betas, and a
// release after its candidates.
func (v Version) stage() int {
	switch {
	case v.pre == "" && v.post < 0 && v.dev >= 0:
		return 0
	case v.pre == "":
		return 4
	}
	return map[string]int{"a": 1, "b": 2, "rc": 3}[v.pre]
}

func (v Version) devOrder() uint64 {
	if v.dev < 0 {
		return 1 << 63
	}
	return uint64(v.dev)
}

// compareLocal orders parts of local versions: numbers come after words.
func compareLocal(a, b string) int {
	na, nb := isNumber(a), isNumber(b)
	switch {
	case na && nb:
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case na:
		return 1
	case nb:
		return -1
	}
	return strings.Compare(a, b)
}

// A Specifier is a condition on a version.
type Specifier struct {
	Op      string // "==", "!=", "<=", ">=", "<", ">", "~=", "==="
	Text    string // the version as written, without ".*"
	Any     bool   // the version ends in ".*"
	version Version
}

// Specifiers are conditions that must all hold; none: any version will do.
type Specifiers []Specifier

// ParseSpecifiers parses conditions such as ">=1.2, !=1.3.*".
func ParseSpecifiers(s string) (Specifiers, error) {
	var all Specifiers
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		one, err := parseSpecifier(part)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func parseSpecifier(s string) (Specifier, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("=!<>~", r) })
	if end <= 0 {
		return Specifier{}, fmt.Errorf("%q is not a condition on a version, such as \">=1.2\"", s)
	}
	c := Specifier{Op: s[:end], Text: strings.TrimSpace(s[end:])}
	switch c.Op {
	case "===":
		return c, nil
	case "==", "!=":
		c.Text, c.Any = strings.CutSuffix(c.Text, ".*")
	case "<=", ">=", "<", ">", "~=":
	default:
		return c, fmt.Errorf("%q is not a condition on a version: there is no %q", s, c.Op)
	}
	var err error
	if c.version, err = ParseVersion(c.Text); err != nil {
		return c, fmt.Errorf("%q is not a condition on a version: %w", s, err)
	}
	v := c.version
	switch {
	case c.Any && (v.pre != "" || v.post >= 0 || v.dev >= 0 || len(v.local) > 0):
		return c, fmt.Errorf("%q is not a condition on a version: only a release can end in .*", s)
	case len(v.local) > 0 && c.Op != "==" && c.Op != "!=":
		return c, fmt.Errorf("%q is not a condition on a version: \"+%s\" goes with == only", s, v.Local())
	case c.Op == "~=" && len(v.release) < 2:
		return c, fmt.Errorf("%q is not a condition on a version: ~= needs two numbers, as in \"~=1.2\"", s)
	}
	return c, nil
}

func (c Specifier) String() string {
	if c.Any {
		return c.Op + c.Text + ".*"
	}
	return c.Op + c.Text
}

func (s Specifiers) String() string {
	parts := make([]string, len(s))
	for i, c := range s {
		parts[i] = c.String()
	}
	return strings.Join(parts, ",")
}

// Has reports whether a version meets all conditions.
func (s Specifiers) Has(v Version) bool {
	for _, c := range s {
		if !c.has(v) {
			return false
		}
	}
	return true
}

// Pinned reports whether only one version meets the conditions.
func (s Specifiers) Pinned() bool {
	return len(s) == 1 && (s[0].Op == "==" && !s[0].Any || s[0].Op == "===")
}

// wantsPrerelease reports whether a condition names a pre-release.
func (s Specifiers) wantsPrerelease() bool {
	return slices.ContainsFunc(s, func(c Specifier) bool {
		if c.Op == "===" {
			v, err := ParseVersion(c.Text)
			return err == nil && v.IsPrerelease()
		}
		return (c.Op == "==" || c.Op == ">=" || c.Op == "<=" || c.Op == "~=") && c.version.IsPrerelease()
	})
}

func (c Specifier) has(v Version) bool {
	w := c.version
	switch c.Op {
	case "===":
		return strings.EqualFold(c.Text, v.text)
	case "==":
		return c.equal(v)
	case "!=":
		return !c.equal(v)
	case "<=":
		return v.withoutLocal().Compare(w) <= 0
	case ">=":
		return v.withoutLocal().Compare(w) >= 0
	case "<": // without pre-releases of the excluded version
		return v.Compare(w) < 0 && (w.IsPrerelease() || !v.IsPrerelease() || !v.sameBase(w))
	case ">":
		return v.Compare(w) > 0 && (w.post >= 0 || v.post < 0 || !v.sameBase(w)) && (len(v.local) == 0 || !v.sameBase(w))
	}
	// ~=1.2.3 is >=1.2.3, ==1.2.*
	return v.withoutLocal().Compare(w) >= 0 && hasPrefix(v, w.epoch, w.release[:len(w.release)-1])
}

func (c Specifier) equal(v Version) bool {
	if c.Any {
		return hasPrefix(v, c.version.epoch, c.version.release)
	}
	if len(c.version.local) == 0 {
		v = v.withoutLocal()
	}
	return v.Compare(c.version) == 0
}

func hasPrefix(v Version, epoch uint64, release []uint64) bool {
	if v.epoch != epoch {
		return false
	}
	for i, n := range release {
		if i < len(v.release) && v.release[i] != n || i >= len(v.release) && n != 0 {
			return false
		}
	}
	return true
}
