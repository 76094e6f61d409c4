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
