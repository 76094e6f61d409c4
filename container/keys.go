package container

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// The paths of keys. sshd reads its host key from /run, which is always there. That is
// a copy of one that lasts longer, if there is a place for such a one.
const (
	sshFolder      = "/run/sshd"
	hostKeyName    = "ssh_host_ed25519_key"
	etcFolder      = "/etc/ssh"
	authorizedFile = "authorized_keys"
	maxKeyFile     = 1 << 20
)

// keyVars are the variables that hold public keys: ours, its singular, and RunPod's.
var keyVars = [...]string{"SSH_PUBLIC_KEYS", "SSH_PUBLIC_KEY", "PUBLIC_KEY"}

// hostKeys gives sshd its host key: the one on the volume, so that clients recognise
// a new container as the same host; or else that in /etc/ssh; or else a new one.
func hostKeys(_ context.Context, m *Machine) error {
	var kept []string
	if m.isVolume(m.workingDir()) {
		kept = append(kept, filepath.Join(m.workingDir(), ".nix2gpu", "ssh"))
	}
	kept = append(kept, etcFolder)
	var key []byte
	for _, dir := range append(kept, sshFolder) {
		data, err := safefile.ReadFile(m.path(filepath.Join(dir, hostKeyName)), maxKeyFile)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				m.Log.Warn("a host key is not used", "folder", dir, "err", err)
			}
			continue
		}
		if _, err := ssh.ParseRawPrivateKey(data); err != nil {
			m.Log.Warn("a host key is not used", "folder", dir, "err", err)
			continue
		}
		m.Log.Info("the host key is kept", "folder", dir)
		key = data
		break
	}
	if key == nil {
		var err error
		if key, err = newHostKey(); err != nil {
			return err
		}
		m.Log.Info("a host key was made")
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return err
	}
	public := ssh.MarshalAuthorizedKey(signer.PublicKey())
	for _, dir := range append(kept, sshFolder) {
		err := m.keepHostKey(dir, key, public)
		if err != nil && dir == sshFolder {
			return err
		}
		if err != nil {
			m.Log.Info("the host key is not kept here", "folder", dir, "err", err)
		}
	}
	return nil
}

func (m *Machine) keepHostKey(dir string, key, public []byte) error {
	mode := fs.FileMode(0o755)
	if dir != etcFolder && dir != sshFolder {
		mode = 0o700
	}
	if err := m.makeOpen(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := safefile.MakeFolder(m.path(dir), mode); err != nil {
		return err
	}
	private := filepath.Join(dir, hostKeyName)
	if data, err := safefile.ReadFile(m.path(private), maxKeyFile); err == nil && bytes.Equal(data, key) {
		return nil
	}
	if err := m.put(private, string(key), 0o600); err != nil {
		return err
	}
	return m.put(private+".pub", string(public), 0o644)
}

func newHostKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// isVolume reports whether something is mounted at dir or at a parent of it other than
// the root.
func (m *Machine) isVolume(dir string) bool {
	var here, root unix.Stat_t
	return unix.Stat(m.path(dir), &here) == nil && unix.Stat(m.path("/"), &root) == nil && here.Dev != root.Dev
}

// authorizedKeys adds the keys of the environment to root's. It also writes them to
// /run, which can be written to even if the root is read-only.
func authorizedKeys(_ context.Context, m *Machine) error {
	var given []string
	for _, name := range keyVars {
		value := m.getenv(name)
		// Platforms whose variables have only one line write \n between keys.
		for line := range strings.Lines(strings.ReplaceAll(value, `\n`, "\n")) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil {
				m.Tell(fmt.Sprintf("%s has a line that is not a public key: %q", name, shorten(line)), `a key is one line such as "ssh-ed25519 AAAA… name"`)
				continue
			}
			given = append(given, line)
		}
	}
	home := filepath.Join("/root/.ssh", authorizedFile)
	have, err := safefile.ReadFile(m.path(home), maxKeyFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	merged := mergeKeys(string(have), given)
	m.HasKeys = hasKey(merged)
	if len(given) == 0 { // keys given to an earlier life are not valid in this one
		err := os.Remove(m.path(filepath.Join(sshFolder, authorizedFile)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := m.put(filepath.Join(sshFolder, authorizedFile), strings.Join(given, "\n")+"\n", 0o644); err != nil {
		return err
	}
	if merged == string(have) {
		return nil
	}
	err = os.MkdirAll(m.path("/root"), 0o700)
	if err == nil {
		err = safefile.MakeFolder(m.path("/root/.ssh"), 0o700)
	}
	if err == nil {
		err = m.put(home, merged, 0o600)
	}
	if readOnly(err) {
		m.Log.Info("keys are kept in /run only: the root is read-only")
		return nil
	}
	return err
}

// shorten keeps out of the log what may be a private key, given by mistake.
func shorten(line string) string {
	const most = 20
	if len(line) <= most {
		return line
	}
	return line[:most] + "…"
}

// mergeKeys adds keys to a file of keys, unless it has them.
func mergeKeys(file string, given []string) string {
	known := map[string]bool{}
	for line := range strings.Lines(file) {
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil {
			known[string(key.Marshal())] = true
		}
	}
	for _, line := range given {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || known[string(key.Marshal())] {
			continue
		}
		known[string(key.Marshal())] = true
		if file != "" && !strings.HasSuffix(file, "\n") {
			file += "\n"
		}
		file += line + "\n"
	}
	return file
}

func hasKey(file string) bool {
	for line := range strings.Lines(file) {
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil {
			return true
		}
	}
	return false
}
