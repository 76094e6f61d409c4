package sbom_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	spdx "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"

	"nix2gpu/debian"
	"nix2gpu/image/sbom"
	"nix2gpu/internal/testkit"
)

const dep5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"

func hash(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }

func small() sbom.Image {
	return sbom.Image{
		Name: "web:v1", Digest: hash("a"), Arch: "amd64", Suite: "bookworm", Tool: "nix2gpu-1.0.0",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Layers: []v1.Hash{hash("b"), hash("c")},
		Packages: []sbom.Package{
			{Locked: debian.Locked{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", Arch: "amd64", Source: "zlib", SourceVersion: "1:1.2.13.dfsg-1",
				Archive: "debian", Path: "pool/main/z/zlib/zlib1g_1.2.13.dfsg-1_amd64.deb", Size: 86728, SHA256: strings.Repeat("1", 64)},
				Layer: hash("b"), Licence: sbom.ReadLicence(dep5 + "\nFiles: *\nCopyright: x\nLicense: Zlib\n\nLicense: Zlib\n This software is provided 'as-is'.\n")},
			{Locked: debian.Locked{Name: "libstdc++6", Version: "12.2.0-14+deb12u1", Arch: "amd64", Source: "gcc-12", SourceVersion: "12.2.0-14+deb12u1",
				Archive: "debian-security", Path: "pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb", SHA256: strings.Repeat("2", 64)},
				Layer: hash("b"), Licence: sbom.ReadLicence("This is the Debian GNU/Linux prepackaged version of the GNU compiler collection.\n")},
			{Locked: debian.Locked{Name: "grafana", Version: "11.0.0", Arch: "amd64", Source: "grafana", Archive: "grafana", Path: "pool/grafana.deb", SHA256: strings.Repeat("3", 64)},
				Layer: hash("c"), Licence: sbom.ReadLicence(dep5 + "\nFiles: *\nCopyright: x\nLicense: AGPL-3\n\nFiles: vendor/*\nCopyright: y\nLicense: Expat or solar-public-domain\n\nLicense: solar-public-domain\n No copyright is claimed.\n .\n Have fun.\n")},
		},
	}
}

