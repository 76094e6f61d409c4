package faults

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nix2gpu/internal/testkit"
)

// TestSameProgramTwice builds the program from two copies of its source, at different
// places and by different users' settings, without a network: the bytes are the same. With
// many rounds, nothing that was compiled before is used the second time.
func TestSameProgramTwice(t *testing.T) {
	dir := t.TempDir()
	cache := os.Getenv("GOCACHE") // "": the usual one
	if rounds(0, 1) > 0 {
		cache = filepath.Join(dir, "cache")
	}
	one := buildAt(t, filepath.Join(dir, "a"), "TZ=UTC", "LANG=C")
	two := buildAt(t, filepath.Join(dir, "quite", "another place"), "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8", "GOCACHE="+cache)
	if !bytes.Equal(one, two) {
		t.Errorf("two builds differ: %d and %d bytes", len(one), len(two))
	}
	t.Attr("S10", fmt.Sprintf("two builds of the program: the same %d bytes", len(one)))
}

// buildAt copies the source to a folder and returns the program that is built there.
func buildAt(t *testing.T, dir string, env ...string) []byte {
	t.Helper()
	root := testkit.Root()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		to := filepath.Join(dir, rel)
		switch {
		case d.Name() == ".git" || rel == "bin":
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, data, 0o644)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "nix2gpu")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/nix2gpu")
	build.Dir = dir
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
