package filewatch

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/glob"
)

// unedited are names of what tools write, and nobody edits.
var unedited = [...]string{
	".git", ".hg", ".svn", ".idea", ".vscode", "node_modules", "vendor", "target", "dist", "build", "bin", ".venv", "venv",
	"__pycache__", ".mypy_cache", ".pytest_cache", ".next", ".nuxt", ".terraform", ".gradle", ".direnv", "result",
	"*.log", "*.log.gz", "*.sw[a-z]", "*~", ".#*", "#*#", "4913", ".DS_Store",
}

// A filter decides what below a root counts.
type filter struct {
	Tree
	all    bool // what nobody edits counts, too
	ignore func(path string) bool
}

// enters reports whether a folder is looked into. rel is its path below the root, with
// slashes; "." is the root itself.
func (f *filter) enters(full, rel string) bool {
	return !f.ignore(full) && (rel == "." || !f.excludes(rel))
}

// counts reports whether a change of a file counts.
func (f *filter) counts(full, rel string) bool {
	return f.enters(full, rel) && (len(f.Include) == 0 || slices.ContainsFunc(f.Include, func(p string) bool { return stands(p, rel) }))
}

// excludes looks at each folder on the way to a path as well, since events come from
// folders whose names may have changed meanwhile.
func (f *filter) excludes(rel string) bool {
	for at := rel; at != "."; at = path.Dir(at) {
		if !f.all && slices.ContainsFunc(unedited[:], func(p string) bool { return stands(p, at) }) ||
			slices.ContainsFunc(f.Exclude, func(p string) bool { return stands(p, at) }) {
			return true
		}
	}
	return false
}

// stands reports whether a pattern is meant to stand for a path: one without a slash is
// about its name.
func stands(pattern, rel string) bool {
	if !strings.Contains(pattern, "/") {
		rel = path.Base(rel)
	}
	return glob.Match(strings.TrimPrefix(pattern, "./"), rel)
}

// below returns the path of a file below a root, with slashes.
func below(root, full string) (string, bool) {
	rel, err := filepath.Rel(root, full)
	return filepath.ToSlash(rel), err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
