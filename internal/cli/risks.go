package cli

import (
	"fmt"
	"maps"
	"slices"

	"nix2gpu/definition"
)

// writeRisks warns of settings that are no errors but let strangers in, or give
// services more rights than they need. Only check prints these: at a start nobody
// reads them.
func (l *loaded) writeRisks(env *Env) {
	if l.config == nil {
		return
	}
	for _, r := range definition.Risks(l.project, l.config, l.root) {
		pos := r.Pos
		pos.File = within(env.Dir, absolute(l.root, pos.File))
		fmt.Fprintf(env.Stderr, "%s: warning: %s\nhint: %s\n", pos, r.Msg, r.Hint)
	}
}

// unusedUsers names the services whose user has no effect, because only root can
// start programs as another user.
func (l *loaded) unusedUsers(env *Env) {
	if env.UID == 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(l.project.Services)) {
		s := l.project.Services[id]
		at, set := s.Options["user"]
		if !set || s.Disabled {
			continue
		}
		at.File = within(env.Dir, absolute(l.root, at.File))
		fmt.Fprintf(env.Stderr, "%s: warning: %s runs as you, and not as %s: only root starts programs as another user\n", at, s.Label, l.project.Processes[s.Main].User)
	}
}
