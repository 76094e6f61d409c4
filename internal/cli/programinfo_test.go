package cli

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/internal/testkit"
)

// What the linker has recorded is what Go's own library reads, for any architecture.
func TestReadProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{self, testkit.BinaryFor(t, "amd64"), testkit.BinaryFor(t, "arm64")} {
		want, err := buildinfo.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readProgram(file)
		if err != nil {
			t.Fatal(err)
		}
		got.GoVersion = want.GoVersion // which stands elsewhere, and nobody asks for
		if got.String() != want.String() || got.Path == "" || len(got.Settings) == 0 {
			t.Errorf("%s has\n%s\nwant\n%s", file, got, want)
		}
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"text": []byte("#!/bin/sh\n"), "short": data[:1000], "empty": nil} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if info, err := readProgram(file); err == nil {
			t.Errorf("%s is read as %v", name, info)
		}
	}
	if info, err := readProgram("/bin/true"); err == nil {
		t.Errorf("/bin/true is read as %v", info)
	}
}
