package session

import (
	"os"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/process"
)

// However much an evaluation prints, it comes to its end: another reload can
// follow.
func TestEvaluateOfMuchText(t *testing.T) {
	host, err := process.New(process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for script, want := range map[string]string{
		"echo 'x.nix:1:1: it is wrong' >&2; exit 2":                         "x.nix:1:1: it is wrong",
		"echo first >&2; head -c 300000 /dev/zero | tr '\\0' x >&2; exit 2": "first",
		"head -c 300000 /dev/zero | tr '\\0' x >&2":                         "cannot read what was evaluated: ",
		"head -c 70000000 /dev/zero; exit 2":                                "the project is larger than 64 MiB",
		"exit 7":                                                            "exit code 7",
	} {
		s := &session{host: host, job: &Job{Reload: []string{"-c", script}}, Machine: Machine{Self: "/bin/sh", Environ: os.Environ()}}
		done := make(chan error, 1)
		go func() {
			_, err := s.evaluate(nil)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %.200v, want %q", script, err, want)
			}
		case <-time.After(testkit.Patience):
			t.Fatalf("%s: it does not end", script)
		}
	}
}
