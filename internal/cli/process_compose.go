package cli

import (
	"github.com/spf13/cobra"
)

// processCompose is the other name of the program.
const processCompose = "process-compose"

// newProcessCompose is the command table under the name process-compose: the
// verbs and flags of that tool, and the spellings of our own.
func newProcessCompose(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "process-compose [verb]",
		Short: "Run the processes of a process-compose.yaml (nix2gpu)",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	configure(env, root)
	root.AddCommand(newVersion(env), newCompletion(env))
	return root
}
