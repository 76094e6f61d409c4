package image_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"nix2gpu/image"
	"nix2gpu/project"
)

// sealed encrypts a text to a new key.
func sealed(t *testing.T, text string) (cipher []byte, key string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), identity.String()
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// An image has the encrypted files of its definition as they are, away from where
// volumes are mounted; those that come from elsewhere it has not.
func TestEncryptedSecretsShip(t *testing.T) {
	p := shop()
	ids := []project.Text{project.Lit("/run/secrets/identity")}
	p.Secrets = map[string]project.Secret{
		"hf":      {Age: project.RootPath("/sealed/hf.age"), Identities: ids},
		"mounted": {Age: project.Lit("/run/secrets/x.age"), Identities: ids},
		"plain":   {File: project.RootPath("/plain")},
	}
	s := spec(t, p)
	cipher, _ := sealed(t, "hush-hush")
	write(t, filepath.Join(s.Root, "sealed/hf.age"), cipher)
	write(t, filepath.Join(s.Root, "plain"), []byte("hush-hush"))
	b := build(t, s)
	shown, content := root(t, b)
	if content["etc/nix2gpu/secrets/hf.age"] != string(cipher) || shown["etc/nix2gpu/secrets/hf.age"] != "0 0644 0:0 " {
		t.Errorf("the encrypted file is %q, %d bytes", shown["etc/nix2gpu/secrets/hf.age"], len(content["etc/nix2gpu/secrets/hf.age"]))
	}
	for name, text := range content {
		if strings.Contains(text, "hush-hush") || strings.HasPrefix(name, "etc/nix2gpu/secrets/") && name != "etc/nix2gpu/secrets/hf.age" && text != "" {
			t.Errorf("%s is in the image", name)
		}
	}
	// They are part of what the last layer depends on.
	before := digest(t, b)
	if again := digest(t, build(t, s)); again != before {
		t.Errorf("the same secrets make %s, and before %s", again, before)
	}
	other, _ := sealed(t, "hush-hush")
	write(t, filepath.Join(s.Root, "sealed/hf.age"), other)
	if again := digest(t, build(t, s)); again == before {
		t.Error("a secret that was encrypted anew leaves the image as it was")
	}
}

// What is secret, or decrypts what is, does not get into an image.
func TestSecretsAreRefused(t *testing.T) {
	cipher, key := sealed(t, "hush-hush")
	ids := []project.Text{project.Lit("/etc/ssh/ssh_host_ed25519_key")}
	pos := project.Pos{File: "nix2gpu.nix", Line: 3, Col: 5}
	for name, c := range map[string]struct {
		change func(p *project.Project, s *image.Spec)
		want   []string
	}{
		"no encrypted file": {func(p *project.Project, s *image.Spec) { os.Remove(filepath.Join(s.Root, "hf.age")) },
			[]string{"nix2gpu.nix:3:5", `secret "hf": cannot read`, "no such file"}},
		"not encrypted": {func(p *project.Project, s *image.Spec) {
			write(t, filepath.Join(s.Root, "hf.age"), []byte("hush-hush"))
		}, []string{"nix2gpu.nix:3:5", "hf.age", "is not an age file", "name it as file"}},
		"an identity in a file": {func(p *project.Project, s *image.Spec) {
			write(t, filepath.Join(s.Root, "rootfs/etc/keys.txt"), []byte(strings.Repeat("#", 32<<10-20)+"\n"+key+"\n"+strings.Repeat("#", 100<<10)))
		}, []string{`copyToRoot: "/etc/keys.txt" holds an age identity`, "hint: leave it out, and mount it"}},
		"an identity in a generated file": {func(p *project.Project, s *image.Spec) {
			name := "1234-keys.txt"
			p.Files = map[string]*project.File{name: {Content: project.Lit(key)}}
			p.Container.CopyToRoot = append(p.Container.CopyToRoot, project.Text{{File: &name}})
		}, []string{"holds an age identity"}},
		"an identity in a command": {func(p *project.Project, s *image.Spec) {
			p.Processes["web"].Command.Exec = append(p.Processes["web"].Command.Exec, project.Lit("--key="+key))
		}, []string{"the definition holds an age identity"}},
		"the key of an identity's path": {func(p *project.Project, s *image.Spec) {
			write(t, filepath.Join(s.Root, "rootfs/etc/ssh/ssh_host_ed25519_key"), []byte("a key of ssh"))
		}, []string{`"/etc/ssh/ssh_host_ed25519_key" decrypts the secret "hf"`}},
		"the secret itself": {func(p *project.Project, s *image.Spec) {
			p.Secrets["plain"] = project.Secret{File: project.RootPath("/rootfs/etc/plain")}
			write(t, filepath.Join(s.Root, "rootfs/etc/plain"), []byte("hush-hush"))
		}, []string{`"/etc/plain" is the secret "plain"`, "mount it"}},
		"a definition with one": {func(p *project.Project, s *image.Spec) {
			write(t, filepath.Join(s.Root, "rootfs/src/nix2gpu.nix"), []byte("hush-hush"))
			s.Plain = []string{filepath.Join(s.Root, "rootfs/src/nix2gpu.nix")}
		}, []string{`"/src/nix2gpu.nix" holds secrets in plain text`, "leave it out"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := shop()
			p.Secrets = map[string]project.Secret{"hf": {Age: project.RootPath("/hf.age"), Identities: ids, Pos: pos}}
			p.Container.CopyToRoot = []project.Text{project.RootPath("/rootfs")}
			s := spec(t, p)
			write(t, filepath.Join(s.Root, "hf.age"), cipher)
			write(t, filepath.Join(s.Root, "rootfs/etc/motd"), []byte("an age identity begins with AGE-SECRET-KEY-1\n"))
			build(t, s)
			c.change(p, &s)
			_, err := image.Build(t.Context(), s)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "hush-hush") || strings.Contains(err.Error(), key)) {
				t.Errorf("the error shows it: %v", err)
			}
		})
	}
}
