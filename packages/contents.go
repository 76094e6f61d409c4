package packages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/project"
)

// Contents is what a package consists of, for copying it elsewhere.
type Contents struct {
	Attr string
	// Own names the units of Closure that are the package itself.
	Own []string
	// Closure has all units that the package needs, its own included. A unit comes
	// after those that it depends on, except in a cycle.
	Closure []Unit
	// Loose are paths of the package that belong to no unit: software that was installed
	// by hand, and links that a unit's script has made.
	Loose []string
	// Users are the accounts that its servers run as, by name.
	Users map[string]project.User
}

// A Unit is what the system's package manager installs as a whole: a Debian package.
type Unit struct {
	Name, Version, Arch string
	// Files are its paths, with folders, in the order of the package manager's list.
	Files []string
}

// Files lists all paths of the package itself, sorted, without those of its
// dependencies.
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

// Contents implements [Provider]. It reads dpkg's database and executes nothing. Software
// that dpkg does not know is loose.
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
	for _, name := range h.names(p) {
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
	if len(c.Own)+len(c.Loose) == 0 { // a package without anything that Path could check
		return nil, h.missing(p)
	}
	known := project.SystemUsers()
	for _, name := range p.Users {
		c.Users[name] = known[name]
	}
	return c, nil
}

// addOwners finds the units that own the package's programs, if these are not the usual
// ones but another build of the same software.
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
			continue // it has just been removed
		}
		if info, err := os.Stat(final); err != nil || info.IsDir() {
			continue // a folder belongs to many units
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

// below returns a path of this machine without the root that a test sets.
func (h *Host) below(path string) string {
	if h.Root == "" {
		return path
	}
	if real, err := filepath.EvalSymlinks(h.Root); err == nil {
		path = strings.TrimPrefix(path, real)
	}
	return strings.TrimPrefix(path, h.Root)
}
