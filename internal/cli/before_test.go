package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestFileBeforeTheVerb(t *testing.T) {
	root, logs, ps := &cobra.Command{Use: "x"}, &cobra.Command{Use: "logs"}, &cobra.Command{Use: "ps", Aliases: []string{"status"}}
	logs.Flags().String("file", "", "")
	logs.Flags().BoolP("follow", "f", false, "")
	ps.Flags().StringP("file", "f", "", "")
	root.AddCommand(logs, ps)
	root.PersistentFlags().String("socket", "", "")
	root.PersistentFlags().Bool("no-color", false, "")
	for in, want := range map[string]string{
		"":                     "",
		"logs -f api":          "logs -f api",
		"-f a.nix logs -f api": "--file a.nix logs -f api",
		"-fa.nix logs":         "--file=a.nix logs",
		"-f=a.nix logs -f":     "--file=a.nix logs -f",
		"-f logs logs -f":      "--file logs logs -f",
		"--socket s -f a logs": "--socket s --file a logs",
		"-f":                   "-f",
		// A value may be called as a verb is, and a flag without one takes nothing.
		"--socket ps -f a logs":   "--socket ps --file a logs",
		"--socket=s -f a logs":    "--socket=s --file a logs",
		"--no-color -f a logs -f": "--no-color --file a logs -f",
		"-- -f a":                 "-- -f a",
		"-f a.nix":                "-f a.nix",
		"-f a status":             "-f a status",
		"other -f a":              "other -f a",
	} {
		if got := strings.Join(fileBefore(root, strings.Fields(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
