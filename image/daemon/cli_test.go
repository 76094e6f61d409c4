package daemon_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// TestLoadVerb types the command: the image gets the container's name and tag.
func TestLoadVerb(t *testing.T) {
	docker := engine.Docker(t)
	layout := testkit.Layout(t, program(t, runtime.GOARCH))
	archive := testkit.Archive(t, layout)
	definition := filepath.Join(docker.Dir, "nix2gpu.nix")
	if err := os.WriteFile(definition, []byte(`{ perSystem.nix2gpu."my-container" = { services = { }; }; }`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{layout, archive} {
		run := docker.StartCommand(testkit.Binary(t), "load", "--from", from, "--into", "docker")
		if code := run.Wait(); code != 0 || run.Stdout() != "my-container:latest\n" {
			t.Fatalf("load --from %s: exit code %d, %q\n%s", from, code, run.Stdout(), run.Stderr())
		}
	}
	if got := docker.MustExec("run", "--rm", "--network", "none", "my-container"); got != "42\n" {
		t.Errorf("it says %q, want 42", got)
	}
}
