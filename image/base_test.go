package image_test

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// ubuntu are the files of a small Ubuntu, with its usr merge.
func ubuntu() map[string]string {
	status := ""
	for _, name := range []string{"base-files", "bash", "libc6", "gone"} {
		status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1ubuntu1\nMaintainer: Nobody\nDescription: of the base\n\n", name)
	}
	return map[string]string{
		"bin -> usr/bin": "", "sbin -> usr/sbin": "", "lib -> usr/lib": "", "lib64 -> usr/lib64": "", "usr/bin/bash": "bash", "usr/bin/sh -> bash": "", "usr/lib64/": "", "usr/sbin/": "", "tmp/": "", "root/": "",
		"usr/lib/os-release": "PRETTY_NAME=\"Ubuntu 24.04.2 LTS\"\nID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=\"24.04\"\n", "etc/os-release -> ../usr/lib/os-release": "",
		"etc/passwd":          "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n",
		"etc/group":           "root:x:0:\nadm:x:4:ubuntu,syslog\nwww-data:x:33:\nubuntu:x:1000:\n",
		"etc/shadow":          "root::19000:0:99999:7:::\nubuntu:!:19000:0:99999:7:::\n",
		"var/lib/dpkg/status": status, "etc/old": "old", "opt/vendor/a": "a", "opt/vendor/b": "b",
		"usr/share/keyrings/ubuntu-archive-keyring.gpg": "key",
	}
}

// cudaBase is a stand-in of nvidia/cuda: Ubuntu, and CUDA on it.
func cudaBase(t testing.TB, arch string, change func(files map[string]string)) v1.Image {
	t.Helper()
	first := ubuntu()
	if change != nil {
		change(first)
	}
	second := map[string]string{
		"usr/local/cuda-12.8/targets/x86_64-linux/lib/libcudart.so.12": "cudart", "usr/local/cuda-12.8/compat/libcuda.so.1": "compat",
		"usr/local/cuda-12.8/lib64 -> targets/x86_64-linux/lib": "", "usr/local/cuda -> /etc/alternatives/cuda": "", "etc/alternatives/cuda -> /usr/local/cuda-12.8": "",
		"etc/ld.so.conf.d/000_cuda.conf": "/usr/local/cuda/targets/x86_64-linux/lib\n", "etc/.wh.old": "", "opt/vendor/.wh..wh..opq": "", "opt/vendor/c": "c",
		"var/lib/dpkg/status": strings.Replace(first["var/lib/dpkg/status"], "Package: gone\nStatus: install ok", "Package: gone\nStatus: deinstall ok config-files\nNote:", 1) +
			"Package: cuda-cudart-12-8\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.8.90-1\nDescription: CUDA\n\n",
	}
	config := v1.Config{
		Env:          []string{"PATH=/opt/vendor/bin:/usr/local/cuda/bin:/usr/bin", "NVIDIA_VISIBLE_DEVICES=all", "LD_LIBRARY_PATH=/usr/local/nvidia/lib64", "LANG=C"},
		Labels:       map[string]string{"maintainer": "NVIDIA", "org.opencontainers.image.title": "theirs"},
		ExposedPorts: map[string]struct{}{"9000/tcp": {}}, Entrypoint: []string{"/opt/nvidia/entrypoint.sh"}, Cmd: []string{"bash"}, User: "ubuntu",
	}
	return testkit.Image(t, arch, config, testkit.Layer(t, first), testkit.LayerAs(t, types.DockerLayer, second))
}

func readBase(t testing.TB, img v1.Image) *image.Base {
	t.Helper()
	b, err := image.ReadBase(t.Context(), "registry.example.org/nvidia/cuda@sha256:00", "amd64", img)
	if err != nil {
		t.Fatal(err)
	}
	b.Open = func(_ context.Context, h v1.Hash) (io.ReadCloser, error) {
		l, err := img.LayerByDigest(h)
		if err != nil {
			return nil, err
		}
		return l.Compressed()
	}
	return b
}

