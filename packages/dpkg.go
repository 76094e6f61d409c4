package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/debian"
)

// dpkg is the database of Debian's package manager, read from its files.
type dpkg struct {
	dir      string
	native   string                 // the architecture of the machine
	records  map[string]*dpkgRecord // installed packages by name; of several architectures the native one
	provides map[string][]string    // by virtual name: the packages that provide it, sorted
	diverted map[string]diversion   // by path
	owners   map[string]string      // by path; made on demand
}

// A dpkgRecord is one installed package.
type dpkgRecord struct {
	Unit
	depends []debian.Alternatives // versions are ignored: dpkg has checked them
	same    bool                  // Multi-Arch: same; the name of its list has the architecture
}

// A diversion is a path that one package has taken from all others.
type diversion struct{ to, by string }

// readDpkg reads the database below dir. Without dpkg it is empty.
func readDpkg(dir string) (*dpkg, error) {
	db := &dpkg{dir: dir, records: map[string]*dpkgRecord{}, provides: map[string][]string{}}
	data, err := os.ReadFile(filepath.Join(dir, "status"))
	if errors.Is(err, fs.ErrNotExist) {
		return db, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of installed packages: %w", err)
	}
	for s := range debian.Stanzas(data) {
		if s.Get("Package") == "dpkg" {
			db.native = s.Get("Architecture")
		}
	}
	for s := range debian.Stanzas(data) {
		if err := db.add(s); err != nil {
			return nil, fmt.Errorf("cannot read the list of installed packages: %w", err)
		}
	}
	for _, list := range db.provides {
		slices.Sort(list)
	}
	return db, db.readDiversions()
}

// add adds a package if it is installed. One that waits for a trigger or for its
// configuration counts too: its files are on disk.
func (db *dpkg) add(s debian.Stanza) error {
	switch words := strings.Fields(s.Get("Status")); {
	case len(words) != 3:
		return nil
	case !slices.Contains([]string{"installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"}, words[2]):
		return nil
	}
	r := &dpkgRecord{Unit: Unit{Name: s.Get("Package"), Version: s.Get("Version"), Arch: s.Get("Architecture")}, same: s.Get("Multi-Arch") == "same"}
	if have := db.records[r.Name]; have != nil && have.Arch == db.native {
		return nil
	}
	db.records[r.Name] = r
	for _, field := range []string{"Pre-Depends", "Depends"} {
		groups, err := debian.ParseRelations(s.Get(field))
		if err != nil {
			return fmt.Errorf("package %q: %w", r.Name, err)
		}
		r.depends = append(r.depends, groups...)
	}
	provides, err := debian.ParseRelations(s.Get("Provides"))
	if err != nil {
		return fmt.Errorf("package %q: %w", r.Name, err)
	}
	for _, p := range provides {
		if name := p[0].Name; !slices.Contains(db.provides[name], r.Name) {
			db.provides[name] = append(db.provides[name], r.Name)
		}
	}
	return nil
}

// readDiversions reads triples of lines: a path, where it is instead, and the package
// that has diverted it.
func (db *dpkg) readDiversions() error {
	db.diverted = map[string]diversion{}
	data, err := os.ReadFile(filepath.Join(db.dir, "diversions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the list of diversions: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i := 0; i+2 < len(lines); i += 3 {
		db.diverted[lines[i]] = diversion{to: lines[i+1], by: lines[i+2]}
	}
	return nil
}

// installed returns the package of that name, or one that provides it; nil if there is
// none.
func (db *dpkg) installed(name string) *dpkgRecord {
	if r := db.records[name]; r != nil {
		return r
	}
	if by := db.provides[name]; len(by) > 0 {
		return db.records[by[0]]
	}
	return nil
}

// files lists the paths of a package, with diversions applied.
func (db *dpkg) files(r *dpkgRecord) ([]string, error) {
	name := r.Name + ".list"
	if r.same {
		name = r.Name + ":" + r.Arch + ".list"
	}
	data, err := os.ReadFile(filepath.Join(db.dir, "info", name))
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of files of package %q: %w", r.Name, err)
	}
	var out []string
	for path := range strings.Lines(string(data)) {
		path = strings.TrimSuffix(path, "\n")
		if path == "" || path == "/." {
			continue
		}
		if d, ok := db.diverted[path]; ok && d.by != r.Name {
			path = d.to
		}
		out = append(out, path)
	}
	return out, nil
}

// closure lists the packages of these names and all of their dependencies, each after
// those that it depends on.
func (db *dpkg) closure(names []string) ([]Unit, error) {
	var out []Unit
	seen := map[string]bool{}
	var visit func(r *dpkgRecord) error
	visit = func(r *dpkgRecord) error {
		if seen[r.Name] {
			return nil
		}
		seen[r.Name] = true
		for _, alternatives := range r.depends {
			dep := db.first(alternatives)
			if dep == nil {
				return fmt.Errorf("package %q depends on %q, which is not installed\nhint: apt-get --fix-broken install", r.Name, alternatives.String())
			}
			if err := visit(dep); err != nil {
				return err
			}
		}
		u := r.Unit
		var err error
		if u.Files, err = db.files(r); err != nil {
			return err
		}
		out = append(out, u)
		return nil
	}
	for _, name := range names {
		if err := visit(db.records[name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// first returns the first of several alternatives that is installed. A package of that
// name is preferred to one that provides it.
func (db *dpkg) first(alternatives debian.Alternatives) *dpkgRecord {
	for _, a := range alternatives {
		if r := db.records[a.Name]; r != nil {
			return r
		}
	}
	for _, a := range alternatives {
		if r := db.installed(a.Name); r != nil {
			return r
		}
	}
	return nil
}

// owner returns the package that has a file; "" if none has.
func (db *dpkg) owner(path string) (string, error) {
	if db.owners == nil {
		db.owners = map[string]string{}
		for _, name := range sortedKeys(db.records) {
			files, err := db.files(db.records[name])
			if err != nil {
				return "", err
			}
			for _, file := range files {
				db.owners[merged(file)] = name
			}
		}
	}
	return db.owners[merged(path)], nil
}

// merged returns a path as on a system with merged /usr, because lists have either form.
func merged(path string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if top == "bin" || top == "sbin" || strings.HasPrefix(top, "lib") {
		return "/usr" + path
	}
	return path
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
