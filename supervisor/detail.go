package supervisor

import (
	"slices"
	"strings"

	"nix2gpu/control"
	"nix2gpu/project"
)

// details returns a closer look at each service, by label.
func (c *core) details() []control.Detail {
	masked := c.project.Masked()
	list := []control.Detail{}
	for _, s := range c.order {
		d := control.Detail{ID: s.id, Label: s.spec.Label, User: s.main.User, Pos: s.spec.Pos, Probes: slices.Clone(s.results)}
		if m := masked.Processes[s.spec.Main]; m != nil {
			d.Command, d.Limits, d.Settings = commandLine(m.Command), m.Limits, m.Settings
		}
		if s.process != nil && s.process.unlimited != nil {
			u := s.process.unlimited
			d.Unlimited = &control.Unlimited{Limits: u.Limits, Why: u.Why}
		}
		for _, user := range c.users[s.id] {
			if !user.gone {
				d.Dependants = append(d.Dependants, user.spec.Label)
			}
		}
		list = append(list, d)
	}
	return list
}

// commandLine returns a command as people would type it, in one line.
func commandLine(c project.Command) string {
	if len(c.Exec) == 0 {
		first, more, _ := strings.Cut(strings.TrimSpace(c.Shell.String()), "\n")
		if more != "" {
			first += " …"
		}
		return first
	}
	words := make([]string, len(c.Exec))
	for i, word := range c.Exec {
		words[i] = word.String()
		if words[i] == "" || strings.ContainsAny(words[i], " \t\n'\"\\$`;&|<>()*?#~") && !strings.Contains(words[i], "<") {
			words[i] = "'" + strings.ReplaceAll(words[i], "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
