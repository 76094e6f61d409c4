package project

import (
	"fmt"
	"strings"
	"time"

	"nix2gpu/glob"
)

// A Watch restarts a service when files change.
type Watch struct {
	Paths   []WatchPath `json:"paths"`
	Cascade bool        `json:"cascade,omitempty"` // also what depends on it, and so on
	// Debounce is for how long nothing more must change; 0: DefaultDebounce.
	Debounce Duration `json:"debounce,omitempty"`
	// MaxFolders bounds how many folders are watched; 0: DefaultMaxFolders.
	MaxFolders int `json:"maxFolders,omitempty"`
	// All watches also what nobody edits, such as .git and node_modules.
	All bool `json:"all,omitempty"`
	Pos Pos  `json:"pos,omitzero"`
}

// A WatchPath is a folder, with all that is below, or a file. Patterns, as package glob has
// them, are about the path below it if they have a slash, and else about the name.
type WatchPath struct {
	Path    Text     `json:"path"`              // relative to the folder in which the main process runs
	Include []string `json:"include,omitempty"` // nothing else counts; nil: all does
	Exclude []string `json:"exclude,omitempty"` // does not count, and such folders are not entered
}

// String names what is watched.
func (w *Watch) String() string {
	var paths []string
	for _, p := range w.Paths {
		paths = append(paths, p.Path.String())
	}
	return strings.Join(paths, " or ")
}

// The values of a Watch that sets none.
const (
	DefaultDebounce   = 300 * time.Millisecond
	DefaultMaxFolders = 8192
)

func (e *Errors) checkWatch(p *Project, s *Service) {
	w, who := s.Watch, fmt.Sprintf("watch of %q", p.label(s.ID))
	switch {
	case s.Schedule != nil:
		e.add(w.Pos, s.ID, "leave one of them out", "%s and its schedule exclude each other", who)
	case len(w.Paths) == 0:
		e.add(w.Pos, s.ID, "name a folder, such as ./src", "%s has no paths", who)
	}
	if w.Debounce < 0 || w.MaxFolders < 0 {
		e.add(w.Pos, s.ID, "", "%s must have numbers that are not negative", who)
	}
	for _, path := range w.Paths {
		if lit, plain := path.Path.Literal(); plain && (strings.TrimSpace(lit) == "" || strings.ContainsRune(lit, 0)) {
			e.add(w.Pos, s.ID, "name a folder, such as ./src", "%s has a path that is empty", who)
		}
		for _, patterns := range [][]string{path.Include, path.Exclude} {
			for _, pattern := range patterns {
				if err := glob.Check(pattern); err != nil {
					e.add(w.Pos, s.ID, `such as "*.go" for a name, or "src/**" for a path`, "%s: a pattern %v", who, err)
				}
			}
		}
	}
}
