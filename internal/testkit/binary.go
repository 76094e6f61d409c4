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

// Root is the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var build struct { // one build for all tests of a package; tests are one process
	once sync.Once
	path string
	err  error
}

// Binary builds the program as it ships, static and without the race
// detector, and returns its path. Beside it lies the link process-compose.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		dir, err := os.MkdirTemp("", "nix2gpu-bin-")
		if err != nil {
			build.err = err
			return
		}
		// Services run as users of their own, and start this binary themselves.
		build.err = os.Chmod(dir, 0o755)
		build.path = filepath.Join(dir, "nix2gpu")
		cmd := exec.Command("go", "build", "-trimpath", "-o", build.path, "./cmd/nix2gpu")
		cmd.Dir = Root()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("go build: %v\n%s", err, out)
			return
		}
		if build.err = readSources(); build.err != nil {
			return
		}
		if err := os.Symlink("nix2gpu", filepath.Join(dir, "process-compose")); err != nil {
			build.err = err
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// readSources looks at what the program is built from, so that "go test" does
// not take an earlier result for that of a changed program.
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

// RemoveBinary is for TestMain, after the tests.
func RemoveBinary() {
	if build.path != "" {
		os.RemoveAll(filepath.Dir(build.path))
	}
}
