package packages

import (
	"slices"
	"strings"

	"nix2gpu/project"
)

// Words are the programs that commands name without a path.
type Words struct {
	Refs    []project.PackageRef // the packages that have them
	Unknown []Word               // those that no package of the table has
}

// A Word is a program's name in a command.
type Word struct {
	Word string
	Pos  project.Pos
}

// BareWords finds the first words of the commands of p's enabled services: what
// people type as "python -m x" brings the package of python. Each package and
// each unknown word comes once, sorted.
func BareWords(p *project.Project) Words {
	var out Words
	seen := map[string]bool{}
	for _, id := range p.Select(p.Enabled(), false) {
		svc := p.Services[id]
		for _, proc := range svc.ProcessIDs() {
			c := p.Processes[proc]
			if c == nil {
				continue
			}
			word := firstWord(c.Command)
			if word == "" || seen[word] || ofDriver(word) {
				continue
			}
			seen[word] = true
			pos := svc.OptionPos("command")
			if i := slices.IndexFunc(p.Container.Archives, func(a project.Archive) bool { return a.Attr == word || slices.Contains(a.Programs, word) }); i >= 0 {
				out.Refs = append(out.Refs, project.PackageRef{Attr: p.Container.Archives[i].Attr, Pos: pos})
			} else if attr := Owner(word); attr != "" && Lookup(attr).From == "" {
				out.Refs = append(out.Refs, project.PackageRef{Attr: attr, Pos: pos})
			} else if !inBase(word) {
				out.Unknown = append(out.Unknown, Word{word, pos})
			}
		}
	}
	slices.SortFunc(out.Refs, func(a, b project.PackageRef) int { return strings.Compare(a.Attr, b.Attr) })
	out.Refs = slices.CompactFunc(out.Refs, func(a, b project.PackageRef) bool { return a.Attr == b.Attr })
	slices.SortFunc(out.Unknown, func(a, b Word) int { return strings.Compare(a.Word, b.Word) })
	return out
}

// ofDriver reports whether a program comes with the driver of a GPU, which the
// host lends to a container.
func ofDriver(word string) bool { return strings.HasPrefix(word, "nvidia-") }

// inBase reports whether every image has a program without being asked.
func inBase(word string) bool {
	return word == "nix2gpu" || word == "process-compose" || slices.Contains([]string{"env", "exec", "test", "[", "awk", "hostname"}, word)
}

// firstWord is the name of the program that a command runs first; "" where that
// is a path, or known only when it runs.
func firstWord(c project.Command) string {
	if len(c.Exec) > 0 {
		word, ok := c.Exec[0].Literal()
		if !ok || strings.Contains(word, "/") {
			return ""
		}
		return word
	}
	var line strings.Builder
	for _, part := range c.Shell {
		if part.IsLiteral() {
			line.WriteString(part.Literal)
		} else {
			line.WriteString("/") // a path
		}
	}
	text := strings.NewReplacer("\\\n", " ", "&&", "\n", "||", "\n", ";", "\n").Replace(line.String())
	for simple := range strings.Lines(text) {
		words := strings.Fields(simple)
		for len(words) > 0 && (words[0] == "exec" || isAssignment(words[0])) {
			words = words[1:]
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") || isBuiltin(words[0]) {
			continue
		}
		word := words[0]
		if strings.ContainsAny(word, "/$`\"'(){}<>|&*?~=") {
			return ""
		}
		return word
	}
	return ""
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// isBuiltin reports whether the shell itself knows a word: what runs comes later.
func isBuiltin(word string) bool {
	const words = "cd export set unset source . : trap ulimit umask shift local declare typeset readonly alias shopt eval wait " +
		"if then else elif fi for while until do done case esac function { } ( ) [ [[ true false echo printf read"
	return slices.Contains(strings.Fields(words), word)
}
