package debian

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/spelling"
)

// A Chosen package is one that the resolver took.
type Chosen struct {
	Locked
	// Needs names the packages that its dependencies led to, sorted.
	Needs []string
	// Provides are the names that it stands for, as its archive writes them.
	Provides string
}

// An Installed package is one that is there already, and need not be chosen.
type Installed struct{ Name, Version, Arch, MultiArch, Provides string }

// Wishes are what to resolve.
type Wishes struct {
	// Names of packages, or of what packages provide.
	Names []string
	// Held are packages whose version must not change, by name. What they need
	// is held as well.
	Held map[string]Chosen
	// Cut reports whether a package is to do without another that it depends on;
	// nil: none is.
	Cut func(name, need string) bool
	// Admits says by name which versions of a package will do; default: all.
	Admits map[string]func(version string) bool
	// There is what is installed already. It is left as it is, unless something that
	// is chosen needs another version.
	There []Installed
	// Never says why a package must not be taken; "" when it may be, as all may be
	// where it is nil.
	Never func(name string) string
}

// A Solution is what a set of names needs.
type Solution struct {
	Packages []Chosen // sorted by name
	// Wanted says which package each name of the wishes led to.
	Wanted map[string]string
	// There are the names of the wishes that what is installed fulfils, sorted.
	There []string
}

// Resolve finds the packages of all names and everything that they depend on:
// the newest version of each, of alternatives the first that can be had. It
// searches no further: packages that conflict are an error. The same index and
// wishes give the same solution.
//
// The error is a [Problems].
func Resolve(ix *Index, w Wishes) (*Solution, error) {
	s := &solver{ix: ix, held: w.Held, cut: w.Cut, admits: w.Admits, refuse: w.Never, chosen: map[string]*choice{}, names: map[string][]*choice{}, hopeless: map[string]*UnsatisfiableError{}}
	s.base(w.There)
	wanted := map[string]string{}
	var there []string
	var problems Problems
	names := slices.Sorted(slices.Values(w.Names))
	names = slices.Compact(names)
	// All that is wished for is chosen before what it depends on: it decides
	// between alternatives.
	var roots []*choice
	for _, name := range names {
		if have := s.there(Relation{Name: name}); have != nil && (w.Admits[name] == nil || w.Admits[name](have.Version)) {
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
	s.wishes = len(s.trail)
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

// A choice is a package that may be taken.
type choice struct {
	Locked
	pkg  *Package // nil when it is known from the lock alone
	held *Chosen
	led  []string // the names its dependencies led to

	multi string // Multi-Arch of what is installed
}

func (c *choice) provides() string {
	if c.pkg != nil {
		return c.pkg.Provides
	}
	return c.held.Provides
}

// solver is the state of one resolution.
type solver struct {
	ix       *Index
	held     map[string]Chosen
	cut      func(name, need string) bool
	admits   map[string]func(version string) bool
	refuse   func(name string) string
	have     map[string]*choice   // installed, by name
	provided map[string][]*choice // installed, by what they provide
	chosen   map[string]*choice
	names    map[string][]*choice // chosen, by what they provide
	trail    []*choice            // in the order they were chosen, to take back
	wishes   int                  // how many of them come first in the trail
	hopeless map[string]*UnsatisfiableError
}

// choose takes a package, without what it depends on.
func (s *solver) choose(c *choice) {
	s.chosen[c.Name] = c
	s.trail = append(s.trail, c)
	for _, p := range parsedProvides(c.provides()) {
		s.names[p.Name] = append(s.names[p.Name], c)
	}
}

// takeBack undoes all choices but the first n.
func (s *solver) takeBack(n int) {
	for _, c := range s.trail[n:] {
		delete(s.chosen, c.Name)
		for _, p := range parsedProvides(c.provides()) {
			s.names[p.Name] = slices.DeleteFunc(s.names[p.Name], func(x *choice) bool { return x == c })
		}
	}
	s.trail = s.trail[:n]
}

// needs chooses what a chosen package depends on.
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

// heldNeeds chooses what the lock says that a package needs: it has left the
// index, so its relations are not known.
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

// satisfy chooses for one group of alternatives, unless what is chosen does.
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
	if by.held != nil { // what it led to before comes first
		slices.SortStableFunc(all, func(a, b *choice) int {
			return cmp.Compare(min(0, slices.Index(by.held.Needs, b.Name)), min(0, slices.Index(by.held.Needs, a.Name)))
		})
	}
	var first *UnsatisfiableError
	for _, c := range all {
		if other := s.chosen[c.Name]; other != nil {
			continue // of another version: a wish is not overruled
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

// satisfied is the chosen package that fulfils r; nil when none does.
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

// base notes what is installed.
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

// there is the installed package that fulfils r; nil when none does. One that was
// chosen in another version is no longer there.
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

// plainQual drops the "any" that a provided name may be asked for with.
func plainQual(q string) string {
	if q == "any" {
		return ""
	}
	return q
}

// candidates are the packages that fulfil r, best first: that of its name, then
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
	// What the lock holds may have left the index.
	for _, name := range slices.Sorted(maps.Keys(s.held)) {
		h := s.held[name]
		if name != r.Name && h.Provides != "" && s.never(name) == "" && providesWhat(h.Provides, r) && !slices.ContainsFunc(out, func(c *choice) bool { return c.Name == name }) {
			out = append(out, s.fromLock(h))
		}
	}
	return out
}

// candidate is the package of that name, of the version that is held, else the
// newest that will do.
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

// never says why a package must not be taken; "" when it may be.
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
			c.pkg = p // its conflicts are known
		}
	}
	return c
}

// qualified reports whether what follows the colon of r fits the package.
func (s *solver) qualified(r Relation, c *choice) bool {
	switch r.Qual {
	case "", "native", s.ix.arch:
		return true
	case "any":
		return c.pkg == nil && c.multi == "" || c.multi == "allowed" || c.pkg != nil && c.pkg.MultiArch == "allowed"
	}
	return false
}

// dependencies are the groups that must be fulfilled for the package to work.
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

// parsedProvides reads Provides. What cannot be read provides nothing.
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

// providesWhat reports whether Provides has r: a version is only fulfilled by a
// name that is provided with one.
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

// better orders packages that provide the same, the preferred first.
func better(a, b *Package) int {
	if a.Essential != b.Essential {
		if a.Essential {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.priority, a.priority), strings.Compare(a.Name, b.Name))
}

// unknown says that nothing has a name, and what was meant; or why what has it
// will not do.
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
