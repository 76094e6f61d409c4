package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/debian/deb"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

// Paths in the image that boot reads.
const (
	programPath = "usr/bin/nix2gpu"
	aliasPath   = "usr/bin/process-compose"
	projectPath = "etc/nix2gpu/project.json"
)

// A Spec is what an image is made of. All of it but Cache and Progress decides the
// image's digest.
type Spec struct {
	Project  project.Valid
	Root     string    // the definition's folder; paths of copyToRoot are below it
	Arch     string    // "amd64" or "arm64"
	Base     *Base     // the image that this one is put on; nil: none
	Packages []Package // all packages beside the base's, with dependencies
	// Recipes leave out parts of packages. Packages does not have what only those parts
	// need.
	Recipes []packages.Recipe
	// Asked has the packages that stand for attributes; default: those of the package
	// table.
	Asked  map[string][]string
	Binary string       // path of our own program for Arch
	Wheels []Wheel      // wheels to install beside Debian's Python
	Python wheel.Target // that Python, if there are wheels

	Variant     Variant     // default: Slim
	Compression Compression // default: that of the variant
	MaxLayers   int         // default: the project's, or else DefaultMaxLayers
	Epoch       *time.Time  // the latest time in the image; nil: times are as in the packages
	Plain       []string    // files of this machine that hold secrets as text: copyToRoot must not copy them
	Labels      map[string]string
	Annotations map[string]string    // of the manifest
	More        []project.PackageRef // packages for the farm beside the project's
	Stand       map[string][]string  // packages that attributes stand for if Debian has none

	Cache string // folder of the cache; required
	// Progress is called when work on a layer begins and ends, with the bytes of
	// packages that are packed, and of all that have to be. nil: it is not called.
	Progress func(title string, done, total int64)
}

// A Layer is one layer of an image that was built.
type Layer struct {
	Title    string
	Packages []Package // the packages in it; none for our own layers
	Wheels   []wheel.Locked
	Digest   v1.Hash
	DiffID   v1.Hash
	Size     int64 // compressed
	Unpacked int64
	Media    types.MediaType

	file string // its path in the cache
	// elsewhere opens a layer of a base, which is not in the cache.
	elsewhere func() (io.ReadCloser, error)
	newest    int64
	cached    bool
}

// Open opens the compressed layer. For a base's layer it may use the network.
func (l *Layer) Open() (io.ReadCloser, error) {
	if l.elsewhere != nil {
		return l.elsewhere()
	}
	return os.Open(l.file)
}

// Here reports whether the layer was made here. A base's layers are in a registry.
func (l *Layer) Here() bool { return l.elsewhere == nil }

