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

// dpkg is the database of Debian's package manager, as it lies on disk.
type dpkg struct {
	dir      string
	native   string                 // the architecture of the machine
	records  map[string]*dpkgRecord // installed packages by name; the native one of several
	provides map[string][]string    // by virtual name, who provides it, sorted
	diverted map[string]diversion   // by path
	owners   map[string]string      // by path, once one was asked for
}

// A dpkgRecord is one installed package.
type dpkgRecord struct {
	Unit
	depends []debian.Alternatives // their versions are dpkg's affair: what is installed fits
	same    bool                  // Multi-Arch: same; its list bears the architecture
}

// A diversion is a path that one package took from all others.
type diversion struct{ to, by string }

// readDpkg reads the database below dir. A machine without dpkg has an empty one.
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

// add keeps a package that is installed: also one that waits for a trigger or
// for its configuration has its files on disk.
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

// readDiversions reads triples of lines: a path, where it went, and who took it.
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

// installed is the package of that name, or one that provides it; nil when
// there is none.
func (db *dpkg) installed(name string) *dpkgRecord {
	if r := db.records[name]; r != nil {
		return r
	}
	if by := db.provides[name]; len(by) > 0 {
		return db.records[by[0]]
	}
	return nil
}

// files lists the paths of a package, where diversions have left them.
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

// closure lists the packages of these names and all that they depend on, each
// after what it depends on.
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

// first is the first of several alternatives that is installed, by its own name
// before one that stands for it.
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

// owner is the package that has a file; "" when none has.
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

// merged is a path as a system has it whose /bin is /usr/bin: lists name files
// by either.
func merged(path string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if top == "bin" || top == "sbin" || strings.HasPrefix(top, "lib") {
		return "/usr" + path
	}
	return path
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
