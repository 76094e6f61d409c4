package eval_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

var seed = flag.Uint64("seed", 1, "of the random programs that are compared with Nix")

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
		// What occurs twice is printed in full here, and once by Nix.
		if ours[i] != theirs[i] && !strings.Contains(theirs[i], "«repeated»") {
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

// TestRandomAgainstNix compares random programs; -seed tries others.
func TestRandomAgainstNix(t *testing.T) {
	o := newOracle(t)
	r := randomProgram{rand.New(rand.NewPCG(*seed, 0))}
	programs := make([]string, 100)
	for i := range programs {
		programs[i] = `let a = 3; b = { a = 1; c = "q"; }; x = [ 1 "z" ]; c = null; f = x: x; in ` + r.expr(2+r.IntN(3))
	}
	o.compare(t, programs)
}

// A randomProgram writes expressions that always parse. Most have types that do not
// fit, but enough of them have a value.
type randomProgram struct{ *rand.Rand }

func (r randomProgram) pick(choices ...string) string { return choices[r.IntN(len(choices))] }

// productions are forms of expressions: $ is another expression, @ a name.
var productions = []string{
	"($ + $)", "($ - $)", "($ * $)", "($ < $)", "($ >= $)", "($ == $)", "($ != $)", "($ // $)", "($ ++ $)",
	"($ && $)", "($ || $)", "($ -> $)", "(if $ then $ else $)", "(let @ = $; p = $; in $)", "((@: $) $)",
	"(({ a, ... }: $) $)", "(({ a ? 7, b ? a }@x: $) $)", "(($).@ or $)", "(with $; $)", "[ $ $ ]",
	"{ a = $; b = $; }", "rec { a = $; x = $; }", "{ ${$} = $; a = $; }", "{ inherit ($) a b; }", `"${$}k"`, "($ ? @)",
	"(toString $)", "(map (x: $) $)", "(builtins.foldl' (a: b: $) $ $)", "(builtins.tryEval $)", "(builtins.mapAttrs (a: x: $) $)",
	"(assert $; $)", "(throw $)", "(a: x: $)", "(let f = a: b: $; in f $ $)", "(builtins.length $)", "(builtins.head $)",
	"(builtins.attrNames $)", "(builtins.attrValues $)", "(builtins.typeOf $)", "(builtins.toJSON $)", "(builtins.concatLists $)",
	"(builtins.elem $ $)", "(builtins.filter $ $)", "(builtins.catAttrs $ $)", "(removeAttrs $ $)", "(builtins.intersectAttrs $ $)",
	"(builtins.genList $ $)", "(builtins.seq $ $)", "(builtins.deepSeq $ $)", "(builtins.sort $ $)", "(builtins.groupBy $ $)",
	"(builtins.partition $ $)", "(builtins.match $ $)", "(builtins.split $ $)", "(builtins.elemAt $ $)", "(builtins.concatMap $ $)",
}

func (r randomProgram) expr(depth int) string {
	if depth <= 0 {
		return r.pick("1", "2", "0", `"s"`, `"t"`, "true", "false", "null", "[ ]", "{ }", "1.5", "a", "b", "x", "[ 1 2 ]", "{ a = 1; b = 2; }")
	}
	var out strings.Builder
	form := r.pick(productions...)
	for i := 0; i < len(form); i++ {
		switch {
		case form[i] == '$' && i+1 < len(form) && form[i+1] == '{':
			fmt.Fprint(&out, "${", r.expr(depth-1), "}")
			i += 3 // ${$}
		case form[i] == '$':
			out.WriteString(r.expr(depth - 1))
		case form[i] == '@' && (i == 0 || form[i-1] != '}'):
			out.WriteString(r.pick("a", "b", "c", "x", "f"))
		default:
			out.WriteByte(form[i])
		}
	}
	return out.String()
}
