package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian/deb"
	"nix2gpu/wheel"
	"nix2gpu/wheel/archive"
)

// A WheelFile is the file of a wheel.
type WheelFile interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// A Wheel is a wheel of the image. Open opens its file, whose digest has been verified.
// It may be called more than once, and from several goroutines.
type Wheel struct {
	wheel.Locked
	Open func(ctx context.Context) (WheelFile, error)
}

// bigWheel is the size, in bytes, from which a wheel has a layer of its own.
const bigWheel = 4_000_000

// A wheelGroup becomes a layer of wheels.
type wheelGroup struct {
	name   string
	wheels []Wheel
}

func (g *wheelGroup) size() (n int64) {
	for _, w := range g.wheels {
		n += w.Size
	}
	return n
}

func (g *wheelGroup) title() string {
	names := make([]string, 0, len(g.wheels))
	for _, w := range g.wheels {
		names = append(names, w.Name)
	}
	if len(names) > 4 {
		return fmt.Sprintf("Python: %s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return "Python: " + strings.Join(names, ", ")
}

// wheelGroups divides wheels into at most limit groups. Each big wheel is a group; the
// small ones make two groups, one of those for every machine, which images of several
// architectures share.
func wheelGroups(wheels []Wheel, limit int) []*wheelGroup {
	byName := map[string]*wheelGroup{}
	var all []*wheelGroup
	for _, w := range wheels {
		name := "machine"
		switch {
		case w.Size >= bigWheel:
			name = "wheel " + w.Name
		case w.IsPure():
			name = "pure"
		}
		if byName[name] == nil {
			byName[name] = &wheelGroup{name: name}
			all = append(all, byName[name])
		}
		byName[name].wheels = append(byName[name].wheels, w)
	}
	slices.SortFunc(all, func(a, b *wheelGroup) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), strings.Compare(a.name, b.name))
	})
	if limit = max(limit, 1); len(all) > limit {
		rest := &wheelGroup{name: "rest"}
		for _, g := range all[limit-1:] {
			rest.wheels = append(rest.wheels, g.wheels...)
		}
		all = append(all[:limit-1], rest)
	}
	for _, g := range all {
		sort.SliceStable(g.wheels, func(i, j int) bool {
			a, b := g.wheels[i], g.wheels[j]
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File)) < 0
		})
	}
	return all
}

// wheelLayerLimit returns how many layers wheels may have: a third of the image's limit,
// and at least one.
func (b *builder) wheelLayerLimit() int {
	if len(b.spec.Wheels) == 0 {
		return 0
	}
	return max(1, (b.spec.MaxLayers-ownLayers)/3)
}

// wheelLayers makes the layers of wheels, and returns the key of each.
func (b *builder) wheelLayers(ctx context.Context) (layers []*Layer, keys []string, failed error) {
	b.wheels = wheelGroups(b.spec.Wheels, b.wheelLayerLimit())
	if len(b.wheels) == 0 {
		return nil, nil, nil
	}
	if err := b.spec.Python.Check(); err != nil {
		return nil, nil, fmt.Errorf("wheels: %w", err)
	}
	return makeLayers(ctx, b, b.wheels, b.wheelKey, b.makeWheels, func(l *Layer, g *wheelGroup) {
		for _, w := range g.wheels {
			l.Wheels = append(l.Wheels, w.Locked)
		}
	})
}

func (b *builder) wheelKey(g *wheelGroup) string {
	var digests []string
	for _, w := range g.wheels {
		digests = append(digests, w.SHA256)
	}
	return key("wheels", b.spec.Compression, b.epochKey(), b.spec.Python.Short(), digests)
}

// makeWheels makes the layer of a group, and keeps the facts of its files beside it.
func (b *builder) makeWheels(ctx context.Context, g *wheelGroup, key string) (*record, error) {
	return b.cache.make(key, b.spec.Compression, func(w *layerWriter) error {
		w.clamp, w.facts = b.spec.Epoch, &layerFacts{}
		hashes := map[string]string{}
		for _, one := range g.wheels {
			if err := w.addWheel(ctx, one, b.spec.Python, hashes); err != nil {
				return err
			}
		}
		return nil
	})
}

