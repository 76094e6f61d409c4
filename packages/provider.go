package packages

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"nix2gpu/project"
)

// A Provider makes packages available.
type Provider interface {
	// Path makes the folder that stands for a package, and returns its path. The error
	// is a *MissingError if the software is not installed.
	Path(attr string) (string, error)
	// Contents returns what a package consists of. It makes nothing. The error is a
	// *MissingError if the software is not installed.
	Contents(attr string) (*Contents, error)
}

// MissingError says that a package's software is not on this machine, and how to get it.
type MissingError struct {
	Attr     string
	Pos      project.Pos
	Programs []string // programs that were looked for
	Debian   []string
	From     string // where to get it, if Debian has no package
	Meant    string // a similar known attribute
	Unknown  bool   // not in the table: program and Debian package are guesses
	Archive  bool   // images get it as a vendor's archive
}

func (e *MissingError) Error() string {
	text := e.Reason() + "\nhint: " + e.Cure()
	if e.Pos.File != "" {
		text = fmt.Sprintf("%s:%d:%d: %s", e.Pos.File, e.Pos.Line, e.Pos.Col, text)
	}
	return text
}

// Reason returns the error without its position and cure.
func (e *MissingError) Reason() string {
	var b strings.Builder
	switch {
	case e.Unknown && !e.Archive:
		fmt.Fprintf(&b, "package %q is not known", e.Attr)
		if len(e.Programs) > 0 {
			fmt.Fprintf(&b, ", and there is no program %q on this machine", e.Programs[0])
		}
	case len(e.Programs) > 0:
		fmt.Fprintf(&b, "package %q is not installed: no program %q on this machine", e.Attr, e.Programs[0])
	default:
		fmt.Fprintf(&b, "package %q is not installed", e.Attr)
	}
	if e.Meant != "" && !e.Archive {
		fmt.Fprintf(&b, "; did you mean %q?", e.Meant)
	}
	return b.String()
}

// Cure returns how to get the package.
func (e *MissingError) Cure() string {
	if e.Archive {
		program := e.Attr
		if len(e.Programs) > 0 {
			program = e.Programs[0]
		}
		return fmt.Sprintf("archives.%s is for images: put a program %q into the PATH, or run the container's image", e.Attr, program)
	}
	text := cure(e.Debian, e.From)
	if e.Unknown {
		text = "if Debian has it: " + text
	}
	if e.From == "" {
		text += " (or: nix2gpu up --install)"
	}
	return text
}

// Cure returns how to get what attr stands for.
func Cure(attr string) string {
	p := Lookup(attr)
	return cure(Released(p.Debian, ""), p.From)
}

func cure(debian []string, from string) string {
	if from != "" {
		return "Debian has no package for it; see " + from
	}
	return "apt-get install --no-install-recommends " + strings.Join(debian, " ")
}

// Missing asks provider for all packages of refs, and returns those that are missing,
// each attribute once, sorted. An error is one of another kind, such as a folder that
// can't be written.
func Missing(provider Provider, refs []project.PackageRef) ([]*MissingError, error) {
	var missing []*MissingError
	seen := map[string]bool{}
	for _, ref := range refs {
		if seen[ref.Attr] {
			continue
		}
		seen[ref.Attr] = true
		_, err := provider.Path(ref.Attr)
		if lacks, ok := err.(*MissingError); ok {
			lacks.Pos = ref.Pos
			missing = append(missing, lacks)
		} else if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(missing, func(a, b *MissingError) int { return strings.Compare(a.Attr, b.Attr) })
	return missing, nil
}

// Needed lists the packages that the processes of some services and the container name,
// each attribute once, sorted: in their lists of packages, in all texts, and in generated
// files that these use. A service that can't run needs none.
func Needed(p *project.Project, services ...project.ID) []project.PackageRef {
	var refs []project.PackageRef
	seen := map[string]bool{}
	add := func(ref project.PackageRef) {
		if !seen[ref.Attr] {
			seen[ref.Attr] = true
			refs = append(refs, ref)
		}
	}
	texts := func(_ project.Owner, t *project.Text) {
		for _, attr := range t.Packages() {
			add(project.PackageRef{Attr: attr})
		}
	}
	for _, ref := range p.Container.SystemPkgs {
		add(ref)
	}
	walks := []func(project.TextVisitor){p.Container.EachText}
	for _, id := range services {
		s := p.Services[id]
		if s == nil || s.Unsupported != "" {
			continue
		}
		for _, id := range s.ProcessIDs() {
			if proc := p.Processes[id]; proc != nil {
				for _, ref := range proc.Packages {
					add(ref)
				}
				walks = append(walks, proc.EachText)
			}
		}
	}
	for _, walk := range walks {
		walk(texts)
	}
	for _, name := range p.Uses(walks...) {
		p.Files[name].EachText(texts)
	}
	sort.SliceStable(refs, func(i, j int) bool { return refs[i].Attr < refs[j].Attr })
	return refs
}
