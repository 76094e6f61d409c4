package stage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
	"nix2gpu/secret"
)

// Folders in the folder of secrets.
const (
	pathFolder        = "files"       // secrets that processes name as files
	credentialsFolder = "credentials" // one folder for each process
	asideFolder       = "aside"       // generated files with secrets in them
)

// CheckSecret returns why a secret can't be read. It keeps nothing of the secret.
func (s *Stage) CheckSecret(p *project.Project, name string) error {
	_, err := s.readSecret(p, name, 0)
	return err
}

// CheckEnvFile returns why an environment file can't be read.
func (s *Stage) CheckEnvFile(p *project.Project, file project.Text) error {
	if slices.ContainsFunc(file, func(part project.Part) bool { return part.SecretFile != nil }) {
		return nil // it will be made from the secret, which has a check of its own
	}
	return s.addEnvFile(p, environment{}, file)
}

// secret returns the content of a secret, without the line end that editors put
// there.
func (s *Stage) secret(p *project.Project, name string, depth int) (string, error) {
	if s.looking {
		return project.Mask, nil
	}
	data, err := s.readSecret(p, name, depth)
	return strings.TrimRight(string(data), "\r\n"), err
}

func (s *Stage) readSecret(p *project.Project, name string, depth int) ([]byte, error) {
	own, ok := p.Secrets[name]
	if !ok {
		msg, hint := p.UnknownSecret(name)
		return nil, &Error{Kind: BadSecret, Msg: msg, Hint: hint}
	}
	source := secret.Source{Env: own.Env}
	err := s.sourcePath(p, own.File, &source.File, depth)
	if err == nil {
		err = s.encrypted(p, own, name, &source.Age, depth)
	}
	source.Identities = make([]string, len(own.Identities))
	for i := range own.Identities {
		if err == nil {
			err = s.sourcePath(p, own.Identities[i], &source.Identities[i], depth)
		}
	}
	if err != nil {
		return nil, err
	}
	data, err := source.Read(s.environ)
	var e *secret.Error
	if errors.As(err, &e) {
		return nil, &Error{Kind: BadSecret, Msg: fmt.Sprintf("secret %q: %s", name, e.Msg), Hint: e.Hint, cause: e}
	}
	return data, err
}

// encrypted finds the encrypted file of a secret. Our image's own goes first, since a
// volume may cover the folder of the definition.
func (s *Stage) encrypted(p *project.Project, own project.Secret, name string, to *string, depth int) error {
	if s.at.Shipped != "" && own.Ships() {
		shipped := filepath.Join(s.at.Shipped, name+".age")
		if _, err := os.Lstat(shipped); err == nil {
			*to = shipped
			return nil
		}
	}
	return s.sourcePath(p, own.Age, to, depth)
}

// sourcePath resolves the path of a file of the user's. "~/" is the home of whoever
// runs nix2gpu.
func (s *Stage) sourcePath(p *project.Project, t project.Text, to *string, depth int) error {
	if len(t) == 0 {
		return nil
	}
	path, err := s.resolve(p, t, plain, depth+1)
	if err != nil {
		return err
	}
	if below, ok := strings.CutPrefix(path, "~/"); ok {
		for _, kv := range s.environ {
			if home, ok := strings.CutPrefix(kv, "HOME="); ok {
				path = filepath.Join(home, below)
			}
		}
	}
	*to = s.absolute(path)
	return nil
}

// maxVariable is Linux's limit for "NAME=value" and its zero byte.
const maxVariable = 128 << 10

// checkSecretValue returns why a value with a secret in it can't be a variable.
func checkSecretValue(name string, t project.Text, value string) error {
	i := slices.IndexFunc(t, func(part project.Part) bool { return part.Secret != nil })
	if i < 0 {
		return nil
	}
	why := ""
	switch {
	case strings.ContainsRune(value, 0):
		why = "it holds a zero byte"
	case len(name)+1+len(value)+1 > maxVariable:
		why = fmt.Sprintf("it has %d bytes, and Linux takes less than %d", len(value), maxVariable)
	default:
		return nil
	}
	return &Error{Kind: BadSecret, Msg: fmt.Sprintf("secret %q cannot be the environment variable %s: %s", *t[i].Secret, name, why),
		Hint: fmt.Sprintf("give the service its file instead: credentials = [ %q ]", *t[i].Secret)}
}

// secretFiles writes the files of the secrets that proc names, and no others. It does
// so at each start, because secrets change.
func (s *Stage) secretFiles(p *project.Project, proc *project.Process, user *account) error {
	for _, use := range p.SecretUses(proc) {
		if !use.Path || use.Field == "credentials" {
			continue
		}
		if err := s.writeSecret(p, use.Secret, user); err != nil {
			return err
		}
	}
	if len(proc.Credentials) > 0 {
		return s.writeCredentials(p, proc, user)
	}
	return nil
}

// secretPath returns where the file of a secret is.
func (s *Stage) secretPath(name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", &Error{Kind: BadText, Msg: fmt.Sprintf("secret %q must have a plain name", name)}
	}
	return s.inMemory(pathFolder, name)
}

