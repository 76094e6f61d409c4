package testkit

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Root returns the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// build makes the program once for all tests of a package, which are one
// process, and returns its path.
var build = sync.OnceValues(func() (string, error) {
	dir := binaryDir()
	// One that had our number before us, and was killed, has left its own.
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	// Services run as other users, and execute this binary too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nix2gpu")
	if err := compile(path, runtime.GOARCH); err != nil {
		return "", err
	}
	if err := readSources(); err != nil {
		return "", err
	}
	return path, os.Symlink("nix2gpu", filepath.Join(dir, "process-compose"))
})

// Binary builds the program as it ships, static and without the race detector, and
// returns its path. Beside it is the link process-compose.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// compile makes the program as it ships, for a machine.
func compile(path, arch string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/nix2gpu")
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %v\n%s", err, out)
	}
	return nil
}

// BinaryFor builds the program for another architecture.
func BinaryFor(t testing.TB, arch string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nix2gpu-linux-"+arch)
	if err := compile(path, arch); err != nil {
		t.Fatal(err)
	}
	return path
}

// readSources reads the program's sources, so that "go test" does not use a cached
// result after they have changed.
func readSources() error {
	return filepath.WalkDir(Root(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.Type().IsRegular():
			_, err = os.Stat(path)
		}
		return err
	})
}

// RemoveBinary removes what [Binary] has built. TestMain calls it after the tests.
func RemoveBinary() { os.RemoveAll(binaryDir()) }

// binaryDir returns the folder for the program of this test process.
func binaryDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("nix2gpu-bin-%d", os.Getpid()))
}
