package sbom_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	spdx "github.com/spdx/tools-golang/json"

	"nix2gpu/image/sbom"
	"nix2gpu/wheel"
)

// Wheels are in the document with the URL that indexes know them by, in their
// layer; those who read it find them beside Debian's packages, not among them.
func TestWheels(t *testing.T) {
	img := small()
	img.Wheels = []sbom.Wheel{{Locked: wheel.Locked{Name: "torch", Version: "2.5.1+cu121", File: "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl", Size: 7, SHA256: strings.Repeat("4", 64)}, Layer: hash("c")}}
	doc := document(t, img)
	d, err := spdx.Read(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range d.Packages {
		if p.PackageName != "torch" {
			continue
		}
		found = true
		if got := p.PackageExternalReferences[0].Locator; got != "pkg:pypi/torch@2.5.1%2Bcu121?file_name=torch-2.5.1%2Bcu121-cp311-cp311-linux_x86_64.whl" {
			t.Errorf("reference is %s", got)
		}
		for _, r := range d.Relationships {
			if r.RefB.ElementRefID == p.PackageSPDXIdentifier && r.RefA.ElementRefID != "Layer-2" {
				t.Errorf("it is in %s", r.RefA.ElementRefID)
			}
		}
	}
	want := []wheel.Locked{{Name: "torch", Version: "2.5.1+cu121", File: img.Wheels[0].File, SHA256: img.Wheels[0].SHA256}}
	if got, err := sbom.Read(doc); err != nil || len(got.Packages) != len(img.Packages) || !reflect.DeepEqual(got.Wheels, want) || !found {
		t.Errorf("read: %+v, %v; the wheel is there: %t", got, err, found)
	}
	img.Wheels[0].Layer = hash("f")
	if _, err := sbom.Document(img); err == nil {
		t.Error("a wheel of a layer that the image has not is accepted")
	}
}

// The licence of a wheel is what its metadata say, as SPDX has it where that is
// certain, else in its own words; whoever reads the document finds each explained.
func TestLicencesOfWheels(t *testing.T) {
	for _, c := range []struct {
		license wheel.License
		want    string
		text    string // of a licence that SPDX's list has not
	}{
		{wheel.License{Expression: "MIT"}, "MIT", ""},
		{wheel.License{Expression: "BSD-3-Clause AND (MIT OR Apache-2.0 WITH LLVM-exception)", Text: "BSD"}, "BSD-3-Clause AND (MIT OR Apache-2.0 WITH LLVM-exception)", ""},
		{wheel.License{Expression: "GPL-2.0+"}, "GPL-2.0+", ""},
		{wheel.License{Expression: "LicenseRef-NVIDIA-SOFTWARE-LICENSE AND MIT"}, "LicenseRef-torch-NVIDIA-SOFTWARE-LICENSE AND MIT", `What the metadata of torch 2.5.1 call "LicenseRef-NVIDIA-SOFTWARE-LICENSE".`},
		{wheel.License{Expression: "MIT OR", Text: "MIT License"}, "MIT", ""},
		{wheel.License{Text: "The MIT License"}, "MIT", ""},
		{wheel.License{Text: "Apache License, Version 2.0"}, "Apache-2.0", ""},
		{wheel.License{Text: "Apache 2.0"}, "Apache-2.0", ""},
		{wheel.License{Text: "BSD-3-Clause"}, "BSD-3-Clause", ""},
		{wheel.License{Text: "3-Clause BSD License"}, "BSD-3-Clause", ""},
		{wheel.License{Text: "GPLv3+"}, "GPL-3.0-or-later", ""},
		{wheel.License{Text: "MIT OR Apache-2.0"}, "MIT OR Apache-2.0", ""},
		{wheel.License{Text: "BSD"}, "LicenseRef-torch-license", "BSD"},
		{wheel.License{Text: "MIT OR BSD"}, "LicenseRef-torch-license", "MIT OR BSD"},
		{wheel.License{Text: "Copyright (c) 2020\n\nDo what you want."}, "LicenseRef-torch-license", "Copyright (c) 2020\n\nDo what you want."},
		{wheel.License{Text: "UNKNOWN"}, "NOASSERTION", ""},
		{wheel.License{Text: "UNKNOWN", Classified: "MIT License"}, "MIT", ""},
		{wheel.License{Classified: "GNU Lesser General Public License v2 or later (LGPLv2+)"}, "LGPL-2.0-or-later", ""},
		{wheel.License{Classified: "BSD License"}, "LicenseRef-torch-license", "BSD License"},
		{wheel.License{Classified: "MIT License\nISC License (ISCL)"}, "LicenseRef-torch-license", "MIT License\nISC License (ISCL)"},
		{wheel.License{Text: "BSD-3-Clause", Classified: "MIT License"}, "BSD-3-Clause", ""},
		{wheel.License{}, "NOASSERTION", ""},
	} {
		img := small()
		img.Packages = nil
		img.Wheels = []sbom.Wheel{{Locked: wheel.Locked{Name: "torch", Version: "2.5.1", File: "torch-2.5.1-py3-none-any.whl", Size: 7, SHA256: strings.Repeat("4", 64)}, Layer: hash("c"), License: c.license}}
		d, err := spdx.Read(bytes.NewReader(document(t, img)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range d.Packages {
			if p.PackageName == "torch" {
				got = p.PackageLicenseDeclared
			}
		}
		text := ""
		for _, l := range d.OtherLicenses {
			text += l.ExtractedText
			if !strings.Contains(got, l.LicenseIdentifier) {
				t.Errorf("%+v: %q is explained, and not used in %q", c.license, l.LicenseIdentifier, got)
			}
		}
		if got != c.want || text != c.text {
			t.Errorf("%+v: %q with the text %q, want %q with %q", c.license, got, text, c.want, c.text)
		}
	}
}
