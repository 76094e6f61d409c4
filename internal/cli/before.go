package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		takesNext := takesNext(root, arg)
		if value, ok := strings.CutPrefix(arg, "-f"); ok {
			if arg = "--file"; value != "" {
				arg += "=" + strings.TrimPrefix(value, "=")
			}
		}
		out = append(out, arg)
		if takesNext && i+1 < len(args) {
			i++
			out = append(out, args[i]) // it may be called as a verb is
		}
	}
	return args // there is no verb
}

// takesNext reports whether the argument behind a flag that stands before the verb is its
// value. Cobra looks for the verb by the same rule: an unknown flag has one.
func takesNext(root *cobra.Command, arg string) bool {
	if !strings.HasPrefix(arg, "-") || strings.Contains(arg, "=") {
		return false
	}
	var f *pflag.Flag
	if name, long := strings.CutPrefix(arg, "--"); long {
		f = root.Flags().Lookup(name)
	} else if len(arg) == 2 {
		f = root.Flags().ShorthandLookup(arg[1:])
	} else {
		return false
	}
	return f == nil || f.NoOptDefVal == ""
}

func isVerb(root *cobra.Command, arg string) bool {
	for _, c := range root.Commands() {
		if c.Name() == arg || c.HasAlias(arg) {
			return true
		}
	}
	return false
}
