package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
)

// Built builds the nix2gpu.nix of a folder like a user, loads the image under name, and
// returns what the build printed. The packages of its archive are empty: programs have
// to come from copyToRoot.
func (e *Engine) Built(dir, name string) (said string) {
	e.T.Helper()
	key := debtest.NewKey(e.T, 0)
	release := debtest.Archive{Keys: []*debtest.Key{key}, Date: time.Now().Add(-time.Hour)}
	for _, pkg := range append(packages.Base(), "openssh-server", "openssh-client") {
		release.Debs = append(release.Debs, debtest.Deb{Name: pkg, Version: "1"})
	}
	updates, security := release, release
	updates.Codename, updates.Debs = "bookworm-updates", nil
	security.Codename, security.Debs = "bookworm-security", nil
	mirror := debtest.Serve(e.T, debtest.Tree{}.Add("debian", release.Tree(e.T)).Add("debian", updates.Tree(e.T)).Add("debian-security", security.Tree(e.T)))
	work := e.T.TempDir()
	keyring, archive := filepath.Join(work, "archive.asc"), filepath.Join(work, "image.tar")
	if err := os.WriteFile(keyring, key.Public(e.T), 0o644); err != nil {
		e.T.Fatal(err)
	}
	cmd := exec.Command(testkit.Binary(e.T), "build", "--mirror", mirror.URL+"/debian", "--keyring", keyring, "--tag", name, "-o", archive)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(e.daemon.dir, "cache"), "NO_COLOR=1", "CI=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.T.Fatalf("build: %v\n%s", err, out)
	}
	e.Load(archive)
	return string(out)
}

// Program builds the Go program of a folder, static, and returns its path.
func Program(t testing.TB, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(folder))
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", folder, err, out)
	}
	return path
}
