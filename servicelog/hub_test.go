package servicelog_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/servicelog"
)

// openHub starts a hub that is closed at the end of the test.
func openHub(t *testing.T, opts servicelog.Options) *servicelog.Hub {
	t.Helper()
	h, err := servicelog.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(context.Background()) })
	return h
}

// emit runs a source once, with that output.
func emit(t *testing.T, s *servicelog.Source, output string) {
	t.Helper()
	r, err := s.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Stdout.WriteString(output); err != nil {
		t.Fatal(err)
	}
	r.Started()
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestQuietSourceIsKeptInItsFileAlone(t *testing.T) {
	var out testkit.Buffer
	dir := filepath.Join(t.TempDir(), "logs")
	h := openHub(t, servicelog.Options{Dir: dir, Stdout: &out})
	emit(t, h.Source("sshd", "sshd", servicelog.SourceOptions{Quiet: true}), "listening\n")
	emit(t, h.Source("api", "api", servicelog.SourceOptions{}), "hello\n")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "[api] hello\n"; got != want {
		t.Errorf("stdout: got %q, want %q", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "sshd.log")); err != nil || !strings.Contains(string(b), "listening") {
		t.Errorf("file: %q, %v", b, err)
	}
}

func TestLinesReachStdoutAndFile(t *testing.T) {
	var out testkit.Buffer
	dir := filepath.Join(t.TempDir(), "logs")
	h := openHub(t, servicelog.Options{Dir: dir, Stdout: &out})
	h.Say("starting process-compose with 1 services")
	emit(t, h.Source("postgresql.db", "postgresql", servicelog.SourceOptions{}), "one\ntwo\nlast without end")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "[nix2gpu] starting process-compose with 1 services\n" +
		"[postgresql] one\n[postgresql] two\n[postgresql] last without end\n"
	if got := out.String(); got != want {
		t.Errorf("stdout: got\n%s\nwant\n%s", got, want)
	}
	b, err := os.ReadFile(filepath.Join(dir, "postgresql.db.log"))
	if err != nil {
		t.Fatal(err)
	}
	var rest []string
	for l := range strings.Lines(string(b)) {
		_, r, _ := strings.Cut(l, " ")
		rest = append(rest, r)
	}
	file := strings.Join(rest, "")
	if want := "nix2gpu F start\nstdout F one\nstdout F two\nstdout F:n last without end\n"; file != want {
		t.Errorf("file: got\n%s\nwant\n%s", file, want)
	}
}
