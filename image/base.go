package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
)

// A Base is what is known of an image that others are put on. Its layers stay in their
// registry: an image refers to them by digest.
type Base struct {
	Ref      string          `json:"ref"` // reference with a digest
	Manifest json.RawMessage `json:"manifest"`
	Config   json.RawMessage `json:"config"`

	Distribution string `json:"distribution"` // "debian" or "ubuntu"
	Suite        string `json:"suite"`        // code name of its release
	Release      string `json:"release"`      // what it calls its release

	Paths []fact            `json:"paths"`
	Texts map[string][]byte `json:"texts"` // contents of the files that matter, by path

	// Open opens a compressed layer. It is not part of what the cache keeps.
	Open func(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) `json:"-"`
}

// Limits for a base, so that a hostile one fills neither the memory nor the cache.
const (
	maxBasePaths = 3_000_000
	maxBaseText  = 64 << 20 // bytes of one file
	maxBaseTexts = 256 << 20
)

// ReadBase reads all layers of an image once, and returns what is to be known of it.
// The layers are not kept.
func ReadBase(ctx context.Context, ref, arch string, img v1.Image) (*Base, error) {
	b := &Base{Ref: ref, Texts: map[string][]byte{}}
	var err error
	if b.Manifest, err = img.RawManifest(); err != nil {
		return nil, err
	}
	if b.Config, err = img.RawConfigFile(); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	if config.OS != "linux" || config.Architecture != arch {
		return nil, fmt.Errorf("it is for %s/%s, and not for linux/%s\nhint: take the digest of one for linux/%s, or of an index that has several", config.OS, config.Architecture, arch, arch)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	r := &baseReader{tree: newTree(), texts: b.Texts, layer: map[string]int{}}
	for i, l := range layers {
		if err := r.read(ctx, i, l); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	for name := range b.Texts {
		if r.tree.facts[name].Kind != deb.File {
			delete(b.Texts, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.tree.facts)) {
		b.Paths = append(b.Paths, r.tree.facts[name])
	}
	return b, b.identify()
}

// A baseReader applies layers one after another.
type baseReader struct {
	tree  *tree
	texts map[string][]byte
	size  int64          // bytes of all texts
	layer map[string]int // which layer a path comes from
}

func (r *baseReader) read(ctx context.Context, number int, l v1.Layer) error {
	in, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer in.Close()
	t := tar.NewReader(stoppable{ctx, in})
	for {
		h, err := t.Next()
		if err == io.EOF {
			// The digest is verified at the end of the layer, behind the archive.
			_, err := io.Copy(io.Discard, stoppable{ctx, in})
			return err
		} else if err != nil {
			return err
		}
		if err := r.entry(number, h, t); err != nil {
			return err
		}
	}
}

func (r *baseReader) entry(number int, h *tar.Header, in io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if len(name) > 4096 || len(h.Linkname) > 4096 {
		return fmt.Errorf("a name has %d bytes", max(len(name), len(h.Linkname)))
	}
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	switch {
	case name == "":
		return nil
	case base == ".wh..wh..opq":
		for child := range r.tree.children[dir] {
			r.remove(path.Join(dir, child), number)
		}
		return nil
	case strings.HasPrefix(base, ".wh."):
		r.remove(path.Join(dir, base[len(".wh."):]), number)
		return nil
	}
	f := fact{Path: name, Mode: h.Mode & 0o7777, Link: h.Linkname, Package: -1}
	switch h.Typeflag {
	case tar.TypeDir:
		f.Kind, f.Link = deb.Dir, ""
	case tar.TypeSymlink:
		f.Kind = deb.Symlink
	case tar.TypeReg:
		f.Kind, f.Link = deb.File, ""
	case tar.TypeLink:
		f.Kind, f.Link = deb.File, ""
		from := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		if text, ok := r.texts[from]; ok && ofBase(name) {
			r.texts[name] = text
		}
	default:
		return nil // a device: runtimes make their own
	}
	if before, ok := r.tree.facts[name]; ok && before.Kind == deb.Dir && f.Kind != deb.Dir {
		r.remove(name, number+1)
	}
	if len(r.tree.facts) >= maxBasePaths {
		return fmt.Errorf("it has more than %d paths", maxBasePaths)
	}
	r.tree.put(f)
	r.layer[name] = number
	if h.Typeflag != tar.TypeReg || !ofBase(name) {
		return nil
	}
	if h.Size > maxBaseText || r.size+h.Size > maxBaseTexts {
		return fmt.Errorf("%q is larger than what is read of a base: it has %d bytes", "/"+name, h.Size)
	}
	text, err := io.ReadAll(in)
	r.texts[name] = text
	r.size += h.Size
	return err
}

// remove removes what earlier layers have at a path.
func (r *baseReader) remove(name string, number int) {
	for child := range r.tree.children[name] {
		r.remove(path.Join(name, child), number)
	}
	if r.layer[name] < number && len(r.tree.children[name]) == 0 {
		r.tree.remove(name)
		delete(r.texts, name)
		delete(r.layer, name)
	}
}

// Files of a base whose content is kept.
const (
	baseStatus = "var/lib/dpkg/status"
	baseCache  = "etc/ld.so.cache"
)

// ofBase reports whether the content of a file of a base is kept.
func ofBase(name string) bool {
	switch name {
	case "etc/os-release", "usr/lib/os-release", "etc/passwd", "etc/group", "etc/shadow", baseStatus, "etc/ld.so.conf", baseCache, "etc/apt/sources.list":
		return true
	}
	switch dir := path.Dir(name); dir {
	case "etc/ld.so.conf.d", "etc/apt/sources.list.d":
		return true
	case "usr/share/keyrings", "etc/apt/keyrings", "etc/apt/trusted.gpg.d":
		return path.Ext(name) == ".gpg" || path.Ext(name) == ".asc" || path.Ext(name) == ".pgp"
	}
	return false
}

// text returns the content of a file of the base, following links; "" if it has none.
func (b *Base) text(t *tree, name string) string {
	at, _ := t.resolve(name)
	return string(b.Texts[at])
}

// tree returns the paths of the base.
func (b *Base) tree() *tree {
	t := newTree()
	for _, f := range b.Paths {
		f.Package = -1
		t.put(f)
	}
	return t
}

// identify finds out the base's distribution and release.
func (b *Base) identify() error {
	t := b.tree()
	fields := map[string]string{}
	for line := range strings.Lines(b.text(t, "etc/os-release")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[name] = strings.Trim(value, `"'`)
		}
	}
	b.Distribution, b.Suite = fields["ID"], fields["VERSION_CODENAME"]
	b.Release = fields["PRETTY_NAME"]
	switch {
	case len(fields) == 0:
		return errors.New("it has no /etc/os-release: only bases of Debian and Ubuntu are supported")
	case b.Distribution != "debian" && b.Distribution != "ubuntu" || b.Suite == "":
		return fmt.Errorf("it is %s: only bases of Debian and Ubuntu are supported", b.Release)
	case len(b.Texts[baseStatus]) == 0:
		return fmt.Errorf("it has no /%s: what it consists of is not known", baseStatus)
	}
	for _, top := range []string{"bin", "sbin", "lib"} {
		if f, ok := t.facts[top]; !ok || f.Kind != deb.Symlink {
			return fmt.Errorf("not supported: its /%s is not a link to /usr/%s: packages are put into /usr alone", top, top)
		}
	}
	return nil
}

// Installed returns the packages that the base has.
func (b *Base) Installed() []debian.Installed {
	var out []debian.Installed
	for s := range debian.Stanzas(b.Texts[baseStatus]) {
		if !strings.HasSuffix(s.Get("Status"), " installed") {
			continue
		}
		out = append(out, debian.Installed{Name: s.Get("Package"), Version: s.Get("Version"), Arch: s.Get("Architecture"), MultiArch: s.Get("Multi-Arch"), Provides: s.Get("Provides")})
	}
	return out
}

// Keys returns the keyrings of the base's apt, by path. They can be trusted as far as
// the base itself, which is named by its digest.
func (b *Base) Keys() map[string][]byte {
	out := map[string][]byte{}
	for name, text := range b.Texts {
		switch path.Dir(name) {
		case "usr/share/keyrings", "etc/apt/keyrings", "etc/apt/trusted.gpg.d":
			out["/"+name] = text
		}
	}
	return out
}

// CUDA returns the versions of CUDA that the base has, newest first.
func (b *Base) CUDA() []string {
	var out []string
	for _, root := range cudaRoots(b.tree()) {
		out = append(out, strings.TrimPrefix(path.Base(root), "cuda-"))
	}
	return out
}

// layers returns the base's layers, and its configuration. They are not downloaded.
func (b *Base) layers() ([]*Layer, *v1.ConfigFile, error) {
	var m v1.Manifest
	config := &v1.ConfigFile{}
	if err := errors.Join(json.Unmarshal(b.Manifest, &m), json.Unmarshal(b.Config, config)); err != nil {
		return nil, nil, err
	}
	if len(m.Layers) != len(config.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("%s has %d layers and the digests of %d", b.Ref, len(m.Layers), len(config.RootFS.DiffIDs))
	}
	var out []*Layer
	for i, d := range m.Layers {
		media, err := ociMedia(d.MediaType)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, &Layer{
			Title: "of " + b.Ref, Digest: d.Digest, DiffID: config.RootFS.DiffIDs[i], Size: d.Size, Media: media, cached: true,
			elsewhere: func() (io.ReadCloser, error) {
				if b.Open == nil {
					return nil, fmt.Errorf("the layer %s of %s is not here\nhint: run it once without --offline", d.Digest, b.Ref)
				}
				return b.Open(context.Background(), d.Digest)
			},
		})
	}
	return out, config, nil
}

// ociMedia translates a layer's media type to OCI's: an image must not mix them with
// docker's.
func ociMedia(m types.MediaType) (types.MediaType, error) {
	switch m {
	case types.OCILayer, types.DockerLayer:
		return types.OCILayer, nil
	case types.OCILayerZStd:
		return m, nil
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return types.OCIUncompressedLayer, nil
	}
	return "", fmt.Errorf("not supported: a base with layers of type %s", m)
}
