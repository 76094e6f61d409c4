package cli

import (
	"context"

	"github.com/spf13/cobra"

	"nix2gpu/compose"
	"nix2gpu/project"
)

type configOptions struct {
	target  target
	output  string
	origin  bool
	running bool // what runs, and not what is defined
	raw     bool // without masks
}

func newConfig(env *Env) *cobra.Command {
	var opts configOptions
	cmd := &cobra.Command{
		Use:   "config [DEFINITION]",
		Short: "Print what a definition means, merged and resolved",
		Long: `Prints the project that a definition stands for: with all defaults, modules merged, and
secrets masked. The format is process-compose YAML, or with -o json our own. With
--show-origin it prints the options instead: each value that the definition sets, with
the file and line that set it.

With --running it prints the project that runs, as it was when it was started or
reloaded. Without masks, only the user who runs it gets that.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(opts.target.services) > 0 {
				return usageError("config takes a definition, and %q does not look like one", opts.target.services[0])
			}
			return runConfig(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	addProfileFlag(env, cmd, &opts.target)
	addScaleFlag(cmd, &opts.target)
	addKeptScaleFlag(cmd, &opts.target)
	addGivenFlags(cmd, &opts.target) // a supervisor passes them on
	addOutputFlag(cmd, &opts.output, "yaml", "json")
	cmd.Flags().BoolVar(&opts.origin, "show-origin", false, "print each option that is set, and where")
	cmd.Flags().BoolVar(&opts.running, "running", false, "print the project that runs, whatever the definition says now")
	cmd.Flags().BoolVar(&opts.raw, "no-mask", false, "print passwords and tokens as they are")
	return cmd
}

func runConfig(ctx context.Context, env *Env, opts configOptions) error {
	// A supervisor asks its child for "project"; only there nothing is masked.
	if err := oneOf("output", opts.output, "yaml", "json", "project"); err != nil {
		return err
	}
	if opts.running && opts.origin {
		return usageError("--running and --show-origin exclude each other")
	}
	if opts.running {
		return opts.printRunning(ctx, env)
	}
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	if opts.origin {
		if l.config == nil {
			return hint(usageError("--show-origin is for definitions in Nix, and %s is none", l.name), "leave it out: there, each value has one place")
		}
		writeOrigins(env.Stdout, l)
		return nil
	}
	var data []byte
	switch opts.output {
	case "project":
		l.placeTexts() // in a container, the definition is not there
		data, err = l.project.Encode()
	case "json":
		data, err = opts.shown(l.asDefined()).Encode()
	default:
		l.writeNotes(env)
		data, err = compose.Encode(opts.shown(l.asDefined()), compose.EncodeOptions{})
	}
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(data)
	return err
}

// shown is a project as it may be printed.
func (o *configOptions) shown(p *project.Project) *project.Project {
	if o.raw {
		return p
	}
	return p.Masked()
}

// printRunning prints the project that a supervisor runs.
func (o *configOptions) printRunning(ctx context.Context, env *Env) error {
	c, err := o.target.running(ctx, env)
	if err != nil {
		return err
	}
	p, err := c.Project(ctx, o.raw)
	if err != nil {
		return err
	}
	var data []byte
	if o.output == "yaml" {
		data, err = compose.Encode(p, compose.EncodeOptions{})
	} else {
		data, err = p.Encode()
	}
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(data)
	return err
}
