package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"nix2gpu/safefile"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"
)

// A Platform is one of several images that are written together.
type Platform struct {
	Arch  string
	Built *Built
}

// An Output is a set of images, and the name under which engines load them.
type Output struct {
	Platforms   []Platform
	Name        string            // "web:latest"
	Suite       string            // the packages' release: "bookworm"
	Annotations map[string]string // of the index, if there are several images
	WithoutBase bool              // leave out the layers of bases; for a push, since the registry has them
}

// index makes an index of the images, each with its platform.
func (o *Output) index() (raw []byte, digest v1.Hash, err error) {
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Annotations: o.Annotations}
	for _, p := range o.Platforms {
		d, err := p.descriptor()
		if err != nil {
			return nil, v1.Hash{}, err
		}
		d.Platform = &v1.Platform{OS: "linux", Architecture: p.Arch}
		m.Manifests = append(m.Manifests, d)
	}
	if raw, err = json.Marshal(m); err != nil {
		return nil, v1.Hash{}, err
	}
	digest, _, err = v1.SHA256(bytes.NewReader(raw))
	return raw, digest, err
}

func (p Platform) descriptor() (v1.Descriptor, error) {
	raw, err := p.Built.Image.RawManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	return v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: size, Digest: digest}, err
}

// Digest returns the digest to pull the output by: the image's, or that of the index if
// there are several.
func (o *Output) Digest() (v1.Hash, error) {
	if len(o.Platforms) == 1 {
		d, err := o.Platforms[0].descriptor()
		return d.Digest, err
	}
	_, digest, err := o.index()
	return digest, err
}

// A member is one file of a layout.
type member struct {
	name string // slash-separated
	size int64
	open func() (io.ReadCloser, error)
}

