package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"nix2gpu/project"
	"nix2gpu/wheel"
)

// Python is the Debian package whose version decides which wheels fit.
const Python = "python3"

// Requirements are a container's requirements, and the index that has the wheels.
type Requirements struct {
	*wheel.Requirements
	Source wheel.Source
}

// Wheels are the wheels of one container for one architecture.
type Wheels struct {
	Python string `json:"python"` // the version that they were chosen for
	Glibc  string `json:"glibc"`
	// Files are sorted by name, each once.
	Files []wheel.Locked `json:"files"`
}

// target returns the Python and the architecture that the wheels were chosen for.
func (w Wheels) target(arch string) wheel.Target {
	return wheel.Target{Python: w.Python, Glibc: w.Glibc, Arch: arch}
}

func (w Wheels) find(name string) *wheel.Locked {
	i := slices.IndexFunc(w.Files, func(l wheel.Locked) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &w.Files[i]
}

func (w Wheels) check(arch string) error {
	if err := w.target(arch).Check(); err != nil {
		return err
	}
	last := ""
	for _, l := range w.Files {
		if err := l.Check(); err != nil {
			return fmt.Errorf("wheel %q of %s: %w", l.Name, arch, err)
		}
		if l.Name <= last {
			return fmt.Errorf("wheel %q of %s must come after %q: the list is sorted, each name once", l.Name, arch, last)
		}
		last = l.Name
	}
	return nil
}

// encodeWheels encodes the section of wheels, with one line for each.
func (f *File) encodeWheels(list listWriter, write func(format string, args ...any), line func(any) []byte) {
	if len(f.Wheels) == 0 {
		return
	}
	write(",\n  \"wheels\": ")
	names := slices.Sorted(maps.Keys(f.Wheels))
	list("  ", "{", "}", len(names), func(i int) {
		write("%s: ", line(names[i]))
		arches := slices.Sorted(maps.Keys(f.Wheels[names[i]]))
		list("    ", "{", "}", len(arches), func(j int) {
			w := f.Wheels[names[i]][arches[j]]
			write("%s: {\"python\": %s, \"glibc\": %s, \"files\": ", line(arches[j]), line(w.Python), line(w.Glibc))
			list("      ", "[", "]}", len(w.Files), func(k int) { write("%s", line(w.Files[k])) })
		})
	})
}

// Wheels returns the wheels of a container for an architecture, and the Python that they
// are for.
func (r *Result) Wheels(container, arch string) ([]wheel.Locked, wheel.Target) {
	w := r.file.Wheels[container][arch]
	return w.Files, w.target(arch)
}

func (u *updater) putWheels(name, arch string, w Wheels) {
	if u.now.Wheels[name] == nil {
		u.now.Wheels[name] = map[string]Wheels{}
	}
	u.now.Wheels[name][arch] = w
}

// CountWheels returns how many different wheels some containers have for an
// architecture.
func (r *Result) CountWheels(arch string, containers []string) int {
	files := map[string]bool{}
	for _, name := range containers {
		for _, l := range r.file.Wheels[name][arch].Files {
			files[l.SHA256] = true
		}
	}
	return len(files)
}

// targetOf returns the Python of a container: the one among its packages, or else its
// base's.
func targetOf(arch string, list []Package, base Base) (wheel.Target, error) {
	t := wheel.Target{Arch: arch}
	take := func(name, version string) {
		switch name {
		case Python:
			t.Python = upstream(version)
		case "libc6":
			t.Glibc = upstream(version)
		}
	}
	for _, p := range base.Installed {
		take(p.Name, p.Version)
	}
	for _, p := range list { // packages replace those of the base
		take(p.Name, p.Version)
	}
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("wheels need packages %q and %q of the suite: %w", Python, "libc6", err)
	}
	return t, nil
}

// upstream returns a Debian version without its epoch and revision.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if at := strings.LastIndexByte(version, '-'); at >= 0 {
		version = version[:at]
	}
	if at := strings.IndexAny(version, "+~"); at >= 0 {
		version = version[:at]
	}
	return version
}

