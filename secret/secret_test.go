package secret_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"nix2gpu/secret"
)

const hush = "hush-hush"

// A folder holds the files of a test.
type folder struct {
	*testing.T
	dir string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) write(name, content string) string {
	f.Helper()
	if err := os.WriteFile(f.path(name), []byte(content), 0o600); err != nil {
		f.Fatal(err)
	}
	return f.path(name)
}

// identity makes an age key.
func (f folder) identity(name string) (path string, to age.Recipient) {
	f.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	return f.write(name, "# made by a test\n"+key.String()+"\n"), key.Recipient()
}

// sshKey makes an ssh key, with a passphrase if one is given.
func (f folder) sshKey(name, passphrase string) (path string, to age.Recipient) {
	f.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		f.Fatal(err)
	}
	own, err := ssh.NewPublicKey(public)
	if err != nil {
		f.Fatal(err)
	}
	recipient, err := agessh.ParseRecipient(string(ssh.MarshalAuthorizedKey(own)))
	if err != nil {
		f.Fatal(err)
	}
	return f.write(name, string(pem.EncodeToMemory(block))), recipient
}

func (f folder) seal(name, text string, armored bool, to ...age.Recipient) string {
	f.Helper()
	var out bytes.Buffer
	var in io.WriteCloser = nopCloser{&out}
	if armored {
		in = armor.NewWriter(&out)
	}
	w, err := age.Encrypt(in, to...)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Close(), in.Close()); err != nil {
		f.Fatal(err)
	}
	return f.write(name, out.String())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestRead(t *testing.T) {
	f := newFolder(t)
	key, to := f.identity("key")
	sshKey, toSSH := f.sshKey("ssh", "")
	locked, _ := f.sshKey("locked", "a passphrase")
	for name, s := range map[string]secret.Source{
		"a file":            {File: f.write("plain", hush)},
		"a variable":        {Env: "HUSH"},
		"age's own key":     {Age: f.seal("a.age", hush, false, to), Identities: []string{key}},
		"armored":           {Age: f.seal("b.age", hush, true, to), Identities: []string{key}},
		"a key of ssh":      {Age: f.seal("c.age", hush, false, toSSH), Identities: []string{sshKey}},
		"to several":        {Age: f.seal("d.age", hush, false, to, toSSH), Identities: []string{sshKey}},
		"the last that can": {Age: f.path("a.age"), Identities: []string{f.path("none"), f.path("plain"), locked, sshKey, key}},
	} {
		got, err := s.Read([]string{"HUSH=another", "HUSHED=third", "HUSH=" + hush})
		if string(got) != hush || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// The line end stays: only the caller knows whether it belongs to the secret.
	if got, err := (secret.Source{File: f.write("line", hush+"\r\n")}).Read(nil); string(got) != hush+"\r\n" || err != nil {
		t.Errorf("with a line end: %q, %v", got, err)
	}
	binary := "\x00\xff\n" + hush
	if got, err := (secret.Source{File: f.write("binary", binary)}).Read(nil); string(got) != binary || err != nil {
		t.Errorf("of any bytes: %q, %v", got, err)
	}
}

// An error names the file and a cure, and nothing of what was read.
func TestReadErrors(t *testing.T) {
	f := newFolder(t)
	key, to := f.identity("key")
	other, _ := f.identity("other")
	locked, _ := f.sshKey("locked", "a passphrase")
	sealed := f.seal("a.age", hush, false, to)
	whole, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(f.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source secret.Source
		want   []string
		is     error
	}{
		"no file":            {secret.Source{File: f.path("none")}, []string{f.path("none"), "no such file", "hint: make it"}, fs.ErrNotExist},
		"not mounted":        {secret.Source{File: "/run/secrets/not-there"}, []string{"hint: mount it: docker run -v ./not-there:/run/secrets/not-there:ro"}, fs.ErrNotExist},
		"a folder":           {secret.Source{File: f.dir}, []string{f.dir, "not a plain file"}, nil},
		"a pipe":             {secret.Source{File: f.path("pipe")}, []string{f.path("pipe"), "not a plain file"}, nil},
		"empty":              {secret.Source{File: f.write("empty", "\r\n")}, []string{"is empty", "hint: write the secret into it"}, nil},
		"too big":            {secret.Source{File: f.write("big", strings.Repeat("x", secret.MaxSize+1))}, []string{f.path("big")}, nil},
		"no variable":        {secret.Source{Env: "HUSH"}, []string{"variable HUSH is not set", "docker run -e HUSH"}, fs.ErrNotExist},
		"an empty variable":  {secret.Source{Env: "EMPTY"}, []string{"variable EMPTY is empty"}, nil},
		"no encrypted file":  {secret.Source{Age: f.path("none.age"), Identities: []string{key}}, []string{f.path("none.age"), "no such file"}, fs.ErrNotExist},
		"no identity":        {secret.Source{Age: sealed}, []string{sealed, "no identity can be read"}, nil},
		"identities unread":  {secret.Source{Age: sealed, Identities: []string{f.path("none"), locked}}, []string{f.path("none") + `" (no such file`, locked + `" (it needs a passphrase)`, "mount"}, nil},
		"no identity's file": {secret.Source{Age: sealed, Identities: []string{f.path("empty"), f.write("pem", "-----BEGIN X-----\n"+hush)}}, []string{"it is not a file of identities", "not an ssh key"}, nil},
		"another's":          {secret.Source{Age: sealed, Identities: []string{other}}, []string{"is not encrypted to any of the identities", other}, nil},
		"not encrypted":      {secret.Source{Age: f.write("plain.age", hush), Identities: []string{key}}, []string{"plain.age", "is not an age file", "hint: if it is the secret itself, name it as file"}, nil},
		"cut short":          {secret.Source{Age: f.write("short.age", string(whole[:len(whole)-5])), Identities: []string{key}}, []string{"is damaged"}, nil},
		"changed":            {secret.Source{Age: f.write("flip.age", string(whole[:len(whole)-3])+"zzz"), Identities: []string{key}}, []string{"is damaged"}, nil},
		"encrypted nothing":  {secret.Source{Age: f.seal("nothing.age", "", false, to), Identities: []string{key}}, []string{"is empty"}, nil},
		"encrypted too much": {secret.Source{Age: f.seal("much.age", strings.Repeat("x", secret.MaxSize+1), false, to), Identities: []string{key}}, []string{"more than 1048576 bytes"}, nil},
	} {
		data, err := c.source.Read([]string{"EMPTY="})
		if err == nil || data != nil {
			t.Errorf("%s: %q, %v", name, data, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %q", name, err, want)
			}
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", name, err, c.is)
		}
		if strings.Contains(err.Error(), hush) || strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%s: the error shows what was read: %v", name, err)
		}
	}
}

