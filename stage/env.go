package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/dotenv"
	"nix2gpu/project"
	"nix2gpu/safefile"
)

type environment map[string]string

func (e environment) list() []string {
	out := slices.AppendSeq(make([]string, 0, len(e)), maps.Keys(e))
	slices.Sort(out)
	for i, k := range out {
		out[i] = k + "=" + e[k]
	}
	return out
}

// defaultPath is the PATH of processes if we have none ourselves, as PID 1 of an
// image may.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// env assembles the environment of a process from ours, the container's, that of
// the account, the environment files in their order, and the process's own. Later
// ones win.
func (s *Stage) env(p *project.Project, proc *project.Process, user *account, cwd string) (environment, error) {
	env := make(environment, len(s.environ)+len(proc.Env)+8)
	for _, kv := range s.environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env[k] = v
		}
	}
	delete(env, "OLDPWD")
	delete(env, "NOTIFY_SOCKET") // ours, not theirs
	delete(env, "LISTEN_FDS")
	delete(env, "LISTEN_PID")
	for _, own := range p.Secrets {
		if own.Env != "" { // only processes that name the secret get it
			delete(env, own.Env)
		}
	}
	if p.Container.Tailscale != nil {
		delete(env, project.TailscaleKey)
	}
	if env["PATH"] == "" {
		env["PATH"] = defaultPath
	}
	if err := s.addEnv(p, env, p.SharedEnv(proc)); err != nil {
		return nil, err
	}
	if user.other {
		env["HOME"], env["USER"], env["LOGNAME"] = user.home, user.name, user.name
		// They belong to the session of whoever started us, and are closed to others.
		for _, k := range []string{"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "MAIL"} {
			delete(env, k)
		}
	}
	env["PWD"] = cwd
	bins, err := s.bins(p, proc)
	if err != nil {
		return nil, err
	}
	env["PATH"] = strings.Join(append(bins, env["PATH"]), ":")
	for _, file := range proc.EnvFiles {
		if err := s.addEnvFile(p, env, file); err != nil {
			return nil, err
		}
	}
	if len(proc.Credentials) > 0 {
		dir, err := s.credentialsDir(proc)
		if err != nil {
			return nil, err
		}
		env["CREDENTIALS_DIRECTORY"] = dir
	}
	switch passages, err := s.passages(p, proc); {
	case err != nil:
		return nil, err
	case passages != "":
		env[project.PassagesVar] = passages
	}
	inherited := env["PATH"]
	if err := s.addEnv(p, env, proc.Env); err != nil {
		return nil, err
	}
	if env["PATH"] != inherited { // the process has set its own, which goes first
		env["PATH"] += strings.TrimSuffix(":"+strings.Join(bins, ":"), ":")
	}
	return env, nil
}

func (s *Stage) addEnv(p *project.Project, env environment, values map[string]project.Value) error {
	for _, k := range slices.Sorted(maps.Keys(values)) {
		v, err := s.Resolve(p, values[k].Text)
		if err != nil {
			return err
		}
		if err := checkSecretValue(k, values[k].Text, v); err != nil {
			return err
		}
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return &Error{Kind: BadText, Msg: fmt.Sprintf("environment variable %q cannot be passed to a process", k),
				Hint: "a name must not contain \"=\", and neither may contain a zero byte"}
		}
		env[k] = v
	}
	return nil
}

// bins returns the folders that go first in PATH: the process's own, then those of
// its packages and of the container's. It leaves out those that don't exist.
func (s *Stage) bins(p *project.Project, proc *project.Process) ([]string, error) {
	var dirs []string
	add := func(dir string) {
		if _, err := os.Stat(dir); err == nil && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, text := range proc.Path {
		dir, err := s.Resolve(p, text)
		if err != nil {
			return nil, err
		}
		add(dir)
	}
	for _, ref := range slices.Concat(proc.Packages, p.Container.SystemPkgs) {
		dir, err := s.packagePath(&project.PackagePart{Attr: ref.Attr, Sub: "/bin"})
		if err != nil {
			return nil, err
		}
		add(dir)
	}
	return dirs, nil
}

// maxEnvFile bounds what is read of an environment file, in bytes. No process can
// get more.
const maxEnvFile = 4 << 20

// addEnvFile reads one environment file. If its path begins with "-", it may be
// missing.
func (s *Stage) addEnvFile(p *project.Project, env environment, file project.Text) error {
	name, err := s.Resolve(p, file)
	if err != nil {
		return err
	}
	name, optional := strings.CutPrefix(name, "-")
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.at.Root, name)
	}
	data, err := safefile.ReadNamed(name, maxEnvFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && optional:
		return nil
	case err != nil:
		e := fileError(BadFile, "cannot read environment file", name, err)
		if errors.Is(err, fs.ErrNotExist) {
			e.Hint = "make it, or write \"-\" before the path when it may be missing"
		}
		return e
	}
	vars, bad := dotenv.Parse(string(data))
	if len(bad) > 0 {
		return &Error{Kind: BadFile, Msg: fmt.Sprintf("%s:%v", name, bad[0]), cause: bad[0]}
	}
	for _, v := range vars {
		env[v.Name] = v.Value
	}
	return nil
}
