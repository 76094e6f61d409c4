package stage

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"nix2gpu/project"
	"nix2gpu/secret"
)

// withSecrets is a project with one process, and secrets of the root's files.
func withSecrets(secrets map[string]project.Secret, proc project.Process) (*project.Project, *project.Process) {
	proc.ID, proc.Service, proc.Role = "api", "api", project.Main
	proc.Command = project.Command{Exec: []project.Text{project.Lit("/bin/true")}}
	return &project.Project{
		Secrets:   secrets,
		Services:  map[project.ID]*project.Service{"api": {ID: "api", Type: "custom", Main: "api"}},
		Processes: map[project.ID]*project.Process{"api": &proc},
	}, &proc
}

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

func seal(t *testing.T, plain string, armored bool, to age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	lines := armor.NewWriter(&out)
	into := interface{ Write([]byte) (int, error) }(&out)
	if armored {
		into = lines
	}
	w, err := age.Encrypt(into, to)
	if err == nil {
		_, err = w.Write([]byte(plain))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil && armored {
		err = lines.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sshKey is an identity of ssh, locked with a passphrase unless that is "".
func sshKey(t *testing.T, passphrase string) (private []byte, to age.Recipient) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	to, err = agessh.ParseRecipient(string(ssh.MarshalAuthorizedKey(line)))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), to
}

// Every source gives what was put in, and says what is wrong without showing it.
func TestSourcesOfSecrets(t *testing.T) {
	const hunter = "hunter-two"
	s := newStage(t)
	s.environ = append(s.environ, "TOKEN="+hunter, "EMPTY=")
	at := func(name string) string { return filepath.Join(s.at.Root, name) }
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, toSSH := sshKey(t, "")
	locked, toLocked := sshKey(t, "passphrase")
	big := strings.Repeat("x", secret.MaxSize)
	for name, data := range map[string][]byte{
		"plain": []byte(hunter + "\n"), "big": []byte(big), "bigger": []byte(big + "x"), "empty": nil, "lines": []byte("\r\n\n"),
		"own": []byte(own.String()), "other": []byte(other.String()), "key": key, "locked": locked, "wrong": []byte(hunter), "half": key[:60],
		"armored.age": seal(t, hunter, true, own.Recipient()), "binary.age": seal(t, hunter, false, own.Recipient()),
		"ssh.age": seal(t, hunter, false, toSSH), "locked.age": seal(t, hunter, false, toLocked), "big.age": seal(t, big+"x", false, own.Recipient()),
		"cut.age": seal(t, hunter, false, own.Recipient())[:150], "none.age": seal(t, "\n", false, own.Recipient()),
	} {
		write(t, at(name), data, 0o600)
	}
	ids := func(names ...string) (list []project.Text) {
		for _, name := range names {
			list = append(list, project.RootPath("/"+name))
		}
		return list
	}
	file := func(name string) project.Secret { return project.Secret{File: project.RootPath("/" + name)} }
	sealed := func(name string, identities ...string) project.Secret {
		return project.Secret{Age: project.RootPath("/" + name), Identities: ids(identities...)}
	}
	for name, c := range map[string]struct {
		secret project.Secret
		want   string // of the content, or of the error
	}{
		"a file":                    {file("plain"), "=" + hunter},
		"as large as it may be":     {file("big"), "=" + big},
		"too large":                 {file("bigger"), "larger than 1048576 bytes"},
		"empty":                     {file("empty"), "is empty"},
		"a line end":                {file("lines"), "is empty"},
		"no file":                   {file("none"), "no such file or directory\nhint: make it"},
		"docker's":                  {project.Secret{File: project.Lit("/run/secrets/no-such-secret")}, "docker run -v ./no-such-secret:/run/secrets/no-such-secret:ro"},
		"a folder":                  {project.Secret{File: project.RootPath("")}, "not a plain file"},
		"a device":                  {project.Secret{File: project.Lit("/dev/zero")}, "not a plain file"},
		"a variable":                {project.Secret{Env: "TOKEN"}, "=" + hunter},
		"no variable":               {project.Secret{Env: "NONE"}, "variable NONE is not set"},
		"an empty variable":         {project.Secret{Env: "EMPTY"}, "variable EMPTY is empty"},
		"armored":                   {sealed("armored.age", "own"), "=" + hunter},
		"binary, the second of two": {sealed("binary.age", "other", "own"), "=" + hunter},
		"by ssh":                    {sealed("ssh.age", "none", "key"), "=" + hunter},
		"wrong identity":            {sealed("binary.age", "other", "none"), fmt.Sprintf("is not encrypted to any of the identities: %q, %q (no such file or directory)", at("other"), at("none"))},
		"no identity":               {sealed("binary.age", "none"), "no identity can be read"},
		"a locked key":              {sealed("locked.age", "locked"), "it needs a passphrase"},
		"no key":                    {sealed("binary.age", "wrong"), "it is not a file of identities"},
		"half a key":                {sealed("binary.age", "half"), "it is not an ssh key"},
		"no age file":               {sealed("plain", "own"), "is not an age file\nhint: if it is the secret itself"},
		"half an age file":          {sealed("cut.age", "own"), "is damaged"},
		"too much in it":            {sealed("big.age", "own"), "holds more than 1048576 bytes"},
		"nothing in it":             {sealed("none.age", "own"), "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Resolve(&project.Project{Secrets: map[string]project.Secret{"s": c.secret}}, project.SecretContent("s"))
			if want, ok := strings.CutPrefix(c.want, "="); ok {
				if err != nil || got != want {
					t.Errorf("got %.20q, %v", got, err)
				}
				return
			}
			if !isKind(err, BadSecret) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `secret "s": `) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), hunter) || strings.Contains(err.Error(), own.String()) || strings.Contains(err.Error(), "xxxx")) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
	for path, want := range map[string]string{"~/pass": "/home/me/pass", "~": s.at.Root + "/~"} {
		var got string
		if err := s.sourcePath(&project.Project{}, project.Lit(path), &got, 0); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", path, got, err, want)
		}
	}
}

