package lock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/safefile"
	"nix2gpu/spelling"
)

// A Want is a Debian package that a container asks for, and what asks for it.
type Want struct {
	Name string
	Attr string      // the attribute that stands for it; "" if every image has it
	Pos  project.Pos // its position in the definition, if known
	// Admits restricts the versions; nil: any will do.
	Admits func(version string) bool
}

// Options says what to lock, and how.
type Options struct {
	File   string   // the path of nix2gpu.lock; required
	Suite  string   // for containers without a base; default: the lock's, or else [repo.DefaultSuite]
	Arches []string // Debian's names: "amd64"; required
	// Wants has what each container asks for, by its name. Other containers in the
	// lock stay as they are, unless All says that there are no others.
	Wants map[string][]Want
	All   bool
	// Sources has the archives other than Debian's that each container may take
	// packages from, by the container's name.
	Sources map[string][]string
	// Archives has the software of each container that is not a Debian package, by the
	// container's name.
	Archives map[string][]packages.Archive
	// Learn downloads a file, and returns its digest and size; see [repo.Client.Learn].
	Learn func(ctx context.Context, url, sha256 string) (repo.File, error)
	// Believe allows a digest that neither the definition nor the lock has: the lock
	// takes that of the downloaded file.
	Believe bool
	// Recipes has the rules by which each container leaves out parts of its packages,
	// by the container's name.
	Recipes map[string][]packages.Recipe
	// Bases has the images that containers are put on, by the container's name and by
	// architecture.
	Bases map[string]map[string]Base
	// Keys are the keys of all sources; see [Keys].
	Keys []Key
	// Index returns the packages of a release; see [repo.Client.Index].
	Index func(ctx context.Context, suite, arch string) (*debian.Index, []repo.Origin, error)
	// Python has the requirements of containers, by their names. With Believe the index
	// chooses versions and hashes that the requirements do not have.
	Python map[string]Requirements
	// Frozen forbids changes of the file: that it would change is an error.
	Frozen bool
	// Update lets these packages change, with all that are built from the same source.
	// UpdateAll lets all packages change.
	Update    []string
	UpdateAll bool
}

// A Base is an image that a container is put on.
type Base struct {
	Digest    string
	Suite     string // the image's release
	Installed []debian.Installed
}

// A Result is the outcome of [Ensure].
type Result struct {
	Changes []Change
	Wrote   bool
	file    *File
}

// File returns the lock as it is now.
func (r *Result) File() *File { return r.file }

// Packages returns the packages of a container on an architecture, sorted by name.
func (r *Result) Packages(container, arch string) []debian.Locked {
	var out []debian.Locked
	for _, name := range r.file.Containers[container][arch].Packages {
		out = append(out, r.file.find(r.file.of(container, arch), name).Locked)
	}
	return out
}

// Archives returns the files of a container's software that is not a Debian package,
// by attribute.
func (r *Result) Archives(container, arch string) map[string]repo.File {
	out := map[string]repo.File{}
	for attr, url := range r.file.Containers[container][arch].Archives {
		a := r.file.archive(url)
		out[attr] = repo.File{URL: a.URL, SHA256: a.SHA256, Size: a.Size}
	}
	return out
}

// Suite returns the release of a container's packages.
func (r *Result) Suite(container, arch string) string {
	return r.file.suiteOf(r.file.Containers[container][arch])
}

// Wanted returns the package that was chosen for a wanted name.
func (r *Result) Wanted(container, arch, name string) string {
	return r.file.Containers[container][arch].Wants[name]
}

// Ensure brings the lock file up to date with what is wanted, and returns its content.
// With an error, nothing is written.
func Ensure(ctx context.Context, opts Options) (*Result, error) {
	old, err := Read(opts.File)
	if err != nil {
		return nil, err
	}
	fresh := old == nil
	if fresh && opts.Frozen {
		return nil, fmt.Errorf("there is no %s, and --locked (or CI=1) allows none to be made\nhint: nix2gpu lock, and put the file under version control", opts.File)
	}
	if fresh {
		old = &File{}
	}
	now := &File{}
	if was := old.Release(); opts.Suite != "" && was != "" && opts.Suite != was && !opts.UpdateAll {
		return nil, fmt.Errorf("%s is of suite %q, not of %q\nhint: nix2gpu lock --update --suite %s", opts.File, was, opts.Suite, opts.Suite)
	}
	if err := checkUpdates(old, opts); err != nil {
		return nil, err
	}
	u := &updater{opts: opts, old: old, now: now, indexes: map[string]*debian.Index{}, archives: map[string]Archive{}}
	u.chooseSuite()
	now.Indexes = u.carriedIndexes()
	if err := u.containers(ctx); err != nil {
		return nil, err
	}
	now.Keys = u.keys()
	now.Indexes = u.wantedIndexes()
	r := &Result{Changes: append(changes(old, now), wheelChanges(old, now)...), file: now}
	data := now.Encode()
	if !fresh && string(data) == string(old.Encode()) {
		return r, nil
	}
	if opts.Frozen {
		return nil, fmt.Errorf("%s does not fit the definition, and --locked (or CI=1) allows no change:%s\nhint: nix2gpu lock", opts.File, orContainers(summary(r.Changes)))
	}
	if err := safefile.Replace(opts.File, data, 0o644); err != nil {
		return nil, fmt.Errorf("cannot write the lock: %w", err)
	}
	r.Wrote = true
	return r, nil
}

