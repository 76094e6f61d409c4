package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Prints a script that makes the shell complete verbs, flags and services. The one for
bash does not need the package bash-completion.

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
				return writeBashCompletion(env.Stdout, root)
			case "zsh":
				return root.GenZshCompletion(env.Stdout)
			case "fish":
				return root.GenFishCompletion(env.Stdout, true)
			}
			return usageError("shell %q is not supported: must be bash, zsh or fish", args[0])
		},
	}
}

// writeBashCompletion writes cobra's script, together with the function of
// bash-completion that it relies on and that a machine may lack.
func writeBashCompletion(w io.Writer, root *cobra.Command) error {
	var b strings.Builder
	if err := root.GenBashCompletionV2(&b, true); err != nil {
		return err
	}
	const wanted = "_get_comp_words_by_ref"
	own := "__" + root.Name() + "_get_words"
	script := strings.ReplaceAll(b.String(), wanted, own)
	_, err := io.WriteString(w, strings.ReplaceAll(bashWords, "OWN", own)+script)
	return err
}

// bashWords splits the line that is typed into words: with bash-completion's
// function if that is loaded, else with our own. Bash breaks words at : and =; we
// join them again.
const bashWords = `OWN() {
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref "$@"
        return
    fi
    local i last
    words=() cword=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        last=$((${#words[@]} - 1))
        if ((last > 0)) && [[ ${COMP_WORDS[i]} == [:=]* || ${words[last]} == *[:=] ]]; then
            words[last]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        ((i == COMP_CWORD)) && cword=$((${#words[@]} - 1))
    done
    cur=${words[cword]} prev=
    ((cword > 0)) && prev=${words[cword - 1]}
}

`