func bytesMember(name string, data []byte) member {
	return member{name, int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// members returns the files of the OCI layout, each once, with artifacts that refer to
// its images.
func (o *Output) members(artifacts ...v1.Image) ([]member, error) {
	list := []member{bytesMember("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))}
	top := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	have := map[v1.Hash]bool{}
	add := func(h v1.Hash, m member) {
		if !have[h] {
			have[h] = true
			list = append(list, m)
		}
	}
	for _, p := range o.Platforms {
		for _, l := range p.Built.Layers {
			if o.WithoutBase && !l.Here() {
				continue
			}
			add(l.Digest, member{blobPath(l.Digest), l.Size, l.Open})
		}
		config, err := p.Built.Image.RawConfigFile()
		if err != nil {
			return nil, err
		}
		digest, err := p.Built.Image.ConfigName()
		if err != nil {
			return nil, err
		}
		add(digest, bytesMember(blobPath(digest), config))
		manifest, err := p.Built.Image.RawManifest()
		if err != nil {
			return nil, err
		}
		d, err := p.descriptor()
		if err != nil {
			return nil, err
		}
		add(d.Digest, bytesMember(blobPath(d.Digest), manifest))
		d.Platform = &v1.Platform{OS: "linux", Architecture: p.Arch}
		top.Manifests = append(top.Manifests, d)
	}
	if len(o.Platforms) > 1 {
		raw, digest, err := o.index()
		if err != nil {
			return nil, err
		}
		add(digest, bytesMember(blobPath(digest), raw))
		top.Manifests = []v1.Descriptor{{MediaType: types.OCIImageIndex, Size: int64(len(raw)), Digest: digest}}
	}
	for i := range top.Manifests {
		_, tag, _ := cutTag(o.Name)
		top.Manifests[i].Annotations = map[string]string{
			"org.opencontainers.image.ref.name": tag,
			"io.containerd.image.name":          "docker.io/library/" + o.Name,
		}
	}
	for _, a := range artifacts {
		d, err := partial.Descriptor(a)
		if err != nil {
			return nil, err
		}
		m, err := a.Manifest()
		if err != nil {
			return nil, err
		}
		raw, err := a.RawManifest()
		if err != nil {
			return nil, err
		}
		config, err := a.RawConfigFile()
		if err != nil {
			return nil, err
		}
		add(d.Digest, bytesMember(blobPath(d.Digest), raw))
		add(m.Config.Digest, bytesMember(blobPath(m.Config.Digest), config))
		for _, l := range m.Layers {
			layer, err := a.LayerByDigest(l.Digest)
			if err != nil {
				return nil, err
			}
			add(l.Digest, member{blobPath(l.Digest), l.Size, layer.Compressed})
		}
		d.ArtifactType = m.ArtifactType
		top.Manifests = append(top.Manifests, *d)
	}
	raw, err := json.Marshal(top)
	if err != nil {
		return nil, err
	}
	return append(list, bytesMember("index.json", raw)), nil
}

// cutTag splits a name at its tag. A colon before a slash belongs to a port.
func cutTag(name string) (repository, tag string, ok bool) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 || strings.Contains(name[at:], "/") {
		return name, "latest", false
	}
	return name[:at], name[at+1:], true
}

// WriteLayout writes an OCI layout. In a folder that is a layout already, blobs of this
// output stay and all others are removed. Any other folder that is not empty is
// refused. The folder is locked: builds that write to the same one wait for each other.
// artifacts, such as SBOMs, refer to the images.
func (o *Output) WriteLayout(ctx context.Context, dir string, artifacts ...v1.Image) error {
	members, err := o.members(artifacts...)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := safefile.Flock(ctx, lock, unix.LOCK_EX); err != nil {
		return fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	if err := CanHoldLayout(dir); err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, m := range members {
		keep[m.name] = true
		if err := writeMember(filepath.Join(dir, filepath.FromSlash(m.name)), m); err != nil {
			return err
		}
	}
	for _, folder := range []string{".", "blobs/sha256"} {
		old, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			return err
		}
		for _, e := range old {
			if name := path.Join(folder, e.Name()); !keep[name] && (folder != "." || safefile.Unfinished(name)) {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// CanHoldLayout returns why a layout can't be written to dir; nil if it can.
func CanHoldLayout(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return safefile.Unfinished(e.Name()) })
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
			return fmt.Errorf("%s is not empty, and no OCI layout", dir)
		}
	}
	return nil
}

// writeMember writes a file, unless it is a blob that exists with the right size.
func writeMember(file string, m member) error {
	if info, err := os.Stat(file); err == nil && info.Size() == m.size && strings.HasPrefix(m.name, "blobs/") {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return replaceFile(file, func(w io.Writer) error {
		r, err := m.open()
		if err != nil {
			return err
		}
		defer r.Close()
		return copyAll(w, r, m)
	})
}

// replaceFile writes a file under a temporary name and renames it, so that nobody sees
// a part of it.
func replaceFile(file string, write func(w io.Writer) error) error {
	f, err := safefile.Create(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	return f.Publish(file, 0o644)
}

func copyAll(w io.Writer, r io.Reader, m member) error {
	n, err := io.Copy(w, r)
	if err == nil && n != m.size {
		err = fmt.Errorf("%s has %d bytes and not %d: it was changed in the cache\nhint: nix2gpu cache prune --all, and run it again", path.Base(m.name), n, m.size)
	}
	return err
}

// WriteArchive writes a tar archive that is both an OCI archive and one for "docker
// load". The latter finds only the image of the given platform.
func (o *Output) WriteArchive(w io.Writer, platform string) error {
	members, err := o.members()
	if err != nil {
		return err
	}
	docker, err := o.dockerManifest(platform)
	if err != nil {
		return err
	}
	members = append(members, bytesMember("manifest.json", docker))
	t := tar.NewWriter(w)
	dirs := map[string]bool{}
	for _, m := range members {
		for _, d := range []string{path.Dir(path.Dir(m.name)), path.Dir(m.name)} {
			if d != "." && !dirs[d] {
				dirs[d] = true
				if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
					return err
				}
			}
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: m.size, Mode: 0o644, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
		r, err := m.open()
		if err != nil {
			return err
		}
		err = copyAll(t, r, m)
		r.Close()
		if err != nil {
			return err
		}
	}
	return t.Close()
}

// WriteArchiveFile is [Output.WriteArchive] to a file, which gets its name once it is
// complete.
func (o *Output) WriteArchiveFile(file, platform string) error {
	return replaceFile(file, func(w io.Writer) error { return o.WriteArchive(w, platform) })
}

// dockerManifest returns manifest.json, which "docker load" reads.
func (o *Output) dockerManifest(platform string) ([]byte, error) {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	chosen := o.Platforms[0]
	for _, p := range o.Platforms {
		if p.Arch == platform {
			chosen = p
		}
	}
	digest, err := chosen.Built.Image.ConfigName()
	if err != nil {
		return nil, err
	}
	e := entry{Config: blobPath(digest), RepoTags: []string{o.Name}}
	for _, l := range chosen.Built.Layers {
		e.Layers = append(e.Layers, blobPath(l.Digest))
	}
	return json.Marshal([]entry{e})
}
