package project

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/spelling"
)

// A Secret says where a secret comes from; it never holds the content. Exactly one of
// File, Age and Env is set.
type Secret struct {
	File Text   `json:"file,omitempty"` // a file
	Age  Text   `json:"age,omitempty"`  // a file that is encrypted with age
	Env  string `json:"env,omitempty"`  // a variable of nix2gpu's own environment; no process inherits it

	// Identities are files of keys that may decrypt Age. They are tried in order; one
	// that cannot be read is passed over.
	Identities []Text `json:"identities,omitempty"`

	// Owner and Mode are those of the file that Part.SecretFile names.
	Owner string `json:"owner,omitempty"` // default: the user of the processes that name it
	Mode  string `json:"mode,omitempty"`  // octal; default: "0400"
	Link  Text   `json:"link,omitempty"`  // one more path of that file, a link

	// Optional lets processes start without the file if the secret is missing.
	Optional bool `json:"optional,omitempty"`

	Pos Pos `json:"pos,omitzero"`
}

// Source says in a word or two where the secret comes from: "file ./key", "env TOKEN".
func (s Secret) Source() string {
	switch {
	case len(s.File) > 0:
		return "file " + s.File.String()
	case len(s.Age) > 0:
		return "age " + s.Age.String()
	}
	return "env " + s.Env
}

// Ships reports whether an image holds the encrypted file of the secret, because it is
// in the definition's folder.
func (s Secret) Ships() bool { return len(s.Age) > 0 && s.Age[0].Root != nil }

// eachOfSecret visits the texts of a secret. It stores the secret only if a text was
// assigned: others may be reading the project at the same time.
func (p *Project) eachOfSecret(o Owner, name string, visit TextVisitor) {
	s, ok := p.Secrets[name]
	if !ok {
		return
	}
	changed := false
	each := func(t *Text) {
		before := *t
		visit(o, t)
		changed = changed || !sameText(before, *t)
	}
	each(&s.File)
	each(&s.Age)
	identities := slices.Clone(s.Identities)
	for i := range identities {
		each(&identities[i])
	}
	each(&s.Link)
	if changed {
		s.Identities = identities
		p.Secrets[name] = s
	}
}

// A SecretUse is one way in which a process gets a secret.
type SecretUse struct {
	Secret  string
	Process ID
	Field   string // as in Owner: "env", "files", …; or "credentials"
	Name    string // for "env" the variable, for "credentials" the file
	Path    bool   // the process gets the path of the secret's file, not its content
}

// SecretUses lists all secrets that a process gets: through its own texts, through the
// container's environment, and through the generated files that these name. A nil
// process gets none.
func (p *Project) SecretUses(q *Process) []SecretUse {
	if q == nil {
		return nil
	}
	var uses []SecretUse
	add := func(use SecretUse) {
		use.Process = q.ID
		if !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
	}
	visit := func(o Owner, t *Text) {
		for _, part := range *t {
			switch {
			case part.Secret != nil:
				add(SecretUse{Secret: *part.Secret, Field: o.Field, Name: o.Name})
			case part.SecretFile != nil:
				add(SecretUse{Secret: *part.SecretFile, Field: o.Field, Name: o.Name, Path: true})
			}
		}
	}
	eachValue(Owner{Field: "env"}, p.SharedEnv(q), visit)
	q.EachText(visit)
	for _, name := range p.Uses(p.Container.eachEnv, q.EachText) {
		p.Files[name].eachText(Owner{File: name, Field: "files"}, visit)
	}
	for _, file := range slices.Sorted(maps.Keys(q.Credentials)) {
		add(SecretUse{Secret: q.Credentials[file], Field: "credentials", Name: file, Path: true})
	}
	return uses
}

// SharedEnv returns the part of the container's environment that a process gets: all of
// it, but no secret for a system service. Secrets are meant for the services of the
// definition, and sshd must start even if one is missing. Do not change the result.
func (p *Project) SharedEnv(q *Process) map[string]Value {
	s := p.Services[q.Service]
	if s == nil || !s.System {
		return p.Container.Env
	}
	env := maps.Clone(p.Container.Env)
	maps.DeleteFunc(env, func(_ string, v Value) bool {
		return slices.ContainsFunc(v.Text, func(part Part) bool { return part.Secret != nil || part.SecretFile != nil })
	})
	return env
}

// SecretOwner returns the user that the file of a secret belongs to: the one that the
// secret names, else the user of the processes that name the file's path. Root does not
// count, since it reads everything. If there are several such users, it returns them
// sorted, and no owner.
func (p *Project) SecretOwner(name string) (owner string, several []string) {
	if s := p.Secrets[name]; s.Owner != "" {
		return s.Owner, nil
	}
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		q := p.Processes[id]
		if q.User == "" || q.User == "root" || q.User == "0" || slices.Contains(several, q.User) {
			continue
		}
		if slices.ContainsFunc(p.SecretUses(q), func(u SecretUse) bool {
			return u.Secret == name && u.Path && u.Field != "credentials"
		}) {
			several = append(several, q.User)
		}
	}
	if len(several) > 1 {
		slices.Sort(several)
		return "", several
	}
	return strings.Join(several, ""), nil
}

