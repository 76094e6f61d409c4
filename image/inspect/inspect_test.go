package inspect_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"nix2gpu/debian"
	"nix2gpu/image/inspect"
	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
	"nix2gpu/wheel"
)

const status = `Package: curl
Status: install ok installed
Architecture: amd64
Version: 7.88.1-10+deb12u5

Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.11-1~deb12u2

Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.11-1~deb12u2)
Version: 3.0.11-1~deb12u2

Package: wget
Status: deinstall ok config-files
Architecture: amd64
Version: 1.21
`

// before and after are two builds of one definition.
func before(t *testing.T) v1.Image {
	img := testkit.Image(t, "amd64", v1.Config{
		Env: []string{"PATH=/usr/bin", "LANG=C.UTF-8"}, Entrypoint: []string{"/usr/bin/nix2gpu", "boot"}, User: "root",
		ExposedPorts: map[string]struct{}{"22/tcp": {}}, Labels: map[string]string{"org.opencontainers.image.title": "web"},
	},
		testkit.Layer(t, map[string]string{"etc/": "", "etc/motd": "hello", "usr/share/doc/curl/copyright": "x", "bin -> usr/bin": ""}),
		testkit.Layer(t, map[string]string{"var/lib/dpkg/status": status, "srv/old": "1", "srv/same": "1"}),
		testkit.Layer(t, map[string]string{"etc/nix2gpu/project.json": "{}"}))
	return created(t, img)
}

func after(t *testing.T) v1.Image {
	list := strings.ReplaceAll(status, "7.88.1-10+deb12u5", "7.88.1-10+deb12u12")
	list = strings.Replace(list, "Version: 3.0.11-1~deb12u2", "Version: 3.0.9-1", 1) // openssl goes back
	list = strings.Replace(list, "Status: deinstall ok config-files", "Status: install ok installed", 1)
	list = strings.Replace(list, "Package: libssl3", "Package: libssl4", 1)
	img := testkit.Image(t, "amd64", v1.Config{
		Env: []string{"PATH=/usr/local/bin:/usr/bin", "HOME=/root"}, Entrypoint: []string{"/usr/bin/nix2gpu", "boot", "a b"}, User: "root",
		ExposedPorts: map[string]struct{}{"22/tcp": {}, "8080/tcp": {}}, Labels: map[string]string{"org.opencontainers.image.title": "web"},
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "nix2gpu", "ready"}, Interval: 10 * time.Second},
	},
		testkit.Layer(t, map[string]string{"etc/": "", "etc/motd": "hello", "usr/share/doc/curl/copyright": "x", "bin -> usr/bin": ""}),
		testkit.Layer(t, map[string]string{"var/lib/dpkg/status": list, "srv/new": "1", "srv/same": "1"}),
		testkit.Layer(t, map[string]string{"etc/nix2gpu/project.json": `{"more":1}`, "etc/.wh.motd": ""}))
	return created(t, img)
}

