package packages_test

import (
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"nix2gpu/packages"
)

// Every row that names a vendor names one of the list, by https, with complete
// fingerprints and digests: what is not known is left out as a whole.
func TestVendors(t *testing.T) {
	rows := 0
	for _, attr := range packages.Attrs() {
		p := packages.Lookup(attr)
		if p.Source != "" {
			rows++
			s, ok := packages.VendorSource(p.Source, "bookworm")
			if !ok {
				t.Errorf("%s is of the source %q, which the table has not", attr, p.Source)
				continue
			}
			for _, address := range append(slices.Collect(maps.Values(s.URL)), s.Key) {
				if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s: %q does not come by https", s.Name, address)
				}
			}
			for _, f := range s.Fingerprints {
				if raw, err := hex.DecodeString(f); err != nil || len(raw) != 20 || strings.ToUpper(f) != f {
					t.Errorf("%s: %q is no fingerprint", s.Name, f)
				}
			}
			if len(p.Vendor) == 0 || len(s.Components) == 0 && s.Suite != "./" || s.Suite == "" || len(s.URL) == 0 || s.Name != p.Source {
				t.Errorf("%s lacks packages, or its source %+v lacks something", attr, s)
			}
		}
		if a := p.Archive; a != nil {
			rows++
			for arch, address := range a.URL {
				if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s: %q does not come by https", attr, address)
				}
				if sum := a.SHA256[arch]; sum != "" {
					if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
						t.Errorf("%s: %q is no digest", attr, sum)
					}
				}
			}
			if p.From == "" {
				t.Errorf("%s comes as a file, and has no page to read for a machine", attr)
			}
		}
	}
	if rows < 7 {
		t.Errorf("only %d rows have a vendor", rows)
	}
}
