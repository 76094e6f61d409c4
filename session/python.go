package session

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/packages"
	"nix2gpu/process"
	"nix2gpu/project"
)

// lacks is a program for Python. It prints those of its arguments that are the name of
// neither an installed distribution nor an importable module.
const lacks = `
import importlib.metadata, importlib.util, sys
def there(name):
    for n in (name, name.lower()):
        try:
            importlib.metadata.distribution(n)
            return True
        except Exception:
            pass
        try:
            if importlib.util.find_spec(n.replace("-", "_")) is not None:
                return True
        except Exception:
            pass
    return False
for name in sys.argv[1:]:
    if not there(name):
        print("lacks " + name)
`

// importName returns the name that Python knows a package by, where the attribute has
// another one.
func importName(attr string) string {
	name := attr
	for _, variant := range []string{"-bin", "WithCuda", "WithRocm", "WithoutCuda"} {
		name = strings.TrimSuffix(name, variant)
	}
	switch name {
	case "pytorch":
		return "torch"
	case "opencv4", "opencv3":
		return "cv2"
	}
	return name
}

// modules finds the modules that withPackages names and this machine's Python lacks.
// In a container nothing is asked: the image has them. A Python that can't be asked
// counts as complete, and the service itself will report what it lacks.
func (c *check) modules(ctx context.Context) {
	if c.Trial == nil || c.inside() {
		return
	}
	asked := map[string][]string{} // the modules, by the attribute of their Python
	c.services(func(s *project.Service) {
		wanted := map[string][]string{}
		at := map[string]project.PackageRef{}
		for _, ref := range packages.Needed(c.project, s.ID) {
			python, name, ok := strings.Cut(ref.Attr, "Packages.")
			if !ok || !strings.HasPrefix(python, "python3") {
				continue
			}
			wanted[python] = append(wanted[python], importName(name))
			at[importName(name)] = ref
		}
		for python, names := range wanted {
			slices.Sort(names)
			key := python + " " + strings.Join(names, " ")
			missing, known := asked[key]
			if !known {
				missing = c.lacking(ctx, python, names)
				asked[key] = missing
			}
			for _, name := range missing {
				ref := at[name]
				if ref.Pos == (project.Pos{}) {
					ref.Pos = s.OptionPos("command")
				}
				m := &packages.MissingError{Attr: ref.Attr, Pos: ref.Pos, Debian: packages.Lookup(ref.Attr).Debian}
				c.fail(PackageMissing, s, ref.Pos, m.Cure(), "Python finds no module %q here", name).Missing = m
			}
		}
	})
}

// lacking returns the modules that a Python does not find.
func (c *check) lacking(ctx context.Context, python string, names []string) (missing []string) {
	folder, err := c.provider().Path(python)
	if err != nil {
		return nil // a missing Python is reported by commands
	}
	program := filepath.Join(folder, "bin", "python3")
	limited, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	out, code, err := c.Trial(limited, process.Trial{Path: program, Argv: append([]string{program, "-c", lacks}, names...), Dir: "/"}, c.Environ)
	if err != nil || code != 0 {
		return nil
	}
	out, _ = process.CutShared(out)
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "lacks "); ok && slices.Contains(names, name) {
			missing = append(missing, name)
		}
	}
	return missing
}