// An OptionError is an error in an option's value. The caller knows the option's
// position.
type OptionError struct {
	Option string
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

// A Built image has its layers in the cache until it is written or pushed.
type Built struct {
	Image    v1.Image
	Layers   []*Layer
	Warnings []string // for the definition's author, with positions
	Partial  bool     // packages are reduced to what programs need
	// Licenses has the licences of its wheels, by name.
	Licenses map[string]wheel.License
}

// Build makes the image. It writes to the cache only, and does not make a layer again
// that the cache has. The same spec gives the same bytes.
func Build(ctx context.Context, spec Spec) (*Built, error) {
	spec.Variant = cmp.Or(spec.Variant, Slim)
	spec.Compression = cmp.Or(spec.Compression, spec.Variant.compression())
	b := &builder{spec: spec, project: spec.Project.Project(), memory: newBudget(decoderMemory)}
	b.spec.MaxLayers = cmp.Or(spec.MaxLayers, b.project.Container.MaxLayers, DefaultMaxLayers)
	if b.spec.MaxLayers > HardMaxLayers {
		return nil, fmt.Errorf("maxLayers must be at most %d, which is what engines can mount, not %d", HardMaxLayers, b.spec.MaxLayers)
	}
	if least := ownLayers + 1 + min(len(spec.Wheels), 1); b.spec.MaxLayers < least {
		return nil, fmt.Errorf("maxLayers must be at least %d, not %d", least, b.spec.MaxLayers)
	}
	if _, _, err := ldFlags(spec.Arch); err != nil {
		return nil, err
	}
	var err error
	if b.cache, err = openCache(spec.Cache); err != nil {
		return nil, err
	}
	return b.build(ctx)
}

// A builder makes one image.
type builder struct {
	spec     Spec
	project  *project.Project
	under    *v1.ConfigFile // of the base; nil: none
	cache    *cache
	memory   *budget
	wheels   []*wheelGroup
	warnings []string

	chosen *selection // nil: everything
	all    []Package  // all packages of the spec, if only some are chosen

	system *system // with its fix-ups; nil until a layer that the cache lacks needs it
	fixed  []*node // the files of these fix-ups
}

func (b *builder) warn(texts ...string) { b.warnings = append(b.warnings, texts...) }

// lacking warns of what the project asks for and no package of the image has.
func (b *builder) lacking(copies *copied) {
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(b.spec.Packages, func(p Package) bool {
			return slices.ContainsFunc(prefixes, func(s string) bool { return strings.HasPrefix(p.Name, s) })
		})
	}
	c := b.project.Container
	if c.CUDA != "" && !has("cuda-", "nvidia-cuda-", "libcudart") && (b.spec.Base == nil || len(b.spec.Base.CUDA()) == 0) {
		b.warn(fmt.Sprintf("%s: the image has no CUDA libraries of its own; the driver's come from the host", c.CUDA))
	}
	copied := slices.ContainsFunc(copies.nodes, func(n *node) bool { return path.Base(n.Name) == "tailscaled" })
	named := slices.ContainsFunc(b.spec.More, func(ref project.PackageRef) bool { return ref.Attr == packages.Tailscale })
	if c.Tailscale != nil && !named && !copied {
		b.warn(place(c.Tailscale.Pos) + "tailscale: the image has no tailscale: Debian has no package for it")
	}
}

func (b *builder) build(ctx context.Context) (*Built, error) {
	var below []*Layer
	if b.spec.Base != nil {
		var err error
		if below, b.under, err = b.spec.Base.layers(); err != nil {
			return nil, err
		}
		if b.spec.MaxLayers-ownLayers-b.wheelLayerLimit()-len(below) < 1 {
			return nil, &OptionError{"fromImage", fmt.Errorf("the base has %d layers already, of %d that the image may have\nhint: raise maxLayers; engines mount %d", len(below), b.spec.MaxLayers, HardMaxLayers)}
		}
	}
	copies, err := b.copies()
	if err != nil {
		return nil, err
	}
	wheels, more, err := b.wheelLayers(ctx)
	if err != nil {
		return nil, err
	}
	if b.chosen, err = b.selected(ctx, copies, more); err != nil {
		return nil, err
	}
	groups := groups(b.spec.Packages, b.spec.MaxLayers-ownLayers-b.wheelLayerLimit()-len(below))
	layers, keys, err := b.packageLayers(ctx, groups)
	if err != nil {
		return nil, err
	}
	licenses, err := b.tellOfWheels(ctx, more)
	if err != nil {
		return nil, err
	}
	layers, keys = append(layers, wheels...), append(keys, more...)
	layers = append(below, layers...)
	b.lacking(copies)
	for _, step := range []func(context.Context, []*group, []string, *copied) (*Layer, error){b.systemLayer, b.programLayer, b.filesLayer, b.definitionLayer} {
		l, err := step(ctx, groups, keys, copies)
		if err != nil {
			return nil, err
		}
		if l != nil {
			layers = append(layers, l)
		}
	}
	config, err := b.config(layers)
	if err != nil {
		return nil, err
	}
	img, err := assemble(config, layers, b.annotations())
	if err != nil {
		return nil, err
	}
	return &Built{Image: img, Layers: layers, Warnings: b.warnings, Partial: b.chosen != nil, Licenses: licenses}, nil
}

