package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"nix2gpu/cache"
	"nix2gpu/debian"
	"nix2gpu/image"
	"nix2gpu/image/registry"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// baseFolder is the folder of the cache for what was read from bases, and for the
// layers of those that were written into layouts and archives.
const baseFolder = "bases"

// bases reads the images that a container is put on, by architecture; nil for a
// container without a base.
func (f *archiveFlags) bases(ctx context.Context, env *Env, l *loaded, arches []string) (map[string]*image.Base, error) {
	c := l.project.Container
	if c.FromImage == "" {
		return nil, nil
	}
	wrong := func(hint, format string, args ...any) error {
		return &invalid{l.root, project.Errors{{Pos: c.FromImagePos, Msg: fmt.Sprintf(format, args...), Hint: hint}}}
	}
	client := env.registryClient(&f.networkFlags)
	if !strings.Contains(c.FromImage, "@") {
		if f.offline {
			return nil, wrong("", "fromImage has no digest, and what a tag names may change")
		}
		digest, err := client.Digest(ctx, c.FromImage)
		if err != nil {
			return nil, imageError(err)
		}
		return nil, wrong(fmt.Sprintf("write what it names now: fromImage = %q", c.FromImage+"@"+digest.String()), "fromImage has no digest, and what a tag names may change")
	}
	out := map[string]*image.Base{}
	for _, arch := range arches {
		b, err := readBase(ctx, env, client, c.FromImage, arch, f.offline)
		if err != nil {
			return nil, l.buildError(err)
		}
		if b == nil {
			return nil, wrong("run it once without --offline", "%s is not in the cache, and --offline asks for no network", c.FromImage)
		}
		if f.suite != "" && f.suite != b.Suite {
			return nil, wrong("", "fromImage is of %s: its packages are those of suite %q, not of %q\n  hint: --suite %s, or none", b.Release, b.Suite, f.suite, b.Suite)
		}
		out[arch] = b
	}
	suites := map[string]bool{}
	for _, b := range out {
		suites[b.Suite] = true
	}
	if len(suites) > 1 {
		return nil, wrong("build for one platform at a time, each with a lock of its own", "fromImage is of several releases: %s", strings.Join(slices.Sorted(maps.Keys(suites)), ", "))
	}
	return out, nil
}

// readBase reads a base, or takes from the cache what was read before: it is kept
// under the digest, so it can't be out of date. It returns nil when the base is not
// in the cache and offline forbids asking for it.
func readBase(ctx context.Context, env *Env, client *registry.Client, ref, arch string, offline bool) (*image.Base, error) {
	dir, err := cache.Locate(env.Getenv)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	_, digest, _ := strings.Cut(ref, "@")
	sum := sha256.Sum256([]byte(digest + " " + arch))
	file := hex.EncodeToString(sum[:]) + ".json.gz"
	b, err := decodeBase(store.Path(baseFolder, file))
	switch {
	case err == nil:
		store.Used(baseFolder, file, time.Now())
		b.Ref = ref
	case offline:
		return nil, nil
	default:
		img, err := client.Base(ctx, ref, arch)
		if err != nil {
			return nil, imageError(err)
		}
		env.readingBase(ref, img)
		if b, err = image.ReadBase(ctx, ref, arch, img); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			var network net.Error
			var answer *transport.Error
			if errors.As(err, &network) || errors.As(err, &answer) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, hint(fmt.Errorf("cannot read the base %s: %w", ref, err), "try again: is its registry busy?")
			}
			return nil, &image.OptionError{Option: "fromImage", Err: fmt.Errorf("cannot use the base %s: %w", ref, err)}
		}
		data, err := encodeBase(b)
		if err != nil {
			return nil, err
		}
		if err := store.Write(baseFolder, file, data); err != nil {
			return nil, err
		}
	}
	b.Open = func(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
		return openBaseLayer(ctx, dir, client, ref, digest)
	}
	return b, nil
}

