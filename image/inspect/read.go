package inspect

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/debian"
	"nix2gpu/image/source"
	"nix2gpu/wheel"
)

const (
	statusFile   = "var/lib/dpkg/status"
	statusFolder = "var/lib/dpkg/status.d/" // used by images that are built without dpkg

	maxStatus = 64 << 20 // bytes; a machine with many packages has 10 MB
)

// A Reader collects facts. The zero value is ready to use. It is for one goroutine.
type Reader struct {
	Files bool // read the files of all layers too

	layers map[v1.Hash]*content
}

// A List holds what an SBOM says about an image.
type List struct {
	Packages []debian.Locked
	Wheels   []wheel.Locked
}

// Read collects the facts of an image. With an SBOM, which may be nil, it need not read
// layers to find dpkg's database. Only an SBOM tells about wheels.
func (r *Reader) Read(ctx context.Context, name string, v source.Variant, sbom *List) (*Image, error) {
	manifest, err := v.Image.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := v.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	digest, err := v.Image.Digest()
	if err != nil {
		return nil, err
	}
	size, err := source.Size(v.Image)
	if err != nil {
		return nil, err
	}
	img := &Image{
		Name: name, Digest: digest.String(), Platform: v.Platform.String(), Created: config.Created.UTC(), Size: size,
		Config: config.Config, Notes: manifest.Annotations, Layers: []Layer{}, Packages: []Package{},
	}
	comments := comments(config)
	for i, d := range manifest.Layers {
		l := Layer{Digest: d.Digest.String(), Size: d.Size}
		if len(comments) == len(manifest.Layers) {
			l.Comment = comments[i]
		}
		img.Layers = append(img.Layers, l)
	}
	layers, err := v.Image.Layers()
	if err != nil {
		return nil, err
	}
	if sbom != nil {
		img.list(sbom)
		if !r.Files && len(img.Packages) > 0 {
			return img, nil
		}
	}
	all, err := r.contents(ctx, layers)
	if err != nil {
		return nil, err
	}
	if status := statusOf(all); status != nil {
		img.Packages, img.Known = packagesOf(status), "dpkg"
	}
	if r.Files {
		img.Files = overlay(all)
	}
	return img, nil
}

// comments returns the lines of the config's history that belong to layers.
func comments(config *v1.ConfigFile) []string {
	var out []string
	for _, h := range config.History {
		if h.EmptyLayer {
			continue
		}
		text := h.CreatedBy
		if h.Comment != "" {
			text = h.Comment
		}
		out = append(out, strings.Join(strings.Fields(text), " "))
	}
	return out
}

// list adds what an SBOM says.
func (img *Image) list(l *List) {
	for _, p := range l.Packages {
		img.Packages = append(img.Packages, Package{p.Name, p.Version, p.Arch, p.Source})
		img.Known = "sbom"
	}
	sortPackages(img.Packages)
	img.Wheels = []Wheel{}
	for _, w := range l.Wheels {
		img.Wheels = append(img.Wheels, Wheel{w.Name, w.Version})
	}
	sort.SliceStable(img.Wheels, func(i, j int) bool { return img.Wheels[i].Name < img.Wheels[j].Name })
}

func sortPackages(all []Package) {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return a.Name+" "+a.Arch < b.Name+" "+b.Arch
	})
}

// content is the content of a layer.
type content struct {
	entries []entry
	status  map[string][]byte // files of dpkg's database, by path
}

type entry struct {
	path   string
	file   File
	gone   bool // a whiteout: the layer removes path
	opaque bool // an opaque whiteout: the content of path in layers below goes too
}

// contents reads the layers and returns them from the bottom. Unless files are asked for,
// it reads from the top and stops at the first layer that has dpkg's database.
func (r *Reader) contents(ctx context.Context, layers []v1.Layer) ([]*content, error) {
	all := make([]*content, len(layers))
	for i := len(layers) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := r.content(layers[i])
		if err != nil {
			return nil, err
		}
		all[i] = c
		if !r.Files && c.status[statusFile] != nil {
			return all[i:], nil
		}
	}
	return all, nil
}

func (r *Reader) content(l v1.Layer) (*content, error) {
	h, err := l.Digest()
	if err != nil {
		return nil, err
	}
	if c := r.layers[h]; c != nil {
		return c, nil
	}
	blob, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	c, err := readTar(blob, r.Files)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", h, err)
	}
	if r.layers == nil {
		r.layers = map[v1.Hash]*content{}
	}
	r.layers[h] = c
	return c, nil
}