// What cannot be a variable is refused with the reason, and can be a file.
func TestSecretsThatAreNoVariable(t *testing.T) {
	s := newStage(t)
	for name, c := range map[string]struct {
		content string
		want    string
	}{
		"zero": {"a\x00b", "it holds a zero byte"},
		"long": {strings.Repeat("x", maxVariable), "it has 131072 bytes, and Linux takes less than 131072"},
	} {
		write(t, filepath.Join(s.at.Root, name), []byte(c.content), 0o600)
		secrets := map[string]project.Secret{"s": {File: project.RootPath("/" + name)}}
		p, proc := withSecrets(secrets, project.Process{Env: map[string]project.Value{"TOKEN": {Text: project.SecretContent("s"), Secret: true}}})
		if _, err := s.Prepare(p, proc); !isKind(err, BadSecret) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `credentials = [ "s" ]`) {
			t.Errorf("%s: got %v, want %q and the cure", name, err, c.want)
		}
		p, proc = withSecrets(secrets, project.Process{Credentials: map[string]string{"f": "s"}})
		l, err := s.Prepare(p, proc)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(filepath.Join(variableOf(l, "CREDENTIALS_DIRECTORY"), "f")); err != nil || string(data) != c.content {
			t.Errorf("%s as a file: %d bytes, %v", name, len(data), err)
		}
	}
}

func variableOf(l *Launch, name string) string {
	for _, kv := range l.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// A variable that is a secret is its reader's alone, under the name that it has
// there.
func TestNobodyInheritsASecret(t *testing.T) {
	s := newStage(t)
	s.environ = append(s.environ, "HF_TOKEN=hunter")
	secrets := map[string]project.Secret{"hf": {Env: "HF_TOKEN"}}
	p, proc := withSecrets(secrets, project.Process{})
	l, err := s.Prepare(p, proc)
	if err != nil || slices.ContainsFunc(l.Env, func(kv string) bool { return strings.Contains(kv, "hunter") }) {
		t.Errorf("inherited: %v, %v", l, err)
	}
	proc.Env = map[string]project.Value{"TOKEN": {Text: project.SecretContent("hf"), Secret: true}}
	if l, err = s.Prepare(p, proc); err != nil || variableOf(l, "TOKEN") != "hunter" || variableOf(l, "HF_TOKEN") != "" {
		t.Errorf("named: %v, %v", l, err)
	}
	if _, err := os.Stat(s.at.Secrets); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file is needed, and there is a folder: %v", err)
	}
}

