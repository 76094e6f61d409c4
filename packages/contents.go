package packages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/project"
)

// Contents is what a package consists of, for those who copy it elsewhere.
type Contents struct {
	Attr string
	// Own names the units of Closure that are the package itself.
	Own []string
	// Closure is every unit that has to be there for it, itself included. A unit
	// comes after those that it depends on, except in a circle.
	Closure []Unit
	// Loose are paths of the package that no unit has: software that was installed
	// by hand, and links that the script of some unit has made.
	Loose []string
	// Users are the accounts that its servers run as, by name.
	Users map[string]project.User
}

// A Unit is what a system's package manager installs as one: a Debian package.
type Unit struct {
	Name, Version, Arch string
	// Files are its paths, folders included, in the order of the manager's list.
	Files []string
}

// Files lists every path of the package itself, sorted, without what it
// depends on.
func (c *Contents) Files() []string {
	out := slices.Clone(c.Loose)
	for _, u := range c.Closure {
		if slices.Contains(c.Own, u.Name) {
			out = append(out, u.Files...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Contents implements [Provider], by what dpkg has written down: files are read,
// nothing is executed. Software that dpkg knows nothing of is loose.
func (h *Host) Contents(attr string) (*Contents, error) {
	p, links, err := h.find(attr)
	if err != nil {
		return nil, err
	}
	db, err := readDpkg(h.Root + "/var/lib/dpkg")
	if err != nil {
		return nil, err
	}
	c := &Contents{Attr: attr, Users: map[string]project.User{}}
	for _, name := range p.Debian {
		if r := db.installed(name); r != nil && !slices.Contains(c.Own, r.Name) {
			c.Own = append(c.Own, r.Name)
		}
	}
	if c.Closure, err = db.closure(c.Own); err != nil {
		return nil, err
	}
	if err := h.addOwners(c, db, links); err != nil {
		return nil, err
	}
	if len(c.Own)+len(c.Loose) == 0 { // of a kind that Path cannot check
		return nil, h.missing(p)
	}
	known := project.SystemUsers()
	for _, name := range p.Users {
		c.Users[name] = known[name]
	}
	return c, nil
}

// addOwners finds whose the programs of the package are, where that is none of
// the units it is known by: another build of the same software.
func (h *Host) addOwners(c *Contents, db *dpkg, links map[string]string) error {
	have := map[string]bool{}
	for _, u := range c.Closure {
		for _, file := range u.Files {
			have[merged(file)] = true
		}
	}
	var own []string
	for _, sub := range sortedKeys(links) {
		place := links[sub]
		final, err := filepath.EvalSymlinks(place)
		if err != nil {
			continue // removed this moment
		}
		if info, err := os.Stat(final); err != nil || info.IsDir() {
			continue // folders have many owners
		}
		link, file := h.below(place), h.below(final)
		if !have[merged(file)] {
			owner, err := db.owner(file)
			if err != nil {
				return err
			}
			if owner == "" {
				c.Loose = append(c.Loose, file)
			} else if !slices.Contains(own, owner) {
				own = append(own, owner)
			}
		}
		if merged(link) != merged(file) && !have[merged(link)] {
			if owner, err := db.owner(link); err != nil {
				return err
			} else if owner == "" {
				c.Loose = append(c.Loose, link)
			}
		}
	}
	slices.Sort(c.Loose)
	c.Loose = slices.Compact(c.Loose)
	if len(own) == 0 {
		return nil
	}
	c.Own = append(c.Own, own...)
	var err error
	c.Closure, err = db.closure(c.Own)
	return err
}

// below is a path as this machine has it, without the root of a test.
func (h *Host) below(path string) string {
	if h.Root == "" {
		return path
	}
	if real, err := filepath.EvalSymlinks(h.Root); err == nil {
		path = strings.TrimPrefix(path, real)
	}
	return strings.TrimPrefix(path, h.Root)
}
