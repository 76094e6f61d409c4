package debian

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/spelling"
)

// A Chosen package is one that the resolver has chosen.
type Chosen struct {
	Locked
	// Needs holds the names of the packages that fulfil its dependencies, sorted.
	Needs []string
	// Provides is that field of the package, as text.
	Provides string
}

// An Installed package is on the base already and need not be chosen.
type Installed struct{ Name, Version, Arch, MultiArch, Provides string }

// A Request is what to resolve.
type Request struct {
	// Names are names of packages, or names that packages provide.
	Names []string
	// Held has the packages whose version must not change, by name, and so must not
	// what fulfils their dependencies.
	Held map[string]Chosen
	// Cut reports whether a dependency of a package on another is to be ignored; nil:
	// none is.
	Cut func(name, need string) bool
	// Admits restricts the versions of packages, by name; without an entry any will do.
	Admits map[string]func(version string) bool
	// There lists what is installed already. It is not replaced, unless a chosen
	// package needs another version.
	There []Installed
	// Never returns why a package must not be chosen, or "" if it may be; nil: all may
	// be.
	Never func(name string) string
}

// A Solution is the result of a resolution.
type Solution struct {
	Packages []Chosen // sorted by name
	// Wanted has, by each requested name, the package that was chosen for it.
	Wanted map[string]string
	// There lists the requested names that installed packages fulfil, sorted.
	There []string
}

// Resolve finds the requested packages and everything that they depend on: the newest
// version of each, and of alternatives the first that can be had. It does not search
// beyond that: packages that conflict are an error. The same index and request give
// the same solution.
//
// The error is a [Problems].
func Resolve(ix *Index, r Request) (*Solution, error) {
	s := &solver{ix: ix, held: r.Held, cut: r.Cut, admits: r.Admits, refuse: r.Never, chosen: map[string]*choice{}, names: map[string][]*choice{}, hopeless: map[string]*UnsatisfiableError{}}
	s.base(r.There)
	wanted := map[string]string{}
	var there []string
	var problems Problems
	names := slices.Sorted(slices.Values(r.Names))
	names = slices.Compact(names)
	// All requested packages are chosen before dependencies, because they decide between
	// alternatives.
	var roots []*choice
	for _, name := range names {
		if have := s.there(Relation{Name: name}); have != nil && (r.Admits[name] == nil || r.Admits[name](have.Version)) {
			there = append(there, name)
			continue
		}
		var c *choice
		for _, p := range s.candidates(Relation{Name: name}) {
			c = p
			break
		}
		if c == nil {
			problems = append(problems, s.unknown(name))
			continue
		}
		wanted[name] = c.Name
		if s.chosen[c.Name] == nil {
			s.choose(c)
			roots = append(roots, c)
		}
	}
	s.requested = len(s.trail)
	for _, c := range roots {
		if err := s.needs(c); err != nil {
			problems = append(problems, &UnsatisfiableError{Want: c.Name, Steps: err.Steps, Reason: err.Reason, Held: err.Held})
		}
	}
	if len(problems) == 0 {
		problems = s.conflicts()
	}
	if len(problems) > 0 {
		return nil, problems
	}
	out := &Solution{Wanted: wanted, There: there}
	for _, name := range slices.Sorted(maps.Keys(s.chosen)) {
		c := s.chosen[name]
		slices.Sort(c.led)
		out.Packages = append(out.Packages, Chosen{c.Locked, slices.Compact(c.led), c.provides()})
	}
	return out, nil
}

// A choice is a package that may be chosen.
type choice struct {
	Locked
	pkg  *Package // nil if only the lock knows it
	held *Chosen
	led  []string // the names of packages that fulfil its dependencies

	multi string // Multi-Arch of an installed package
}

func (c *choice) provides() string {
	if c.pkg != nil {
		return c.pkg.Provides
	}
	return c.held.Provides
}

// A solver is the state of one resolution.
type solver struct {
	ix        *Index
	held      map[string]Chosen
	cut       func(name, need string) bool
	admits    map[string]func(version string) bool
	refuse    func(name string) string
	have      map[string]*choice   // installed, by name
	provided  map[string][]*choice // installed, by what they provide
	chosen    map[string]*choice
	names     map[string][]*choice // chosen, by the names that they provide
	trail     []*choice            // chosen, in order, so that choices can be undone
	requested int                  // how many of the first entries of the trail were requested
	hopeless  map[string]*UnsatisfiableError
}

// choose chooses a package, without its dependencies.
func (s *solver) choose(c *choice) {
	s.chosen[c.Name] = c
	s.trail = append(s.trail, c)
	for _, p := range parsedProvides(c.provides()) {
		s.names[p.Name] = append(s.names[p.Name], c)
	}
}

