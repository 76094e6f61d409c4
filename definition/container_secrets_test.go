package definition_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// The container's env takes secrets as a service's environment does.
func TestContainerEnvTakesSecrets(t *testing.T) {
	load := func(text string) (*definition.Result, error) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "nix2gpu.nix")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
	}
	l, err := load(`{ secrets.hf.file = "/run/secrets/hf"; env.HF_TOKEN.secret = "hf"; extraEnv.MODE = "fast"; services = { }; }`)
	if err != nil {
		t.Fatal(err)
	}
	env := l.Project.Container.Env
	if v := env["HF_TOKEN"]; v.Text.String() != "<secret hf>" || !v.Secret || env["MODE"].Text.String() != "fast" {
		t.Errorf("env is %v", env)
	}
	_, err = load(`{ secrets.hf.file = "/run/secrets/hf"; env.HF_TOKEN.secret = "hfs"; services = { }; }`)
	if err == nil || !strings.Contains(err.Error(), `nix2gpu.nix:1:`) || !strings.Contains(err.Error(), `there is no secret "hfs"`) || !strings.Contains(err.Error(), `did you mean "hf"?`) {
		t.Errorf("an unknown one: %v", err)
	}
}
