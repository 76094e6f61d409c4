package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help fits a terminal of 80 columns, of each verb under both names.
func TestHelpFits(t *testing.T) {
	for _, table := range []func(*Env) *cobra.Command{newRoot, newProcessCompose} {
		root := table(&Env{Args: []string{"nix2gpu"}})
		var each func(cmd *cobra.Command)
		each = func(cmd *cobra.Command) {
			var out bytes.Buffer
			cmd.SetOut(&out)
			if err := cmd.Help(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "Usage:") {
				t.Errorf("%s --help says nothing:\n%s", cmd.CommandPath(), out.String())
			}
			for line := range strings.Lines(out.String()) {
				if line = strings.TrimRight(line, "\n"); utf8.RuneCountInString(line) > helpWidth {
					t.Errorf("%s --help: %d columns: %s", cmd.CommandPath(), utf8.RuneCountInString(line), line)
				}
			}
			for _, sub := range cmd.Commands() {
				each(sub)
			}
		}
		each(root)
	}
}

func TestReflow(t *testing.T) {
	const text = "one two three four\nfive\n\n    indented stays as it is, however long\nsix seven eight\n- a list\n- of two"
	const want = "one two three\nfour five\n\n    indented stays as it is, however long\nsix seven\neight\n- a list\n- of two"
	if got := reflow(text, 14); got != want {
		t.Errorf("reflow = %q, want %q", got, want)
	}
}
