package packages

import (
	"slices"
	"sort"
	"strings"

	"nix2gpu/project"
)

// Words are the programs that commands name without a path.
type Words struct {
	Refs    []project.PackageRef // the packages that have these programs
	Unknown []Word               // programs that no package of the table has
}

// A Word is a program's name in a command.
type Word struct {
	Word string
	Pos  project.Pos
}

// BareWords finds the programs that the start-up script and the commands of p's enabled
// services name, probes and shutdown commands included: "python -m x" needs the package
// of python. Each package and each unknown word is returned once, sorted.
func BareWords(p *project.Project) Words {
	var out Words
	seen := map[string]bool{}
	take := func(c project.Command, pos project.Pos) {
		for _, word := range Programs(c) {
			if seen[word] || ofDriver(word) || inBase(word) {
				continue
			}
			seen[word] = true
			if i := slices.IndexFunc(p.Container.Archives, func(a project.Archive) bool { return a.Attr == word || slices.Contains(a.Programs, word) }); i >= 0 {
				out.Refs = append(out.Refs, project.PackageRef{Attr: p.Container.Archives[i].Attr, Pos: pos})
			} else if attr := Owner(word); attr != "" && Lookup(attr).InImages() {
				if !baseHas(attr) {
					out.Refs = append(out.Refs, project.PackageRef{Attr: attr, Pos: pos})
				}
			} else {
				out.Unknown = append(out.Unknown, Word{word, pos})
			}
		}
	}
	for _, id := range p.Select(p.Shipped(), false) {
		svc := p.Services[id]
		for _, proc := range svc.ProcessIDs() {
			c := p.Processes[proc]
			if c == nil {
				continue
			}
			take(c.Command, svc.OptionPos("command"))
			for _, probe := range c.Probes() {
				if probe.Exec != nil {
					take(probe.Exec.Command, svc.Pos)
				}
			}
			if c.Shutdown.Command != nil {
				take(*c.Shutdown.Command, svc.Pos)
			}
		}
	}
	take(project.Command{Shell: p.Container.Startup}, project.Pos{})
	sort.SliceStable(out.Refs, func(i, j int) bool { return out.Refs[i].Attr < out.Refs[j].Attr })
	out.Refs = slices.CompactFunc(out.Refs, func(a, b project.PackageRef) bool { return a.Attr == b.Attr })
	sort.SliceStable(out.Unknown, func(i, j int) bool { return out.Unknown[i].Word < out.Unknown[j].Word })
	return out
}

// ofDriver reports whether a program comes with a GPU's driver, which the host lends to
// containers.
func ofDriver(word string) bool { return strings.HasPrefix(word, "nvidia-") }

// inBase reports whether every image has a program.
func inBase(word string) bool {
	return slices.Contains([]string{"nix2gpu", "process-compose", "awk", "hostname", "which", "ldconfig"}, word)
}

// baseHas reports whether every image has all packages of an attribute.
func baseHas(attr string) bool {
	return !slices.ContainsFunc(Lookup(attr).Debian, func(name string) bool { return !slices.Contains(Base(), name) })
}

// Programs returns the programs that a command runs by name, and not by a path, as a
// shell would read it.
func Programs(c project.Command) []string {
	text := func(t project.Text) shellWord {
		var b strings.Builder
		for _, part := range t {
			if part.IsLiteral() {
				b.WriteString(part.Literal)
			} else {
				b.WriteByte(elsewhere)
			}
		}
		return shellWord{text: b.String(), open: strings.IndexByte(b.String(), elsewhere) >= 0}
	}
	if len(c.Exec) > 0 {
		s := &shellReader{}
		var words []shellWord
		for _, arg := range c.Exec {
			words = append(words, text(arg))
		}
		s.program(words, 0)
		return slices.DeleteFunc(s.found, func(word string) bool { return s.defined[word] })
	}
	if len(c.Shell) == 0 {
		return nil
	}
	var out []string
	if len(c.ShellArgv) > 0 && !strings.Contains(c.ShellArgv[0], "/") {
		out = append(out, c.ShellArgv[0])
	}
	return append(out, shellPrograms(text(c.Shell).text)...)
}
