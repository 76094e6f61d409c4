package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/project"
)

// An optional secret that is not there has no file, also where an earlier start
// has made one; what else is wrong with it is still an error.
func TestOptionalSecret(t *testing.T) {
	s := newStage(t)
	source := filepath.Join(s.at.Root, "key")
	p := &project.Project{Secrets: map[string]project.Secret{"key": {File: project.RootPath("/key"), Optional: true}}}
	proc := &project.Process{Command: project.Command{Exec: []project.Text{project.Lit("/bin/true"), project.SecretPath("key")}}}
	prepare := func() (string, error) {
		l, err := s.Prepare(p, proc)
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(l.Argv[1])
		if os.IsNotExist(err) {
			return "none", nil
		}
		return string(data), err
	}
	for _, c := range []struct {
		change func() error
		want   string
	}{
		{func() error { return nil }, "none"},
		{func() error { return os.WriteFile(source, []byte("hush"), 0o600) }, "hush"},
		{func() error { return os.Remove(source) }, "none"},
		{func() error { return os.WriteFile(source, []byte("hush again"), 0o600) }, "hush again"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if got, err := prepare(); got != c.want || err != nil {
			t.Errorf("the file holds %q, %v, want %q", got, err, c.want)
		}
	}
	if err := os.WriteFile(source, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty one: %v", err)
	}
	s.at.Shipped = t.TempDir() // is for encrypted ones alone
	if err := os.WriteFile(source, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := prepare(); got != "hush" || err != nil {
		t.Errorf("in an image: %q, %v", got, err)
	}
}

// Nobody inherits the key of the tailnet.
func TestTailscaleKeyIsNotInherited(t *testing.T) {
	for _, in := range []bool{true, false} {
		s := newStage(t)
		s.environ = []string{"TAILSCALE_AUTHKEY=tskey-x", "A=1", "PATH=/bin"}
		p := &project.Project{}
		if in {
			p.Container.Tailscale = &project.Tailscale{}
		}
		l, err := s.Prepare(p, &project.Process{Command: project.Command{Exec: []project.Text{project.Lit("/bin/true")}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(l.Env, "TAILSCALE_AUTHKEY=tskey-x"); got == in || !slices.Contains(l.Env, "A=1") {
			t.Errorf("in a tailnet %t: inherited %t", in, got)
		}
	}
}

// The encrypted file that an image ships is read in the place of that of the
// definition's folder, where a volume lies.
func TestShippedSecret(t *testing.T) {
	s := newStage(t)
	s.at.Shipped = t.TempDir()
	p := &project.Project{Secrets: map[string]project.Secret{
		"hf":      {Age: project.RootPath("/hf.age"), Identities: []project.Text{project.Lit("/none")}},
		"mounted": {Age: project.Lit("/run/secrets/mounted.age"), Identities: []project.Text{project.Lit("/none")}},
	}}
	for _, name := range []string{"hf.age", "mounted.age"} {
		if err := os.WriteFile(filepath.Join(s.at.Shipped, name), []byte("no age file"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CheckSecret(p, "hf"); err == nil || !strings.Contains(err.Error(), filepath.Join(s.at.Shipped, "hf.age")) {
		t.Errorf("shipped: %v", err)
	}
	if err := s.CheckSecret(p, "mounted"); err == nil || !strings.Contains(err.Error(), `"/run/secrets/mounted.age"`) {
		t.Errorf("mounted: %v", err)
	}
	if err := os.Remove(filepath.Join(s.at.Shipped, "hf.age")); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckSecret(p, "hf"); err == nil || !strings.Contains(err.Error(), filepath.Join(s.at.Root, "hf.age")) {
		t.Errorf("not shipped: %v", err)
	}
}
