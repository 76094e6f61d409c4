package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/cache"
	"nix2gpu/image/inspect"
)

func newCache(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show how much the cache of packages and layers holds",
		Long: `Shows the cache that all projects share, $XDG_CACHE_HOME/nix2gpu: Debian packages,
their indexes, and the layers of images. All of it can be downloaded or made
again; "nix2gpu cache prune" removes what has not been used for a while.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCache(env) },
	}
	addVerbs(cmd, newCachePrune(env))
	return cmd
}

func runCache(env *Env) error {
	dir, err := cache.Locate(env.Getenv)
	if err != nil {
		return err
	}
	usage, err := cache.Measure(dir)
	if err != nil {
		return err
	}
	var total cache.Usage
	for _, u := range usage {
		fmt.Fprintf(env.Stdout, "%-10s %12s  %s\n", u.Folder, count(u.Files, "file"), inspect.Bytes(u.Bytes))
		total.Files += u.Files
		total.Bytes += u.Bytes
	}
	fmt.Fprintf(env.Stdout, "%-10s %12s  %s  %s\n", "total", count(total.Files, "file"), inspect.Bytes(total.Bytes), dir)
	return nil
}

func newCachePrune(env *Env) *cobra.Command {
	var unused time.Duration
	var all bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what has not been used for a while",
		Long: `Removes files of the cache that have not been used for 30 days, or for the time given
by --unused. Nothing is removed while a build uses the cache.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				unused = 0
			}
			return runCachePrune(env, unused)
		},
	}
	cmd.Flags().DurationVar(&unused, "unused", 30*24*time.Hour, "remove what has not been used for this `time`")
	cmd.Flags().BoolVar(&all, "all", false, "remove everything")
	return cmd
}

func runCachePrune(env *Env, unused time.Duration) error {
	if unused < 0 {
		return usageError("--unused must be 0 or more, not %s", unused)
	}
	dir, err := cache.Locate(env.Getenv)
	if err != nil {
		return err
	}
	since := env.Now().Add(-unused)
	if unused == 0 {
		since = time.Unix(1<<40, 0) // later than any date, even one of a clock that ran ahead
	}
	gone, err := cache.Prune(dir, since)
	if errors.Is(err, cache.ErrInUse) {
		return hint(fmt.Errorf("cannot prune %s: %w", dir, err), "try again when it is done")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "removed %s, %s\n", count(gone.Files, "file"), inspect.Bytes(gone.Bytes))
	return nil
}