// The file of a secret is its reader's, made anew at each start, and linked
// from the path that was asked for.
func TestFilesOfSecrets(t *testing.T) {
	s := newStage(t)
	source, linked := filepath.Join(s.at.Root, "source"), filepath.Join(s.at.Run, "agenix", "db")
	p, proc := withSecrets(map[string]project.Secret{"db": {File: project.RootPath("/source"), Link: project.RunPath("/agenix/db")}},
		project.Process{Env: map[string]project.Value{"FILE": {Text: project.SecretPath("db")}}, Credentials: map[string]string{"a": "db", "b": "db"}})
	var l *Launch
	for _, content := range []string{"one\n", "two\n"} {
		write(t, source, []byte(content), 0o600)
		var err error
		if l, err = s.Prepare(p, proc); err != nil {
			t.Fatal(err)
		}
		dir := variableOf(l, "CREDENTIALS_DIRECTORY")
		for _, path := range []string{variableOf(l, "FILE"), linked, dir + "/a", dir + "/b"} {
			data, err := os.ReadFile(path)
			info, _ := os.Stat(path)
			if err != nil || string(data) != content || info.Mode().Perm() != 0o400 || !secret.InMemory(filepath.Dir(variableOf(l, "FILE"))) {
				t.Errorf("%s: %q, %v, %v", path, data, info.Mode(), err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder of credentials: %v, %v", info, err)
		}
	}
	// What it no longer names is taken away; and what is gone stops the next start.
	delete(proc.Credentials, "b")
	if _, err := s.Prepare(p, proc); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(variableOf(l, "CREDENTIALS_DIRECTORY")); err != nil || len(entries) != 1 {
		t.Errorf("credentials: %v, %v", entries, err)
	}
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(p, proc); !isKind(err, BadSecret) {
		t.Errorf("without the source: %v", err)
	}
	if _, err := s.PrepareExec(p, proc, proc.Command, nil); err != nil { // what runs goes on
		t.Errorf("a probe: %v", err)
	}
	// A file that stands where the link is to be is not written over.
	write(t, source, []byte("x"), 0o600)
	if err := errors.Join(os.Remove(linked), os.WriteFile(linked, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(p, proc); !isKind(err, BadSecret) || !strings.Contains(err.Error(), "something else is there") {
		t.Errorf("a file in the way: %v", err)
	}
}

// Root's file, closed to everyone, reaches the service of another user; a
// third user gets nowhere.
func TestSecretsOfOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can hand on what another user may not read")
	}
	s := newStage(t)
	s.search = false
	write(t, filepath.Join(s.at.Root, "source"), []byte("hunter\n"), 0o600)
	for dir := s.at.Root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := project.Secret{File: project.RootPath("/source")}
	p, proc := withSecrets(map[string]project.Secret{"db": own}, project.Process{User: "65534",
		Env: map[string]project.Value{"FILE": {Text: project.SecretPath("db")}}, Credentials: map[string]string{"a": "db"}})
	l, err := s.Prepare(p, proc)
	if err != nil {
		t.Fatal(err)
	}
	user := &account{uid: 65534, gid: 65534, other: true}
	stranger := &account{uid: 65533, gid: 65533, other: true}
	for _, path := range []string{variableOf(l, "FILE"), variableOf(l, "CREDENTIALS_DIRECTORY") + "/a"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if folder := user.closed(path); folder != "" || !user.may(info, 4) {
			t.Errorf("%s: its user cannot read it (%q, %v)", path, folder, info.Mode())
		}
		if stranger.may(info, 4) {
			t.Errorf("%s: others can read it", path)
		}
	}
	if folder := stranger.closed(variableOf(l, "CREDENTIALS_DIRECTORY") + "/a"); folder == "" {
		t.Error("others enter the folder of credentials")
	}
	own.Owner = "65533"
	p.Secrets["db"] = own
	if _, err := s.Prepare(p, proc); !isKind(err, BadSecret) || !strings.Contains(err.Error(), `for user "65533" with mode 0400: user`) {
		t.Errorf("another owner: %v", err)
	}
	own.Mode = "0444"
	p.Secrets["db"] = own
	if _, err := s.Prepare(p, proc); err != nil {
		t.Errorf("for all: %v", err)
	}
}

// Where nothing is in memory, no file with a secret is written.
func TestNoPlaceForSecrets(t *testing.T) {
	for name, dir := range map[string]string{"none": "", "a disk": t.TempDir() + "/secrets/key"} {
		s := newStage(t)
		if secret.InMemory(filepath.Dir(filepath.Dir(s.at.Root))) {
			t.Skip("the temporary folder is in memory itself")
		}
		s.at.Secrets = dir
		write(t, filepath.Join(s.at.Root, "source"), []byte("hunter\n"), 0o600)
		secrets := map[string]project.Secret{"db": {File: project.RootPath("/source")}}
		for _, proc := range []project.Process{
			{Env: map[string]project.Value{"FILE": {Text: project.SecretPath("db")}}},
			{Credentials: map[string]string{"a": "db"}},
			{Files: []project.File{{Path: project.RunPath("/x"), Content: project.SecretContent("db")}}},
		} {
			p, proc := withSecrets(secrets, proc)
			if _, err := s.Prepare(p, proc); !isKind(err, BadSecret) || !strings.Contains(err.Error(), "--tmpfs /run") {
				t.Errorf("%s: got %v, want the cure", name, err)
			}
		}
		if err := filepath.WalkDir(filepath.Dir(s.at.Run), func(path string, d fs.DirEntry, err error) error {
			if data, _ := os.ReadFile(path); strings.Contains(string(data), "hunter") && filepath.Base(path) != "source" {
				t.Errorf("%s: %s holds the secret", name, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSecretsWhileOthersComeAndGo: the folder above ours is every project's. The
// first makes it and the last removes it, which may come between any two of our
// steps.
func TestSecretsWhileOthersComeAndGo(t *testing.T) {
	s := newStage(t)
	if err := s.CheckMemory(); err != nil {
		t.Fatal(err)
	}
	s.at.Secrets = filepath.Join(filepath.Dir(s.at.Secrets), "shared", "ours")
	shared := filepath.Dir(s.at.Secrets)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				os.Remove(shared) // no more than an empty folder goes
				os.Mkdir(shared, 0o711)
			}
		}
	}()
	for range 3000 {
		if err := s.makeSecrets("env", false); err != nil {
			t.Errorf("makeSecrets = %v", err)
			break
		}
		os.RemoveAll(s.at.Secrets)
	}
	close(stop)
	<-ended
}
