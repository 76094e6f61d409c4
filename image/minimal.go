package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// This file chooses the content of an image of the variant Minimal: the programs that
// its definition names, and what these need. Each package is read once to find out what
// its files need. The cache keeps that by package.

// A selection holds the chosen paths of each package.
type selection struct {
	Key   string              `json:"key"` // digest of what it was chosen from
	Paths map[string][]string `json:"paths"`

	has map[string]map[string]bool
}

// keeps reports whether the image has a path of a package.
func (s *selection) keeps(name, file string) bool { return s.has[name][file] }

// selected chooses the content of a minimal image; for other variants it returns nil,
// which stands for everything. It removes packages without any chosen path from the
// spec.
func (b *builder) selected(ctx context.Context, copies *copied, wheels []string) (*selection, error) {
	if b.spec.Variant != Minimal {
		return nil, nil
	}
	scans := make([]string, len(b.spec.Packages))
	for i, p := range b.spec.Packages {
		scans[i] = b.scanKey(p)
	}
	wanted := wantedBy(b.project, b.spec.More)
	s := &selection{Key: key("minimal", b.spec.Arch, scans, farmInputs(b.project, wanted), b.spec.Asked, wheels, b.baseKey(), b.project.Container.SSHDConfig, copies.digest, packages.MinimalBase())}
	file := b.cache.factsFile(s.Key)
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, s) != nil || s.Paths == nil {
		facts, err := b.scan(ctx, scans)
		if err != nil {
			return nil, err
		}
		if s.Paths, err = b.choose(ctx, facts, wanted, copies); err != nil {
			return nil, err
		}
		if err := b.cache.write(file, s); err != nil {
			return nil, err
		}
	}
	b.cache.used(file)
	s.has = map[string]map[string]bool{}
	for name, paths := range s.Paths {
		s.has[name] = map[string]bool{}
		for _, p := range paths {
			s.has[name][p] = true
		}
	}
	b.all = b.spec.Packages
	b.spec.Packages = slices.DeleteFunc(slices.Clone(b.all), func(p Package) bool { return len(s.Paths[p.Name]) == 0 })
	return s, nil
}

// scanKey returns the key of what was found out about a package.
func (b *builder) scanKey(p Package) string { return key("scan", b.packageKey(p), Slim) }

