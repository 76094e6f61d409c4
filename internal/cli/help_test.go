package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help fits the terminal, of each verb under both names: nothing is broken by it but
// commands to type that are longer than a line.
func TestHelpFits(t *testing.T) {
	for columns, most := range map[int]int{0: 80, 40: 40, 60: 60, 80: 80, 95: 95, 250: 100} {
		longest := 0
		for _, table := range []func(*Env) *cobra.Command{func(env *Env) *cobra.Command { return newRoot(env) }, newProcessCompose} {
			root := table(&Env{Args: []string{"nix2gpu"}, Width: columns})
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
					line = strings.TrimRight(line, "\n")
					n := utf8.RuneCountInString(line)
					typed := strings.HasPrefix(line, "  ") && strings.Contains(cmd.Example+"\n"+cmd.Long, line) && most < usualWidth
					if !typed {
						longest = max(longest, n)
					}
					if n > most && !typed {
						t.Errorf("%s --help at %d columns: %d of them: %s", cmd.CommandPath(), columns, n, line)
					}
				}
				for _, sub := range cmd.Commands() {
					each(sub)
				}
			}
			each(root)
		}
		if longest < most-3 {
			t.Errorf("at %d columns, the longest line has %d: it could have %d", columns, longest, most)
		}
	}
}

// What is said of a flag or a command stands beside it, or below where that would be
// too narrow.
func TestFold(t *testing.T) {
	const line = "  nix2gpu up -d      in the background; it returns when all is started"
	for width, want := range map[int]string{
		80: line,
		60: "  nix2gpu up -d      in the background; it returns when all\n                     is started",
		40: "  nix2gpu up -d\n      in the background; it returns when\n      all is started",
	} {
		if got := fold(line, width); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
	const alone = "    curl --unix-socket /run/nix2gpu/x.sock http://x/v1/services"
	if got := fold(alone, 40); got != alone {
		t.Errorf("a command became\n%s", got)
	}
}

func TestReflow(t *testing.T) {
	const text = "one two three four\nfive\n\n    indented stays as it is, however long\nsix seven eight\n- a list\n- of two"
	const want = "one two three\nfour five\n\n    indented stays as it is, however long\nsix seven\neight\n- a list\n- of two"
	if got := reflow(text, 14); got != want {
		t.Errorf("reflow = %q, want %q", got, want)
	}
}