func readTar(blob io.Reader, files bool) (*content, error) {
	c := &content{status: map[string][]byte{}}
	for tr := tar.NewReader(blob); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean("/" + h.Name)[1:]
		if name == "" {
			continue // the root itself
		}
		if h.Typeflag == tar.TypeReg && (name == statusFile || strings.HasPrefix(name, statusFolder) && !strings.HasSuffix(name, ".md5sums")) {
			data, err := io.ReadAll(io.LimitReader(tr, maxStatus))
			if err != nil {
				return nil, err
			}
			c.status[name] = data
			if files {
				sum := sha256.Sum256(data)
				c.entries = append(c.entries, entry{path: name, file: fileOf(h, hex.EncodeToString(sum[:]))})
			}
			continue
		}
		if !files && !strings.HasPrefix(name, "var/lib/dpkg/.wh.") {
			continue // unless it removes the database
		}
		e, err := entryOf(tr, h, name)
		if err != nil {
			return nil, err
		}
		c.entries = append(c.entries, e)
	}
}

func entryOf(r io.Reader, h *tar.Header, name string) (entry, error) {
	dir, base := path.Split(name)
	if base == ".wh..wh..opq" {
		return entry{path: path.Clean(dir), opaque: true}, nil
	}
	if hidden, ok := strings.CutPrefix(base, ".wh."); ok {
		return entry{path: dir + hidden, gone: true}, nil
	}
	sum := ""
	if h.Typeflag == tar.TypeReg {
		hash := sha256.New()
		if _, err := io.Copy(hash, r); err != nil {
			return entry{}, err
		}
		sum = hex.EncodeToString(hash.Sum(nil))
	}
	return entry{path: name, file: fileOf(h, sum)}, nil
}

func fileOf(h *tar.Header, sum string) File {
	f := File{Kind: "file", Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, Size: h.Size, SHA256: sum}
	switch h.Typeflag {
	case tar.TypeDir:
		f.Kind = "dir"
	case tar.TypeSymlink:
		f.Kind, f.Target, f.Mode = "link", h.Linkname, 0o777
	case tar.TypeLink:
		f.Kind, f.Target = "hardlink", path.Clean("/" + h.Linkname)[1:]
	case tar.TypeChar, tar.TypeBlock:
		f.Kind = "device"
	case tar.TypeFifo:
		f.Kind = "fifo"
	}
	return f
}

// overlay applies layers, given from the bottom, and returns what a container sees.
func overlay(layers []*content) map[string]File {
	root := map[string]File{}
	for _, c := range layers {
		for _, e := range c.entries { // whiteouts are about layers below
			if !e.gone && !e.opaque {
				continue
			}
			for p := range root {
				if e.gone && p == e.path || strings.HasPrefix(p, e.path+"/") {
					delete(root, p)
				}
			}
		}
		for _, e := range c.entries {
			if e.gone || e.opaque {
				continue
			}
			if old, ok := root[e.path]; ok && old.Kind == "dir" && e.file.Kind != "dir" {
				for p := range root {
					if strings.HasPrefix(p, e.path+"/") {
						delete(root, p)
					}
				}
			}
			f := e.file
			if f.Kind == "hardlink" { // its file is in this layer or below
				if to, ok := root[f.Target]; ok {
					f = to
				}
			}
			root[e.path] = f
		}
	}
	return root
}

// statusOf returns dpkg's database as a container sees it; nil if there is none.
func statusOf(layers []*content) []byte {
	found := map[string][]byte{}
	for _, c := range layers {
		if c == nil {
			continue
		}
		maps.Copy(found, c.status)
		for _, e := range c.entries {
			if e.gone {
				delete(found, e.path)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(append(all, found[name]...), '\n', '\n')
	}
	return all
}

// packagesOf parses dpkg's database and returns the installed packages.
func packagesOf(status []byte) []Package {
	out := []Package{}
	for s := range debian.Stanzas(status) {
		p := Package{Name: s.Get("Package"), Version: s.Get("Version"), Arch: s.Get("Architecture")}
		// "deinstall ok config-files" means that only configuration is left.
		if state := s.Get("Status"); p.Name == "" || p.Version == "" || state != "" && !strings.HasSuffix(state, " installed") {
			continue
		}
		p.Source, _, _ = strings.Cut(s.Get("Source"), " ")
		out = append(out, p)
	}
	sortPackages(out)
	return out
}
