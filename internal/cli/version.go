package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is the next release, without a "v".
const Version = "0.1.0"

type versionOptions struct {
	output string
	short  bool
}

func newVersion(env *Env) *cobra.Command {
	var opts versionOptions
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runVersion(env, opts) },
	}
	addOutputFlag(cmd, &opts.output, "text", "json")
	cmd.Flags().BoolVarP(&opts.short, "short", "s", false, "print only the number")
	return cmd
}

// addVersionFlag makes --version and -v do what the verb does, as people expect of a
// program.
func addVersionFlag(env *Env, root *cobra.Command) {
	asked := root.Flags().BoolP("version", "v", false, "print the version")
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked {
			return runVersion(env, versionOptions{output: "text"})
		}
		return run(cmd, args)
	}
}

func runVersion(env *Env, opts versionOptions) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	commit := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	switch {
	case opts.output == "json":
		return json.NewEncoder(env.Stdout).Encode(map[string]string{
			"version": Version, "commit": commit, "go": runtime.Version(),
			"platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	case opts.short:
		fmt.Fprintln(env.Stdout, Version)
	default:
		fmt.Fprintf(env.Stdout, "nix2gpu %s\n", Version)
	}
	return nil
}