// created gives an image a date and a history, as our build does.
func created(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.Created = v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.History = nil
	for _, title := range []string{"base", "accounts, certificates, loader", "definition"} {
		c.History = append(c.History, v1.History{CreatedBy: "nix2gpu build", Comment: title})
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func facts(t *testing.T, r *inspect.Reader, name string, img v1.Image) *inspect.Image {
	t.Helper()
	v, err := source.FromImage(name, img).ForPlatform("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Read(t.Context(), name, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestShow(t *testing.T) {
	var b bytes.Buffer
	for _, files := range []bool{false, true} {
		if err := facts(t, &inspect.Reader{Files: files}, "web:v1", before(t)).Write(&b); err != nil {
			t.Fatal(err)
		}
		b.WriteString("----\n")
	}
	testkit.Golden(t, "testdata/show.golden", b.Bytes())
}

func TestDiff(t *testing.T) {
	var b bytes.Buffer
	for _, files := range []bool{false, true} {
		r := &inspect.Reader{Files: files}
		if err := inspect.Diff(facts(t, r, "web:v1", before(t)), facts(t, r, "web:v2", after(t))).Write(&b); err != nil {
			t.Fatal(err)
		}
		b.WriteString("----\n")
	}
	testkit.Golden(t, "testdata/diff.golden", b.Bytes())
}

func TestDiffOfTheSame(t *testing.T) {
	r := &inspect.Reader{Files: true}
	d := inspect.Diff(facts(t, r, "a", before(t)), facts(t, r, "b", before(t)))
	if !d.Same() || len(d.Packages)+len(d.Config)+len(d.Layers)+len(d.Files) != 0 || d.Pull != 0 || d.Shared.Layers != 3 {
		t.Errorf("%+v, want no difference", d)
	}
	var b bytes.Buffer
	if err := d.Write(&b); err != nil || !strings.HasSuffix(b.String(), "\nthe same image\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// What is added one way is removed the other way.
func TestDiffIsAntisymmetric(t *testing.T) {
	r := &inspect.Reader{Files: true}
	a, b := facts(t, r, "a", before(t)), facts(t, r, "b", after(t))
	there, back := inspect.Diff(a, b), inspect.Diff(b, a)
	opposite := map[string]string{inspect.Added: inspect.Removed, inspect.Removed: inspect.Added, inspect.Changed: inspect.Changed,
		inspect.Upgraded: inspect.Downgraded, inspect.Downgraded: inspect.Upgraded}
	for i, c := range there.Packages {
		if o := back.Packages[i]; o.Name != c.Name || o.What != opposite[c.What] || o.Old != c.New || o.New != c.Old {
			t.Errorf("%+v there, %+v back", c, o)
		}
	}
	for i, c := range there.Files {
		if o := back.Files[i]; o.Path != c.Path || o.What != opposite[c.What] {
			t.Errorf("%+v there, %+v back", c, o)
		}
	}
	for i, c := range there.Config {
		if o := back.Config[i]; o.Name != c.Name || o.What != opposite[c.What] {
			t.Errorf("%+v there, %+v back", c, o)
		}
	}
	if there.Shared != back.Shared || len(there.Layers) != len(back.Layers) {
		t.Errorf("layers: %+v there, %+v back", there.Shared, back.Shared)
	}
}

// What has to be pulled is what the second image has alone: the layers of both
// are not, however often they are used.
func TestPull(t *testing.T) {
	a := &inspect.Image{Digest: "a", Size: 111, Layers: []inspect.Layer{{Digest: "x", Size: 100}, {Digest: "y", Size: 10}}}
	b := &inspect.Image{Digest: "b", Size: 1102, Layers: []inspect.Layer{{Digest: "x", Size: 100}, {Digest: "z", Size: 1000}}}
	d := inspect.Diff(a, b)
	if d.Pull != 1002 || d.Shared != (inspect.Shared{Layers: 1, Size: 100}) {
		t.Errorf("pull %d, shared %+v, want 1002 and the one layer", d.Pull, d.Shared)
	}
}

func TestLayersCoverOneAnother(t *testing.T) {
	img := testkit.Image(t, "amd64", v1.Config{},
		testkit.Layer(t, map[string]string{"a/": "", "a/one": "1", "a/two": "2", "b/": "", "b/x": "x", "c/": "", "c/y": "y", "file": "old"}),
		testkit.Layer(t, map[string]string{"a/.wh.one": "", "b/.wh..wh..opq": "", "b/new": "n", "c -> a": "", "file": "new"}))
	got := facts(t, &inspect.Reader{Files: true}, "x", img).Files
	want := map[string]string{"a": "dir", "a/two": "file", "b": "dir", "b/new": "file", "c": "link", "file": "file"}
	kinds := map[string]string{}
	for p, f := range got {
		kinds[p] = f.Kind
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if got["file"].SHA256 != "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437" { // of "new"
		t.Errorf("file is %+v, want that of the upper layer", got["file"])
	}
}

// The list of dpkg that counts is the uppermost, and without files nothing
// below it is read.
func TestPackagesAreFromTheUppermostList(t *testing.T) {
	low := testkit.Layer(t, map[string]string{"var/lib/dpkg/status": "Package: old\nVersion: 1\nArchitecture: all\n"})
	img := testkit.Image(t, "amd64", v1.Config{}, unreadable{low}, testkit.Layer(t, map[string]string{"var/lib/dpkg/status": status}))
	got := facts(t, &inspect.Reader{}, "x", img)
	want := []inspect.Package{
		{Name: "curl", Version: "7.88.1-10+deb12u5", Arch: "amd64"},
		{Name: "libssl3", Version: "3.0.11-1~deb12u2", Arch: "amd64", Source: "openssl"},
		{Name: "openssl", Version: "3.0.11-1~deb12u2", Arch: "amd64"},
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" || got.Known != "dpkg" {
		t.Errorf("from %q: %s", got.Known, diff)
	}
	// In images without dpkg each package has a file of its own, in any layer.
	img = testkit.Image(t, "amd64", v1.Config{},
		testkit.Layer(t, map[string]string{"var/lib/dpkg/status.d/base": "Package: base\nVersion: 1\nArchitecture: all\n", "var/lib/dpkg/status.d/base.md5sums": "Package: no\nVersion: 1\n"}),
		testkit.Layer(t, map[string]string{"var/lib/dpkg/status.d/tz": "Package: tz\nVersion: 2\nArchitecture: all\n"}))
	if got := facts(t, &inspect.Reader{}, "x", img).Packages; len(got) != 2 || got[0].Name != "base" || got[1].Name != "tz" {
		t.Errorf("packages %+v, want base and tz", got)
	}
	// A list that a later layer takes away is none.
	img = testkit.Image(t, "amd64", v1.Config{}, low, testkit.Layer(t, map[string]string{"var/lib/dpkg/.wh.status": ""}))
	for _, files := range []bool{false, true} {
		if got := facts(t, &inspect.Reader{Files: files}, "x", img); len(got.Packages) != 0 || got.Known != "" {
			t.Errorf("files %t: packages %+v from %q, want none", files, got.Packages, got.Known)
		}
	}
}

// An SBOM spares reading layers.
func TestPackagesOfAnSBOM(t *testing.T) {
	img := testkit.Image(t, "amd64", v1.Config{}, unreadable{testkit.Layer(t, map[string]string{"var/lib/dpkg/status": status})})
	v, err := source.FromImage("x", img).ForPlatform("")
	if err != nil {
		t.Fatal(err)
	}
	got, err := new(inspect.Reader).Read(t.Context(), "x", v, &inspect.List{Packages: []debian.Locked{{Name: "curl", Version: "1", Arch: "amd64"}}})
	if err != nil || got.Known != "sbom" || len(got.Packages) != 1 {
		t.Errorf("%+v, %v, want the package of the SBOM", got, err)
	}
}

// Wheels are shown and compared where an SBOM tells of them. An image without one
// does not lack them.
func TestWheelsOfAnSBOM(t *testing.T) {
	v, err := source.FromImage("x", before(t)).ForPlatform("")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string, files bool, wheels ...wheel.Locked) *inspect.Image {
		t.Helper()
		img, err := (&inspect.Reader{Files: files}).Read(t.Context(), name, v, &inspect.List{Packages: []debian.Locked{{Name: "curl", Version: "1", Arch: "amd64"}}, Wheels: wheels})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	a := read("a", false, wheel.Locked{Name: "flask", Version: "3.0.9"}, wheel.Locked{Name: "click", Version: "8.1.0"}, wheel.Locked{Name: "six", Version: "1.16.0"}, wheel.Locked{Name: "torch", Version: "2.5.1"})
	b := read("b", true, wheel.Locked{Name: "flask", Version: "3.0.10"}, wheel.Locked{Name: "click", Version: "8.1.0"}, wheel.Locked{Name: "jinja2", Version: "3.1"}, wheel.Locked{Name: "torch", Version: "2.5.1rc1"})
	b.Digest = "another"
	var out bytes.Buffer
	if err := a.Write(&out); err != nil {
		t.Fatal(err)
	}
	if want := "\n4 wheels of Python:\n  click  8.1.0\n  flask  3.0.9\n  six    1.16.0\n  torch  2.5.1\n"; !strings.Contains(out.String(), want) {
		t.Errorf("shown:\n%s\nwant%s", &out, want)
	}
	out.Reset()
	if err := inspect.Diff(a, b).Write(&out); err != nil {
		t.Fatal(err)
	}
	want := "\nwheels of Python: 1 added, 1 removed, 1 upgraded, 1 downgraded, 1 the same\n" +
		"  ~ flask   3.0.9 → 3.0.10\n  + jinja2  3.1\n  - six     1.16.0\n  ! torch   2.5.1 → 2.5.1rc1 (older)\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("compared:\n%s\nwant%s", &out, want)
	}
	b.Wheels = nil
	if d := inspect.Diff(a, b); d.Wheels != nil {
		t.Errorf("without an SBOM: %+v", d.Wheels)
	}
}

// unreadable is a layer whose content nobody may ask for.
type unreadable struct{ v1.Layer }

func (unreadable) Uncompressed() (io.ReadCloser, error) { panic("read") }
