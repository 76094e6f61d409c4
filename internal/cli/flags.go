package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// addOutputFlag adds -o and the completion of its formats. The first format is the
// default.
func addOutputFlag(cmd *cobra.Command, value *string, formats ...string) {
	usage := "`format`: " + strings.Join(formats[:len(formats)-1], ", ") + " or " + formats[len(formats)-1]
	cmd.Flags().StringVarP(value, "output", "o", formats[0], usage)
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}
