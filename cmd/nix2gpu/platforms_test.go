package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
)

// machines are the platforms that images are built for, with their names in ELF files
// and Debian's folders for their libraries.
var machines = map[string]struct {
	elf     elf.Machine
	triplet string
}{"amd64": {elf.EM_X86_64, "x86_64-linux-gnu"}, "arm64": {elf.EM_AARCH64, "aarch64-linux-gnu"}}

// native returns the packages of both machines that pkgs.tool needs.
func native() (debs []debtest.Deb) {
	for arch, m := range machines {
		debs = append(debs, debtest.Deb{Name: "libtool", Arch: arch, Entries: []debtest.Entry{
			debtest.File("usr/lib/"+m.triplet+"/libtool.so.1.0", debtest.Library("libtool.so.1", m.elf)),
			debtest.Symlink("usr/lib/"+m.triplet+"/libtool.so.1", "libtool.so.1.0"),
		}}, debtest.Deb{Name: "engine", Arch: arch, Depends: "libtool", Entries: []debtest.Entry{
			debtest.Exec("usr/bin/engine", debtest.Library("", m.elf)),
		}})
	}
	return debs
}

// One command on a machine of one platform builds an image for both, with the program
// of each.
func TestBothPlatforms(t *testing.T) {
	s := newStand(t, native()...)
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	foreign := testkit.BinaryFor(t, other)
	text := "{ perSystem.nix2gpu.web = { pkgs, ... }: { systemPackages = [ pkgs.tool pkgs.engine ]; services = {}; }; }\n"
	if err := os.WriteFile(filepath.Join(s.dir, "nix2gpu.nix"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// As "make build-all" makes them: side by side.
	bin := t.TempDir()
	s.bin = filepath.Join(bin, "nix2gpu")
	for from, to := range map[string]string{testkit.Binary(t): s.bin, foreign: filepath.Join(bin, "nix2gpu-linux-"+other)} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.platforms = "linux/amd64,linux/arm64"
	want := s.build(1)

	whole, err := layout.ImageIndexFromPath(filepath.Join(s.dir, "web.oci"))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := v1.NewHash(strings.TrimSpace(want))
	if err != nil {
		t.Fatal(err)
	}
	top, err := whole.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(top); err != nil {
		t.Errorf("the index is not whole: %v", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	layers := map[string][]v1.Hash{}
	for _, d := range manifest.Manifests {
		img, err := top.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers[d.Platform.Architecture] = checkMachine(t, img, d.Platform)
	}
	if len(manifest.Manifests) != 2 || len(layers) != 2 {
		t.Fatalf("%d images, for %d platforms, want 2", len(manifest.Manifests), len(layers))
	}
	// Packages of Architecture: all are the same bytes for both.
	shared := 0
	for _, h := range layers["arm64"] {
		if slices.Contains(layers["amd64"], h) {
			shared++
		}
	}
	if shared == 0 || shared == len(layers["arm64"]) {
		t.Errorf("%d of %d layers are of both platforms", shared, len(layers["arm64"]))
	}

	// An image for one platform is the one in the index.
	s.platforms = "linux/" + other
	if got := s.build(1); !slices.ContainsFunc(manifest.Manifests, func(d v1.Descriptor) bool { return d.Digest.String() == strings.TrimSpace(got) }) {
		t.Errorf("for %s alone it is %s, which the index has not", other, got)
	}

	// The program by its name, which need not be beside ours.
	s.bin, s.platforms = testkit.Binary(t), "linux/amd64,linux/arm64"
	refused := func(arg, text string) {
		t.Helper()
		cmd := s.command("build", "-o", "refused")
		if arg != "" {
			cmd.Args = append(cmd.Args, "--binary", arg)
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), text) {
			t.Errorf("with %q: %v\n%s\nwant %s", arg, err, out, text)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "refused")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("with %q it left an image: %v", arg, err)
		}
	}
	cmd := s.command("build", "--binary", other+"="+foreign)
	if out, err := cmd.Output(); err != nil || string(out) != want {
		t.Errorf("with --binary: %s, %v, want %s", out, err, want)
	}
	refused("", "an image for linux/"+other+" needs nix2gpu for it, and there is no ")
	refused(other+"="+testkit.Binary(t), "it is a program for "+machines[runtime.GOARCH].elf.String()+", and the image is for "+other)
	refused(other+"="+filepath.Join(s.dir, "nix2gpu.nix"), "nix2gpu.nix is not nix2gpu")
	for _, file := range otherVersions(t, foreign) {
		refused(other+"="+file, "is not of the same version as this program")
	}
	s.platforms = "linux/" + runtime.GOARCH
	refused(runtime.GOARCH+"="+foreign, "it is a program for "+machines[other].elf.String()+", and the image is for "+runtime.GOARCH)
}

// checkMachine checks that every ELF file of an image is for its machine, and that the
// three that it must have are among them. It returns the layers.
func checkMachine(t *testing.T, img v1.Image, platform *v1.Platform) (layers []v1.Hash) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	m, ok := machines[platform.Architecture]
	if !ok || platform.OS != "linux" || config.Architecture != platform.Architecture || config.OS != "linux" {
		t.Errorf("it is for %s, and its configuration for %s/%s", platform, config.OS, config.Architecture)
	}
	list, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		h, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, h)
	}
	root := mutate.Extract(img)
	defer root.Close()
	var found []string
	for r := tar.NewReader(root); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		if name == "etc/ld.so.cache" && !bytes.Contains(data, []byte("/"+m.triplet+"/libtool.so.1\x00")) {
			t.Errorf("%s: the loader's cache has no library of %s", platform, m.triplet)
		}
		if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
			continue
		}
		found = append(found, name)
		if f, err := elf.NewFile(bytes.NewReader(data)); err != nil || f.Machine != m.elf {
			t.Errorf("%s: /%s is for %v, %v", platform, name, f.Machine, err)
		}
	}
	slices.Sort(found)
	if want := []string{"usr/bin/engine", "usr/bin/nix2gpu", "usr/lib/" + m.triplet + "/libtool.so.1.0"}; !slices.Equal(found, want) {
		t.Errorf("%s: programs and libraries are %q, want %q", platform, found, want)
	}
	return layers
}

// otherVersions returns files of a program built from another commit, if it knows its
// commit, and with another library.
func otherVersions(t *testing.T, file string) (files []string) {
	t.Helper()
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name, before, text string) {
		other := before + strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '0' + (r-'0'+1)%10
			}
			return r
		}, text)
		changed := bytes.ReplaceAll(data, []byte(before+text), []byte(other))
		if bytes.Equal(changed, data) {
			t.Errorf("the program does not have %q in it", before+text)
		}
		to := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(to, changed, 0o755); err != nil {
			t.Fatal(err)
		}
		files = append(files, to)
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			change("commit", "vcs.revision=", s.Value)
		}
	}
	cobra := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == "github.com/spf13/cobra" })
	if cobra < 0 {
		t.Fatal("the program was made without the library that reads its flags")
	}
	change("library", info.Deps[cobra].Path+"\t", info.Deps[cobra].Version)
	return files
}
