package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// forImage returns the definition as its image holds it: without secrets that stand
// as text in environments. It prints which these are, what looks like a secret
// elsewhere, and which files of secrets the image lacks.
func (l *loaded) forImage(env *Env) (*loaded, error) {
	l.placeTexts()
	valid, found, err := l.withoutLiterals()
	if err != nil {
		return nil, err
	}
	some := l.warnOfLiterals(env, found)
	l.warnOfPlaces(env)
	out := *l
	out.project, out.valid = valid.Project(), valid
	if some {
		out.plain = l.files
	}
	return &out, nil
}

// warnOfLiterals warns of all secrets in plain text, and reports whether there are any.
// check and build print the same warnings, since these follow from the definition alone.
func (l *loaded) warnOfLiterals(env *Env, found []project.Literal) (some bool) {
	for _, lit := range found {
		l.warnOfLiteral(env, lit)
	}
	passwords := catalog.Passwords(l.config.Get("services"))
	for _, c := range passwords {
		at := c.Path()[len(l.config.Path()):]
		path := module.ShowPath(at)
		l.warn(env, l.optionPos(at...), path+" is a password in plain text, and the image has it, for whoever gets the image",
			fmt.Sprintf(`%s = { secret = "NAME"; }`, path))
	}
	return len(found)+len(passwords) > 0
}

// placeTexts notes in the project where the definition has the texts that servers
// test, for a machine on which the definition is not.
func (l *loaded) placeTexts() {
	l.project.PlaceTexts(func(name string) (string, bool) {
		data, err := os.ReadFile(absolute(l.root, name))
		return string(data), err == nil
	})
}

// withoutLiterals returns the project for images, and the secrets that were taken
// out of it.
func (l *loaded) withoutLiterals() (project.Valid, []project.Literal, error) {
	p, found := l.project.WithoutLiterals()
	if p == l.project {
		return l.valid, found, nil
	}
	valid, err := project.Validated(p)
	if err != nil {
		return project.Valid{}, nil, &invalid{l.root, err}
	}
	return valid, found, nil
}

func (l *loaded) warn(env *Env, pos project.Pos, text, cure string) {
	at := ""
	if pos.File != "" {
		pos.File = within(env.Dir, absolute(l.root, pos.File))
		at = pos.String() + ": "
	}
	fmt.Fprintf(env.Stderr, "%swarning: %s\nhint: %s\n", at, text, cure)
}

func (l *loaded) warnOfLiteral(env *Env, lit project.Literal) {
	proc, label, pos := l.project.Processes[lit.Process], "", project.Pos{}
	var svc *project.Service
	if proc != nil {
		if svc = l.project.Services[proc.Service]; svc != nil {
			label, pos = svc.Label, svc.Pos
		}
	}
	if lit.Field != "env" {
		what, cure := fmt.Sprintf("the %s of %q", lit.Field, label), "pass it as a secret: in a variable, or by the path of its file"
		if svc != nil {
			if at, set := svc.Options[lit.Field]; set {
				pos = at
			}
		}
		switch {
		case proc == nil && lit.Field == "files":
			what = fmt.Sprintf("the generated file %q", lit.Name)
		case proc == nil:
			what = "the " + lit.Field + " of the container"
		case lit.Field == string(project.ReadinessProbe), lit.Field == string(project.LivenessProbe), lit.Field == string(project.StartupProbe):
			what = fmt.Sprintf("the %s probe of %q", lit.Field, label)
		case lit.Field == "command":
			cure = `write "$PASSWORD" in its place, with environment.PASSWORD = { secret = "NAME"; }`
		}
		l.warn(env, pos, what+" has what looks like a secret, and so has the image, for whoever gets it", cure)
		return
	}
	what, at := "env."+lit.Name, [][]string{{"env", lit.Name}, {"extraEnv", lit.Name}}
	if svc != nil {
		what = fmt.Sprintf("%s of %q", lit.Name, label)
		at = [][]string{{"services", svc.Type, svc.Instance, "environment", lit.Name}, {"services", svc.Type, svc.Instance, "environment"}}
	}
	for _, path := range at {
		if p := l.optionPos(path...); p.File != "" {
			pos = p
			break
		}
	}
	l.warn(env, pos, fmt.Sprintf("%s is a secret in plain text: the image does not have it, and a container must be given it", what),
		fmt.Sprintf("docker run -e %s; or name a secret in the place of the text: { secret = \"NAME\"; }, with secrets.NAME.file = \"/run/secrets/NAME\"", lit.From))
}

// warnOfPlaces names the files in the definition's folder that services read secrets
// from: the image has none of them.
func (l *loaded) warnOfPlaces(env *Env) {
	dir := orElse(l.project.Container.WorkingDir, "/workspace")
	said := map[string]bool{}
	say := func(pos project.Pos, what string, file project.Text) {
		file = slices.Clone(file)
		if len(file) == 0 || file[0].Root == nil || said[file.String()] {
			return
		}
		said[file.String()] = true
		l.warn(env, pos, fmt.Sprintf("%s is read from %s, which the image lacks", what, file),
			fmt.Sprintf("mount it: docker run -v %s:%s%s:ro; or name it by its path in the container: \"/run/secrets/NAME\"", file, dir, strings.TrimPrefix(file.String(), ".")))
	}
	for _, name := range slices.Sorted(maps.Keys(l.project.Secrets)) {
		s := l.project.Secrets[name]
		say(s.Pos, fmt.Sprintf("secret %q", name), s.File)
	}
	for _, id := range l.project.Shipped() {
		svc := l.project.Services[id]
		for _, proc := range svc.ProcessIDs() {
			for _, file := range l.project.Processes[proc].EnvFiles {
				say(svc.Pos, fmt.Sprintf("environmentFile of %q", svc.Label), file)
			}
		}
	}
}
