package catalog

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// secretName is the name of a secret that the container has; "" when c names
// none, which is said.
func (in *Instance) secretName(c *module.Config) string {
	name := c.String()
	if _, ok := in.project.Secrets[name]; ok && !strings.Contains(name, "/") {
		return name
	}
	msg, hint := in.project.UnknownSecret(name)
	c.Errorf("%s\n  hint: %s", msg, hint)
	return ""
}

// keyFile is the path of a file that others must not read: one of the user's,
// or that of a secret.
func (in *Instance) keyFile(c *module.Config) project.Text {
	if c.Kind() != module.KindAttrs {
		return in.place.Path(c.Str())
	}
	if name := in.secretName(c.Get("secret")); name != "" {
		return project.SecretPath(name)
	}
	return project.Lit("/") // an error is known
}

// secretContent is what is in such a file, without the line end. It is read at
// each start, and is no part of the project.
func (in *Instance) secretContent(option string) project.Text {
	file := in.keyFile(in.Get(option))
	if len(file) == 1 && file[0].SecretFile != nil {
		return project.SecretContent(*file[0].SecretFile)
	}
	name := strings.ReplaceAll(string(in.ID), "/", "-") + "/" + option
	in.project.Secrets = orNew(in.project.Secrets)
	in.project.Secrets[name] = project.Secret{File: file, Pos: in.place.pos(in.Pos(option))}
	return project.SecretContent(name)
}

// addCredentials gives a process the secrets that the option credentials names.
func (in *Instance) addCredentials(proc *project.Process) {
	add := func(file string, c *module.Config) {
		if name := in.secretName(c); name != "" {
			proc.Credentials = orNew(proc.Credentials)
			proc.Credentials[file] = name
		}
	}
	for _, c := range in.List("credentials") {
		add(c.String(), c)
	}
	for _, c := range in.Each("credentials") {
		if c.Kind() == module.KindAttrs {
			add(c.Name(), c.Get("secret"))
		} else {
			add(c.Name(), c)
		}
	}
}