// wheels locks the wheels of a container for one architecture. Those in the file stay if
// they still fit.
func (u *updater) wheels(ctx context.Context, name, arch string, list []Package) (Wheels, error) {
	reqs := u.opts.Python[name]
	t, err := targetOf(arch, list, u.opts.Bases[name][arch])
	if err != nil {
		return Wheels{}, project.Errors{{Pos: reqs.Pos, Msg: err.Error()}}
	}
	if twice := reqs.Twice(t); len(twice) > 0 {
		return Wheels{}, twice
	}
	c := &chooser{updater: u, reqs: reqs, target: t, old: u.old.Wheels[name][arch]}
	if c.old.target(arch) != t || u.opts.UpdateAll {
		c.old = Wheels{} // another Python: old choices may not fit
	}
	for _, l := range reqs.Active(t) {
		c.picks = append(c.picks, &pick{line: l})
	}
	slices.SortStableFunc(c.picks, func(a, b *pick) int { return strings.Compare(a.line.Name, b.line.Name) })
	steps := []func(context.Context) error{c.choose, c.extras, c.complete}
	if u.opts.Frozen && c.lacks() { // the error of a frozen lock lists what would change
		steps = nil
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return Wheels{}, err
		}
	}
	out := Wheels{Python: t.Python, Glibc: t.Glibc}
	for _, p := range c.picks {
		out.Files = append(out.Files, p.locked)
	}
	return out, nil
}

// A chooser chooses the wheel for each line of a requirements file.
type chooser struct {
	*updater
	reqs   Requirements
	target wheel.Target
	old    Wheels
	picks  []*pick
}

// A pick is a line with its wheel.
type pick struct {
	line   wheel.Line
	locked wheel.Locked
	meta   *wheel.Metadata // nil if the wheel is the file's, unchanged
}

