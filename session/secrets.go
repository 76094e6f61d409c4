package session

import (
	"maps"
	"slices"
	"strings"

	"nix2gpu/project"
)

// A SecretReport tells what may be shown of a secret or an environment file: where it
// comes from, who gets it, and whether it can be read. It never holds the value.
type SecretReport struct {
	Name    string   `json:"name,omitempty"` // "" for a file that an option names directly
	Source  string   `json:"source"`         // "file /run/secrets/hf"
	Readers []string `json:"readers"`        // "api (HF_TOKEN)": labels of services, with how they get it
	Present bool     `json:"present"`
	Why     string   `json:"why,omitempty"` // why it can't be read
	Hint    string   `json:"hint,omitempty"`
}

// Secrets reports on the secrets of p on this machine, sorted by name, and then on its
// environment files.
func (m Machine) Secrets(p *project.Project) []SecretReport {
	st := m.Stage()
	var all []SecretReport
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		r := SecretReport{Name: name, Source: p.Secrets[name].Source(), Readers: []string{}}
		if strings.Contains(name, "/") {
			r.Name = ""
		}
		eachProcess(p, func(label string, proc *project.Process) {
			for _, use := range p.SecretUses(proc) {
				if use.Secret == name {
					r.Readers = addOnce(r.Readers, label+" ("+how(use)+")")
				}
			}
		})
		r.look(st.CheckSecret(p, name))
		all = append(all, r)
	}
	files := map[string]*SecretReport{}
	eachProcess(p, func(label string, proc *project.Process) {
		for _, file := range proc.EnvFiles {
			shown := strings.TrimPrefix(file.String(), "-")
			r := files[shown]
			if r == nil {
				r = &SecretReport{Source: "environmentFile " + shown}
				r.look(st.CheckEnvFile(p, file))
				files[shown] = r
			}
			r.Readers = addOnce(r.Readers, label)
		}
	})
	for _, file := range slices.Sorted(maps.Keys(files)) {
		all = append(all, *files[file])
	}
	return all
}

func (r *SecretReport) look(err error) {
	if r.Present = err == nil; !r.Present {
		r.Why, r.Hint, _ = strings.Cut(err.Error(), "\nhint: ")
		r.Why = strings.TrimPrefix(r.Why, "secret \""+r.Name+"\": ")
	}
}

// how returns in a word how a process gets a secret.
func how(use project.SecretUse) string {
	switch {
	case use.Field == "env" && use.Path:
		return use.Name + ", a path"
	case use.Field == "env":
		return use.Name
	case use.Field == "credentials":
		return "credential " + use.Name
	case use.Path:
		return "a path in its " + use.Field
	}
	return "in a file of its own"
}

// eachProcess calls each for every process of enabled services, with the service's
// label.
func eachProcess(p *project.Project, each func(label string, proc *project.Process)) {
	for _, id := range p.Enabled() {
		s := p.Services[id]
		for _, proc := range s.ProcessIDs() {
			each(s.Label, p.Processes[proc])
		}
	}
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
