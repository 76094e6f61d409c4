package image

import (
	"fmt"
	"path"
	"strings"
)

// A Variant says how much of its packages an image has.
type Variant string

// The variants.
const (
	// Full has all of the packages.
	Full Variant = "full"
	// Slim leaves out what only people read: manuals, translations, and documentation
	// except licences; and the second and third copy of the time zones.
	Slim Variant = "slim"
	// Minimal has the programs that the definition names and what they need.
	Minimal Variant = "minimal"
)

// ParseVariant parses a variant; "" is Slim.
func ParseVariant(s string) (Variant, error) {
	switch v := Variant(s); v {
	case "":
		return Slim, nil
	case Full, Slim, Minimal:
		return v, nil
	}
	return "", fmt.Errorf("variant must be \"slim\", \"full\" or \"minimal\", not %q", s)
}

// keeps reports whether an image of the variant has a path of a package.
func (v Variant) keeps(name string) bool {
	if v != Slim {
		return true
	}
	if isManual(name) {
		return false
	}
	sub, ok := strings.CutPrefix(name, "usr/share/")
	if !ok {
		return true
	}
	top, rest, below := strings.Cut(sub, "/")
	switch top {
	case "man", "info", "lintian", "doc-base", "bug", "gtk-doc", "locale":
		return !below
	case "zoneinfo":
		// The same zones again, with and without leap seconds.
		return rest != "posix" && rest != "right" && !strings.HasPrefix(rest, "posix/") && !strings.HasPrefix(rest, "right/")
	case "doc":
		// Keep the folder of a package, or its link to another's folder, and the
		// licence in there.
		return !below || !strings.Contains(rest, "/") || path.Base(rest) == "copyright" && (strings.Count(rest, "/") == 1)
	}
	return true
}

// isManual reports whether a path is of a manual that is in its software's own folder,
// such as usr/share/postgresql/15/man/man7.
func isManual(name string) bool {
	if !strings.HasPrefix(name, "usr/") {
		return false
	}
	_, section, ok := strings.Cut(name, "/man/man")
	return ok && section != "" && section[0] >= '1' && section[0] <= '9' && (len(section) == 1 || section[1] == '/')
}