// readingBase announces at a terminal that a base is read, which takes a while:
// all of its layers are downloaded once.
func (e *Env) readingBase(ref string, img v1.Image) {
	if !e.StderrTTY {
		return
	}
	size := int64(0)
	if m, err := img.Manifest(); err == nil {
		for _, l := range m.Layers {
			size += l.Size
		}
	}
	fmt.Fprintf(e.Stderr, "reading %s (%d MB), this once\n", ref, size>>20)
}

func encodeBase(b *image.Base) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if err := errors.Join(json.NewEncoder(z).Encode(b), z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decodeBase(file string) (*image.Base, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	b := &image.Base{}
	return b, json.NewDecoder(z).Decode(b)
}

// openBaseLayer opens a layer of a base for an image that has to contain it: a
// layout or an archive. It is downloaded once and kept in the cache under its
// digest. A push has no use for this: the registry mounts the layer, or is sent it
// as it arrives.
func openBaseLayer(ctx context.Context, dir string, client *registry.Client, ref string, digest v1.Hash) (io.ReadCloser, error) {
	place := filepath.Join(dir, baseFolder, digest.Hex+".layer")
	if f, err := os.Open(place); err == nil {
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	store, err := cache.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	layer, err := client.Blob(ctx, ref, digest)
	if err != nil {
		return nil, err
	}
	in, err := layer.Compressed()
	if err != nil {
		return nil, imageError(err)
	}
	defer in.Close()
	f, err := os.CreateTemp(filepath.Dir(place), digest.Hex+".*.part")
	if err != nil {
		return nil, store.Explain(err)
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("layer %s of %s: %w", digest, ref, store.Explain(err))
	}
	if err := os.Rename(f.Name(), place); err != nil {
		return nil, store.Explain(err)
	}
	return os.Open(place)
}

// anyBase returns one of the bases of a container. For what all have in common,
// such as the release, any will do.
func anyBase(bases map[string]*image.Base) *image.Base {
	for _, arch := range slices.Sorted(maps.Keys(bases)) {
		return bases[arch]
	}
	return nil
}

// lockBases is what the lock records about bases.
func lockBases(bases map[string]*image.Base) map[string]lock.Base {
	out := map[string]lock.Base{}
	for arch, b := range bases {
		_, digest, _ := strings.Cut(b.Ref, "@")
		out[arch] = lock.Base{Digest: digest, Suite: b.Suite, Installed: b.Installed()}
	}
	return out
}

// trusted returns the keys in those keyrings of a base whose file names contain
// word: the keys of its distribution's archive, or of NVIDIA's.
func trusted(b *image.Base, word string) []byte {
	var all []byte
	for _, file := range slices.Sorted(maps.Keys(b.Keys())) {
		if base := path.Base(file); strings.Contains(base, word) && path.Ext(file) == ".gpg" && !strings.Contains(base, "removed") {
			all = append(all, b.Keys()[file]...)
		}
	}
	return all
}

// baseWarnings warns where an image would have CUDA twice: in another version than
// the base's, or in the same one where the base's belongs to no package, so that
// ours is installed beside it.
func baseWarnings(p *project.Project, b *image.Base) []string {
	set := p.Container.CUDA
	if b == nil || set == "" {
		return nil
	}
	want, has := packages.CUDAVersion(set), b.CUDA()
	if len(has) == 0 {
		return nil
	}
	cure := fmt.Sprintf("take a base with %s or without any, or cuda.enable = false", want)
	if slices.Equal(has, []string{want}) {
		names := packages.Lookup(set + ".cuda_cudart").Debian
		if slices.ContainsFunc(b.Installed(), func(i debian.Installed) bool { return slices.Contains(names, i.Name) }) {
			return nil
		}
		cure = "the base's is of no package; set cuda.enable = false where it has all that programs load"
	}
	text := fmt.Sprintf("CUDA comes twice: %s in the base, and %s by cudaPackages; %s", strings.Join(has, ", "), want, cure)
	if pos := p.Container.CUDAPos; pos.File != "" {
		text = fmt.Sprintf("%s:%d:%d: %s", pos.File, pos.Line, pos.Col, text)
	}
	return []string{text}
}
