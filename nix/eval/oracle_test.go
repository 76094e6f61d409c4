package eval_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// oracle runs nix-instantiate, without a store and without the network.
type oracle struct {
	program string
	args    []string
	env     []string
	opts    eval.Options // of ours
}

func newOracle(t *testing.T) oracle {
	program, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skip("nix-instantiate is not installed; apt-get install nix-bin")
	}
	state := t.TempDir()
	return oracle{program: program, env: append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_STATE_DIR="+state, "HOME="+state,
		"NIX_CONFIG=substituters =\nexperimental-features = nix-command flakes")}
}

func (o oracle) eval(t *testing.T, exprs ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), o.program, slices.Concat([]string{"--eval", "--strict"}, o.args, []string{"-E"}, exprs)...)
	cmd.Env = o.env
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return out.String(), err
}

// compare evaluates each text with both: values must print the same, and what one
// rejects the other must reject too.
func (o oracle) compare(t *testing.T, texts []string) {
	var good, ours []string
	for _, text := range texts {
		got, err := print(t, o.opts, "line", text)
		if err == nil {
			good = append(good, text)
			ours = append(ours, got)
			continue
		}
		if out, nixErr := o.eval(t, text); nixErr == nil {
			t.Errorf("%s\nfails: %v\nNix gives %s", text, err, out)
		}
	}
	// One process prints them all, unless one of them fails.
	out, err := o.eval(t, good...)
	theirs := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || len(theirs) != len(good) {
		theirs = theirs[:0]
		for _, text := range good {
			out, err := o.eval(t, text)
			if err != nil {
				out = "an error"
			}
			theirs = append(theirs, strings.TrimSuffix(out, "\n"))
		}
	}
	for i, text := range good {
		if ours[i] != theirs[i] {
			t.Errorf("%s\ngives %s\nNix gives %s", text, ours[i], theirs[i])
		}
	}
}

// TestAgainstNix compares the lines of testdata/agree.txt.
func TestAgainstNix(t *testing.T) {
	o := newOracle(t)
	var lines []string
	for _, line := range strings.Split(readFile(t, "testdata/agree.txt"), "\n") {
		if line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	o.compare(t, lines)
}

type randomProgram struct{ *rand.Rand }

func (r randomProgram) pick(choices ...string) string { return choices[r.IntN(len(choices))] }
