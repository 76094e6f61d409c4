package container_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}

// image is engine.PlainOf a definition.
func image(t testing.TB, e *engine.Engine, name, definition string, more ...map[string]string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nix2gpu.nix")
	if err := os.WriteFile(file, []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, m := range more {
		maps.Copy(files, m)
	}
	return e.PlainOf(name, file, files)
}