func TestReadBase(t *testing.T) {
	b := readBase(t, cudaBase(t, "amd64", nil))
	if b.Distribution != "ubuntu" || b.Suite != "noble" || b.Release != "Ubuntu 24.04.2 LTS" {
		t.Errorf("the base is %q, %q, %q", b.Distribution, b.Suite, b.Release)
	}
	var names []string
	for _, i := range b.Installed() {
		names = append(names, i.Name+"="+i.Version)
	}
	if got := strings.Join(names, " "); got != "base-files=1ubuntu1 bash=1ubuntu1 libc6=1ubuntu1 cuda-cudart-12-8=12.8.90-1" {
		t.Errorf("installed: %s", got)
	}
	if !slices.Equal(b.CUDA(), []string{"12.8"}) || string(b.Keys()["/usr/share/keyrings/ubuntu-archive-keyring.gpg"]) != "key" {
		t.Errorf("CUDA %v, keys %v", b.CUDA(), b.Keys())
	}
	var paths []string
	for _, f := range b.Paths {
		paths = append(paths, f.Path)
	}
	for name, want := range map[string]bool{"etc/old": false, "opt/vendor/a": false, "opt/vendor/c": true, "usr/bin/bash": true, "bin": true, "bin/bash": false} {
		if slices.Contains(paths, name) != want {
			t.Errorf("the base has /%s: %t", name, !want)
		}
	}

	for name, c := range map[string]struct {
		arch   string
		change func(files map[string]string)
		want   string
	}{
		"another architecture": {"arm64", nil, "it is for linux/arm64, and not for linux/amd64"},
		"no os-release":        {"amd64", func(f map[string]string) { delete(f, "usr/lib/os-release") }, "it has no /etc/os-release"},
		"rpm":                  {"amd64", func(f map[string]string) { f["usr/lib/os-release"] = "PRETTY_NAME=\"Rocky Linux 9\"\nID=rocky\n" }, "it is Rocky Linux 9: only bases of Debian and Ubuntu are supported"},
		"before the usr merge": {"amd64", func(f map[string]string) { delete(f, "bin -> usr/bin"); f["bin/bash"] = "bash" }, "not supported: its /bin is not a link to /usr/bin"},
	} {
		_, err := image.ReadBase(t.Context(), "x", "amd64", cudaBase(t, c.arch, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// over lays the layers of an image over each other, as an engine does.
func over(t testing.TB, b *image.Built) (kinds map[string]tar.Header, content map[string]string) {
	t.Helper()
	kinds, content = map[string]tar.Header{}, map[string]string{}
	for _, l := range b.Layers {
		list, texts := entries(t, l)
		for _, h := range list {
			name := strings.TrimSuffix(h.Name, "/")
			if strings.HasPrefix(path.Base(name), ".wh.") {
				continue
			}
			kinds[name], content[name] = h, texts[h.Name]
		}
	}
	return kinds, content
}

// An image on a foreign base: what the base has is left as it is, and what we bring
// is joined to it.
func TestOnBase(t *testing.T) {
	p := shop()
	p.Container.User = "app"
	p.Container.CUDA = "cudaPackages_12_8"
	s := spec(t, p)
	img := cudaBase(t, "amd64", nil)
	s.Base = readBase(t, img)
	s.Packages = slices.DeleteFunc(s.Packages, func(p image.Package) bool {
		return p.Name == "base-files" || p.Name == "base-passwd" || p.Name == "dash"
	})
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "libc6", Version: "2", Arch: "amd64", Entries: []debtest.Entry{debtest.File("lib/x86_64-linux-gnu/libc.so.6", "newer")}}))
	b := build(t, s)

	m, err := b.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	below, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range below.Layers {
		if m.Layers[i].Digest != l.Digest || m.Layers[i].MediaType != types.OCILayer || b.Layers[i].Here() {
			t.Errorf("layer %d is %s of type %s, want %s of the base", i, m.Layers[i].Digest, m.Layers[i].MediaType, l.Digest)
		}
	}
	if m.Annotations["org.opencontainers.image.base.name"] != "registry.example.org/nvidia/cuda@sha256:00" {
		t.Errorf("annotations are %v", m.Annotations)
	}
	kinds, content := over(t, b)
	for name, to := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "usr/local/cuda": "/etc/alternatives/cuda", "usr/bin/sh": "bash", "usr/bin/python": "python3"} {
		if h := kinds[name]; h.Typeflag != tar.TypeSymlink || h.Linkname != to {
			t.Errorf("/%s is of type %c, a link to %q; want %q", name, h.Typeflag, h.Linkname, to)
		}
	}
	for _, l := range b.Layers[len(below.Layers):] {
		list, _ := entries(t, l)
		for _, h := range list {
			if top, _, _ := strings.Cut(h.Name, "/"); slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, top) {
				t.Errorf("layer %q has /%s: a folder there would replace the link of the base", l.Title, h.Name)
			}
		}
	}
	for name, lines := range map[string][]string{
		"etc/passwd":          {"ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n", "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n", "postgres:x:900:900:", "app:x:1001:1001::/home/app:/bin/bash\n"},
		"etc/group":           {"adm:x:4:ubuntu,syslog\n", "postgres:x:900:\n", "app:x:1001:\n"},
		"etc/shadow":          {"root:*:19000:", "ubuntu:!:19000:", "postgres:*:"},
		"var/lib/dpkg/status": {"Package: bash\nStatus: install ok installed\n", "Package: cuda-cudart-12-8\n", "Package: server\nStatus: install ok installed\n", "Package: libc6\nStatus: install ok installed\nVersion: 2\n"},
	} {
		for _, line := range lines {
			if strings.Count(content[name], line) != 1 {
				t.Errorf("/%s has %q %d times:\n%s", name, line, strings.Count(content[name], line), content[name])
			}
		}
	}
	if strings.Count(content["etc/passwd"], "www-data:x:") != 1 || strings.Contains(content["var/lib/dpkg/status"], "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1ubuntu1") {
		t.Error("an account or a package is there twice")
	}

	config, err := b.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	env := "\n" + strings.Join(c.Env, "\n") + "\n"
	for _, line := range []string{"\nLANG=C.UTF-8\n", "\nLD_LIBRARY_PATH=/usr/local/nvidia/lib64\n", "\nNVIDIA_REQUIRE_CUDA=cuda>=12.8\n", ":/opt/nix2gpu/bin:/opt/vendor/bin\n"} {
		if !strings.Contains(env, line) {
			t.Errorf("Env has no %q:%s", line, env)
		}
	}
	_, theirs := c.ExposedPorts["9000/tcp"]
	_, ours := c.ExposedPorts["8080/tcp"]
	if !theirs || !ours || c.Labels["maintainer"] != "NVIDIA" || c.Labels["org.opencontainers.image.title"] != "shop" || c.User != "root" || c.Entrypoint[1] != "boot" || len(c.Cmd) > 0 {
		t.Errorf("config is %+v", c)
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		t.Errorf("%d digests for %d layers", len(config.RootFS.DiffIDs), len(m.Layers))
	}
	if again := digest(t, build(t, s)); again != digest(t, b) {
		t.Errorf("built again it is %s, not %s", again, digest(t, b))
	}
	if len(b.Warnings) > 0 {
		t.Errorf("warnings: %q", b.Warnings)
	}
}