func document(t testing.TB, img sbom.Image) []byte {
	t.Helper()
	doc, err := sbom.Document(img)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocument(t *testing.T) {
	doc := document(t, small())
	testkit.Golden(t, "testdata/small.spdx.json", doc)
	img := small()
	for range 20 {
		rand.Shuffle(len(img.Packages), func(i, j int) { img.Packages[i], img.Packages[j] = img.Packages[j], img.Packages[i] })
		if !bytes.Equal(document(t, img), doc) {
			t.Fatal("another order of the packages gives another document")
		}
	}
}

// TestReadByTheSpecification reads a document with the library of SPDX itself.
func TestReadByTheSpecification(t *testing.T) {
	d, err := spdx.Read(bytes.NewReader(document(t, small())))
	if err != nil {
		t.Fatal(err)
	}
	if d.SPDXVersion != "SPDX-2.3" || d.CreationInfo.Created != "2026-01-02T03:04:05Z" || len(d.Packages) != 6 {
		t.Errorf("version %s, created %s, %d packages", d.SPDXVersion, d.CreationInfo.Created, len(d.Packages))
	}
	by := map[common.ElementID]string{}
	for _, p := range d.Packages {
		by[p.PackageSPDXIdentifier] = p.PackageName
		if p.PackageName != "zlib1g" {
			continue
		}
		if got := p.PackageExternalReferences[0]; got.RefType != "purl" || got.Locator != "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=bookworm&upstream=zlib" {
			t.Errorf("reference %+v", got)
		}
		if p.PackageLicenseDeclared != "Zlib" || p.PackageChecksums[0].Value != strings.Repeat("1", 64) {
			t.Errorf("package %+v", p)
		}
	}
	layer := ""
	for _, r := range d.Relationships {
		if by[r.RefB.ElementRefID] == "zlib1g" && r.Relationship == "CONTAINS" {
			layer = by[r.RefA.ElementRefID]
		}
		for _, ref := range []common.DocElementID{r.RefA, r.RefB} {
			if ref.ElementRefID != "DOCUMENT" && by[ref.ElementRefID] == "" {
				t.Errorf("a relationship names %q, which does not exist", ref.ElementRefID)
			}
		}
	}
	if layer != hash("b").String() {
		t.Errorf("zlib1g is in %q, want the first layer", layer)
	}
}

// A package must be somewhere: one in a foreign layer is a mistake of ours.
func TestPackageOfNoLayer(t *testing.T) {
	img := small()
	img.Packages[0].Layer = hash("f")
	if _, err := sbom.Document(img); err == nil {
		t.Error("a package in a layer that is not there was accepted")
	}
}

func TestPURL(t *testing.T) {
	for want, p := range map[string]debian.Locked{
		"pkg:deb/debian/g%2B%2B@4:12.2.0-3%2Bb1?arch=amd64&upstream=gcc-defaults@1.203": {Name: "g++", Version: "4:12.2.0-3+b1", Arch: "amd64", Source: "gcc-defaults", SourceVersion: "1.203"},
		"pkg:deb/debian/curl@7.88.1-10?arch=amd64":                                      {Name: "curl", Version: "7.88.1-10", Arch: "amd64", Source: "curl", SourceVersion: "7.88.1-10"},
		"pkg:deb/nvidia/cuda-cudart-12-8@12.8.90-1?arch=arm64":                          {Name: "cuda-cudart-12-8", Version: "12.8.90-1", Arch: "arm64", Archive: "nvidia"},
		"pkg:deb/debian/base@1~rc1?arch=all&upstream=base@1":                            {Name: "base", Version: "1~rc1", Arch: "all", Source: "base", SourceVersion: "1", Archive: "debian-security"},
	} {
		if got := sbom.PURL(p, ""); strings.ReplaceAll(got, "%40", "@") != want {
			t.Errorf("PURL = %s, want %s", got, want)
		}
	}
}

func TestLicences(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"Expat", "MIT"},
		{"GPL-2", "GPL-2.0-only"},
		{"GPL-2+", "GPL-2.0-or-later"},
		{"GPLv3+", "GPL-3.0-or-later"},
		{"LGPLv2.1+", "LGPL-2.1-or-later"},
		{"LGPL-2.0+", "LGPL-2.0-or-later"},
		{"GPL-2.0-or-later", "GPL-2.0-or-later"},
		{"GPL-3.0-only", "GPL-3.0-only"},
		{"AGPL-3", "AGPL-3.0-only"},
		{"GPL-7", "LicenseRef-GPL-7"},
		{"GPL", "LicenseRef-GPL"},
		{"BSD-3-clause or GPL-2", "BSD-3-Clause OR GPL-2.0-only"},
		{"Expat or GPL-1+ or Artistic", "MIT OR GPL-1.0-or-later OR LicenseRef-Artistic"},
		{"Apache-2.0 or LGPL-2.1 and Zlib", "Apache-2.0 OR LGPL-2.1-only AND Zlib"},
		{"Apache-2.0 or LGPL-2.1, and Zlib", "(Apache-2.0 OR LGPL-2.1-only) AND Zlib"},
		{"Apache-2.0 with LLVM exception", "Apache-2.0 WITH LLVM-exception"},
		{"GPL-2+ with Autoconf exception", "LicenseRef-GPL-2.plus.-with-Autoconf-exception"},
		{"LGPLv3+_or_GPLv2+", "LicenseRef-LGPLv3.plus.-or-GPLv2.plus."},
		{"MIT\nLicense: GPL-2 or Zlib", "MIT"}, // a second field of the name is none
		{"MIT|GPL-2 or Zlib", "(GPL-2.0-only OR Zlib) AND MIT"},
		{"Zlib|Zlib|ISC", "ISC AND Zlib"},
	} {
		text := dep5
		for name := range strings.SplitSeq(c.names, "|") {
			text += "\nFiles: *\nCopyright: x\nLicense: " + name + "\n"
		}
		if got := declared(t, text); got != c.want {
			t.Errorf("%q: %s, want %s", c.names, got, c.want)
		}
	}
	for what, text := range map[string]string{
		"prose":           "This package was debianized by somebody.\n\nLicense: GPL-2\n",
		"nothing":         "",
		"no licence":      dep5 + "\nFiles: *\nCopyright: x\n",
		"only definition": dep5 + "\nLicense: GPL-2\n text\n",
	} {
		if got := declared(t, text); got != "NOASSERTION" {
			t.Errorf("%s: %s, want NOASSERTION", what, got)
		}
	}
	long := dep5 + "\nFiles: *\nCopyright: x\nLicense: Permission to use, copy, modify, and distribute this software and its\n documentation is granted.\n"
	if got := declared(t, long); !regexp.MustCompile(`^LicenseRef-text-[0-9a-f]{12}$`).MatchString(got) {
		t.Errorf("a text in the place of a name: %s", got)
	}
}

