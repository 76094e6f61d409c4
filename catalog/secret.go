package catalog

import (
	"net/url"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// secretName returns the name of a secret of the container, or "" with an error
// recorded when c names none.
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
	return project.Lit("/") // secretName has recorded the error
}

// secretText returns the secret that c has in option, or in a file by the option of the
// same name that ends in File; nil when neither is set. A file is read at each start,
// without the line end at its end, and never becomes part of the project: the instance
// has it as a secret under name.
func (in *Instance) secretText(c *module.Config, option, name string) project.Text {
	twin := option + "File"
	if !c.Has(twin) {
		if !c.Has(option) {
			return nil
		}
		return in.textOrSecret(c.Get(option))
	}
	if c.Has(option) {
		c.Get(twin).Errorf("%s and %s must not both be set", option, twin)
	}
	file := in.keyFile(c.Get(twin))
	if len(file) == 1 && file[0].SecretFile != nil {
		return project.SecretContent(*file[0].SecretFile)
	}
	name = strings.ReplaceAll(string(in.ID), "/", "-") + "/" + name
	in.project.Secrets = orNew(in.project.Secrets)
	in.project.Secrets[name] = project.Secret{File: file, Pos: in.place.pos(c.Pos(twin))}
	return project.SecretContent(name)
}

// textOrSecret returns the text of c, or a reference to the secret that c names. For an
// unknown secret it records an error and returns an empty text.
func (in *Instance) textOrSecret(c *module.Config) project.Text {
	if c.Kind() != module.KindAttrs {
		return in.place.Text(c.Str())
	}
	if name := in.secretName(c.Get("secret")); name != "" {
		return project.SecretContent(name)
	}
	return project.Lit("")
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

// Passwords lists the options of enabled services that hold a password as plain text,
// which every reader of the project can see.
func Passwords(services *module.Config) []*module.Config {
	var found []*module.Config
	add := func(c *module.Config) {
		if c.Kind() == module.KindStr && c.String() != "" {
			found = append(found, c)
		}
	}
	basicAuth := func(c *module.Config) {
		for _, user := range c.Each("basicAuth") {
			add(user)
		}
	}
	for _, t := range Types() {
		for _, c := range services.Each(t.Name) {
			if !c.Bool("enable") {
				continue
			}
			switch t.Name {
			case "redis":
				add(c.Get("requirePass"))
				add(c.Get("masterAuth"))
			case "postgresql":
				add(c.Get("standbyOf", "password"))
			case "rabbitmq":
				add(c.Get("cookie"))
			case "minio":
				add(c.Get("secretKey"))
			case "mlflow":
				for _, option := range []string{"backendStoreUri", "registryStoreUri"} {
					if at, err := url.Parse(c.String(option)); err == nil && at.User != nil {
						if _, has := at.User.Password(); has {
							add(c.Get(option))
						}
					}
				}
			case "mongodb":
				add(c.Get("password"))
			case "neo4j", "pgadmin":
				add(c.Get("initialPassword"))
			case "qdrant":
				add(c.Get("apiKey"))
			case "searxng":
				add(c.Get("secret_key"))
			case "open-webui":
				add(c.Get("secretKey"))
			case "jupyter":
				add(c.Get("token"))
			case "vllm":
				add(c.Get("apiKey"))
				add(c.Get("hfToken"))
			case "pgbouncer":
				for _, user := range c.Each("users") {
					add(user)
				}
			case "mysql":
				for _, user := range c.List("ensureUsers") {
					add(user.Get("password"))
				}
				add(c.Get("replication", "masterPassword"))
			case "nginx":
				for _, host := range c.Each("virtualHosts") {
					basicAuth(host)
					for _, location := range host.Each("locations") {
						basicAuth(location)
					}
				}
			}
		}
	}
	return found
}
