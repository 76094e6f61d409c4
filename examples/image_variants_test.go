package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
)

// Who sets enableJIT keeps the compiler of queries in the image, and in the lock.
// It goes as a whole: with its library but without LLVM every such query fails.
func TestPostgreSQLWithJIT(t *testing.T) {
	e := engine.Docker(t)
	dir := t.TempDir()
	definition := "{ perSystem.nix2gpu.\"jit\".services.postgresql.\"db\" = { enable = true; enableJIT = true; }; }\n"
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if _, stderr, err := built(t, dir, "-o", archive); err != nil {
		t.Fatalf("build: %v\n%s", err, stderr)
	}
	if lock, err := os.ReadFile(filepath.Join(dir, "nix2gpu.lock")); err != nil || !strings.Contains(string(lock), `"name":"libllvm`) || strings.Contains(string(lock), `"name":"postgresql-common"`) {
		t.Errorf("the lock has no LLVM, or more than was asked for (%v)", err)
	}
	e.Load(archive)
	c := e.Container("jit:latest")
	e.WaitLogs(c, "[nix2gpu] all services healthy")
	query := func() (string, string) {
		out, errs, _ := e.Exec("exec", c, "psql", "-U", "postgres", "-h", "127.0.0.1", "-Atc", "set jit_above_cost = 0; select sum(n), pg_jit_available() from generate_series(1, 9) n", "postgres")
		return strings.TrimSpace(out), strings.TrimSpace(errs)
	}
	if out, errs := query(); out != "SET\n45|t" {
		t.Errorf("with its compiler the server says %q, %q", out, errs)
	}
	e.MustExec("exec", c, "sh", "-c", "rm /usr/lib/*/libLLVM*.so*")
	if out, errs := query(); !strings.Contains(errs, "could not load library") {
		t.Errorf("without LLVM the server says %q, %q", out, errs)
	}
}
