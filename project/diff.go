package project

import (
	"encoding/json"
	"maps"
	"slices"
)

// Changes says how one project differs from another, by service. The lists
// are sorted.
type Changes struct {
	Added   []ID `json:"added,omitempty"`
	Removed []ID `json:"removed,omitempty"`
	Changed []ID `json:"changed,omitempty"` // those that must be restarted
}

// IsEmpty reports whether nothing differs.
func (c Changes) IsEmpty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Diff returns the changes that turn p into q. A service counts as changed if its
// processes differ, or the container's environment, or a generated file that they name,
// directly or through another. Where it stands in the definition does not count.
func (p *Project) Diff(q *Project) Changes {
	var c Changes
	for _, id := range slices.Sorted(maps.Keys(q.Services)) {
		if p.Services[id] == nil {
			c.Added = append(c.Added, id)
		} else if !maps.Equal(p.parts(id), q.parts(id)) {
			c.Changed = append(c.Changed, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		if q.Services[id] == nil {
			c.Removed = append(c.Removed, id)
		}
	}
	return c
}

// Differences names, in the words of definitions, what differs in a service that both p
// and q have: what needs a restart, and what applies without one. Both are sorted.
func (p *Project) Differences(q *Project, id ID) (restart, applies []string) {
	return differing(p.parts(id), q.parts(id)), differing(p.loose(id), q.loose(id))
}

// differing returns the keys, sorted, whose values differ or that only one map has.
func differing(a, b map[string]string) (names []string) {
	for name := range a {
		if other, ok := b[name]; !ok || other != a[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// parts returns everything that decides how a service runs, as comparable text, by the
// name that users know it by. It leaves out what is only displayed, and dependencies:
// they apply without a restart.
func (p *Project) parts(id ID) map[string]string {
	s := p.Services[id]
	out := map[string]string{"its steps": asText([]any{s.Init, s.Main, s.Setup}), "workingDir": asText(p.Container.WorkingDir)}
	for name, value := range p.Container.Env {
		out["env."+name] = asText(value)
	}
	walks := []func(TextVisitor){p.Container.eachEnv}
	for _, pid := range s.ProcessIDs() {
		proc := p.Processes[pid]
		if proc == nil {
			continue
		}
		prefix := ""
		if pid != s.Main {
			prefix = string(pid) + ": "
		}
		proc.addParts(out, prefix)
		walks = append(walks, proc.EachText)
		for _, use := range p.SecretUses(proc) {
			out["secrets."+use.Secret] = asText(p.Secrets[use.Secret])
		}
	}
	for _, name := range p.Uses(walks...) {
		out["file "+name] = asText(p.Files[name])
	}
	return out
}

// addParts adds the parts of one process to out.
func (q *Process) addParts(out map[string]string, prefix string) {
	own := *q
	own.Test = nil                                                     // it changes nothing in what runs
	if settings, ok := withoutPos(own.Settings).(map[string]any); ok { // as options of their own
		for name, value := range settings {
			out[prefix+name] = plainText(value)
		}
	}
	own.Settings = Settings{}
	own.Env, own.Files, own.ID, own.Service, own.Role = nil, nil, "", "", ""
	for name, value := range q.Env {
		out[prefix+"environment."+name] = asText(value)
	}
	for i := range q.Files {
		name := prefix + "file " + q.Files[i].Path.String()
		out[name] += asText(q.Files[i]) // of two files at one path the last wins, so their order counts
	}
	tree, _ := withoutPos(own).(map[string]any)
	for _, field := range slices.Sorted(maps.Keys(tree)) { // sorted, since optionOf gives several the same name
		out[prefix+optionOf(field)] += plainText(tree[field])
	}
}

// loose returns, in the form of parts, what applies to a service without a restart.
func (p *Project) loose(id ID) map[string]string {
	own := *p.Services[id]
	own.Init, own.Main, own.Setup, own.Options = nil, "", nil, nil
	out := map[string]string{}
	tree, _ := withoutPos(own).(map[string]any)
	for field, value := range tree {
		out[optionOf(field)] = plainText(value)
	}
	return out
}

// optionOf returns the name that definitions have for a JSON field of a process or a
// service.
func optionOf(field string) string {
	switch field {
	case "envFiles":
		return "environmentFile"
	case "dir":
		return "working_dir"
	case "readiness", "liveness", "startup":
		return field + "_probe"
	case "noNewPrivs":
		return "no new privileges"
	case "successExitCodes":
		return "success_exit_codes"
	case "dirs":
		return "its folders"
	case "exitOnEnd", "exitOnSkipped":
		return "availability"
	case "dependsOn":
		return "depends_on"
	}
	return field
}

// asText returns a value as text without positions, so that equal values give equal
// texts.
func asText(v any) string { return plainText(withoutPos(v)) }

func plainText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error() // never: every value of a project can be encoded
	}
	return string(data)
}

// withoutPos returns the JSON tree of v without any "pos": moving a service within its
// file is not a change.
func withoutPos(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return err.Error()
	}
	return dropPos(tree)
}

func dropPos(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = dropPos(v[i])
		}
	case map[string]any:
		if _, isPos := v["pos"].(map[string]any); isPos {
			delete(v, "pos")
		}
		for k := range v {
			v[k] = dropPos(v[k])
		}
	}
	return v
}
