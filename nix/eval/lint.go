package eval

import (
	"fmt"
	"strings"

	"nix2gpu/nix/syntax"
)

// A LintLevel says what comes of a literal that is part of the language, but better not used.
type LintLevel uint8

const (
	LintIgnore LintLevel = iota // nothing
	LintWarn                    // a warning, where traces go
	LintFatal                   // an error, as if it were no part of the language
)

// Lints are the levels of the literals that a text may be warned of.
type Lints struct {
	URL          LintLevel // https://example.org without quotes
	ShortPath    LintLevel // a/b, which is ./a/b
	AbsolutePath LintLevel // /a and ~/a
}

// lintURL looks at a URL without quotes.
func (r *resolver) lintURL(x *syntax.URI) {
	r.lint(r.t.ev.opts.Lints.URL, x.Pos(), fmt.Sprintf("write %q", x.Value), "the URL %s has no quotes (lint-url-literals)", x.Value)
}

// lintPath looks at a path.
func (r *resolver) lintPath(x *syntax.Path) {
	lints, first := r.t.ev.opts.Lints, x.Parts[0].Text
	switch {
	case strings.HasPrefix(first, "/") || strings.HasPrefix(first, "~"):
		r.lint(lints.AbsolutePath, x.Pos(), "write a path that is relative to the file, or a string", "the path %s is another one, or none, on other machines (lint-absolute-path-literals)", first)
	case !strings.HasPrefix(first, "./") && !strings.HasPrefix(first, "../"):
		r.lint(lints.ShortPath, x.Pos(), "write ./"+first, "the path %s does not begin with ./ (lint-short-path-literals)", first)
	}
}

func (r *resolver) lint(level LintLevel, pos syntax.Pos, cure, format string, args ...any) {
	switch level {
	case LintWarn:
		r.t.tell(fmt.Sprintf("warning: %s: %s: %s", pos, fmt.Sprintf(format, args...), cure))
	case LintFatal:
		r.t.raise(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: cure, Kind: KindSyntax})
	}
}