// packageLayers makes the layers of all groups of packages, and returns the key of each.
func (b *builder) packageLayers(ctx context.Context, groups []*group) ([]*Layer, []string, error) {
	return makeLayers(ctx, b, groups, b.groupKey, b.makePackages, func(l *Layer, g *group) { l.Packages = g.packages })
}

// makeLayers makes the layers of all groups that the cache lacks. It works on several
// at a time, because most of the work is decompressing, and a group uses only one
// processor. The largest is first, so that it is not the one that all wait for. finish
// is called for each layer that is found or made.
func makeLayers[G layered](ctx context.Context, b *builder, groups []G, key func(G) string,
	create func(ctx context.Context, g G, key string) (*record, error), finish func(l *Layer, g G)) ([]*Layer, []string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	layers, keys := make([]*Layer, len(groups)), make([]string, len(groups))
	order := make([]int, len(groups))
	for i, g := range groups {
		order[i], keys[i] = i, key(g)
	}
	made := progress(b, groups, keys)
	sort.SliceStable(order, func(i, j int) bool { return groups[order[i]].size() > groups[order[j]].size() })
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(groups)) {
		workers.Go(func() {
			for i := range next {
				l, err := makeLayer(ctx, b, groups[i], keys[i], made, create)
				if err != nil {
					cancel(err)
					continue
				}
				finish(l, groups[i])
				layers[i] = l
			}
		})
	}
	for _, i := range order {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	return layers, keys, nil
}

// makeLayer finds the layer of a group in the cache, or makes it.
func makeLayer[G layered](ctx context.Context, b *builder, g G, key string, made func(g G, ended bool),
	create func(ctx context.Context, g G, key string) (*record, error)) (*Layer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r := b.cache.find(key)
	cached := r != nil
	if r == nil {
		made(g, false)
		var err error
		if r, err = create(ctx, g, key); err != nil {
			return nil, err
		}
		made(g, true)
	}
	l := b.layer(r, g.title())
	l.cached = cached
	return l, nil
}

// A layered is a group that becomes one layer: of packages, or of wheels.
type layered interface {
	title() string
	size() int64
}

// progress returns a function that reports to Spec.Progress when work on a group begins
// and ends. Only groups that the cache lacks count.
func progress[G layered](b *builder, groups []G, keys []string) func(g G, ended bool) {
	if b.spec.Progress == nil {
		return func(G, bool) {}
	}
	var mu sync.Mutex
	done, total := int64(0), int64(0)
	for i, g := range groups {
		if b.cache.find(keys[i]) == nil {
			total += g.size()
		}
	}
	return func(g G, ended bool) {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			done += g.size()
		}
		b.spec.Progress(g.title(), done, total)
	}
}

// layer makes a layer of the image from a record of the cache.
func (b *builder) layer(r *record, title string) *Layer {
	return &Layer{
		Title: title, Size: r.Size, Unpacked: r.Unpacked, Media: r.Packed.mediaType(), newest: r.Newest, file: b.cache.blobFile(r.Digest),
		Digest: v1.Hash{Algorithm: "sha256", Hex: r.Digest}, DiffID: v1.Hash{Algorithm: "sha256", Hex: r.DiffID},
	}
}

// ownLayer finds one of our own layers in the cache, or makes it.
func (b *builder) ownLayer(title, key string, nodes func() ([]*node, error)) (*Layer, error) {
	r := b.cache.find(key)
	if r == nil {
		list, err := nodes()
		if err != nil {
			return nil, err
		}
		r, err = b.cache.make(key, b.spec.Compression, func(w *layerWriter) error {
			w.clamp = b.spec.Epoch
			return w.addNodes(list)
		})
		if err != nil {
			return nil, err
		}
	}
	return b.layer(r, title), nil
}

// baseKey is part of the key of layers that depend on what the base has.
func (b *builder) baseKey() string {
	if b.spec.Base == nil {
		return ""
	}
	return key("base", string(b.spec.Base.Manifest))
}

