package definition

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// secrets sets the secrets of the project.
func (b *builder) secrets() {
	b.project.Secrets = map[string]project.Secret{}
	b.place.Links = map[string]string{}
	for _, c := range b.Each("secrets") {
		s := b.secret(c)
		s.File, s.Age, s.Env = b.secretFile(c, "file"), b.secretFile(c, "age"), c.String("env")
		b.project.Secrets[c.Name()] = s
	}
	b.ageSecrets()
	for name, s := range b.project.Secrets {
		if len(s.Age) > 0 {
			s.Identities = b.identities()
			b.project.Secrets[name] = s
		}
	}
	if len(b.project.Secrets) == 0 {
		b.project.Secrets = nil // as after a round trip through JSON
	}
}

// secret returns what secrets.<name> and age.secrets.<name> have in common.
func (b *builder) secret(c *module.Config) project.Secret {
	if strings.Contains(c.Name(), "/") { // a slash marks the secrets of options that name a file themselves
		c.Errorf("the name of secret %q must not contain a slash", c.Name())
	}
	s := project.Secret{Owner: c.String("owner"), Mode: c.String("mode"), Pos: b.projectPos(c.Pos())}
	if c.IsSet("path") {
		s.Link = b.link(c.Get("path"), c.Name(), c.String("path"))
	}
	return s
}

// link notes one more path of a secret: wherever the definition has that path, it means
// the secret.
func (b *builder) link(c *module.Config, secret, at string) project.Text {
	if !path.IsAbs(at) || path.Clean(at) == "/" {
		c.Errorf("the path of secret %q must be absolute, not %q", secret, at)
		return nil
	}
	at = path.Clean(at)
	if other, taken := b.place.Links[at]; taken {
		c.Errorf("the secrets %q and %q have the same path %q\n  hint: give one of them another path", other, secret, at)
	}
	b.place.Links[at] = secret
	return project.Lit(at)
}

// secretFile returns the source of a secret. A file that the definition generates is an
// error: it would be in the project and in the image, for everyone to read.
func (b *builder) secretFile(c *module.Config, option string) project.Text {
	if !c.Has(option) {
		return nil
	}
	text := b.place.Path(c.Str(option))
	for _, part := range text {
		switch {
		case part.File != nil:
			c.Get(option).Errorf("the file of secret %q is made by the definition: whoever reads that reads the secret too\n  hint: name a file that only you can read: \"/run/secrets/%s\"", c.Name(), c.Name())
			return project.Lit("/")
		case part.SecretFile != nil:
			c.Get(option).Errorf("secret %q cannot come from the file of another\n  hint: name what that one comes from", c.Name())
			return project.Lit("/")
		}
	}
	return text
}

// variable returns the value of a variable of the container.
func (b *builder) variable(c *module.Config) project.Value {
	if c.Kind() != module.KindAttrs {
		return project.Value{Text: b.place.Scalar(c)}
	}
	name := c.String("secret")
	if _, ok := b.project.Secrets[name]; !ok || strings.Contains(name, "/") {
		msg, hint := b.project.UnknownSecret(name)
		c.Get("secret").Errorf("%s\n  hint: %s", msg, hint)
		return project.Value{Text: project.Lit("")}
	}
	return project.Value{Text: project.SecretContent(name), Secret: true}
}

func (b *builder) ageSecrets() {
	age := b.Get("age")
	secrets := age.Each("secrets")
	if !age.Bool("enable") {
		if len(secrets) > 0 {
			b.notes = append(b.notes, note{age.Pos("enable"), "age.enable is false: there are no secrets of age.secrets"})
		}
		return
	}
	for option, why := range map[string]string{
		"package":           "nix2gpu decrypts by itself",
		"secretsMountPoint": "secrets lie in memory, where config.age.secrets.<name>.path says",
	} {
		if age.IsSet(option) {
			b.notes = append(b.notes, note{age.Pos(option), fmt.Sprintf("not used: age.%s; %s", option, why)})
		}
	}
	dir := age.String("secretsDir")
	for _, c := range secrets {
		name := c.Name()
		if _, twice := b.project.Secrets[name]; twice {
			c.Errorf("secret %q is defined twice: as age.secrets.%s and as secrets.%s\n  hint: remove one of them", name, name, name)
			continue
		}
		s := b.secret(c)
		s.Age = b.secretFile(c, "file")
		switch {
		case len(s.Link) > 0:
		case dir != "":
			s.Link = b.link(age.Get("secretsDir"), name, strings.TrimSuffix(dir, "/")+"/"+cmp.Or(c.String("name"), name))
		case c.Has("name"):
			b.notes = append(b.notes, note{c.Pos("name"), fmt.Sprintf("not used: the name of secret %q, as there is no age.secretsDir", name)})
		}
		if !c.Bool("symlink") {
			b.notes = append(b.notes, note{c.Pos("symlink"), fmt.Sprintf("not used: symlink; a path of secret %q is a link, since it stays in memory", name)})
		}
		b.project.Secrets[name] = s
	}
}

// identities returns the files of keys. None may be where an image could get it from,
// together with what it decrypts.
func (b *builder) identities() []project.Text {
	var list []project.Text
	for _, c := range b.List("age", "identityPaths") {
		s := c.Str()
		text := b.place.Path(s)
		if _, outside := text.Literal(); !outside || len(s.Context) > 0 {
			c.Errorf("the age identity %q would be inside the image, beside what it decrypts\n  hint: keep it outside the definition's folder, and mount it: identityPaths = [ \"/run/secrets/identity\" ]", s.S)
			continue
		}
		list = append(list, text)
	}
	return list
}