// addWheel writes the files of an installed wheel. If two wheels of a layer have the
// same path with different contents, the first keeps it, and a warning is noted.
func (w *layerWriter) addWheel(ctx context.Context, one Wheel, t wheel.Target, hashes map[string]string) error {
	f, err := one.Open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := archive.Open(one.File, f, f.Size())
	if err != nil {
		return err
	}
	entries, err := a.Install(t)
	if err != nil {
		return err
	}
	facts := &packageFacts{Name: one.Name, SHA256: one.SHA256, CUDA: a.CUDA(), License: a.Metadata.License}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.Hash == "" {
			e.Hash = one.Name // RECORD is different in each wheel
		}
		if before, ok := hashes[e.Path]; ok {
			if before != e.Hash {
				facts.Clashes = append(facts.Clashes, clashText(one.Name, e.Path, w.seen[e.Path]))
			}
			continue
		}
		hashes[e.Path] = e.Hash
		n := &node{Name: e.Path, Kind: deb.File, Mode: 0o644, Size: e.Size}
		if e.Executable {
			n.Mode = 0o755
		}
		lib := isLibraryName(path.Base(e.Path))
		w.scan.reset()
		n.Open = func() (io.ReadCloser, error) {
			r, err := e.Open()
			if err != nil {
				return nil, err
			}
			return watched{io.TeeReader(r, &w.scan), r}, nil
		}
		if err := w.add(n); err != nil {
			return fmt.Errorf("wheel %s: %w", one.File, err)
		}
		w.seen[n.Name] = one.Name
		fact := fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Hash: e.Hash, Needs: w.needs(n.Mode)}
		if lib {
			fact.Lib = w.scan.library()
		}
		facts.Facts = append(facts.Facts, fact)
	}
	w.facts.Packages = append(w.facts.Packages, facts)
	return nil
}

// watched is a file of a wheel that is scanned while it is read.
type watched struct {
	io.Reader
	io.Closer
}

// wheelFacts returns the facts of the wheels, layer by layer.
func (b *builder) wheelFacts(ctx context.Context) ([]*packageFacts, error) {
	var out []*packageFacts
	for _, g := range b.wheels {
		k := b.wheelKey(g)
		facts, err := b.cache.facts(k)
		if err == nil && facts == nil { // damaged, or pruned just now
			if _, err = b.makeWheels(ctx, g, k); err == nil {
				facts, err = b.cache.facts(k)
			}
		}
		if err != nil {
			return nil, err
		}
		if facts == nil {
			return nil, errors.New("what was written to the cache of layers is gone\nhint: run it again when no other program cleans it up")
		}
		out = append(out, facts.Packages...)
	}
	return out, nil
}

// addWheels adds the files of wheels to the tree of the image.
func (b *builder) addWheels(ctx context.Context, t *tree) error {
	all, err := b.wheelFacts(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		for _, f := range p.Facts {
			t.put(f)
		}
	}
	return nil
}

// tellOfWheels warns of what is odd about the wheels, and returns their licences by
// name. The cache keeps both, so that a build from the cache repeats them without
// reading the wheels.
func (b *builder) tellOfWheels(ctx context.Context, keys []string) (map[string]wheel.License, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	memo := b.cache.factsFile(key("of wheels", keys, b.project.Container.CUDA))
	var kept struct {
		Warnings []string
		Licenses map[string]wheel.License
	}
	if data, err := os.ReadFile(memo); err == nil && json.Unmarshal(data, &kept) == nil {
		b.warn(kept.Warnings...)
		return kept.Licenses, nil
	}
	all, err := b.wheelFacts(ctx)
	if err != nil {
		return nil, err
	}
	kept.Licenses = map[string]wheel.License{}
	type owner struct{ wheel, hash string }
	owners := map[string]owner{}
	known := slices.ContainsFunc(b.spec.Wheels, func(w Wheel) bool { return wheel.BringsCUDA(w.Name, w.Version) }) // there is a warning about the requirements already
	for _, p := range all {
		kept.Warnings = append(kept.Warnings, p.Clashes...)
		kept.Licenses[p.Name] = p.License
		for _, f := range p.Facts {
			before, ok := owners[f.Path]
			if ok && before.hash != f.Hash { // a later layer replaces it
				kept.Warnings = append(kept.Warnings, clashText(before.wheel, f.Path, p.Name))
			}
			owners[f.Path] = owner{p.Name, f.Hash}
		}
		if p.CUDA != "" && !known && b.project.Container.CUDA != "" {
			known = true
			kept.Warnings = append(kept.Warnings, fmt.Sprintf("%s: the wheel of %s brings CUDA too (%s): the image has it twice", b.project.Container.CUDA, p.Name, path.Base(p.CUDA)))
		}
	}
	b.warn(kept.Warnings...)
	return kept.Licenses, b.cache.write(memo, kept)
}

// clashText is the warning that a file of a wheel is not in the image.
func clashText(loser, name, winner string) string {
	return fmt.Sprintf("the wheels of %s and %s have different files at /%s: that of %s is there", loser, winner, name, winner)
}
