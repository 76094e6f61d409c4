package eval_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// TestAgainstNix evaluates each line of testdata/agree.txt with the evaluator
// and with nix-instantiate: values must print the same, and what one rejects
// the other must reject.
func TestAgainstNix(t *testing.T) {
	nix, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skip("nix-instantiate is not installed; apt-get install nix-bin")
	}
	state := t.TempDir()
	env := append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_STATE_DIR="+state, "HOME="+state,
		"NIX_CONFIG=substituters =\nexperimental-features = nix-command flakes")
	run := func(exprs ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), nix, append([]string{"--eval", "--strict", "-E"}, exprs...)...)
		cmd.Env = env
		var out, messages bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &messages
		err := cmd.Run()
		return out.String(), err
	}

	var good, ours []string
	for _, line := range strings.Split(readFile(t, "testdata/agree.txt"), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		got, err := print(t, eval.Options{}, "line", line)
		if err == nil {
			good = append(good, line)
			ours = append(ours, got)
			continue
		}
		if out, nixErr := run(line); nixErr == nil {
			t.Errorf("%s\nfails: %v\nNix gives %s", line, err, out)
		}
	}
	// One process prints them all, unless one of them fails.
	out, err := run(good...)
	theirs := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || len(theirs) != len(good) {
		theirs = theirs[:0]
		for _, line := range good {
			out, err := run(line)
			if err != nil {
				out = "an error"
			}
			theirs = append(theirs, strings.TrimSuffix(out, "\n"))
		}
	}
	for i, line := range good {
		if ours[i] != theirs[i] {
			t.Errorf("%s\ngives %s\nNix gives %s", line, ours[i], theirs[i])
		}
	}
}