// SecretNames lists the secrets that users can name, sorted.
func (p *Project) SecretNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Secrets)), func(name string) bool {
		return strings.Contains(name, "/") // made by an option that names a file itself
	})
}

// UnknownSecret returns the message for a name that is no secret's, with a hint at the
// one that may be meant.
func (p *Project) UnknownSecret(name string) (msg, hint string) {
	known := p.SecretNames()
	msg = fmt.Sprintf("there is no secret %q", name)
	switch near := spelling.Nearest(name, known); {
	case near != "":
		hint = fmt.Sprintf("did you mean %q?", near)
	case len(known) > 0:
		hint = "the secrets are " + strings.Join(known, ", ")
	default:
		hint = fmt.Sprintf("say where it comes from: secrets.%q.file = \"/run/secrets/%s\"", name, name)
	}
	return msg, hint
}

// goodVariable reports whether every shell can set a variable of that name.
func goodVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func (e *Errors) checkSecrets(p *Project) {
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		s := p.Secrets[name]
		for _, part := range strings.Split(name, "/") {
			if !goodName().MatchString(part) {
				e.add(s.Pos, "", "", "secret name %q must consist of letters, digits and any of _ . : @ + -, and begin with a letter or digit", name)
				break
			}
		}
		var sources []string
		for source, set := range map[string]bool{"file": !s.File.IsEmpty(), "age": !s.Age.IsEmpty(), "env": s.Env != ""} {
			if set {
				sources = append(sources, source)
			}
		}
		slices.Sort(sources)
		switch {
		case len(sources) == 0:
			e.add(s.Pos, "", "set one of file, age and env", "secret %q has no source", name)
		case len(sources) > 1:
			e.add(s.Pos, "", "keep one of them", "secret %q must have one source, and has %s", name, strings.Join(sources, " and "))
		case s.Env != "" && !goodVariable(s.Env):
			e.add(s.Pos, "", "", "the variable of secret %q must be a name such as %q, not %q", name, "HF_TOKEN", s.Env)
		case !s.Age.IsEmpty() && len(s.Identities) == 0:
			e.add(s.Pos, "", "set age.identityPaths", "secret %q is encrypted, and there is no identity to decrypt it with", name)
		}
		if n, err := strconv.ParseUint(s.Mode, 8, 32); s.Mode != "" && (err != nil || n > 0o777) {
			e.add(s.Pos, "", "", "the mode of secret %q must be octal, such as \"0440\", not %q", name, s.Mode)
		}
		if s.Owner != "" && !goodUser().MatchString(strings.ToLower(s.Owner)) {
			e.add(s.Pos, "", "", "the owner of secret %q must be the name of a user or a number, not %q", name, s.Owner)
		}
		if _, several := p.SecretOwner(name); len(several) > 1 {
			e.add(s.Pos, "", "set its owner and mode, or give each service a file of its own with credentials",
				"the file of secret %q is read by several users: %s", name, strings.Join(several, ", "))
		}
	}
	e.checkSecretUses(p)
}

// checkSecretUses checks that each secret that is named exists, and that contents stand
// only in variables and files: everyone on the machine can read a command line.
func (e *Errors) checkSecretUses(p *Project) {
	unknown := func(pos Pos, service ID, who, name string) {
		if _, ok := p.Secrets[name]; !ok {
			msg, hint := p.UnknownSecret(name)
			e.add(pos, service, hint, "%s: %s", who, msg)
		}
	}
	p.EachText(func(o Owner, t *Text) {
		pos, service, who := p.about(o)
		for _, part := range *t {
			for _, name := range []*string{part.Secret, part.SecretFile} {
				if name != nil {
					unknown(pos, service, who, *name)
				}
			}
			switch {
			case part.Secret != nil && (o.Field != "env" && o.Field != "files" || o.File != ""):
				e.add(pos, service, "pass it in a variable, or in a file of the process", "%s: the content of secret %q must not stand in %s, where others read it", who, *part.Secret, o.Field)
			case part.SecretFile != nil && o.Field == "startup":
				e.add(Pos{}, "", "let a service do it", "extraStartupScript cannot read the file of secret %q: files of secrets are made when a service that names them starts", *part.SecretFile)
			case part.SecretFile != nil && o.Field == "secrets":
				e.add(p.Secrets[o.Name].Pos, "", "name what that one comes from", "secret %q cannot come from another secret", o.Name)
			}
		}
	})
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		pos, service, who := p.about(Owner{Process: id})
		for _, file := range slices.Sorted(maps.Keys(p.Processes[id].Credentials)) {
			if !goodName().MatchString(file) {
				e.add(pos, service, "", "%s: the credential %q must have a plain name", who, file)
			}
			unknown(pos, service, who, p.Processes[id].Credentials[file])
		}
	}
}