func TestReadEncrypted(t *testing.T) {
	f := newFolder(t)
	_, to := f.identity("key")
	for _, armored := range []bool{false, true} {
		path := f.seal("a.age", hush, armored, to)
		want, _ := os.ReadFile(path)
		if got, err := secret.ReadEncrypted(path); !bytes.Equal(got, want) || err != nil {
			t.Errorf("armored %t: %d bytes, %v", armored, len(got), err)
		}
	}
	for _, path := range []string{f.write("plain", hush), f.path("none"), f.dir} {
		if got, err := secret.ReadEncrypted(path); err == nil || strings.Contains(err.Error(), hush) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestHoldsIdentity(t *testing.T) {
	f := newFolder(t)
	path, _ := f.identity("key")
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		string(key): true, "key: \"" + strings.Fields(string(key))[len(strings.Fields(string(key)))-1] + "\"": true,
		"": false, "AGE-SECRET-KEY-1": false, "begins with AGE-SECRET-KEY-1QQQQ and has 58 more": false, "AGE-SECRET-KEY-1" + strings.Repeat("b", 58): false,
	} {
		if got := secret.HoldsIdentity([]byte(text)); got != want {
			t.Errorf("%.40q: %t, want %t", text, got, want)
		}
	}
}

func TestInMemory(t *testing.T) {
	for dir, want := range map[string]bool{"/dev/shm": true, "/dev/shm/none/yet": true, "/proc": false, "/proc/none": false} {
		if got := secret.InMemory(dir); got != want {
			t.Errorf("%s: %t, want %t", dir, got, want)
		}
	}
}

// The files of identities come from strangers, and so does what they decrypt.
func FuzzRead(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n-> X25519 x\nx\n--- x\nx"), []byte("AGE-SECRET-KEY-1"+strings.Repeat("Q", 58)))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"), []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
	f.Add([]byte(hush), []byte(""))
	f.Fuzz(func(t *testing.T, cipher, key []byte) {
		d := newFolder(t)
		data, err := secret.Source{Age: d.write("c", string(cipher)), Identities: []string{d.write("k", string(key))}}.Read(nil)
		var known *secret.Error
		if err != nil && (!errors.As(err, &known) || data != nil) {
			t.Errorf("%q, %v", data, err)
		}
	})
}
