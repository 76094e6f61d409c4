package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problems holds all reasons why a set of names can't be resolved.
type Problems []error

func (p Problems) Error() string {
	var lines []string
	for _, err := range p {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

func (p Problems) Unwrap() []error { return p }

// An UnknownError says that no package has a name or provides it.
type UnknownError struct {
	Name, Arch string
	Meant      string // a similar name, or ""
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("there is no package %q for %s", e.Name, e.Arch)
	if e.Meant != "" {
		text += fmt.Sprintf("; did you mean %q?", e.Meant)
	}
	return text
}

// A Step is a package in a chain of dependencies, with the one that leads on.
type Step struct {
	Package   Locked
	DependsOn string // as its archive writes it
}

// An UnsatisfiableError says that a dependency of a wanted package can't be fulfilled.
type UnsatisfiableError struct {
	Want   string
	Steps  []Step // from the wanted package to the one whose dependency fails
	Reason string
	Held   []string // packages whose locked version prevents it
}

func (e *UnsatisfiableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %q cannot be had: %s", e.Want, e.Reason)
	for _, s := range e.Steps {
		fmt.Fprintf(&b, "\n  %s %s", s.Package.Name, s.Package.Version)
		if s.DependsOn != "" {
			fmt.Fprintf(&b, " depends on %s", s.DependsOn)
		}
	}
	return b.String()
}

// lacking returns why nothing fulfils a group.
func (s *solver) lacking(group Alternatives) *UnsatisfiableError {
	e := &UnsatisfiableError{}
	var reasons []string
	for _, r := range group {
		switch have := s.chosen[r.Name]; {
		case have != nil && have.held != nil:
			e.Held = append(e.Held, r.Name)
			reasons = append(reasons, fmt.Sprintf("%s is locked at %s", r.Name, have.Version))
		case have != nil:
			reasons = append(reasons, fmt.Sprintf("%s is wanted at %s", r.Name, have.Version))
		case s.never(r.Name) != "":
			reasons = append(reasons, fmt.Sprintf("%s %s", r.Name, s.never(r.Name)))
		default:
			if c := s.have[r.Name]; c != nil {
				reasons = append(reasons, fmt.Sprintf("the base has %s %s", r.Name, c.Version))
			}
			if h, ok := s.held[r.Name]; ok {
				e.Held = append(e.Held, r.Name)
				reasons = append(reasons, fmt.Sprintf("%s is locked at %s", r.Name, h.Version))
			} else if p := s.ix.Newest(r.Name); p != nil {
				reasons = append(reasons, fmt.Sprintf("%s is %s", r.Name, p.Version))
			} else {
				reasons = append(reasons, fmt.Sprintf("there is no %s for %s", r.Name, s.ix.arch))
			}
		}
	}
	e.Reason = strings.Join(reasons, ", and ")
	return e
}

// A ConflictError says that two packages can't be installed together.
type ConflictError struct {
	Package, With Locked
	Word          string // "conflicts with" or "breaks"
	Relation      string
	Why           [2][]string // for each, the chain of names that leads to it from a requested package
}

func (e *ConflictError) Error() string {
	text := fmt.Sprintf("%s %s %s %s, which is %s", e.Package.Name, e.Package.Version, e.Word, e.Relation, e.With.Version)
	if e.With.Name != strings.Fields(e.Relation)[0] {
		text = fmt.Sprintf("%s %s %s %s, which %s %s provides", e.Package.Name, e.Package.Version, e.Word, e.Relation, e.With.Name, e.With.Version)
	}
	for _, chain := range e.Why {
		if len(chain) > 1 {
			text += "\n  " + strings.Join(chain, " needs ")
		}
	}
	return text
}

// conflicts lists the chosen packages that exclude each other.
func (s *solver) conflicts() Problems {
	var found Problems
	for _, name := range slices.Sorted(maps.Keys(s.chosen)) {
		c := s.chosen[name]
		if c.pkg == nil {
			continue // only the lock knows it, and the lock was checked when it was made
		}
		for _, field := range [][2]string{{"conflicts with", c.pkg.Conflicts}, {"breaks", c.pkg.Breaks}} {
			for _, r := range parsedProvides(field[1]) {
				for _, other := range s.excluded(c, r) {
					found = append(found, &ConflictError{
						Package: c.Locked, With: other.Locked, Word: field[0], Relation: r.String(),
						Why: [2][]string{s.why(c.Name), s.why(other.Name)},
					})
				}
			}
		}
	}
	return found
}

// excluded returns the chosen packages that the relation r of c matches, never c
// itself.
func (s *solver) excluded(c *choice, r Relation) []*choice {
	var out []*choice
	if other := s.chosen[r.Name]; other != nil && other != c && r.Admits(other.Version) {
		out = append(out, other)
	}
	for _, other := range s.names[r.Name] {
		if other != c && other.Name != r.Name && providesWhat(other.provides(), r) {
			out = append(out, other)
		}
	}
	if other := s.there(Relation{Name: r.Name, Op: r.Op, Version: r.Version}); other != nil && other.Name != c.Name {
		out = append(out, other)
	}
	return out
}

// why returns the shortest chain of names from a requested package to another.
func (s *solver) why(name string) []string {
	type way struct {
		name string
		from *way
	}
	var queue []*way
	seen := map[string]bool{}
	for _, c := range s.trail { // the requested packages come first in the trail
		queue = append(queue, &way{name: c.Name})
		seen[c.Name] = true
		if len(queue) == s.requested {
			break
		}
	}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		if w.name == name {
			var out []string
			for ; w != nil; w = w.from {
				out = append(out, w.name)
			}
			slices.Reverse(out)
			return out
		}
		for _, n := range s.chosen[w.name].led {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, &way{n, w})
			}
		}
	}
	return []string{name}
}
