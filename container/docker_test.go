package container_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/container"
	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}

// image builds a plain image from a definition, as an image builder does: the
// project is evaluated here, and lies ready in there.
func image(t *testing.T, e *engine.Engine, name, definition string, more ...map[string]string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nix2gpu.nix")
	if err := os.WriteFile(file, []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := e.ExecCommand(testkit.Binary(t), "config", "--output", "project", file)
	if code != 0 {
		t.Fatalf("the definition: exit code %d\n%s", code, stderr)
	}
	files := container.ImageFiles()
	for _, m := range more {
		maps.Copy(files, m)
	}
	return e.Plain(engine.Plain{Name: name, Project: []byte(stdout), Files: files, Env: container.ImageEnv()})
}
