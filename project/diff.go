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
		} else if p.fingerprint(id) != q.fingerprint(id) {
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

// fingerprint is everything that decides how a service runs, as text. What is
// only displayed, and who waits for whom, is left out: it applies without a
// restart.
func (p *Project) fingerprint(id ID) string {
	s := p.Services[id]
	parts := []any{s.Init, s.Main, s.Setup, p.Container.Env, p.Container.WorkingDir}
	walks := []func(TextVisitor){p.Container.eachEnv}
	for _, id := range s.ProcessIDs() {
		proc := p.Processes[id]
		if proc != nil && proc.Test != nil { // not how it runs
			own := *proc
			own.Test = nil
			proc = &own
		}
		parts = append(parts, proc)
		if proc != nil {
			walks = append(walks, proc.EachText)
		}
	}
	for _, name := range p.Uses(walks...) {
		parts = append(parts, name, p.Files[name])
	}
	for _, id := range s.ProcessIDs() {
		for _, use := range p.SecretUses(p.Processes[id]) {
			parts = append(parts, p.Secrets[use.Secret])
		}
	}
	data, err := json.Marshal(withoutPos(parts))
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
