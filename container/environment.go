package container

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/project"
)

// ownVars are variables of one process or one session, not of the container.
var ownVars = [...]string{"HOME", "PWD", "OLDPWD", "HOSTNAME", "TERM", "SHLVL", "_", "USER", "LOGNAME", "SHELL", "SSH_PUBLIC_KEYS", "SSH_PUBLIC_KEY", "PUBLIC_KEY", "XDG_RUNTIME_DIR", "PS1", "PROMPT_COMMAND"}

// environment gives logins the variables that the container's processes have: through
// PAM and cron, through login shells, and through our own sshd. Secrets stay out,
// because everybody can read these files.
func environment(_ context.Context, m *Machine) error {
	vars := m.shared()
	names := slices.Sorted(maps.Keys(vars))
	var pam, shell, sshd strings.Builder
	shell.WriteString("# Written by nix2gpu at boot: the container's environment, without secrets.\n")
	for _, name := range names {
		value := vars[name]
		pam.WriteString(name + `="` + value + `"` + "\n")
		if name == "PATH" { // /etc/profile has just set its own
			shell.WriteString("export PATH=" + shellQuote(value) + "\n")
		} else {
			shell.WriteString(`[ -n "${` + name + `+x}" ] || export ` + name + "=" + shellQuote(value) + "\n")
		}
		sshd.WriteString(" " + sshdQuote(name+"="+value))
	}
	shell.WriteString(m.prompt())
	conf := ""
	if sshd.Len() > 0 {
		conf = "SetEnv" + sshd.String() + "\n"
	}
	err := errors.Join(
		m.edit("/etc/environment", 0o644, func(lines []string) []string { return block(lines, pam.String()) }),
		m.put(filepath.Join(sshFolder, "environment.conf"), conf, 0o600),
	)
	if dir := "/etc/profile.d"; m.makeOpen(dir) == nil {
		if e := m.put(dir+"/nix2gpu.sh", shell.String(), 0o644); e != nil && !readOnly(e) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// defaultPrompt is the prompt in our images. The host name, which engines make from
// the container's id, would tell nobody anything.
const defaultPrompt = `\u@container:\w\$ `

// prompt replaces a default prompt, bash's or Debian's, by that of our images. Any
// other prompt is somebody's own choice.
func (m *Machine) prompt() string {
	ours, ok := m.lookupEnv("PS1")
	if !ok {
		ours = defaultPrompt
	}
	return `case "${PS1-}" in '\s-\v\$ ' | *'\u@\h:\w\$ ') PS1=` + shellQuote(ours) + " ;; esac\n"
}

// shared returns the variables that everybody in the container may read.
func (m *Machine) shared() map[string]string {
	vars := map[string]string{}
	for _, kv := range m.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			vars[name] = value
		}
	}
	if m.Project != nil {
		for _, s := range m.Project.Secrets {
			delete(vars, s.Env)
		}
		for name, v := range m.Project.Container.Env {
			value, literal := v.Text.Literal()
			if v.Secret || !literal {
				delete(vars, name)
				continue
			}
			vars[name] = value
		}
	}
	maps.DeleteFunc(vars, func(name, value string) bool {
		return !isVariable(name) || slices.Contains(ownVars[:], name) || strings.ContainsAny(value, "\n\r\x00") ||
			strings.HasPrefix(name, "NIX2GPU_COOKIE") ||
			value != "" && (project.SecretName(name) || project.MaskString(value) != value || project.MaskString(name+"="+value) != name+"="+value)
	})
	return vars
}

// isVariable reports whether name is valid for a shell's variable.
func isVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// The marks around our part of a file in which others may have lines.
const (
	blockBegin = "# nix2gpu: the container's environment"
	blockEnd   = "# nix2gpu: end"
)

// block replaces our part of a file.
func block(lines []string, ours string) []string {
	if i := slices.Index(lines, blockBegin); i >= 0 {
		if n := slices.Index(lines[i:], blockEnd); n >= 0 {
			lines = slices.Delete(lines, i, i+n+1)
		}
	}
	if ours == "" {
		return lines
	}
	lines = append(lines, blockBegin)
	lines = append(lines, strings.Split(strings.TrimSuffix(ours, "\n"), "\n")...)
	return append(lines, blockEnd)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func sshdQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