func declared(t *testing.T, copyright string) string {
	t.Helper()
	img := small()
	img.Packages = img.Packages[:1]
	img.Packages[0].Licence = sbom.ReadLicence(copyright)
	d, err := spdx.Read(bytes.NewReader(document(t, img)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Packages {
		if p.PackageName == img.Packages[0].Name {
			return p.PackageLicenseDeclared
		}
	}
	t.Fatal("the package is gone")
	return ""
}

// term is one licence in an expression of SPDX.
var term = regexp.MustCompile(`^\(*(LicenseRef-[A-Za-z0-9.-]+|[A-Za-z0-9.-]+)\)*$`)

// TestCopyrightFilesOfDebian reads those of this machine: what comes out is an
// expression, its own names are explained, and the library reads it.
func TestCopyrightFilesOfDebian(t *testing.T) {
	files, err := filepath.Glob("/usr/share/doc/*/copyright")
	if err != nil || len(files) < 10 {
		t.Skipf("no copyright files of Debian here: %d, %v", len(files), err)
	}
	img := small()
	img.Packages = nil
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a broken link
		}
		img.Packages = append(img.Packages, sbom.Package{Layer: hash("b"), Licence: sbom.ReadLicence(string(text)),
			Locked: debian.Locked{Name: filepath.Base(filepath.Dir(f)), Version: "1", Arch: "amd64"}})
	}
	d, err := spdx.Read(bytes.NewReader(document(t, img)))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, l := range d.OtherLicenses {
		explained[l.LicenseIdentifier] = l.ExtractedText != ""
	}
	known := 0
	for _, p := range d.Packages {
		if p.PackageLicenseDeclared == "NOASSERTION" {
			continue
		}
		known++
		for _, word := range strings.Fields(p.PackageLicenseDeclared) {
			if slices.Contains([]string{"AND", "OR", "WITH"}, word) {
				continue
			}
			m := term.FindStringSubmatch(word)
			if m == nil {
				t.Errorf("%s: %q in %q is no licence", p.PackageName, word, p.PackageLicenseDeclared)
				break
			}
			if strings.HasPrefix(m[1], "LicenseRef-") && !explained[m[1]] {
				t.Errorf("%s: %q is explained nowhere", p.PackageName, m[1])
			}
		}
		if strings.Count(p.PackageLicenseDeclared, "(") != strings.Count(p.PackageLicenseDeclared, ")") {
			t.Errorf("%s: brackets of %q", p.PackageName, p.PackageLicenseDeclared)
		}
	}
	if known < len(files)/2 {
		t.Errorf("licences of %d of %d packages known, want most", known, len(files))
	}
}

