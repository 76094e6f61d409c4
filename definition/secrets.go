package definition

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// secretOptions are the options of one secret of the container.
func secretOptions() module.Options {
	file := module.OneOf(module.String, module.Path)
	null := func(t module.Type, example any, doc string) module.Option {
		return module.Option{Type: module.NullOr(t), Default: module.Null, Example: example, Description: doc}
	}
	return module.Options{
		"file":  null(file, "/run/secrets/hf", "A file that holds the secret, such as docker and Kubernetes mount below /run/secrets."),
		"age":   null(file, module.Expr("./hf.age"), "A file that holds the secret encrypted with age, to one of age.identityPaths."),
		"env":   null(module.String, "HF_TOKEN", "A variable of the environment of whoever starts nix2gpu. No service inherits it."),
		"owner": null(module.String, "postgres", "The user who may read the secret's file; unless set, that of the services that name it."),
		"mode":  {Type: module.String, Default: "0400", Description: "The mode of the secret's file, in octal digits."},
		"path":  secretPath("The secret's file, for commands and options that take one. It lies in memory while services run; a path that is set becomes a link to it."),
	}
}

func secretPath(doc string) module.Option {
	return module.Option{Type: module.String, DefaultText: "a file in memory", Description: doc,
		DefaultFrom: func(c *module.Config) any {
			return module.Str{S: catalog.SecretsPrefix + c.Name(), Context: []string{"secret:" + c.Name()}}
		}}
}

// ageOptions are the options for secrets in the words of agenix.
func ageOptions() module.Options {
	file := module.OneOf(module.String, module.Path)
	return module.Options{
		"enable":  {Type: module.Bool, Default: true, Description: "Whether the secrets of age.secrets are there."},
		"package": {Type: module.NullOr(module.Raw), Default: module.Null, NoEffect: "nix2gpu decrypts by itself", Description: "Taken for agenix; without effect: nix2gpu decrypts by itself."},
		"secrets": {Type: module.AttrsOf(module.Submodule(module.Schema{Options: module.Options{
			"file":    {Type: file, Example: module.Expr("./hf.age"), Description: "The encrypted file."},
			"name":    {Type: module.NullOr(module.String), Default: module.Null, Description: "The name of the secret's file in age.secretsDir; the secret's own name unless set."},
			"path":    secretPath("As path of secrets.<name>."),
			"owner":   {Type: module.NullOr(module.String), Default: module.Null, Description: "As owner of secrets.<name>."},
			"mode":    {Type: module.String, Default: "0400", Description: "As mode of secrets.<name>."},
			"symlink": {Type: module.Bool, Default: true, Description: "Accepted for agenix: a path is a link always, since the secret stays in memory."},
		}})), Default: map[string]any{}, Example: module.Expr("{ hf.file = ./hf.age; }"), Description: "Secrets that are encrypted with age: another way to write secrets.<name>.age."},
		"identityPaths": {Type: module.ListOf(file), Default: []any{"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ed25519_key"},
			Description: "Files of keys that decrypt secrets, age's own or ssh's, tried in order. They must not be in the definition's folder, so that no image holds them."},
		"secretsDir":        {Type: module.NullOr(module.String), Default: module.Null, Example: "/run/agenix", Description: "A folder in which links lead to the secrets of age.secrets while services run."},
		"secretsMountPoint": {Type: module.NullOr(module.String), Default: module.Null, NoEffect: "nix2gpu chooses a folder in memory", Description: "Taken for agenix; without effect: nix2gpu chooses a folder in memory."},
	}
}

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
