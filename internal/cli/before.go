package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// fileBefore writes out -f where it stands before the verb: there it is --file, also before
// "logs", behind which it means to follow.
func fileBefore(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd.Flags().Lookup("file") == nil {
		return args
	}
	if f := cmd.Flags().ShorthandLookup("f"); f == nil || f.Name != "follow" {
		return args
	}
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" || isVerb(root, arg) {
			return append(out, args[i:]...)
		}
		if value, ok := strings.CutPrefix(arg, "-f"); ok {
			if arg = "--file"; value != "" {
				arg += "=" + strings.TrimPrefix(value, "=")
			} else if i+1 < len(args) {
				out = append(out, arg)
				i++
				arg = args[i] // a file may be called as a verb is
			}
		}
		out = append(out, arg)
	}
	return args // there is no verb
}

func isVerb(root *cobra.Command, arg string) bool {
	for _, c := range root.Commands() {
		if c.Name() == arg || c.HasAlias(arg) {
			return true
		}
	}
	return false
}