// writeSecret makes the file of a secret and the link to it. It fails if user can't
// read the file.
func (s *Stage) writeSecret(p *project.Project, name string, user *account) error {
	path, err := s.secretPath(name)
	if err != nil {
		return err
	}
	own := p.Secrets[name]
	data, err := s.readSecret(p, name, 0)
	if own.Optional && errors.Is(err, fs.ErrNotExist) {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) { // an earlier start has written it
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	ownerName, _ := p.SecretOwner(name)
	owner, err := s.user(p, ownerName)
	if err != nil {
		return err
	}
	if err := s.makeSecrets(pathFolder, user.other || owner.other); err != nil {
		return err
	}
	own.Mode = cmp.Or(own.Mode, "0400")
	if err := s.put(path, string(data), own.Mode, owner); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && s.root && !user.may(info, 4) {
		return &Error{Kind: BadSecret, Msg: fmt.Sprintf("the file of secret %q is for user %q with mode %s: user %q cannot read it", name, owner, own.Mode, user),
			Hint: "correct owner or mode, or give the service a file of its own with credentials"}
	}
	if len(own.Link) == 0 {
		return nil
	}
	at, err := s.path(p, own.Link)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(at); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return &Error{Kind: BadSecret, Msg: fmt.Sprintf("secret %q cannot be linked from %q: something else is there", name, at), Hint: "remove it, or correct the path"}
	}
	// A second link tells whoever clears the folder of secrets, perhaps after we
	// were killed, which link outside it must go, too.
	if err := s.makeSecrets(rundir.SecretLinks, false); err != nil {
		return err
	}
	if err := link(filepath.Join(s.at.Secrets, rundir.SecretLinks, digest(at)), at); err != nil {
		return err
	}
	return link(at, path)
}

// digest returns a short file name for a path.
func digest(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8])
}

// credentialsDir returns the folder of a process's credentials.
func (s *Stage) credentialsDir(proc *project.Process) (string, error) {
	return s.inMemory(credentialsFolder, proc.ID.FileName())
}

// writeCredentials makes the folder of a process's credentials, which only its user
// can enter. It removes what an earlier start has left there.
func (s *Stage) writeCredentials(p *project.Project, proc *project.Process, user *account) error {
	dir, err := s.credentialsDir(proc)
	if err != nil {
		return err
	}
	if err := s.makeSecrets(credentialsFolder, user.other); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return makeError(dir, err)
	}
	for file, name := range proc.Credentials {
		data, err := s.readSecret(p, name, 0)
		if err != nil {
			return err
		}
		if err := s.put(filepath.Join(dir, file), string(data), "0400", user); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return makeError(dir, err)
	}
	for _, entry := range entries {
		if _, named := proc.Credentials[entry.Name()]; !named {
			os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	return s.give(dir, user)
}

// putText writes content, which the text t was resolved to. If there is a secret in
// it, the file is in memory, and path a link to it.
func (s *Stage) putText(path string, t project.Text, content, mode string, owner *account) error {
	if !slices.ContainsFunc(t, func(part project.Part) bool { return part.Secret != nil }) {
		return s.put(path, content, mode, owner)
	}
	return s.putAside(path, content, cmp.Or(mode, "0400"), owner)
}

// putAside writes content to a file in memory and makes path a link to that.
func (s *Stage) putAside(path, content, mode string, owner *account) error {
	aside, err := s.inMemory(asideFolder, digest(path)+"-"+filepath.Base(path))
	if err != nil {
		return err
	}
	if err := s.makeSecrets(asideFolder, owner.other); err != nil {
		return err
	}
	if err := s.put(aside, content, mode, owner); err != nil {
		return err
	}
	return link(path, aside)
}

// inMemory returns a path below the folder of secrets.
func (s *Stage) inMemory(folder, name string) (string, error) {
	if s.at.Secrets == "" {
		return "", noMemory("neither /run nor /dev/shm is in memory")
	}
	return filepath.Join(s.at.Secrets, folder, name), nil
}

// CheckMemory returns why there is no place for the files of secrets.
func (s *Stage) CheckMemory() error {
	if _, err := s.inMemory("", ""); err != nil {
		return err
	}
	if !secret.InMemory(s.at.Secrets) {
		return noMemory(fmt.Sprintf("%q is not in memory", s.at.Secrets))
	}
	return nil
}

func noMemory(why string) *Error {
	return &Error{Kind: BadSecret, Msg: "there is no place in memory for secrets: " + why,
		Hint: "mount one: docker run --tmpfs /run, or: mount -t tmpfs tmpfs /dev/shm"}
}

// makeSecrets makes a folder in the folder of secrets. If others is set, other users
// may pass through it, but not list it.
func (s *Stage) makeSecrets(folder string, others bool) error {
	mode := os.FileMode(0o700)
	if others && s.root {
		mode = 0o711
	}
	// All projects share the outermost folder, and the last that ends removes it,
	// perhaps while we make ours.
	err := rundir.Again(func() error {
		return s.makeFolders(mode, filepath.Dir(s.at.Secrets), s.at.Secrets, filepath.Join(s.at.Secrets, folder))
	})
	if err != nil {
		return err
	}
	return s.CheckMemory()
}

func (s *Stage) makeFolders(mode os.FileMode, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return makeError(dir, err)
		}
		if err := safefile.MakeFolder(dir, mode); err != nil {
			return &Error{Kind: BadSecret, Msg: fmt.Sprintf("secrets cannot be kept: %v", err), cause: err}
		}
		info, err := os.Stat(dir)
		if err != nil {
			return makeError(dir, err)
		}
		// An earlier start may have needed fewer rights. More than ours it has only
		// if somebody else has granted them.
		if perm := info.Mode().Perm(); s.owns(info) && (perm|mode != perm || perm&^0o711 != 0) {
			if err := os.Chmod(dir, perm&0o711|mode); err != nil {
				return makeError(dir, err)
			}
		}
	}
	return nil
}

func (s *Stage) owns(info os.FileInfo) bool { return ownerOf(info) == uint32(os.Geteuid()) }
