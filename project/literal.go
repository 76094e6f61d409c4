package project

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Literal is a secret that stands in a project as plain text.
type Literal struct {
	Process ID     // the process that has it; empty: the container, or a generated file
	Field   string // as in Owner: "env", "command", …
	Name    string // for "env" the variable, for "files" the generated file
	From    string // for "env": the variable that an image takes the value from instead
}

// WithoutLiterals returns the project as an image may hold it: each secret that is
// plain text in an environment becomes a variable that whoever starts the container has
// to give, with the same name unless that would stand for two values. found lists these
// secrets, and after them what looks like a secret in other places, where it stays. p
// is not changed; without a secret in an environment, q is p.
func (p *Project) WithoutLiterals() (q *Project, found []Literal) {
	values := map[string]string{} // by variable: what it stands for
	for _, env := range p.environments() {
		for _, name := range slices.Sorted(maps.Keys(env.values)) {
			if v := env.values[name]; v.HoldsSecret(name) {
				found = append(found, Literal{Process: env.process, Field: "env", Name: name, From: p.free(values, env.process, name, v.Text.String())})
			}
		}
	}
	q = p
	if len(found) > 0 {
		q = p.withSecrets(found)
	}
	return q, append(found, p.literalsElsewhere()...)
}

type environment struct {
	process ID
	values  map[string]Value
}

// environments returns the environments of p in a stable order.
func (p *Project) environments() []environment {
	all := []environment{{"", p.Container.Env}}
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		all = append(all, environment{id, p.Processes[id].Env})
	}
	return all
}

// free returns a variable that stands for value and for no other, and notes it in
// values.
func (p *Project) free(values map[string]string, process ID, name, value string) string {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
				return r
			}
			return '_'
		}, s)
	}
	own := plain(strings.ToUpper(string(process))) + "_" + plain(name)
	for n := 1; ; n++ {
		from := plain(name)
		if n == 2 {
			from = own
		} else if n > 2 {
			from = fmt.Sprintf("%s_%d", own, n)
		}
		if from[0] == '_' || from[0] >= '0' && from[0] <= '9' { // a secret's name begins with a letter
			from = "V" + from
		}
		if have, taken := values[from]; !taken || have == value {
			values[from] = value
			return from
		}
	}
}

// withSecrets returns a copy of p in which the variables of found are secrets.
func (p *Project) withSecrets(found []Literal) *Project {
	q := *p
	q.Secrets = maps.Clone(p.Secrets)
	if q.Secrets == nil {
		q.Secrets = map[string]Secret{}
	}
	q.Container.Env = maps.Clone(p.Container.Env)
	q.Processes = maps.Clone(p.Processes)
	copied := map[ID]bool{}
	for _, l := range found {
		env := q.Container.Env
		var pos Pos
		if l.Process != "" {
			if !copied[l.Process] {
				proc := *q.Processes[l.Process]
				proc.Env = maps.Clone(proc.Env)
				q.Processes[l.Process], copied[l.Process] = &proc, true
			}
			env = q.Processes[l.Process].Env
			if s := p.Services[q.Processes[l.Process].Service]; s != nil {
				pos = s.Pos
			}
		}
		name := "env/" + l.From
		if _, there := q.Secrets[name]; !there {
			q.Secrets[name] = Secret{Env: l.From, Pos: pos}
		}
		env[l.Name] = Value{Text: SecretContent(name), Secret: true}
	}
	return &q
}

// HoldsSecret reports whether v, the value of a variable of that name, is a secret as
// plain text. A path, a reference, a number or a switch is none, whatever its name.
func (v Value) HoldsSecret(name string) bool {
	text := ""
	for _, part := range v.Text {
		if part.Secret != nil || part.SecretFile != nil {
			return false
		}
		text += part.Literal
	}
	if text == "" || MaskString(text) != text {
		return text != ""
	}
	if v.Secret {
		return true
	}
	if !SecretName(name) || !v.Text[0].IsLiteral() || strings.ContainsAny(text[:1], "/$") {
		return false
	}
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "none", "0", "1":
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err != nil || !strings.HasSuffix(strings.ToUpper(name), "TOKENS")
}

// literalsElsewhere lists what Masked would hide outside of environments.
func (p *Project) literalsElsewhere() []Literal {
	var found []Literal
	add := func(l Literal) {
		if !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	p.EachText(func(o Owner, t *Text) {
		if o.Field == "env" {
			return
		}
		for _, part := range *t {
			if MaskString(part.Literal) != part.Literal {
				add(Literal{Process: o.Process, Field: o.Field, Name: o.File})
			}
		}
	})
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		q := p.Processes[id]
		for field, c := range q.commands() {
			for i := range c.Shell {
				if text := c.Shell[i].Literal; maskLine(text) != text {
					add(Literal{Process: id, Field: field})
				}
			}
			for i := range c.Exec {
				if _, literal := c.Exec[i].Literal(); literal && c.afterSecretFlag(i) {
					add(Literal{Process: id, Field: field})
				}
			}
		}
		for role, probe := range q.Probes() {
			if probe.HTTP == nil {
				continue
			}
			shown := maps.Clone(probe.HTTP.Headers)
			maskHeaders(shown)
			if !maps.Equal(shown, probe.HTTP.Headers) {
				add(Literal{Process: id, Field: string(role)})
			}
		}
	}
	return found
}
