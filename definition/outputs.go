package definition

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
)

// An Output is what a flake gives others: a value, or a set of more.
type Output struct {
	Name  string   `json:"name"`
	What  string   `json:"what,omitempty"` // "package"; "" of a set
	Below []Output `json:"below,omitempty"`
}

// Outputs returns the outputs of the flake in dir, by their names, as far as Nix's
// conventions for these say what they are. A part that cannot be evaluated says why.
func Outputs(ctx context.Context, dir string, opts Options) (list []Output, err error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	e := newEvaluation(newSource(filepath.Join(dir, flakeFile), opts.Dir), opts)
	found, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	err = e.ev.Do(ctx, func(t *eval.Thread) {
		f := flake.FromValue(t, e.evaluate(t), e.root, flake.Options{FS: e.files, StandIns: e.standIns()})
		outputs := t.Attrs(t.Select(f.Self, "outputs"))
		for i := range outputs.Len() {
			name, v, _ := outputs.At(i)
			if strings.HasPrefix(name, "_") || name == "nix2gpu" { // ours, and shown below
				continue
			}
			if o := e.outputOf(t, name, v, outputLevels[name]); o.What != "" || len(o.Below) > 0 {
				list = append(list, o)
			}
		}
	})
	if err != nil {
		return nil, asErrors(err, nil)
	}
	if len(found.names) > 0 {
		containers := Output{Name: e.opts.System}
		for _, name := range found.names {
			containers.Below = append(containers.Below, Output{Name: name, What: "container"})
		}
		list = append(list, Output{Name: "nix2gpu", Below: []Output{containers}})
	}
	slices.SortFunc(list, func(a, b Output) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// An outputLevel is what an output holds, and how many levels of names it has.
type outputLevel struct {
	names int
	what  string
}

// outputLevels are those that "nix flake check" knows.
var outputLevels = map[string]outputLevel{
	"apps":                {2, "app"},
	"bundlers":            {2, "bundler"},
	"checks":              {2, "check"},
	"devShells":           {2, "development environment"},
	"formatter":           {1, "formatter"},
	"hydraJobs":           {2, "Hydra job"},
	"legacyPackages":      {1, "package set"},
	"nixosConfigurations": {1, "NixOS configuration"},
	"nixosModules":        {1, "NixOS module"},
	"overlays":            {1, "overlay"},
	"packages":            {2, "package"},
	"templates":           {1, "template"},
}

func (e *evaluation) outputOf(t *eval.Thread, name string, v eval.Value, level outputLevel) (out Output) {
	out = Output{Name: name, What: level.what}
	if level.names == 0 {
		if out.What == "" {
			out.What = "unknown"
		}
		return out
	}
	failed := t.Try(func() {
		set := t.Attrs(v)
		out.What = ""
		for i := range set.Len() {
			name, v, _ := set.At(i)
			if o := e.outputOf(t, name, v, outputLevel{level.names - 1, level.what}); o.What != "" || len(o.Below) > 0 {
				out.Below = append(out.Below, o)
			}
		}
	})
	if e, ok := errors.AsType[*eval.Error](failed); ok {
		switch e.Kind {
		case eval.KindCanceled, eval.KindSteps, eval.KindMemory: // no flaw of this part, and the end of all
			t.Raise(e)
		}
	}
	if failed != nil {
		out.What, out.Below = "cannot be evaluated: "+strings.ReplaceAll(failed.Error(), e.root+"/", ""), nil
	}
	return out
}

// IsBuiltInFlake reports whether a flake of that name, as an input or as the repository of
// one, is built in.
func IsBuiltInFlake(name string) bool { return slices.Contains(builtInFlakes, name) }

// builtInFlakes are the names of the stand-ins.
var builtInFlakes = []string{
	"flake-parts", "home-manager", "nix2container", "nix2gpu", "nixpkgs", "nixpkgs-lib", "nixpkgs.lib",
	"process-compose-flake", "services-flake", "systems",
}