// scan finds out what the files of all packages need, several packages at a time.
func (b *builder) scan(ctx context.Context, keys []string) ([]*packageFacts, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := make([]*packageFacts, len(keys))
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool {
		return b.spec.Packages[order[i]].Size > b.spec.Packages[order[j]].Size
	})
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(keys)) {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				var err error
				if out[i], err = b.scanPackage(ctx, b.spec.Packages[i], keys[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, i := range order {
		next <- i
	}
	close(next)
	workers.Wait()
	return out, context.Cause(ctx)
}

func (b *builder) scanPackage(ctx context.Context, p Package, key string) (*packageFacts, error) {
	if facts, err := b.cache.facts(key); err != nil || facts != nil && len(facts.Packages) == 1 {
		if err != nil {
			return nil, err
		}
		return facts.Packages[0], nil
	}
	w := newLayerWriter(tar.NewWriter(io.Discard))
	w.facts, w.deep = &layerFacts{}, true
	w.keeps = func(name, file string) bool { return Slim.keeps(file) && !b.dropped(name, file) }
	add := w.addPackage
	if p.Archive != nil {
		add = w.addArchive
	}
	if err := add(ctx, p, b.memory.take); err != nil {
		return nil, err
	}
	return w.facts.Packages[0], b.cache.write(b.cache.factsFile(key), w.facts)
}

// A chooser follows the needs of files through a tree.
type chooser struct {
	tree  *tree
	dirs  []string // folders that the loader searches
	kept  map[string]bool
	needs map[string]*needs
	queue []string
}

// choose chooses the paths of each package.
func (b *builder) choose(ctx context.Context, facts []*packageFacts, wanted []project.PackageRef, copies *copied) (map[string][]string, error) {
	s := b.newSystem()
	c := &chooser{tree: s.tree, kept: map[string]bool{}, needs: map[string]*needs{}}
	for _, p := range facts {
		for _, f := range p.Facts {
			s.tree.put(f)
			if f.Needs != nil {
				c.needs[f.Path] = f.Needs
			}
		}
		s.packages = append(s.packages, p)
	}
	slices.SortFunc(s.packages, func(x, y *packageFacts) int { return strings.Compare(x.Name, y.Name) })
	if _, err := fix(s); err != nil { // adds the links of the usr merge and others to s.tree
		return nil, err
	}
	for _, folder := range ldFolders(s.texts(func(name string) bool { return path.Dir(name) == "etc/ld.so.conf.d" }), b.spec.Arch) {
		c.dirs = append(c.dirs, strings.TrimPrefix(folder, "/"))
	}
	archives := b.archives()
	nodes, _, err := farm(b.project, wanted, s.tree, s.packages, b.spec.Stand, archives)
	if err != nil {
		return nil, err
	}
	c.patterns(packages.MinimalBase()...)
	c.programs(b.project, wanted, nodes)
	if strings.Contains(b.project.Container.SSHDConfig, "UsePAM") {
		c.patterns("usr/lib/*/security", "etc/pam.d", "etc/security", "etc/login.defs")
	}
	if err := c.copied(copies); err != nil {
		return nil, err
	}
	wheels, err := b.wheelFacts(ctx)
	if err != nil {
		return nil, err
	}
	c.wheels(wheels)
	whole := b.whole(wanted, s.packages)
	for _, p := range s.packages {
		if whole[p.Name] || p.Archive != "" {
			for _, f := range p.Facts {
				c.keep(f.Path)
			}
		}
	}
	c.drain()
	if b.spec.Base != nil {
		c.upgrades(s.packages, b.spec.Base.Installed())
	}
	// Every package of which there is a file needs its licence.
	for _, p := range s.packages {
		if c.has(p) {
			c.keep("usr/share/doc/" + p.Name + "/copyright")
		}
	}
	return c.paths(s.packages), nil
}

// programs keeps the programs in the farm's folders of the named packages.
func (c *chooser) programs(p *project.Project, wanted []project.PackageRef, nodes []*node) {
	named := map[string]bool{} // "postgresql/bin/pg_dump"
	p.EachText(func(_ project.Owner, t *project.Text) {
		for _, part := range *t {
			if part.Package != nil {
				named[part.Package.Attr+part.Package.Sub] = true
			}
		}
	})
	own := map[string]bool{} // packages that the definition itself names
	for _, ref := range wantedBy(p, nil) {
		own[ref.Attr] = true
	}
	limits := map[string]func(program string) bool{}
	for _, ref := range wanted {
		row := packages.Lookup(ref.Attr)
		list := row.Kept()
		if boot := packages.BootPrograms(ref.Attr); boot != nil && !own[ref.Attr] && ref.Pos == (project.Pos{}) {
			list = boot
		} else if !row.Reduced || len(list) == 0 {
			continue
		}
		limits[ref.Attr] = func(program string) bool { return slices.Contains(list, program) }
	}
	for _, ref := range wanted {
		for _, pattern := range packages.Lookup(ref.Attr).Data {
			c.patterns(strings.TrimPrefix(pattern, "/"))
		}
	}
	for _, n := range nodes {
		sub, ok := strings.CutPrefix("/"+n.Name, bakedDir+"/")
		if n.Kind != deb.Symlink || !ok {
			continue
		}
		attr, rest, _ := strings.Cut(sub, "/")
		if program, ok := strings.CutPrefix(rest, "bin/"); ok && limits[attr] != nil && !limits[attr](program) && !named[sub] {
			continue
		}
		c.all(n.Link)
	}
}

// whole returns the packages that are not reduced: those that the table does not know
// how to reduce, and all that they depend on.
func (b *builder) whole(wanted []project.PackageRef, all []*packageFacts) map[string]bool {
	byName := map[string][]*packageFacts{}
	for _, p := range all {
		byName[p.Name] = append(byName[p.Name], p)
		control := deb.Control{Stanza: p.Stanza}
		for _, group := range relations(control.Field("Provides")) {
			for _, r := range group {
				byName[r.Name] = append(byName[r.Name], p)
			}
		}
	}
	out := map[string]bool{}
	var queue []string
	for _, ref := range wanted {
		if row := packages.Lookup(ref.Attr); !row.Reduced && b.spec.Asked[ref.Attr] == nil {
			queue = append(queue, row.Debian...)
		}
	}
	for attr, names := range b.spec.Asked {
		if attr != "" && !packages.Lookup(attr).Reduced {
			queue = append(queue, names...)
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		for _, p := range byName[name] {
			if out[p.Name] || packages.ForScripts(p.Name) {
				continue
			}
			out[p.Name] = true
			control := deb.Control{Stanza: p.Stanza}
			for _, field := range []string{"Depends", "Pre-Depends"} {
				for _, group := range relations(control.Field(field)) {
					for _, r := range group {
						queue = append(queue, r.Name)
					}
				}
			}
		}
	}
	return out
}

// relations parses a field of relations. One that can't be parsed counts as empty.
func relations(text string) []debian.Alternatives {
	groups, _ := debian.ParseRelations(text)
	return groups
}

// upgrades keeps packages whole that replace one of the base: otherwise the image would
// have a mixture of files of both.
func (c *chooser) upgrades(all []*packageFacts, below []debian.Installed) {
	left := slices.DeleteFunc(slices.Clone(all), func(p *packageFacts) bool {
		return !slices.ContainsFunc(below, func(i debian.Installed) bool { return i.Name == p.Name })
	})
	for more := true; more; {
		more = false
		left = slices.DeleteFunc(left, func(p *packageFacts) bool {
			if !c.has(p) {
				return false
			}
			for _, f := range p.Facts {
				c.keep(f.Path)
			}
			more = true
			return true
		})
		c.drain()
	}
}

// has reports whether some file of a package is kept.
func (c *chooser) has(p *packageFacts) bool {
	return slices.ContainsFunc(p.Facts, func(f fact) bool { return f.Kind != deb.Dir && c.kept[f.Path] })
}

// copied follows the needs of copyToRoot's files.
func (c *chooser) copied(copies *copied) error {
	for _, n := range copies.nodes {
		c.tree.put(fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link})
		if n.Kind != deb.File || n.Open == nil {
			continue
		}
		found, err := nodeNeeds(n)
		if err != nil {
			return err
		}
		if found != nil {
			c.needs[n.Name] = found
		}
	}
	for _, n := range copies.nodes {
		if n.Kind != deb.Dir {
			c.all(n.Name)
		}
	}
	return nil
}

// wheels follows the needs of wheels' files, all of which are in the image.
func (c *chooser) wheels(all []*packageFacts) {
	if len(all) > 0 {
		c.patterns("usr/bin/python3*")
	}
	for _, p := range all {
		for _, f := range p.Facts {
			c.tree.put(f)
			if f.Needs != nil {
				c.needs[f.Path] = f.Needs
			}
			c.keep(f.Path)
		}
	}
}

// nodeNeeds returns what a file of the user's needs.
func nodeNeeds(n *node) (*needs, error) {
	r, err := n.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var w layerWriter
	if _, err := io.Copy(&w.scan, r); err != nil {
		return nil, err
	}
	return w.needs(n.Mode), nil
}

// patterns keeps all that the patterns match, folders with their content.
func (c *chooser) patterns(list ...string) {
	for _, pattern := range list {
		found, _ := fs.Glob(c.tree, pattern) // patterns of the package table are well-formed
		for _, name := range found {
			c.all(name)
		}
	}
}

// all keeps a path and, if it is a folder, its content.
func (c *chooser) all(name string) {
	at, ok := c.keep(name)
	if !ok || c.tree.facts[at].Kind != deb.Dir {
		return
	}
	for base := range c.tree.children[at] {
		if sub := path.Join(at, base); !c.kept[sub] && !packages.Needless(sub) {
			c.all(sub)
		}
	}
}

// keep keeps a path with all links on the way, and returns where it leads.
func (c *chooser) keep(name string) (at string, ok bool) {
	at, ok = c.tree.follow(name, func(link string) { c.kept[link] = true })
	if !ok || at == "." || c.kept[at] {
		return at, ok
	}
	c.kept[at] = true
	switch f := c.tree.facts[at]; f.Kind {
	case deb.Hardlink:
		c.keep(f.Link)
	case deb.File:
		c.queue = append(c.queue, at)
	}
	return at, true
}

// drain follows the needs of kept files until there is nothing new.
func (c *chooser) drain() {
	for len(c.queue) > 0 {
		at := c.queue[0]
		c.queue = c.queue[1:]
		c.patterns(packages.Companions(at)...)
		n := c.needs[at]
		if n == nil {
			continue
		}
		if strings.Contains(n.Loader, "/") {
			c.keep(n.Loader)
		} else if n.Loader != "" { // "env NAME": it is searched in PATH
			for _, dir := range programDirs() {
				if c.tree.has(dir + "/" + n.Loader) {
					c.keep(dir + "/" + n.Loader)
					break
				}
			}
		}
		for _, lib := range n.Libs {
			c.library(at, lib, n.Dirs)
		}
	}
}

// library keeps the library that the loader will find for a file.
func (c *chooser) library(at, lib string, first []string) {
	if strings.Contains(lib, "/") {
		c.keep(lib)
		return
	}
	for _, dir := range slices.Concat(first, c.dirs) {
		dir = strings.NewReplacer("${ORIGIN}", path.Dir(at), "$ORIGIN", path.Dir(at)).Replace(dir)
		if file := path.Join(dir, lib); c.tree.has(file) {
			c.keep(file)
			return
		}
	}
}

// paths returns the kept paths of each package: files and links, the folders above them,
// and empty folders, which are for data, of packages of which something is kept.
func (c *chooser) paths(all []*packageFacts) map[string][]string {
	above := map[string]bool{}
	for name := range c.kept {
		for dir := path.Dir(name); dir != "." && !above[dir]; dir = path.Dir(dir) {
			above[dir] = true
		}
	}
	out := map[string][]string{}
	for _, p := range all {
		var paths []string
		if p.Name != "base-files" && !c.has(p) { // base-files has the folders of the root
			continue
		}
		for _, f := range p.Facts {
			keep := c.kept[f.Path]
			if f.Kind == deb.Dir {
				keep = keep || above[f.Path] || p.Name == "base-files" || strings.HasPrefix(f.Path, "var/") || strings.HasPrefix(f.Path, "run/")
			}
			if keep {
				paths = append(paths, f.Path)
			}
		}
		out[p.Name] = paths
	}
	return out
}
