package project

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// An Owner says where a text stands in a project.
type Owner struct {
	Process ID     // empty for a text of the container, of a secret or of one of Project.Files
	File    string // the name in Project.Files, for a text of such a file
	Field   string // "command", "env", "files", …
	Name    string // for "env" and "envCommands" the variable, for "secrets" the secret
}

// A TextVisitor is called with one text after the other, and may assign to *t.
type TextVisitor func(o Owner, t *Text)

// EachText calls visit with every text of p, in a stable order. It is the only list of
// them: a new field that holds a text is added here, and all who look for packages,
// files, secrets or places find it.
func (p *Project) EachText(visit TextVisitor) {
	p.Container.EachText(visit)
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		p.Processes[id].EachText(visit)
	}
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		if w := p.Services[id].Watch; w != nil {
			for i := range w.Paths {
				visit(Owner{Process: p.Services[id].Main, Field: "watch"}, &w.Paths[i].Path)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		p.Files[name].eachText(Owner{File: name, Field: "files"}, visit)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		p.eachOfSecret(Owner{Field: "secrets", Name: name}, name, visit)
	}
}

// EachText calls visit with every text of the container, in a stable order.
func (c *Container) EachText(visit TextVisitor) {
	c.eachEnv(visit)
	for _, name := range slices.Sorted(maps.Keys(c.EnvCommands)) {
		eachOfCommand(Owner{Field: "envCommands", Name: name}, &c.EnvCommands[name].Command, visit)
	}
	visit(Owner{Field: "startup"}, &c.Startup)
	eachOf(Owner{Field: "copyToRoot"}, c.CopyToRoot, visit)
}

// eachEnv visits the environment that every process gets.
func (c *Container) eachEnv(visit TextVisitor) { eachValue(Owner{Field: "env"}, c.Env, visit) }

// EachText calls visit with the path, the content, the source and the link of the file.
func (f *File) EachText(visit TextVisitor) { f.eachText(Owner{Field: "files"}, visit) }

func (f *File) eachText(o Owner, visit TextVisitor) {
	visit(o, &f.Path)
	visit(o, &f.Content)
	visit(o, &f.Source)
	visit(o, &f.Link)
}

// EachText calls visit with every text of the process, in a stable order.
func (q *Process) EachText(visit TextVisitor) {
	at := func(field string) Owner { return Owner{Process: q.ID, Field: field} }
	eachOfCommand(at("command"), &q.Command, visit)
	eachValue(at("env"), q.Env, visit)
	eachOf(at("envFiles"), q.EnvFiles, visit)
	visit(at("dir"), &q.Dir)
	eachOf(at("path"), q.Path, visit)
	for i := range q.Files {
		q.Files[i].eachText(at("files"), visit)
	}
	for i := range q.Dirs {
		visit(at("dirs"), &q.Dirs[i].Path)
	}
	for role, probe := range q.Probes() {
		probe.eachText(at(string(role)), visit)
	}
	if q.Test != nil {
		eachOfCommand(at("test"), &q.Test.Command, visit)
	}
	if q.Shutdown.Command != nil {
		eachOfCommand(at("shutdown"), q.Shutdown.Command, visit)
	}
	for i := range q.Limits.IO.Max {
		visit(at("limits"), &q.Limits.IO.Max[i].Path)
	}
	eachOf(at("settings"), q.Settings.Writable, visit)
	visit(at("log"), &q.Log.File)
}

func (pr *Probe) eachText(o Owner, visit TextVisitor) {
	if pr.Exec != nil {
		eachOfCommand(o, &pr.Exec.Command, visit)
		visit(o, &pr.Exec.Dir)
	}
	if pr.Server != nil {
		visit(o, &pr.Server.Socket)
		visit(o, &pr.Server.StatusFile)
	}
}

// commands yields every command of the process, with the Owner.Field of its texts.
func (q *Process) commands() iter.Seq2[string, *Command] {
	return func(yield func(string, *Command) bool) {
		if !yield("command", &q.Command) {
			return
		}
		for role, probe := range q.Probes() {
			if probe.Exec != nil && !yield(string(role), &probe.Exec.Command) {
				return
			}
		}
		if q.Test != nil && !yield("test", &q.Test.Command) {
			return
		}
		if q.Shutdown.Command != nil {
			yield("shutdown", q.Shutdown.Command)
		}
	}
}

func eachOfCommand(o Owner, c *Command, visit TextVisitor) {
	eachOf(o, c.Exec, visit)
	visit(o, &c.Shell)
}

func eachOf(o Owner, list []Text, visit TextVisitor) {
	for i := range list {
		visit(o, &list[i])
	}
}

// eachValue visits the values of an environment. It stores a value only if its text was
// assigned: others may be reading the project at the same time.
func eachValue(o Owner, env map[string]Value, visit TextVisitor) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		v := env[name]
		before := v.Text
		o.Name = name
		visit(o, &v.Text)
		if !sameText(before, v.Text) {
			env[name] = v
		}
	}
}

// sameText reports whether two texts share their memory, so that neither was assigned.
func sameText(a, b Text) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Uses lists, sorted, the generated files that texts name, directly or through other
// files and through secrets. Each of walks visits some texts, as p.Container.EachText
// does. A name that stands for a folder adds all files in it.
func (p *Project) Uses(walks ...func(TextVisitor)) []string {
	used, secrets := map[string]bool{}, map[string]bool{}
	var visit TextVisitor
	visit = func(_ Owner, t *Text) {
		for _, part := range *t {
			for _, name := range []*string{part.Secret, part.SecretFile} {
				if name != nil && !secrets[*name] {
					secrets[*name] = true
					p.eachOfSecret(Owner{}, *name, visit)
				}
			}
			if part.File == nil {
				continue
			}
			for name, f := range p.Files {
				if !used[name] && isOrHolds(*part.File, name) {
					used[name] = true
					f.EachText(visit)
				}
			}
		}
	}
	for _, walk := range walks {
		walk(visit)
	}
	return slices.Sorted(maps.Keys(used))
}

// isOrHolds reports whether named is the generated file name or a folder that holds it.
func isOrHolds(named, name string) bool {
	return name == named || strings.HasPrefix(name, named+"/")
}