// annotations returns the annotations of the manifest. A push takes the base's name from
// them, to mount the base's layers.
func (b *builder) annotations() map[string]string {
	if b.spec.Base == nil {
		return b.spec.Annotations
	}
	all := maps.Clone(b.spec.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	sum := sha256.Sum256(b.spec.Base.Manifest)
	all["org.opencontainers.image.base.name"] = b.spec.Base.Ref
	all["org.opencontainers.image.base.digest"] = "sha256:" + hex.EncodeToString(sum[:])
	return all
}

func (b *builder) epochKey() int64 {
	if b.spec.Epoch == nil {
		return -1
	}
	return b.spec.Epoch.Unix()
}

// systemLayer makes the layer with what the packages' scripts would have done, dpkg's
// list of packages, and the farm. It is small, and much of it changes with each package.
// The farm's warnings are kept in the cache with it, so that a build from the cache
// prints them again.
func (b *builder) systemLayer(ctx context.Context, groups []*group, keys []string, _ *copied) (*Layer, error) {
	const title = "accounts, certificates, loader, packages by name"
	wanted := wantedBy(b.project, b.spec.More)
	parts := farmInputs(b.project, wanted)
	for _, attr := range slices.Sorted(maps.Keys(b.spec.Stand)) {
		parts = append(parts, fmt.Sprintf("%s %q", attr, b.spec.Stand[attr]))
	}
	archives := b.archives()
	for _, name := range slices.Sorted(maps.Keys(archives)) {
		parts = append(parts, fmt.Sprintf("%s %q", name, archives[name].Bin))
	}
	key := key("system", b.fixKey("fix-ups", keys), parts)
	if warnings, ok := b.keptWarnings(key); ok {
		b.warn(warnings...)
		return b.ownLayer(title, key, nil)
	}
	nodes, err := b.fixes(ctx, groups, keys)
	if err != nil {
		return nil, err
	}
	links, warnings, err := farm(b.project, wanted, b.system.tree, b.system.packages, b.spec.Stand, archives)
	if err != nil {
		return nil, err
	}
	l, err := b.ownLayer(title, key, func() ([]*node, error) { return mergeNodes(nodes, links), nil })
	if err != nil {
		return nil, err
	}
	return l, b.keepWarnings(key, warnings)
}

// keptWarnings returns the warnings that the making of a layer has given, if the cache
// has both.
func (b *builder) keptWarnings(key string) ([]string, bool) {
	var kept struct{ Warnings []string }
	data, err := os.ReadFile(b.cache.factsFile(key))
	ok := err == nil && json.Unmarshal(data, &kept) == nil && b.cache.find(key) != nil
	return kept.Warnings, ok
}

// keepWarnings gives the warnings of a layer, and keeps them with it.
func (b *builder) keepWarnings(key string, warnings []string) error {
	b.warn(warnings...)
	return b.cache.write(b.cache.factsFile(key), struct{ Warnings []string }{warnings})
}

// fixKey is the key of a layer with files of fix-ups: it has all that they depend on.
func (b *builder) fixKey(kind string, keys []string) string {
	users := map[string]project.User{}
	maps.Copy(users, project.SystemUsers())
	maps.Copy(users, b.project.Users)
	return key(kind, b.spec.Variant, b.spec.Compression, b.epochKey(), b.spec.Arch, keys, b.allDigests(), users, b.project.Container.User, workingDir(b.project), b.baseKey())
}

// fixes returns the files of all fix-ups, and adds them to the tree of b.system.
func (b *builder) fixes(ctx context.Context, groups []*group, keys []string) ([]*node, error) {
	if b.system != nil {
		return b.fixed, nil
	}
	s, err := b.readSystem(ctx, groups, keys)
	if err != nil {
		return nil, err
	}
	if b.fixed, err = fix(s); err != nil {
		return nil, err
	}
	b.system = s
	return b.fixed, nil
}

// readSystem collects what the layers of packages hold. It reads the same facts whether
// a layer was made now or comes from the cache.
func (b *builder) readSystem(ctx context.Context, groups []*group, keys []string) (*system, error) {
	s := b.newSystem()
	var base *tree
	if s.base != nil {
		base = s.base.tree()
	}
	owners := map[string]*packageFacts{}
	for i, g := range groups {
		facts, err := b.cache.facts(keys[i])
		if err == nil && facts == nil { // damaged, or pruned just now
			if _, err = b.makePackages(ctx, g, keys[i]); err == nil {
				facts, err = b.cache.facts(keys[i])
			}
		}
		if err != nil {
			return nil, err
		}
		if facts == nil {
			return nil, errors.New("what was written to the cache of layers is gone\nhint: run it again when no other program cleans it up")
		}
		for _, p := range facts.Packages {
			if base != nil {
				if err := s.checkBase(p, base); err != nil {
					return nil, err
				}
			}
			for _, f := range p.Facts {
				before := owners[f.Path]
				if before != nil && f.Kind != deb.Dir && !replaces(p.Stanza, before.Name) {
					if replaces(before.Stanza, p.Name) {
						return nil, fmt.Errorf("not supported: package %q replaces %q of %q, which lies in a later layer", before.Name, "/"+f.Path, p.Name)
					}
					return nil, &clashError{f.Path, before.Name, p.Name, false}
				}
				if f.Kind != deb.Dir {
					owners[f.Path] = p
				}
				s.tree.put(f)
			}
			s.packages = append(s.packages, p)
		}
	}
	slices.SortFunc(s.packages, func(x, y *packageFacts) int { return strings.Compare(x.Name, y.Name) })
	var err error
	if s.unchosen, err = b.unchosen(ctx); err != nil {
		return nil, err
	}
	return s, b.addWheels(ctx, s.tree)
}

// newSystem makes a system without packages.
func (b *builder) newSystem() *system {
	users := map[string]project.User{}
	maps.Copy(users, project.SystemUsers())
	maps.Copy(users, b.project.Users)
	s := &system{arch: b.spec.Arch, tree: newTree(), variant: b.spec.Variant, recipes: b.spec.Recipes, users: users, user: b.project.Container.User, workdir: workingDir(b.project)}
	if s.base = b.spec.Base; s.base != nil {
		s.tree = s.base.tree()
	}
	return s
}

// unchosen returns the packages of which the image has no file. Fix-ups still read their
// texts: the bundle of certificates is made without the certificates' own files.
func (b *builder) unchosen(ctx context.Context) (out []*packageFacts, err error) {
	for _, p := range b.all {
		facts, err := b.scanPackage(ctx, p, b.scanKey(p))
		if err != nil {
			return nil, err
		}
		if len(facts.Texts) > 0 {
			out = append(out, facts)
		}
	}
	return out, nil
}

// allDigests returns the digests of all packages of the spec, if only some are chosen.
func (b *builder) allDigests() (out []string) {
	for _, p := range b.all {
		out = append(out, p.SHA256)
	}
	return out
}

// programLayer makes the layer with our own program.
func (b *builder) programLayer(context.Context, []*group, []string, *copied) (*Layer, error) {
	program, err := openProgram(b.spec.Binary, b.spec.Arch, b.cache)
	if err != nil {
		return nil, err
	}
	return b.ownLayer("nix2gpu", key("program", b.spec.Compression, b.epochKey(), program.digest), func() ([]*node, error) {
		return []*node{
			{Name: programPath, Kind: deb.File, Mode: 0o755, Size: program.size, Open: program.open},
			link(aliasPath, "nix2gpu"),
		}, nil
	})
}

// filesLayer makes the layer with copyToRoot; none if there is nothing to copy.
func (b *builder) filesLayer(ctx context.Context, groups []*group, keys []string, copies *copied) (*Layer, error) {
	if len(copies.nodes) == 0 {
		return nil, nil
	}
	key := key("files", b.spec.Compression, b.epochKey(), b.spec.Arch, keys, b.allDigests(), copies.digest, b.baseKey())
	if warnings, ok := b.keptWarnings(key); ok {
		b.warn(warnings...)
		return b.ownLayer("files", key, nil)
	}
	if _, err := b.fixes(ctx, groups, keys); err != nil {
		return nil, err
	}
	warnings, err := copies.check(b.system)
	if err != nil {
		return nil, err
	}
	l, err := b.ownLayer("files", key, func() ([]*node, error) { return mergeNodes(nil, copies.nodes), nil })
	if err != nil {
		return nil, err
	}
	return l, b.keepWarnings(key, warnings)
}

// archives returns the packages that are vendors' archives, by attribute.
func (b *builder) archives() map[string]*packages.Archive {
	out := map[string]*packages.Archive{}
	for _, p := range b.spec.Packages {
		if p.Archive != nil {
			out[p.Name] = p.Archive
		}
	}
	return out
}

// farmInputs returns all of the project that the farm depends on, for its key.
func farmInputs(p *project.Project, wanted []project.PackageRef) []string {
	var parts []string
	for _, ref := range wanted {
		parts = append(parts, ref.Attr, place(ref.Pos))
	}
	subs := map[string]bool{}
	p.EachText(func(_ project.Owner, t *project.Text) {
		for _, part := range *t {
			if part.Package != nil {
				subs[part.Package.Attr+part.Package.Sub] = true
			}
		}
	})
	return append(parts, slices.Sorted(maps.Keys(subs))...)
}

// definitionLayer makes the layer with the project and its encrypted secrets. It is the
// last and the smallest: unless a change of the definition needs another package, it
// changes nothing else.
func (b *builder) definitionLayer(context.Context, []*group, []string, *copied) (*Layer, error) {
	data, err := b.project.Encode()
	if err != nil {
		return nil, err
	}
	if holdsIdentity(data) {
		return nil, identityInside("the definition")
	}
	nodes, err := b.encrypted()
	if err != nil {
		return nil, err
	}
	n := file(projectPath, string(data))
	n.Mode = 0o644
	nodes = append(nodes, n)
	inputs := []any{b.spec.Compression, b.epochKey()}
	for _, n := range nodes {
		inputs = append(inputs, n.Name, n.Content)
	}
	return b.ownLayer("definition", key("definition", inputs...), func() ([]*node, error) { return nodes, nil })
}

// assemble makes an image from its configuration and layers.
func assemble(config *v1.ConfigFile, layers []*Layer, annotations map[string]string) (v1.Image, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: annotations,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: size, Digest: digest},
	}
	byDigest := map[v1.Hash]*Layer{}
	for _, l := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.Media, Size: l.Size, Digest: l.Digest})
		byDigest[l.Digest] = l
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&assembled{raw, manifest, byDigest})
}

// assembled implements go-containerregistry's interface for the core of an image.
type assembled struct {
	config, manifest []byte
	layers           map[v1.Hash]*Layer
}

func (a *assembled) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *assembled) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *assembled) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *assembled) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if l, ok := a.layers[h]; ok {
		return blob{l}, nil
	}
	if digest, _, err := v1.SHA256(bytes.NewReader(a.config)); err == nil && digest == h {
		return partial.ConfigLayer(a)
	}
	return nil, fmt.Errorf("the image has no blob %s", h)
}

// blob implements go-containerregistry's interface for a layer.
type blob struct{ l *Layer }

func (b blob) Digest() (v1.Hash, error)            { return b.l.Digest, nil }
func (b blob) DiffID() (v1.Hash, error)            { return b.l.DiffID, nil }
func (b blob) Size() (int64, error)                { return b.l.Size, nil }
func (b blob) MediaType() (types.MediaType, error) { return b.l.Media, nil }
func (b blob) Compressed() (io.ReadCloser, error)  { return b.l.Open() }

// Exists reports whether the layer can be read here. The library asks before it sends
// it.
func (b blob) Exists() (bool, error) { return b.l.Here(), nil }
