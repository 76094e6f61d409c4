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
	Changed []ID `json:"changed,omitempty"` // something that runs differs, so it must be restarted
}

// IsEmpty reports whether nothing differs.
func (c Changes) IsEmpty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Diff says what turns p into q. A service has changed when it, one of its
// processes or a generated file that they or the container's environment name,
// directly or through another, differs in anything but its place in the
// definition.
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

// Differences names what differs in a service that p and q have: what it must be
// restarted for, and what applies without, in the words of definitions, sorted.
func (p *Project) Differences(q *Project, id ID) (restart, applies []string) {
	return differing(p.parts(id), q.parts(id)), differing(p.loose(id), q.loose(id))
}

// differing are the names that do not stand for the same in both.
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

// parts are everything that decides how a service runs, as text, by what people call
// it. What is only displayed, and who waits for whom, is left out: it applies without a
// restart.
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

// addParts adds those of one process.
func (q *Process) addParts(out map[string]string, prefix string) {
	own := *q
	own.Test = nil // not how it runs
	own.Env, own.Files, own.ID, own.Service, own.Role = nil, nil, "", "", ""
	for name, value := range q.Env {
		out[prefix+"environment."+name] = asText(value)
	}
	for i := range q.Files {
		name := prefix + "file " + q.Files[i].Path.String()
		out[name] += asText(q.Files[i]) // one path twice is the last's, in this order
	}
	tree, _ := withoutPos(own).(map[string]any)
	for _, field := range slices.Sorted(maps.Keys(tree)) { // several may have one name
		out[prefix+optionOf(field)] += plainText(tree[field])
	}
}

// loose are what of a service applies without a restart, as parts are.
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

// optionOf is what definitions call a field of a process or a service.
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

// asText is a value of a project as text that can be compared: what stands for one
// thing is one text.
func asText(v any) string { return plainText(withoutPos(v)) }

func plainText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error() // a project that can't be written is not a project
	}
	return string(data)
}

// withoutPos goes through JSON to drop every "pos": moving a service in its
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
