package definition

import (
	"path/filepath"
	"strings"
)

// A Ref names a definition and one of its containers: PATH[#CONTAINER].
type Ref struct {
	Path      string // a file, or the folder to find one in; "": the working folder
	Container string // "": the only one of the file
}

// ParseRef parses a reference. The form that flakes have, such as `.#nix2gpu.web`,
// means the same container.
func ParseRef(s string) Ref {
	path, container, _ := strings.Cut(s, "#")
	container = strings.TrimPrefix(container, "nix2gpu.")
	if len(container) > 1 && container[0] == '"' && strings.HasSuffix(container, `"`) {
		container = container[1 : len(container)-1]
	}
	return Ref{Path: strings.TrimPrefix(path, "path:"), Container: container}
}

// IsRef reports whether a word of the command line is a reference rather than the name
// of a service.
func IsRef(word string) bool {
	if strings.ContainsAny(word, "#/") || strings.HasPrefix(word, ".") {
		return true
	}
	switch filepath.Ext(word) {
	case ".nix", ".yaml", ".yml", ".json":
		return true
	}
	return false
}
