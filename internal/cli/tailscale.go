package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

// withTailscale adds the service that joins the tailnet to those of a boot. If it
// can't run here, it prints why, and refuses the services that depend on it.
func (b *boot) withTailscale(ctx context.Context, ids []project.ID, refused map[project.ID]string) ([]project.ID, map[project.ID]string) {
	s := b.project.Services[catalog.Tailscale]
	awaited := slices.Contains(ids, catalog.Tailscale)
	if s == nil || !s.System || refused[catalog.Tailscale] != "" { // if it is refused, preflight has printed why
		return ids, refused
	}
	msg, cure, err := b.lacksTailscale(ctx)
	if err != nil {
		msg = err.Error()
	}
	if msg == "" {
		b.linkTailscale()
		if !awaited {
			ids = append(slices.Clone(ids), catalog.Tailscale)
		}
		return ids, refused
	}
	at := s.Pos.String()
	if at != "" {
		at += ": "
	}
	say(b.env.Stderr, "%stailscale is not started: %s", at, msg)
	if cure != "" {
		say(b.env.Stderr, "hint: %s", cure)
	}
	if awaited {
		refused = maps.Clone(refused)
		if refused == nil {
			refused = map[project.ID]string{}
		}
		refused[catalog.Tailscale] = msg
	}
	return ids, refused
}

// lacksTailscale returns what this machine lacks to join a tailnet, and the cure; ""
// if it lacks nothing.
func (b *boot) lacksTailscale(ctx context.Context) (msg, cure string, err error) {
	m, err := b.machine(b.env, b.layout)
	if err != nil {
		return "", "", err
	}
	unmet, err := m.Preconditions(ctx, b.project, []project.ID{catalog.Tailscale}, nil)
	if err != nil {
		return "", "", err
	}
	if len(unmet) > 0 {
		return unmet[0].Msg, unmet[0].Hint, nil
	}
	st := m.Stage()
	for _, id := range b.project.Services[catalog.Tailscale].ProcessIDs() {
		for _, use := range b.project.SecretUses(b.project.Processes[id]) {
			if !use.Path || !b.project.Secrets[use.Secret].Optional {
				continue
			}
			missing := st.CheckSecret(b.project, use.Secret)
			if missing == nil || !errors.Is(missing, fs.ErrNotExist) || b.joinedBefore(st.Resolve) {
				continue
			}
			why, cure, _ := strings.Cut(missing.Error(), "\nhint: ")
			return fmt.Sprintf("there is no key to join with: %s", strings.TrimPrefix(why, fmt.Sprintf("secret %q: ", use.Secret))), cure, nil
		}
	}
	return "", "", nil
}

// noteTailscale prints that "up" does not join the tailnet, unless it was asked to.
func (l *loaded) noteTailscale(env *Env, ids []project.ID) {
	t, s := l.project.Container.Tailscale, l.project.Services[catalog.Tailscale]
	if t == nil || s == nil || slices.Contains(ids, catalog.Tailscale) {
		return
	}
	pos := t.Pos
	pos.File = within(env.Dir, absolute(l.root, pos.File))
	fmt.Fprintf(env.Stderr, "%s: note: the container joins its tailnet when it boots; to join from here, name it: %s up tailscale\n", pos, env.name())
}

// noteStartup prints that "up" does not run the startup script, which is written for
// a container and runs as root there.
func (l *loaded) noteStartup(env *Env) {
	if l.project.Container.Startup.IsEmpty() || l.baked {
		return
	}
	pos := l.optionPos("extraStartupScript")
	pos.File = within(env.Dir, absolute(l.root, pos.File))
	fmt.Fprintf(env.Stderr, "%s: note: extraStartupScript runs when a container boots, and not here\n", pos)
}

// joinedBefore reports whether there is the state of a node that has joined before,
// which needs no key.
func (b *boot) joinedBefore(resolve func(*project.Project, project.Text) (string, error)) bool {
	kept, err := resolve(b.project, catalog.TailscaleState())
	return slices.ContainsFunc([]string{kept, catalog.TailscaleVolume}, func(dir string) bool {
		info, no := os.Stat(filepath.Join(dir, "tailscaled.state"))
		return err == nil && no == nil && info.Size() > 0
	})
}

// linkTailscale links the socket to the path where the tailscale command expects it.
func (b *boot) linkTailscale() {
	if b.env.UID == 0 {
		_ = os.Symlink(filepath.Join(b.layout.Run, "tailscale"), "/run/tailscale") // an existing one is left alone
	}
}
