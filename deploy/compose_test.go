package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/deploy"
	"nix2gpu/internal/testkit"
)

const image = "ghcr.io/me/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// compose writes the file of a definition, and the notes one a line.
func compose(t *testing.T, text string) (file, notes string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web.env"), []byte("A=b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := definition.Load(context.Background(), definition.Ref{Path: filepath.Join(dir, "nix2gpu.nix")}, definition.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	out, all, err := deploy.Compose(r.Valid, deploy.Options{Image: image, From: "nix2gpu.nix#web"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		notes += n.Pos.String() + ": " + n.Text + "\n"
	}
	return string(out), notes
}

// TestCompose looks at what people get, and asks docker-compose whether it is one.
func TestCompose(t *testing.T) {
	for name, text := range map[string]string{
		"empty": `{ perSystem.nix2gpu.web.services = { }; }`,
		"stack": `{
  perSystem.nix2gpu.web = {
    exposedPorts = { "22/tcp" = { }; "8080/tcp" = { }; "9000-9001/udp" = { }; };
    stopTimeout = "20s";
    whenDone = "stay";
    services = {
      postgresql."db" = { enable = true; };
      redis."cache" = { enable = true; };
      custom."web" = { enable = true; command = "python3 web.py"; environmentFile = ./web.env; };
    };
  };
}`,
		"gpus": `{
  perSystem.nix2gpu.web.services.custom = {
    "train" = { enable = true; command = "train"; gpus = 2; };
    "serve" = { enable = true; command = "serve"; gpus = 1; };
  };
}`,
	} {
		t.Run(name, func(t *testing.T) {
			file, notes := compose(t, text)
			testkit.Golden(t, "testdata/"+name+".golden", []byte(file+"--- notes\n"+notes))
			program, err := exec.LookPath("docker-compose")
			if err != nil {
				t.Skip("needs docker-compose: make deps-all")
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "-f", "compose.yaml", "config", "--quiet")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("docker-compose refuses it: %v\n%s", err, out)
			}
		})
	}
}

// The same definition gives the same bytes.
func TestComposeIsDeterministic(t *testing.T) {
	text := `{ perSystem.nix2gpu.web.services = { redis."a" = { enable = true; }; redis."b" = { enable = true; port = 6380; }; postgresql."c" = { enable = true; }; }; }`
	first, _ := compose(t, text)
	for range 20 {
		if again, _ := compose(t, text); again != first {
			t.Fatalf("another time:\n%s\nthe first:\n%s", again, first)
		}
	}
	if strings.Count(first, "type: volume") != 3 {
		t.Errorf("volumes:\n%s\nwant one a server", first)
	}
}
