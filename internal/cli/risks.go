package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

	"nix2gpu/definition"
	"nix2gpu/safefile"
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

// writeWriters warns of files of the definition that other users may change, who then
// choose what we run. Whoever owns the definition is trusted: that was named. In a
// container there is nobody else.
func (l *loaded) writeWriters(env *Env) {
	if len(l.read) == 0 || env.inContainer() {
		return
	}
	var owners []int
	if info, err := os.Stat(l.read[0]); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			owners = append(owners, int(st.Uid))
		}
	}
	as := "you"
	if env.UID == 0 {
		as = "root"
	}
	told := map[string]bool{}
	for _, file := range l.read {
		var e *safefile.Error
		if !errors.As(safefile.Writers(file, owners...), &e) || told[e.Path] {
			continue
		}
		told[e.Path] = true
		place := e.Path
		if place != env.Dir {
			place = within(env.Dir, place)
		}
		fmt.Fprintf(env.Stderr, "%s: warning: %s, and who can change it chooses what runs as %s\nhint: %s\n", place, e.Why, as, e.Hint)
	}
}
