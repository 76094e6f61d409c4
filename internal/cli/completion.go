package cli

import (
	"github.com/spf13/cobra"
)

func newCompletion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Prints a script that makes the shell complete verbs, flags and services.

    source <(nix2gpu completion bash)
    nix2gpu completion zsh > "${fpath[1]}/_nix2gpu"
    nix2gpu completion fish > ~/.config/fish/completions/nix2gpu.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("completion needs the name of one shell: bash, zsh or fish")
			}
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(env.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(env.Stdout)
			case "fish":
				return root.GenFishCompletion(env.Stdout, true)
			}
			return usageError("shell %q is not supported: must be bash, zsh or fish", args[0])
		},
	}
}