// choose chooses the wheel of each line: the file's if it fits, or else one of the index.
// It works on several lines at a time, since it mostly waits for the network.
func (c *chooser) choose(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(c.picks))
	slots := make(chan struct{}, 8)
	for i, p := range c.picks {
		if l := c.kept(p.line); l != nil {
			p.locked = *l
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = c.fromIndex(ctx, p)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return asProject(errs)
}

// lacks reports whether the file lacks the wheel of some line. Then each pick holds
// what is known about its wheel.
func (c *chooser) lacks() bool {
	lacks := false
	for _, p := range c.picks {
		if l := c.kept(p.line); l != nil {
			p.locked = *l
			continue
		}
		lacks = true
		p.locked = wheel.Locked{Name: p.line.Name, Version: "?"}
		if p.line.Specs.Pinned() {
			p.locked.Version = p.line.Specs[0].Text
		}
	}
	return lacks
}

// asProject makes [project.Errors] of errors about lines, if all errors are.
func asProject(errs []error) error {
	var wrong project.Errors
	for _, err := range errs {
		var one *project.Error
		if errors.As(err, &one) {
			wrong = append(wrong, one)
		} else if err != nil {
			return err
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// kept returns the file's wheel for a line if it still fits; nil otherwise.
func (c *chooser) kept(l wheel.Line) *wheel.Locked {
	if slices.Contains(c.opts.Update, l.Name) {
		return nil
	}
	have := c.old.find(l.Name)
	if have == nil {
		return nil
	}
	v, err := wheel.ParseVersion(have.Version)
	if err != nil || !l.Specs.Has(v) || len(l.Hashes) > 0 && !slices.Contains(l.Hashes, have.SHA256) {
		return nil
	}
	return have
}

// fromIndex chooses a wheel from the index for a line, and downloads it.
func (c *chooser) fromIndex(ctx context.Context, p *pick) error {
	l := p.line
	wrong := func(hint, format string, args ...any) error {
		return &project.Error{Pos: l.Pos, Msg: fmt.Sprintf(format, args...), Hint: hint}
	}
	if !c.opts.Believe && len(l.Hashes) == 0 {
		const cure = "nix2gpu lock asks the index, and keeps what it learns in " + Name
		if !l.Specs.Pinned() {
			return wrong(cure+"; or write "+l.Name+"==VERSION --hash=sha256:…", "%q names no version, and the lock has none for it", l.String())
		}
		return wrong(cure+"; or write its hash behind it: --hash=sha256:…", "%q has no hash, and the lock has none for it", l.String())
	}
	files, err := c.reqs.Source.Files(ctx, l.Name)
	if err != nil {
		return err
	}
	chosen, err := wheel.Choose(c.target, l.Requirement, l.Hashes, c.reqs.Pre, files)
	var none *wheel.ChoiceError
	if errors.As(err, &none) {
		return wrong(none.Hint, "%s", none.Msg)
	} else if err != nil {
		return err
	}
	found, err := c.reqs.Source.Inspect(ctx, chosen.File)
	if err != nil {
		return err
	}
	if len(l.Hashes) > 0 && !slices.Contains(l.Hashes, found.SHA256) {
		return wrong("take the file that the hash is of, or correct the hash", "%s has the SHA-256 %s, which is none of the line's hashes", found.File, found.SHA256)
	}
	p.locked, p.meta = found.Locked, found.Metadata
	return nil
}

// extras gives each wheel the extras that its line and other wheels ask for, and with
// those the requirements that they add.
func (c *chooser) extras(ctx context.Context) error {
	for range 1 + len(c.picks) { // each round but the last adds an extra to some wheel
		asked := map[string][]string{}
		for _, p := range c.picks {
			asked[p.line.Name] = append(asked[p.line.Name], p.line.Extras...)
			for _, need := range p.locked.Needs {
				if r, err := wheel.ParseRequirement(need); err == nil {
					asked[r.Name] = append(asked[r.Name], r.Extras...)
				}
			}
		}
		changed := false
		for _, p := range c.picks {
			extras := slices.Compact(slices.Sorted(slices.Values(asked[p.line.Name])))
			if p.meta == nil && slices.Equal(extras, p.locked.Extras) {
				continue
			}
			if p.meta == nil {
				found, err := c.reqs.Source.Again(ctx, p.locked)
				if err != nil {
					return err
				}
				p.meta = found.Metadata
			}
			needs := p.meta.Needs(c.target, extras)
			if !slices.Equal(extras, p.locked.Extras) || !slices.Equal(needs, p.locked.Needs) {
				p.locked.Extras, p.locked.Needs, changed = extras, needs, true
			}
		}
		if !changed {
			break
		}
	}
	return nil
}

// complete fails unless all that the wheels require is in the requirements file: we add
// nothing to it.
func (c *chooser) complete(context.Context) error {
	have := map[string]*pick{}
	for _, p := range c.picks {
		have[p.line.Name] = p
	}
	const cure = "pip-compile --generate-hashes writes a file that has everything; or add "
	var wrong project.Errors
	for _, p := range c.picks {
		for _, need := range p.locked.Needs {
			r, err := wheel.ParseRequirement(need)
			if err != nil {
				return fmt.Errorf("wheel %s needs %q: %w", p.locked.File, need, err)
			}
			other := have[r.Name]
			if other == nil {
				wrong = append(wrong, &project.Error{Pos: p.line.Pos, Msg: fmt.Sprintf("%s needs %q, which %s does not have", p.locked, need, c.reqs.File), Hint: cure + need})
				continue
			}
			if v, err := wheel.ParseVersion(other.locked.Version); err != nil || !r.Specs.Has(v) {
				wrong = append(wrong, &project.Error{Pos: other.line.Pos, Msg: fmt.Sprintf("%s needs %q, and %s has %s", p.locked, need, c.reqs.File, other.locked),
					Hint: "take versions that fit each other"})
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// wheelChanges returns the differences between the wheels of two files.
func wheelChanges(old, now *File) []Change {
	type id struct{ arch, name string }
	collect := func(f *File) map[id]wheel.Locked {
		all := map[id]wheel.Locked{}
		for _, container := range slices.Sorted(maps.Keys(f.Wheels)) {
			for arch, w := range f.Wheels[container] {
				for _, l := range w.Files {
					if _, ok := all[id{arch, l.Name}]; !ok {
						all[id{arch, l.Name}] = l
					}
				}
			}
		}
		return all
	}
	before, after := collect(old), collect(now)
	var out []Change
	for i, l := range before {
		switch m, ok := after[i]; {
		case !ok:
			out = append(out, Change{i.arch + ", wheel", i.name, l.Version, ""})
		case m.SHA256 != l.SHA256:
			out = append(out, Change{i.arch + ", wheel", i.name, l.Version, m.Version})
		}
	}
	for i, l := range after {
		if _, ok := before[i]; !ok {
			out = append(out, Change{i.arch + ", wheel", i.name, "", l.Version})
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmpStrings(a.Name, b.Name), cmpStrings(a.Arch, b.Arch)) < 0
	})
	return out
}

// Programs returns the programs that the wheels of a container install, on any
// architecture.
func (f *File) Programs(container string) []string {
	var out []string
	for _, w := range f.Wheels[container] {
		for _, l := range w.Files {
			out = append(out, l.Programs...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
