// Command upstream checks what others have written for services-flake and for nix2gpu, and
// runs those tests of nixpkgs' lib that build nothing, and counts what passes:
//
//	go run ./scripts/upstream DIR
//
// DIR has copies of these repositories, as folders named services-flake, nix2gpu and nixpkgs
// (of that one, lib is enough); one of them is enough. Copies of other versions may have other
// names that begin so, such as nix2gpu-2025. Nothing of them is part of this repository.
//
// Each line is one definition, with "ok" or the first error. A module of services-flake is
// given by its path and has one instance, and its test definitions are checked twice: with
// our types, and with all its modules by their paths.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == instantiate {
		os.Exit(standIn(os.Args[1:], os.Stdout, os.Stderr))
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: upstream DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], "bin/nix2gpu", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

// A definition is a file to check, or the text of one. Module is the text of a file that
// is merged with it; "" for none.
type definition struct{ name, file, text, module string }

// A group is what is counted together.
type group struct {
	title string
	all   []definition
}

func run(dir, program string, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var groups []group
	known := false
	for _, e := range entries {
		root := filepath.Join(dir, e.Name())
		var found []group
		switch {
		case strings.HasPrefix(e.Name(), "nixpkgs"):
			known, err = true, checkNixpkgs(e.Name(), root, program, out)
		case strings.HasPrefix(e.Name(), "services-flake"):
			found, err = ofServicesFlake(root)
		case strings.HasPrefix(e.Name(), "nix2gpu"):
			found, err = ofNix2gpu(root)
		}
		if err != nil {
			return err
		}
		for _, g := range found {
			groups = append(groups, group{e.Name() + ": " + g.title, g.all})
		}
	}
	if len(groups) == 0 && !known {
		return fmt.Errorf("%s has no folder services-flake, nix2gpu or nixpkgs", dir)
	}
	for _, g := range groups {
		if err := g.check(program, out); err != nil {
			return err
		}
	}
	return nil
}

// check checks the definitions of a group and prints what came of each.
func (g *group) check(program string, out io.Writer) error {
	var lines []string
	passed := 0
	for _, d := range g.all {
		wrong, err := d.check(program)
		if err != nil {
			return err
		}
		if wrong == "" {
			passed, wrong = passed+1, "ok"
		}
		lines = append(lines, fmt.Sprintf("  %-20s %s\n", d.name, wrong))
	}
	_, err := fmt.Fprintf(out, "%s: %d of %d pass\n%s", g.title, passed, len(g.all), strings.Join(lines, ""))
	return err
}

// patience is how long one check may take.
const patience = 5 * time.Minute

// check returns the first line that "nix2gpu check" prints of an error, or "".
func (d *definition) check(program string) (wrong string, err error) {
	temp, err := os.MkdirTemp("", "upstream-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	args := []string{"check", d.file}
	if d.file == "" {
		args[1] = filepath.Join(temp, "nix2gpu.nix")
		if err := os.WriteFile(args[1], []byte(d.text), 0o666); err != nil {
			return "", err
		}
	}
	if d.module != "" {
		file := filepath.Join(temp, "module.nix")
		if err := os.WriteFile(file, []byte(d.module), 0o666); err != nil {
			return "", err
		}
		args = append(args, "--module", file)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Run()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		return "", err
	}
	if err == nil {
		return "", nil
	}
	for line := range strings.Lines(output.String()) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, ": note: ") && !strings.Contains(line, ": warning: ") && !strings.HasPrefix(line, "warning: ") {
			return line, nil
		}
	}
	return err.Error(), nil
}

// ofServicesFlake returns the modules and the test definitions of services-flake.
func ofServicesFlake(root string) ([]group, error) {
	var modules, byPath, ours []definition
	var paths []string
	var tests []string
	err := eachNix(filepath.Join(root, "nix/services"), func(file, text string) {
		base := strings.TrimSuffix(filepath.Base(file), ".nix")
		switch {
		case strings.HasSuffix(base, "_test"):
			tests = append(tests, file)
		case !strings.Contains(text, "outputs"): // a part of a module, or the list of them
		case base == "devshell": // no type of service
		case base == "default":
			file = filepath.Dir(file)
			base = filepath.Base(file)
			fallthrough
		default:
			paths = append(paths, literal(file))
			modules = append(modules, one(base, file))
		}
	})
	for _, file := range tests {
		name := strings.TrimSuffix(filepath.Base(file), "_test.nix")
		ours = append(ours, definition{name: name, text: fmt.Sprintf("{ imports = [ %s ]; }\n", literal(file))})
		byPath = append(byPath, definition{name: name, text: fmt.Sprintf("{ imports = [ %s ]; serviceModules = [ %s ]; }\n", literal(file), strings.Join(paths, " "))})
	}
	return []group{{"modules by path", modules}, {"test definitions, with its modules by path", byPath}, {"test definitions, with the types of nix2gpu", ours}}, err
}

// ofNix2gpu returns the definitions of another nix2gpu: examples, templates, and its types
// of services.
func ofNix2gpu(root string) ([]group, error) {
	var definitions, modules []definition
	var paths []string
	err := eachNix(filepath.Join(root, "services"), func(file, text string) {
		if strings.Contains(text, "outputs.settings") {
			paths = append(paths, literal(file))
			name := strings.TrimSuffix(filepath.Base(file), ".nix")
			modules = append(modules, one(name, file))
		}
	})
	if err != nil {
		return nil, err
	}
	module := ""
	if len(paths) > 0 {
		module = fmt.Sprintf("{ serviceModules = [ %s ]; }\n", strings.Join(paths, " "))
	}
	for _, folder := range []string{"examples", "templates"} {
		err := eachNix(filepath.Join(root, folder), func(file, text string) {
			if base := filepath.Base(file); strings.Contains(text, "nix2gpu") && (folder == "examples" || base == "flake.nix") {
				name, _ := filepath.Rel(root, file)
				definitions = append(definitions, definition{name: strings.TrimSuffix(name, ".nix"), file: file, module: module})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	groups := []group{{"definitions", definitions}}
	if len(modules) > 0 {
		groups = append(groups, group{"modules by path", modules})
	}
	return groups, nil
}

// required are what an instance of a module cannot do without.
var required = map[string]string{
	"alloy":   `configFile = builtins.toFile "config.alloy" "";`,
	"pgadmin": `initialEmail = "me@example.org"; initialPassword = "pgadmin";`,
}

// one is a definition with one instance of a module.
func one(typ, file string) definition {
	return definition{name: typ, text: fmt.Sprintf("{ serviceModules = [ %s ]; services.%q.\"one\" = { enable = true; %s }; }\n", literal(file), typ, required[typ])}
}

// literal is a path as Nix writes it, also one that no path of its syntax can be.
func literal(path string) string {
	return "(/. + " + strings.ReplaceAll(strconv.Quote(path), "${", `\${`) + ")"
}

// eachNix calls do with each Nix file below a folder, in order, and its text. A folder that
// does not exist has none.
func eachNix(folder string, do func(file, text string)) error {
	var files []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) && path == folder {
			return filepath.SkipAll
		}
		if err == nil && !e.IsDir() && filepath.Ext(path) == ".nix" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		do(file, string(text))
	}
	return nil
}
