package rundir_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
	"nix2gpu/secret"
)

// Secrets are beside the run folders if these are in memory, else in shared memory, and
// nowhere if there is neither.
func TestPlaceOfSecrets(t *testing.T) {
	disk, memory, def := t.TempDir(), testkit.Memory(t), t.TempDir()
	if secret.InMemory(disk) {
		t.Skip("the temporary folder is in memory itself")
	}
	key := rundir.Key("", def)
	place := func(e rundir.Env) string { return rundir.Locate(e, "", def).Secrets }
	if got := place(rundir.Env{Root: disk}); got != "" {
		t.Errorf("on a disk: %q", got)
	}
	if got, want := place(rundir.Env{Root: memory}), filepath.Join(memory, "run/nix2gpu-secrets", key); got != want {
		t.Errorf("root: %q, want %q", got, want)
	}
	if got, want := place(rundir.Env{UID: 1000, Root: disk, RuntimeDir: memory}), filepath.Join(memory, "nix2gpu/secrets", key); got != want {
		t.Errorf("a user's folder in memory: %q, want %q", got, want)
	}
	if err := os.MkdirAll(filepath.Join(disk, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(memory, filepath.Join(disk, "dev/shm")); err != nil { // as if it were mounted
		t.Fatal(err)
	}
	if got, want := place(rundir.Env{UID: 1000, Root: disk}), filepath.Join(disk, "dev/shm/nix2gpu-secrets-1000", key); got != want {
		t.Errorf("shared memory: %q, want %q", got, want)
	}
}

// What a run has left is removed, with the links to it; but nothing behind a folder
// that somebody has planted, or behind a link that leads elsewhere.
func TestClearSecrets(t *testing.T) {
	memory, elsewhere := testkit.Memory(t), t.TempDir()
	at := func(path string) string { return filepath.Join(elsewhere, path) }
	l := rundir.Layout{Secrets: filepath.Join(memory, "secrets", "key")}
	links := filepath.Join(l.Secrets, rundir.SecretLinks)
	for _, err := range []error{
		os.MkdirAll(links, 0o700),
		os.WriteFile(filepath.Join(l.Secrets, "s"), []byte("x"), 0o400),
		os.Symlink(filepath.Join(l.Secrets, "s"), at("ours")), os.Symlink(at("ours"), filepath.Join(links, "1")),
		os.Symlink("/etc/passwd", at("changed")), os.Symlink(at("changed"), filepath.Join(links, "2")),
		os.WriteFile(at("file"), nil, 0o600), os.Symlink(at("file"), filepath.Join(links, "3")),
		l.ClearSecrets(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, there := range map[string]bool{at("ours"): false, at("changed"): true, at("file"): true, l.Secrets: false, filepath.Dir(l.Secrets): false} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v, want there=%t", path, err, there)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, err := range []error{
		os.MkdirAll(l.Secrets, 0o755), os.WriteFile(filepath.Join(l.Secrets, "s"), nil, 0o644),
		os.Chown(filepath.Dir(l.Secrets), 65534, 65534), l.ClearSecrets(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(l.Secrets, "s")); err != nil {
		t.Errorf("a stranger's folder was cleared: %v", err)
	}
}

// Another process may try something with secrets while a project begins or ends. They
// are removed once it is gone.
func TestClearSecretsLeavesTrials(t *testing.T) {
	l := rundir.Layout{Secrets: filepath.Join(testkit.Memory(t), "secrets", "key")}
	if (rundir.Layout{}).TrialSecrets("web") != "" {
		t.Error("where no secret can be, a trial has none either")
	}
	trial := l.TrialSecrets("web")
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left := strings.Replace(trial, strconv.Itoa(os.Getpid()), strconv.Itoa(ended.Process.Pid), 1)
	for _, dir := range []string{l.Secrets, trial, left} {
		if err := os.MkdirAll(filepath.Join(dir, "credentials"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.ClearSecrets(); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{l.Secrets: false, trial: true, left: false} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v, want there=%t", path, err, there)
		}
	}
}