func TestNotOnBase(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, s *image.Spec)
		want   string
	}{
		"a folder for a link": {func(t *testing.T, s *image.Spec) {
			s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "cuda-x", Entries: []debtest.Entry{debtest.File("usr/local/cuda/bin/x", "x")}}))
		}, `"/usr/local/cuda" is a link of the base, and a folder in package "cuda-x"`},
		"a file for a folder": {func(t *testing.T, s *image.Spec) {
			s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "x", Entries: []debtest.Entry{debtest.File("opt/vendor", "x")}}))
		}, `"/opt/vendor" is a folder of the base, and something else in package "x"`},
		"too many layers": {func(_ *testing.T, s *image.Spec) { s.MaxLayers = 6 }, "the base has 2 layers already, of 6 that the image may have"},
		"a number that is taken": {func(t *testing.T, s *image.Spec) {
			s.Base = readBase(t, cudaBase(t, "amd64", func(f map[string]string) { f["etc/passwd"] += "vendor:x:900:900::/:/bin/sh\n" }))
		}, `the base gives the number 900 of user "postgres" to "vendor"`},
	} {
		s := spec(t, &project.Project{Version: project.Version, Name: "on-base"})
		s.Base = readBase(t, cudaBase(t, "amd64", nil))
		s.Packages = nil
		c.change(t, &s)
		if _, err := image.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}
