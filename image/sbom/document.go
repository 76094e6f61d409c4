package sbom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/debian"
	"nix2gpu/wheel"
)

// A Package is a Debian package, or a vendor's archive, in an image.
type Package struct {
	debian.Locked
	Layer   v1.Hash // the digest of the layer that it is in
	Licence Licence
	// Download is the URL of a vendor's archive; "" for a Debian package.
	Download string
}

// A Wheel is a package of Python in an image.
type Wheel struct {
	wheel.Locked
	Layer   v1.Hash // the digest of the layer that it is in
	License wheel.License
}

// An Image is the image that a document describes.
type Image struct {
	Name     string  // "web:latest"
	Digest   v1.Hash // of its manifest
	Arch     string
	Suite    string    // "bookworm"; may be ""
	Created  time.Time // the image's own time; the zero time counts as 1970
	Tool     string    // what made it: "nix2gpu-1.2.3"
	Layers   []v1.Hash // their digests, from the bottom
	Packages []Package
	Wheels   []Wheel
	Partial  bool // packages are reduced to what programs need
}

// The parts of a document, with SPDX 2.3's names, in the order of the specification.
type (
	document struct {
		SPDXVersion       string    `json:"spdxVersion"`
		DataLicense       string    `json:"dataLicense"`
		SPDXID            string    `json:"SPDXID"`
		Name              string    `json:"name"`
		DocumentNamespace string    `json:"documentNamespace"`
		CreationInfo      creation  `json:"creationInfo"`
		Packages          []element `json:"packages"`
		// Then come the texts of licences, which are encoded already, and the ending.
	}
	ending struct {
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	element struct {
		SPDXID           string        `json:"SPDXID"`
		Name             string        `json:"name"`
		Version          string        `json:"versionInfo,omitempty"`
		FileName         string        `json:"packageFileName,omitempty"`
		Supplier         string        `json:"supplier"`
		DownloadLocation string        `json:"downloadLocation"`
		FilesAnalyzed    bool          `json:"filesAnalyzed"`
		Checksums        []checksum    `json:"checksums,omitempty"`
		SourceInfo       string        `json:"sourceInfo,omitempty"`
		LicenseConcluded string        `json:"licenseConcluded"`
		LicenseDeclared  string        `json:"licenseDeclared"`
		CopyrightText    string        `json:"copyrightText"`
		Comment          string        `json:"comment,omitempty"`
		ExternalRefs     []externalRef `json:"externalRefs,omitempty"`
		Purpose          string        `json:"primaryPackagePurpose,omitempty"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	externalRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
	extracted struct {
		ID   string `json:"licenseId"`
		Name string `json:"name"`
		Text string `json:"extractedText"`
	}
)

const (
	unknown    = "NOASSERTION"
	documentID = "SPDXRef-DOCUMENT"
	imageID    = "SPDXRef-Image"
)

// Document returns the SBOM of an image, as SPDX 2.3 in JSON.
func Document(img Image) ([]byte, error) {
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: documentID, Name: img.Name,
		// A name, not an address: each document needs one of its own.
		DocumentNamespace: "https://spdx.org/spdxdocs/nix2gpu-" + img.Digest.Hex,
		CreationInfo: creation{
			Created:  cmp.Or(img.Created, time.Unix(0, 0)).UTC().Format(time.RFC3339),
			Creators: []string{"Tool: " + img.Tool},
		},
	}
	end := ending{Relationships: []relationship{{documentID, "DESCRIBES", imageID}}}
	repo, tag, _ := strings.Cut(img.Name[strings.LastIndexByte(img.Name, '/')+1:], ":")
	d.Packages = append(d.Packages, element{
		SPDXID: imageID, Name: img.Name, Version: img.Digest.String(), Supplier: unknown, DownloadLocation: unknown,
		Checksums:        []checksum{{"SHA256", img.Digest.Hex}},
		LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown, Purpose: "CONTAINER",
		ExternalRefs: []externalRef{purl(fmt.Sprintf("pkg:oci/%s@%s?%s", escape(strings.ToLower(repo)), escape(img.Digest.String()),
			qualifiers("arch", img.Arch, "tag", tag)))},
	})
	layers := map[v1.Hash]string{}
	for i, h := range img.Layers {
		if layers[h] != "" {
			continue // two layers with the same content
		}
		id := fmt.Sprintf("SPDXRef-Layer-%d", i+1)
		layers[h] = id
		d.Packages = append(d.Packages, element{
			SPDXID: id, Name: h.String(), Supplier: unknown, DownloadLocation: unknown, Checksums: []checksum{{"SHA256", h.Hex}},
			LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown, Purpose: "ARCHIVE",
		})
		end.Relationships = append(end.Relationships, relationship{imageID, "CONTAINS", id})
	}
	sorted := slices.Clone(img.Packages)
	order := func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
	}
	sort.SliceStable(sorted, func(i, j int) bool { return order(sorted[i], sorted[j]) < 0 })
	texts := map[string]Text{}
	for _, p := range sorted {
		layer, ok := layers[p.Layer]
		if !ok {
			return nil, fmt.Errorf("package %s is in the layer %s, which the image lacks", p, p.Layer)
		}
		e := packageElement(img, p, texts)
		d.Packages = append(d.Packages, e)
		end.Relationships = append(end.Relationships, relationship{layer, "CONTAINS", e.SPDXID})
	}
	wheels := slices.Clone(img.Wheels)
	sort.SliceStable(wheels, func(i, j int) bool {
		a, b := wheels[i], wheels[j]
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File)) < 0
	})
	for _, w := range wheels {
		layer, ok := layers[w.Layer]
		if !ok {
			return nil, fmt.Errorf("wheel %s is in the layer %s, which the image lacks", w, w.Layer)
		}
		e := wheelElement(w, texts)
		d.Packages = append(d.Packages, e)
		end.Relationships = append(end.Relationships, relationship{layer, "CONTAINS", e.SPDXID})
	}
	// The parts as one object.
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(encoded("", d), []byte("\n}\n")))
	for i, id := range slices.Sorted(maps.Keys(texts)) {
		if i == 0 {
			out.WriteString(",\n \"hasExtractedLicensingInfos\": [")
		} else {
			out.WriteString(",")
		}
		out.WriteString("\n  ")
		out.Write(texts[id].JSON)
	}
	if len(texts) > 0 {
		out.WriteString("\n ]")
	}
	out.WriteString(",\n")
	out.Write(bytes.TrimPrefix(encoded("", end), []byte("{\n")))
	return out.Bytes(), nil
}

// encoded returns v as JSON, with prefix before each line but the first. v has plain
// values only, so there is no error.
func encoded(prefix string, v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent(prefix, " ")
	enc.SetEscapeHTML(false) // & of package URLs stays readable
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// textOf encodes a licence as documents have it.
func textOf(x extracted) Text {
	return Text{len(x.Text), bytes.TrimSuffix(encoded("  ", x), []byte("\n"))}
}

func packageElement(img Image, p Package, texts map[string]Text) element {
	e := element{
		SPDXID: "SPDXRef-Package-" + idPart(p.Name+"-"+p.Arch), Name: p.Name, Version: p.Version, FileName: p.File(),
		Supplier: supplier(p.Archive), DownloadLocation: unknown,
		LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown, Purpose: "INSTALL",
		ExternalRefs: []externalRef{purl(PURL(p.Locked, img.Suite))},
	}
	if p.Download != "" {
		e.SPDXID, e.FileName = "SPDXRef-Archive-"+idPart(p.Name+"-"+p.Arch), p.Download[strings.LastIndexByte(p.Download, '/')+1:]
		e.Supplier, e.DownloadLocation = unknown, p.Download
		e.ExternalRefs = []externalRef{purl(fmt.Sprintf("pkg:generic/%s?%s", escape(p.Name),
			qualifiers("arch", p.Arch, "checksum", "sha256:"+p.SHA256, "download_url", p.Download)))}
	}
	if img.Partial {
		e.Comment = "The image has only those files of the package that its programs need."
	}
	if p.SHA256 != "" {
		e.Checksums = []checksum{{"SHA256", p.SHA256}}
	}
	if p.Source != "" {
		e.SourceInfo = fmt.Sprintf("built from the source package %s %s", p.Source, cmp.Or(p.SourceVersion, p.Version))
	}
	if l := p.Licence; l.Expression != "" {
		e.LicenseDeclared = l.Expression
		for id, x := range l.Texts {
			if old, ok := texts[id]; !ok || x.Length > old.Length {
				texts[id] = x
			}
		}
	}
	return e
}

// supplier returns who publishes an archive, if that is known.
func supplier(archive string) string {
	if isDebian(archive) {
		return "Organization: Debian"
	}
	return unknown
}

func isDebian(archive string) bool {
	return archive == "" || archive == "debian" || strings.HasPrefix(archive, "debian-")
}

func purl(p string) externalRef { return externalRef{"PACKAGE-MANAGER", "purl", p} }

// PURL returns the package URL of a package:
// pkg:deb/debian/curl@7.88.1-10?arch=amd64.
func PURL(p debian.Locked, suite string) string {
	vendor := "debian"
	if !isDebian(p.Archive) {
		vendor = strings.ToLower(p.Archive)
	}
	upstream := ""
	if p.Source != "" && (p.Source != p.Name || p.SourceVersion != "" && p.SourceVersion != p.Version) {
		upstream = p.Source
		if p.SourceVersion != "" && p.SourceVersion != p.Version {
			upstream += "@" + p.SourceVersion
		}
	}
	return fmt.Sprintf("pkg:deb/%s/%s@%s?%s", escape(vendor), escape(p.Name), escape(p.Version),
		qualifiers("arch", p.Arch, "distro", suite, "upstream", upstream))
}

// qualifiers formats the qualifiers of a package URL that have a value. They must be
// given in the order of their names.
func qualifiers(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, pairs[i]+"="+escape(pairs[i+1]))
		}
	}
	return strings.Join(out, "&")
}

// escape escapes all but letters, digits, and the characters . - _ ~ and colon, which
// package URLs allow.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_~:", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var notID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9.-]+`) })

// idPart makes a name fit for an SPDX identifier. Of the characters in names of packages
// only + is not allowed there; it is spelled out.
func idPart(s string) string {
	return notID().ReplaceAllString(strings.ReplaceAll(s, "+", ".plus."), "-")
}
