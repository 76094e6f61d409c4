package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/definition"
)

// folder makes a folder of files, and of links by their targets.
func folder(t *testing.T, files, links map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Paths in a linked definition or module are relative to the folder of the file behind
// the link; the project stays in the folder of the link.
func TestLinks(t *testing.T) {
	dir := folder(t, map[string]string{
		"app/more.nix":      `{ services.custom."api".command = "the more of app"; }`,
		"shared/stack.nix":  `{ imports = [ ./more.nix ]; services.custom."api".enable = true; }`,
		"shared/more.nix":   `{ services.custom."api".command = "the more of shared"; }`,
		"other/nix2gpu.nix": `{ imports = [ ./stack.nix ]; }`,
		"other/more.nix":    `{ services.custom."api".command = "the more of other"; }`,
	}, map[string]string{
		"app/nix2gpu.nix": "../shared/stack.nix",
		"other/stack.nix": "../shared/stack.nix",
	})
	for _, name := range []string{"app", "other"} {
		r, err := definition.Load(t.Context(), definition.Ref{Path: filepath.Join(dir, name)}, definition.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprint(r.Project.Processes["api"].Command.Shell); !strings.Contains(got, "the more of shared") {
			t.Errorf("%s: the command is %q", name, got)
		}
		if want, _ := filepath.EvalSymlinks(filepath.Join(dir, name)); r.Root != want {
			t.Errorf("%s: its root is %s, want %s", name, r.Root, want)
		}
	}
}

// A definition that imports a pipe does not wait for it.
func TestIrregularModules(t *testing.T) {
	dir := folder(t, map[string]string{"nix2gpu.nix": `{ imports = [ ./pipe.nix ]; }`}, nil)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.nix"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "it is a named pipe, and only regular files can be read") {
		t.Errorf("error %v", err)
	}
}