// takeBack undoes all choices after the first n.
func (s *solver) takeBack(n int) {
	for _, c := range s.trail[n:] {
		delete(s.chosen, c.Name)
		for _, p := range parsedProvides(c.provides()) {
			s.names[p.Name] = slices.DeleteFunc(s.names[p.Name], func(x *choice) bool { return x == c })
		}
	}
	s.trail = s.trail[:n]
}

// needs chooses the dependencies of a chosen package.
func (s *solver) needs(c *choice) *UnsatisfiableError {
	if c.pkg == nil {
		return s.heldNeeds(c)
	}
	groups, err := c.pkg.dependencies()
	if err != nil {
		return &UnsatisfiableError{Reason: err.Error(), Steps: []Step{{Package: c.Locked}}}
	}
	for _, group := range groups {
		if s.cut != nil && !slices.ContainsFunc(group, func(r Relation) bool { return !s.cut(c.Name, r.Name) }) {
			continue
		}
		if err := s.satisfy(c, group); err != nil {
			return &UnsatisfiableError{Steps: append([]Step{{c.Locked, group.String()}}, err.Steps...), Reason: err.Reason, Held: err.Held}
		}
	}
	return nil
}

// heldNeeds chooses the dependencies of a package that is no longer in the index, so
// that its relations are not known: the lock has what fulfilled them.
func (s *solver) heldNeeds(c *choice) *UnsatisfiableError {
	for _, name := range c.held.Needs {
		if s.cut != nil && s.cut(c.Name, name) || s.chosen[name] == nil && s.there(Relation{Name: name}) != nil {
			continue
		}
		c.led = append(c.led, name)
		if s.chosen[name] != nil {
			continue
		}
		dep := s.candidate(name)
		if dep == nil {
			return &UnsatisfiableError{Steps: []Step{{c.Locked, name}}, Reason: s.lacking(Alternatives{{Name: name}}).Reason, Held: []string{c.Name}}
		}
		s.choose(dep)
		if err := s.needs(dep); err != nil {
			return &UnsatisfiableError{Steps: append([]Step{{c.Locked, name}}, err.Steps...), Reason: err.Reason, Held: err.Held}
		}
	}
	return nil
}

// satisfy chooses a package for a group of alternatives, unless a chosen one fulfils
// it already.
func (s *solver) satisfy(by *choice, group Alternatives) *UnsatisfiableError {
	for _, r := range group {
		if c := s.satisfied(r); c != nil {
			by.led = append(by.led, c.Name)
			return nil
		}
		if s.there(r) != nil {
			return nil
		}
	}
	var all []*choice
	for _, r := range group {
		all = append(all, s.candidates(r)...)
	}
	if by.held != nil { // prefer what has fulfilled it before
		slices.SortStableFunc(all, func(a, b *choice) int {
			return cmp.Compare(min(0, slices.Index(by.held.Needs, b.Name)), min(0, slices.Index(by.held.Needs, a.Name)))
		})
	}
	var first *UnsatisfiableError
	for _, c := range all {
		if other := s.chosen[c.Name]; other != nil {
			continue // chosen in another version, which stays
		}
		if h := s.hopeless[c.Name]; h != nil {
			first = cmp.Or(first, h)
			continue
		}
		before := len(s.trail)
		s.choose(c)
		err := s.needs(c)
		if err == nil {
			by.led = append(by.led, c.Name)
			return nil
		}
		s.takeBack(before)
		s.hopeless[c.Name] = err
		first = cmp.Or(first, err)
	}
	if first == nil {
		first = s.lacking(group)
	}
	return first
}

// satisfied returns the chosen package that fulfils r; nil if none does.
func (s *solver) satisfied(r Relation) *choice {
	if c := s.chosen[r.Name]; c != nil && r.Admits(c.Version) && s.qualified(r, c) {
		return c
	}
	for _, c := range s.names[r.Name] {
		if c.Name != r.Name && providesWhat(c.provides(), r) && s.qualified(Relation{Qual: plainQual(r.Qual)}, c) {
			return c
		}
	}
	return nil
}

// base records what is installed.
func (s *solver) base(list []Installed) {
	s.have, s.provided = map[string]*choice{}, map[string][]*choice{}
	for _, i := range list {
		if i.Arch != s.ix.arch && i.Arch != "all" {
			continue
		}
		c := &choice{Locked: Locked{Name: i.Name, Version: i.Version, Arch: i.Arch}, held: &Chosen{Provides: i.Provides}, multi: i.MultiArch}
		s.have[i.Name] = c
		for _, p := range parsedProvides(i.Provides) {
			s.provided[p.Name] = append(s.provided[p.Name], c)
		}
	}
}

// there returns the installed package that fulfils r; nil if none does. A package that
// was chosen in another version counts as replaced.
func (s *solver) there(r Relation) *choice {
	if c := s.have[r.Name]; c != nil && s.chosen[r.Name] == nil && r.Admits(c.Version) && s.qualified(r, c) {
		return c
	}
	for _, c := range s.provided[r.Name] {
		if s.chosen[c.Name] == nil && providesWhat(c.provides(), r) {
			return c
		}
	}
	return nil
}