func TestLicencesOfALayer(t *testing.T) {
	of := func(name string) string { return dep5 + "\nFiles: *\nCopyright: x\nLicense: " + name + "\n" }
	l := testkit.Layer(t, map[string]string{
		"usr/share/doc/curl/copyright":                      of("curl"),
		"usr/share/doc/curl/README/copyright":               of("no"),
		"usr/share/docs/x/copyright":                        of("no"),
		"./usr/share/doc/zlib1g/copyright":                  of("Zlib"),
		"usr/share/doc/gcc-12-base/copyright":               of("GPL-3"),
		"usr/share/doc/libgcc-s1 -> gcc-12-base":            "",
		"usr/share/doc/loop -> loop":                        "",
		"usr/share/doc/out -> ../../../etc":                 "",
		"usr/share/doc/libx/copyright -> ../curl/copyright": "",
	})
	found, err := sbom.ReadLicences(l)
	if err != nil {
		t.Fatal(err)
	}
	kept := found.Encode()
	if again, err := sbom.DecodeLicences(kept); err != nil || !reflect.DeepEqual(again, found) {
		t.Errorf("out of a cache come %+v, %v, want %+v", again, err, found)
	}
	for n := range len(kept) {
		if _, err := sbom.DecodeLicences(kept[:n]); err == nil {
			t.Errorf("cut off after %d of %d bytes they pass for whole", n, len(kept))
		}
	}
	got := map[string]string{}
	for _, name := range []string{"curl", "zlib1g", "gcc-12-base", "libgcc-s1", "libx", "loop", "out", "x", "none"} {
		if l := found.Of(name); l.Expression != "" {
			got[name] = l.Expression
		}
	}
	want := map[string]string{"curl": "curl", "zlib1g": "Zlib", "gcc-12-base": "GPL-3.0-only", "libgcc-s1": "GPL-3.0-only", "libx": "curl"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestArtifact(t *testing.T) {
	img := testkit.Image(t, "amd64", v1.Config{})
	subject, err := partial.Descriptor(img)
	if err != nil {
		t.Fatal(err)
	}
	doc := document(t, small())
	a, err := sbom.Artifact(doc, *subject)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(a, validate.Fast); err != nil {
		t.Error(err)
	}
	m, err := a.Manifest()
	if err != nil || m.ArtifactType != sbom.MediaType || m.Subject == nil || m.Subject.Digest != subject.Digest {
		t.Errorf("manifest %+v, %v", m, err)
	}
	back, err := sbom.Of(a)
	if err != nil || !bytes.Equal(back, doc) {
		t.Errorf("Of = %d bytes, %v, want the document", len(back), err)
	}
	if _, err := sbom.Of(img); err != sbom.ErrNoDocument {
		t.Errorf("Of an image = %v, want ErrNoDocument", err)
	}
	got, err := sbom.Read(back)
	if err != nil {
		t.Fatal(err)
	}
	var want []debian.Locked
	for _, p := range small().Packages {
		want = append(want, debian.Locked{Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, SourceVersion: p.SourceVersion, SHA256: p.SHA256})
	}
	slices.SortFunc(want, func(a, b debian.Locked) int { return strings.Compare(a.Name, b.Name) })
	for i := range want {
		if want[i].SourceVersion == "" {
			want[i].SourceVersion = want[i].Version
		}
	}
	if diff := cmp.Diff(&sbom.Contents{Packages: want}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := sbom.Read([]byte(`{"spdxVersion":"SPDX-3.0"}`)); err != sbom.ErrNoDocument {
		t.Errorf("Read of another version = %v", err)
	}
}

func FuzzCopyright(f *testing.F) {
	f.Add(dep5 + "\nFiles: *\nCopyright: x\nLicense: GPL-2+ or Artistic, and MIT\n text\n .\n more\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		img := small()
		img.Packages = img.Packages[:1]
		img.Packages[0].Licence = sbom.ReadLicence(text)
		if _, err := spdx.Read(bytes.NewReader(document(t, img))); err != nil {
			t.Errorf("not read back: %v", err)
		}
	})
}