// keys returns the keys of the sources in the options, and those in the lock of other
// sources, unless All says that there are no others.
func (u *updater) keys() []Key {
	out := slices.Clone(u.opts.Keys)
	for _, k := range u.old.Keys {
		if !u.opts.All && !slices.ContainsFunc(out, func(have Key) bool { return have.Source == k.Source }) {
			out = append(out, k)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return cmpStrings(out[i].Source, out[j].Source) < 0 })
	return out
}

// orContainers completes the message about changes when no package has changed.
func orContainers(text string) string {
	if text == "" {
		return "\n  what its containers want"
	}
	return text
}

// checkUpdates fails if a package to update is not in the lock.
func checkUpdates(f *File, opts Options) error {
	var names []string
	for _, list := range f.Packages {
		for _, p := range list {
			names = append(names, p.Name)
		}
	}
	for _, list := range opts.Archives {
		for _, a := range list {
			names = append(names, a.Attr)
		}
	}
	for _, arches := range f.Wheels {
		for _, w := range arches {
			for _, l := range w.Files {
				names = append(names, l.Name)
			}
		}
	}
	for _, name := range opts.Update {
		if slices.Contains(names, name) {
			continue
		}
		if near := spelling.Nearest(name, names); near != "" {
			return fmt.Errorf("there is no package %q in the lock; did you mean %q?", name, near)
		}
		return fmt.Errorf("there is no package %q in the lock\nhint: %s has the names", name, Name)
	}
	return nil
}

// An updater makes the new file from the old one.
type updater struct {
	opts     Options
	old, now *File
	release  string                     // of containers without a base
	indexes  map[string]*debian.Index   // by release and architecture; each is read once
	free     map[string]map[string]bool // by list key of the old file: packages whose version may change
	archives map[string]Archive         // by URL
}