// plainQual removes the qualifier "any", which a provided name fulfils too.
func plainQual(q string) string {
	if q == "any" {
		return ""
	}
	return q
}

// candidates returns the packages that fulfil r, best first: the one of that name, then
// those that provide it.
func (s *solver) candidates(r Relation) []*choice {
	var out []*choice
	if c := s.candidate(r.Name); c != nil && r.Admits(c.Version) && s.qualified(r, c) {
		out = append(out, c)
	}
	for _, p := range s.ix.Providers(r.Name) {
		if p.Name == r.Name {
			continue
		}
		if c := s.candidate(p.Name); c != nil && providesWhat(c.provides(), r) && s.qualified(Relation{Qual: plainQual(r.Qual)}, c) {
			out = append(out, c)
		}
	}
	// Held packages may no longer be in the index.
	for _, name := range slices.Sorted(maps.Keys(s.held)) {
		h := s.held[name]
		if name != r.Name && h.Provides != "" && s.never(name) == "" && providesWhat(h.Provides, r) && !slices.ContainsFunc(out, func(c *choice) bool { return c.Name == name }) {
			out = append(out, s.fromLock(h))
		}
	}
	return out
}

// candidate returns the package of that name: in the version that is held, or else in
// the newest that is admitted.
func (s *solver) candidate(name string) *choice {
	if s.never(name) != "" {
		return nil
	}
	if h, ok := s.held[name]; ok {
		return s.fromLock(h)
	}
	if p := s.newest(name); p != nil {
		return &choice{Locked: p.Locked, pkg: p}
	}
	return nil
}

func (s *solver) newest(name string) *Package {
	admits := s.admits[name]
	if admits == nil {
		return s.ix.Newest(name)
	}
	for _, p := range s.ix.Versions(name) {
		if admits(p.Version) {
			return p
		}
	}
	return nil
}

// never returns why a package must not be chosen; "" if it may be.
func (s *solver) never(name string) string {
	if s.refuse == nil {
		return ""
	}
	return s.refuse(name)
}

func (s *solver) fromLock(h Chosen) *choice {
	c := &choice{Locked: h.Locked, held: &h}
	for _, p := range s.ix.Versions(h.Name) {
		if p.Version == h.Version && p.SHA256 == h.SHA256 {
			c.pkg = p // then its conflicts are known
		}
	}
	return c
}

// qualified reports whether a package matches the qualifier of r.
func (s *solver) qualified(r Relation, c *choice) bool {
	switch r.Qual {
	case "", "native", s.ix.arch:
		return true
	case "any":
		return c.pkg == nil && c.multi == "" || c.multi == "allowed" || c.pkg != nil && c.pkg.MultiArch == "allowed"
	}
	return false
}

// dependencies parses Pre-Depends and Depends.
func (p *Package) dependencies() ([]Alternatives, error) {
	pre, err := ParseRelations(p.PreDepends)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Locked, err)
	}
	groups, err := ParseRelations(p.Depends)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Locked, err)
	}
	return append(groups, pre...), nil
}

// parsedProvides parses a Provides field. One that can't be parsed provides nothing.
func parsedProvides(text string) []Relation {
	groups, err := ParseRelations(text)
	if err != nil {
		return nil
	}
	var out []Relation
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// providesWhat reports whether a Provides field fulfils r. Only a name that is provided
// with a version fulfils a restriction of it.
func providesWhat(text string, r Relation) bool {
	if text == "" {
		return false
	}
	for _, p := range parsedProvides(text) {
		if p.Name == r.Name && (r.Op == "" || p.Op == "=" && r.Admits(p.Version)) {
			return true
		}
	}
	return false
}

// better orders packages that provide the same name; the preferred one is first.
func better(a, b *Package) int {
	if a.Essential != b.Essential {
		if a.Essential {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.priority, a.priority), strings.Compare(a.Name, b.Name))
}

// unknown returns the error for a name that can't be chosen: that there is none, with a
// similar one, or why what there is can't be used.
func (s *solver) unknown(name string) error {
	if why := s.never(name); why != "" {
		return &UnsatisfiableError{Want: name, Reason: "it " + why}
	}
	if all := s.ix.Versions(name); len(all) > 0 {
		e := &UnsatisfiableError{Want: name, Reason: "none of its versions will do:"}
		for i, p := range all {
			if i == 5 {
				e.Reason += fmt.Sprintf(" and %d more", len(all)-i)
				break
			}
			e.Reason += " " + p.Version
		}
		return e
	}
	return &UnknownError{Name: name, Arch: s.ix.arch, Meant: spelling.Nearest(name, s.ix.Names())}
}
