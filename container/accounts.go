package container

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

	"nix2gpu/project"
	"nix2gpu/safefile"
)

// accounts locks all passwords, and adds entries for the users of services: programs
// look up the name of their own uid.
func accounts(_ context.Context, m *Machine) error {
	if _, given := m.lookupEnv("ROOT_PASSWORD"); given {
		m.unsetenv("ROOT_PASSWORD")
		m.Tell("ROOT_PASSWORD is not used: whoever may look at the container can read it in the engine's records",
			`log in with a key: -e SSH_PUBLIC_KEYS="$(cat ~/.ssh/id_ed25519.pub)"`)
	}
	users := map[string]project.User{}
	if m.Project != nil {
		maps.Copy(users, m.Project.Users)
	}
	users["sshd"] = project.SystemUsers()["sshd"]
	return errors.Join(
		m.edit("/etc/passwd", 0o644, func(lines []string) []string { return passwdLines(lines, users) }),
		m.edit("/etc/group", 0o644, func(lines []string) []string { return groupLines(lines, users) }),
		m.edit("/etc/shadow", 0o600, lockedLines),
	)
}

// edit replaces a file if change changes its lines. A missing file has no lines.
func (m *Machine) edit(name string, mode fs.FileMode, change func(lines []string) []string) error {
	path := m.path(name)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	text := ""
	if lines := change(slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool { return l == "" })); len(lines) > 0 {
		text = strings.Join(lines, "\n") + "\n"
	}
	if text == string(data) {
		return nil
	}
	err = m.put(name, text, mode)
	if readOnly(err) {
		m.Log.Info("stays as it is: read-only", "file", name)
		return nil
	}
	return err
}

// put replaces a file as a whole, and never follows a link that somebody has planted.
func (m *Machine) put(name, text string, mode fs.FileMode) error {
	if err := m.makeOpen(filepath.Dir(name)); err != nil {
		return err
	}
	f, err := safefile.Rewrite(m.path(name), []byte(text), mode)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(mode) // Rewrite obeys the umask
}

// passwdLines adds the users that are missing, and moves every password to
// /etc/shadow.
func passwdLines(lines []string, users map[string]project.User) []string {
	names, ids := map[string]bool{}, map[string]bool{}
	for i, line := range lines {
		f := strings.Split(line, ":")
		if len(f) != 7 {
			continue
		}
		names[f[0]], ids[f[2]] = true, true
		if f[1] == "" { // an empty password lets everybody in
			f[1] = "x"
			lines[i] = strings.Join(f, ":")
		}
	}
	if !names["root"] && !ids["0"] {
		lines = append([]string{"root:x:0:0:root:/root:/bin/bash"}, lines...)
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		u := users[name]
		if id := fmt.Sprint(u.UID); !names[name] && !ids[id] {
			lines = append(lines, fmt.Sprintf("%s:x:%d:%d::%s:/usr/sbin/nologin", name, u.UID, u.GID, u.Home))
		}
	}
	return lines
}

func groupLines(lines []string, users map[string]project.User) []string {
	names, ids := map[string]bool{}, map[string]bool{}
	for _, line := range lines {
		if f := strings.Split(line, ":"); len(f) == 4 {
			names[f[0]], ids[f[2]] = true, true
		}
	}
	if !names["root"] && !ids["0"] {
		lines = append([]string{"root:x:0:"}, lines...)
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		if id := fmt.Sprint(users[name].GID); !names[name] && !ids[id] {
			lines = append(lines, name+":x:"+id+":")
		}
	}
	return lines
}

// lockedLines locks accounts without a password. "*" is no hash of anything;
// a "!" would make sshd refuse the account's keys as well.
func lockedLines(lines []string) []string {
	root := false
	for i, line := range lines {
		f := strings.Split(line, ":")
		if len(f) < 2 {
			continue
		}
		root = root || f[0] == "root"
		if f[1] == "" || f[0] == "root" && strings.Trim(f[1], "!*") == "" {
			f[1] = "*"
			lines[i] = strings.Join(f, ":")
		}
	}
	if !root {
		lines = append([]string{"root:*:::::::"}, lines...)
	}
	return lines
}