// containers locks all containers for all architectures that the file is to have.
func (u *updater) containers(ctx context.Context) error {
	u.now.Containers = map[string]map[string]Container{}
	u.now.Wheels = map[string]map[string]Wheels{}
	packages := map[string]map[string]Package{} // by list key and name
	var errs []error
	owner := map[string]string{} // by list key and name: the first container that has the package
	put := func(container, arch string, c Container, list []Package) {
		if u.now.Containers[container] == nil {
			u.now.Containers[container] = map[string]Container{}
		}
		u.now.Containers[container][arch] = c
		at := u.now.of(container, arch)
		if packages[at] == nil {
			packages[at] = map[string]Package{}
		}
		for _, p := range list {
			have, ok := packages[at][p.Name]
			if ok && have.SHA256 != p.SHA256 {
				errs = append(errs, fmt.Errorf("not supported: package %q in two versions: container %q takes %s of %q, and %q takes %s of %q\nhint: name the same apt sources in both",
					p.Name, owner[at+" "+p.Name], have.Version, have.Archive, container, p.Version, p.Archive))
			}
			if !ok {
				owner[at+" "+p.Name] = container
			} else {
				// In another container, other packages may fulfil its dependencies.
				p.Needs = slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.Needs, have.Needs))))
			}
			packages[at][p.Name] = p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(u.opts.Wants)) {
		for _, arch := range u.arches(name) {
			c, list, err := u.container(ctx, name, arch)
			if err == nil {
				c.Archives, err = u.lockArchives(ctx, name, arch)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			put(name, arch, c, list)
			if _, ok := u.opts.Python[name]; ok {
				w, err := u.wheels(ctx, name, arch, list)
				if err != nil {
					errs = append(errs, err)
				}
				u.putWheels(name, arch, w)
			}
		}
	}
	if len(errs) > 0 {
		return joined(errs)
	}
	if !u.opts.All {
		for name, arches := range u.old.Containers {
			for arch, c := range arches {
				if _, done := u.now.Containers[name][arch]; !done {
					var list []Package
					from := u.old.of(name, arch)
					c.Suite = u.now.noted(u.old.suiteOf(c))
					at := u.now.listKey(c.Suite, arch)
					for _, p := range c.Packages {
						kept := *u.old.find(from, p)
						if have, ok := packages[at][p]; ok && have.Archive == kept.Archive {
							kept = have // all containers have the same version
						}
						list = append(list, kept)
					}
					put(name, arch, c, list)
					for _, url := range c.Archives {
						if _, ok := u.archives[url]; !ok {
							u.archives[url] = *u.old.archive(url)
						}
					}
					if w, ok := u.old.Wheels[name][arch]; ok {
						u.putWheels(name, arch, w)
					}
				}
			}
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, url := range slices.Sorted(maps.Keys(u.archives)) {
		u.now.Archives = append(u.now.Archives, u.archives[url])
	}
	u.now.Packages = map[string][]Package{}
	for at, byName := range packages {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			p := byName[name]
			// Needs of containers that are gone don't count.
			p.Needs = slices.DeleteFunc(slices.Clone(p.Needs), func(n string) bool { _, ok := byName[n]; return !ok })
			u.now.Packages[at] = append(u.now.Packages[at], p)
		}
	}
	return nil
}

// arches returns the architectures to lock for a container: the wanted ones and, for an
// update, all that the file has.
func (u *updater) arches(container string) []string {
	all := slices.Clone(u.opts.Arches)
	if u.opts.UpdateAll || len(u.opts.Update) > 0 {
		all = append(all, slices.Collect(maps.Keys(u.old.Containers[container]))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// container locks one container for one architecture, without an index if the file
// has all that is wanted.
func (u *updater) container(ctx context.Context, name, arch string) (Container, []Package, error) {
	wants := u.opts.Wants[name]
	if !u.opts.UpdateAll && len(u.opts.Update) == 0 {
		if c, list, ok := u.fromFile(name, arch, wants); ok {
			return c, list, nil
		}
	}
	ix, err := u.index(ctx, u.suite(name, arch), arch)
	if err != nil {
		return Container{}, nil, err
	}
	ix = ix.Only(func(archive string) bool { return u.mayUse(name, archive) })
	old := u.old.Containers[name][arch]
	without := map[string]bool{}
	request := debian.Request{
		Held: u.held(name, arch, wants), Admits: map[string]func(string) bool{}, Never: ofDriver,
		Cut: func(p, need string) bool { return u.cut(name, p, need, without) },
	}
	if err := u.whole(name, arch, ix, request.Held); err != nil {
		return Container{}, nil, err
	}
	asked := map[string]string{} // resolved name by wanted name
	for _, w := range wants {
		if w.Admits != nil {
			request.Admits[w.Name] = w.Admits
		}
		asked[w.Name] = w.Name
		// What was chosen for a name before is held as well.
		if led, ok := old.Wants[w.Name]; ok && hasKey(request.Held, led) {
			asked[w.Name] = led
		}
	}
	base := u.opts.Bases[name][arch]
	request.There = base.Installed
	request.Names = slices.Collect(maps.Values(asked))
	solution, err := debian.Resolve(ix, request)
	for tries := 0; err != nil && len(u.opts.Update) > 0 && tries < 100; tries++ {
		// An update may also change what stands in its way.
		if !u.releaseHeld(u.old.listKey(u.suite(name, arch), arch), err) {
			break
		}
		request.Held = u.held(name, arch, wants)
		solution, err = debian.Resolve(ix, request)
	}
	if err != nil {
		return Container{}, nil, u.explain(err, wants)
	}
	c := Container{Wants: map[string]string{}, Base: base.Digest, Suite: u.now.noted(u.suite(name, arch))}
	var list []Package
	for want, ask := range asked {
		if led, ok := solution.Wanted[ask]; ok {
			c.Wants[want] = led
		} else {
			c.OfBase = append(c.OfBase, want)
		}
	}
	slices.Sort(c.OfBase)
	for _, p := range solution.Packages {
		c.Packages = append(c.Packages, p.Name)
		list = append(list, Package{p.Locked, p.Needs, p.Provides})
	}
	c.Without = u.applied(name, without)
	return c, list, nil
}

// cut reports whether a recipe of a container ignores a dependency of a package, and
// records such recipes in used.
func (u *updater) cut(container, name, need string, used map[string]bool) bool {
	found := false
	for _, r := range u.opts.Recipes[container] {
		if r.Cuts(name, need) {
			used[r.Name], found = true, true
		}
	}
	return found
}

// applied returns the names of the recipes that were used, in the recipes' order.
func (u *updater) applied(container string, used map[string]bool) (names []string) {
	for _, r := range u.opts.Recipes[container] {
		if used[r.Name] {
			names = append(names, r.Name)
		}
	}
	return names
}

// lifted returns the recipes that were applied to a container in the file and no longer
// are for it.
func (u *updater) lifted(container, arch string) []string {
	return slices.DeleteFunc(slices.Clone(u.old.Containers[container][arch].Without), func(name string) bool {
		return slices.ContainsFunc(u.opts.Recipes[container], func(r packages.Recipe) bool { return r.Name == name })
	})
}

// whole checks that dependencies which a lifted recipe had cut can be found again. The
// file lacks them, so the index must still have the package in the held version.
func (u *updater) whole(container, arch string, ix *debian.Index, held map[string]debian.Chosen) error {
	if len(u.lifted(container, arch)) == 0 {
		return nil
	}
	for _, name := range u.old.Containers[container][arch].Packages {
		h, ok := held[name]
		if !ok || !slices.ContainsFunc(packages.Recipes(nil), func(r packages.Recipe) bool { return r.For(name) }) {
			continue
		}
		if !slices.ContainsFunc(ix.Versions(name), func(p *debian.Package) bool { return p.Version == h.Version }) {
			return fmt.Errorf("package %q is locked without all that it needs, and its version %s has left the archive\nhint: nix2gpu lock --update %s", name, h.Version, name)
		}
	}
	return nil
}

func hasKey[V any](m map[string]V, key string) bool { _, ok := m[key]; return ok }

// fromFile locks a container without an index, if the file has all that is wanted. What
// is no longer needed is left out.
func (u *updater) fromFile(name, arch string, wants []Want) (Container, []Package, bool) {
	old, ok := u.old.Containers[name][arch]
	if !ok || u.old.suiteOf(old) != u.suite(name, arch) || old.Base != u.opts.Bases[name][arch].Digest {
		return Container{}, nil, false
	}
	if len(u.lifted(name, arch)) > 0 {
		return Container{}, nil, false // the file lacks what the recipe left out
	}
	c := Container{Wants: map[string]string{}, Base: old.Base, Suite: u.now.noted(u.suite(name, arch))}
	at := u.old.of(name, arch)
	without := map[string]bool{}
	var queue []string
	for _, w := range wants {
		if slices.Contains(old.OfBase, w.Name) {
			c.OfBase = append(c.OfBase, w.Name)
			continue
		}
		led, ok := old.Wants[w.Name]
		if !ok {
			// A package that came as a dependency of another is in the list already.
			if !slices.Contains(old.Packages, w.Name) {
				return Container{}, nil, false
			}
			led = w.Name
		}
		if w.Admits != nil && led == w.Name && !w.Admits(u.old.find(at, led).Version) {
			return Container{}, nil, false
		}
		c.Wants[w.Name] = led
		queue = append(queue, led)
	}
	seen := map[string]bool{}
	var list []Package
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if seen[p] || !slices.Contains(old.Packages, p) {
			continue // another container needs it for this package, not this one
		}
		seen[p] = true
		found := *u.old.find(at, p)
		if !u.mayUse(name, found.Archive) {
			return Container{}, nil, false // the definition no longer has its source
		}
		list = append(list, found)
		for _, r := range old.Without { // recipes that are still the container's
			if slices.ContainsFunc(u.opts.Recipes[name], func(now packages.Recipe) bool { return now.Name == r && now.For(p) }) {
				without[r] = true
			}
		}
		for _, need := range found.Needs {
			if !u.cut(name, p, need, without) {
				queue = append(queue, need)
			}
		}
	}
	c.Without = u.applied(name, without)
	slices.Sort(c.OfBase)
	c.Packages = slices.Sorted(maps.Keys(seen))
	return c, list, true
}

// index reads an index, once, and records its state in the file.
func (u *updater) index(ctx context.Context, suite, arch string) (*debian.Index, error) {
	key := suite + "/" + arch
	if ix := u.indexes[key]; ix != nil {
		return ix, nil
	}
	ix, origins, err := u.opts.Index(ctx, suite, arch)
	if err != nil {
		return nil, err
	}
	u.indexes[key] = ix
	u.noteIndexes(suite, origins)
	return ix, nil
}

// held returns the packages whose versions must not change. If several containers have
// a package, its needs in this one count, or else those in the first. A package that
// the wants no longer admit is not held.
func (u *updater) held(container, arch string, wants []Want) map[string]debian.Chosen {
	held := map[string]debian.Chosen{}
	if u.opts.UpdateAll {
		return held
	}
	suite := u.suite(container, arch)
	at := u.old.listKey(suite, arch)
	free := u.freed(at)
	for _, name := range append([]string{container}, slices.Sorted(maps.Keys(u.old.Containers))...) {
		c := u.old.Containers[name][arch]
		has := c.Packages
		if u.old.suiteOf(c) != suite {
			continue
		}
		for _, n := range has {
			if hasKey(held, n) || free[n] {
				continue
			}
			p := u.old.find(at, n)
			if !u.mayUse(container, p.Archive) {
				continue
			}
			needs := slices.DeleteFunc(slices.Clone(p.Needs), func(n string) bool { return !slices.Contains(has, n) })
			held[n] = debian.Chosen{Locked: p.Locked, Needs: needs, Provides: p.Provides}
		}
	}
	for _, w := range wants {
		if w.Admits != nil && hasKey(held, w.Name) && !w.Admits(held[w.Name].Version) {
			delete(held, w.Name)
		}
	}
	return held
}

// mayUse reports whether a container may take packages from an archive.
func (u *updater) mayUse(container, archive string) bool {
	return repo.IsRelease(archive) || slices.Contains(u.opts.Sources[container], archive)
}

// freed returns the packages whose version may change: those to update, and all that are
// built from the same source, since these often depend on each other's exact version.
func (u *updater) freed(at string) map[string]bool {
	if u.free == nil {
		u.free = map[string]map[string]bool{}
	}
	free := u.free[at]
	if free == nil {
		free = map[string]bool{}
		u.free[at] = free
		for _, name := range u.opts.Update {
			u.freeSource(at, name)
		}
	}
	return free
}

func (u *updater) freeSource(at, name string) {
	p := u.old.find(at, name)
	if p == nil {
		return
	}
	for _, q := range u.old.Packages[at] {
		if q.Source == p.Source {
			u.free[at][q.Name] = true
		}
	}
}

// releaseHeld lets those packages change that an update has failed because of, and
// reports whether there were any.
func (u *updater) releaseHeld(at string, err error) bool {
	before := len(u.freed(at))
	for _, name := range inTheWay(err) {
		u.freeSource(at, name)
	}
	return len(u.free[at]) > before
}

// inTheWay returns the locked packages that an error is about.
func inTheWay(err error) []string {
	var all debian.Problems
	var names []string
	if errors.As(err, &all) {
		for _, p := range all {
			var u *debian.UnsatisfiableError
			if errors.As(p, &u) {
				names = append(names, u.Held...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// explain makes [project.Errors] of the resolver's problems: each with the position of
// what wants the package, and the cure.
func (u *updater) explain(err error, wants []Want) error {
	var all debian.Problems
	if !errors.As(err, &all) {
		return err
	}
	var out project.Errors
	for _, p := range all {
		name := ""
		var unknown *debian.UnknownError
		var blocked *debian.UnsatisfiableError
		var conflict *debian.ConflictError
		switch {
		case errors.As(p, &unknown):
			name = unknown.Name
		case errors.As(p, &blocked):
			name = blocked.Want
		case errors.As(p, &conflict):
			name = conflict.Why[0][0]
		}
		found := &project.Error{Msg: p.Error()}
		if i := slices.IndexFunc(wants, func(w Want) bool { return w.Name == name }); i >= 0 {
			found.Pos = wants[i].Pos
			if attr := wants[i].Attr; attr != "" && attr != name {
				head, rest, more := strings.Cut(found.Msg, "\n")
				if found.Msg = fmt.Sprintf("%s (for pkgs.%s)", head, attr); more {
					found.Msg += "\n" + rest
				}
			}
		}
		if blocked != nil && len(blocked.Held) > 0 {
			found.Hint = "nix2gpu lock --update " + strings.Join(slices.Compact(slices.Sorted(slices.Values(blocked.Held))), " ")
		}
		out = append(out, found)
	}
	return out
}

// joined joins the errors of several containers. Those of the definition are sorted by
// position, each once.
func joined(errs []error) error {
	var all project.Errors
	for _, err := range errs {
		var found project.Errors
		if !errors.As(err, &found) {
			return errors.Join(errs...)
		}
		for _, e := range found {
			if !slices.ContainsFunc(all, func(have *project.Error) bool { return *have == *e }) {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *project.Error) int { return a.Pos.Compare(b.Pos) })
	return all
}
