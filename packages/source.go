package packages

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// An AptSource is a signed apt repository other than Debian's.
type AptSource struct {
	Name       string
	URL        map[string]string // by architecture; "" stands for all
	Suite      string            // "{suite}" in it stands for Debian's
	Components []string
	// Key is a file with the keys that sign it, the keys themselves in ASCII armour, or
	// the URL where the vendor publishes them.
	Key          string
	Fingerprints []string // of the keys that count, in capital digits; empty: all in Key
	Packages     []string // packages that the attribute of the source's name stands for
	Pos          project.Pos
}

// Completed fills in what the definition leaves out, if the table has a vendor of that
// name, for a release of Debian.
func (s AptSource) Completed(suite string) AptSource {
	if known, ok := VendorSource(s.Name, suite); ok {
		if s.Key == "" {
			s.Key = known.Key
			if s.Fingerprints == nil {
				s.Fingerprints = known.Fingerprints
			}
		}
		if len(s.URL) == 0 {
			s.URL = known.URL
		}
		if s.Suite == "" && len(s.Components) == 0 {
			s.Suite, s.Components = known.Suite, known.Components
		}
	}
	s.Suite = strings.ReplaceAll(cmp.Or(s.Suite, "./"), "{suite}", suite)
	return s
}

// HasURL reports whether the key has to be downloaded.
func (s *AptSource) HasURL() bool {
	return strings.HasPrefix(s.Key, "https://") || strings.HasPrefix(s.Key, "http://")
}

// An Archive is software that its vendor publishes as a file. In images, an attribute
// stands for it.
type Archive struct {
	Attr string
	// URL and SHA256 are by architecture, "amd64"; "" stands for all. A digest has 64
	// hexadecimal digits, or is missing.
	URL, SHA256 map[string]string
	Strip       int
	// Bin are its programs; if empty, those in its folder bin, or else those at its top.
	Bin []Bin
	Pos project.Pos
}

// A Bin is a program of an archive, or a folder of programs.
type Bin struct {
	Name string // the program's name; "": the file's
	Path string // in the archive, without the folders that Strip removes
}

// For returns the entry of a map by architecture for one.
func For(byArch map[string]string, arch string) string {
	if v, ok := byArch[arch]; ok {
		return v
	}
	return byArch[""]
}

// Arches lists the architectures that the archive is for; nil: every one.
func (a *Archive) Arches() []string {
	if _, ok := a.URL[""]; ok {
		return nil
	}
	return slices.Sorted(maps.Keys(a.URL))
}

// Main returns the archive's program with the attribute's name, or else the first of Bin.
func (a *Archive) Main() string {
	names := a.Programs()
	if main := MainProgram(a.Attr); len(names) == 0 || slices.Contains(names, main) {
		return main
	}
	return names[0]
}

// Programs returns the names in Bin, without folders.
func (a *Archive) Programs() []string {
	var out []string
	for _, b := range a.Bin {
		switch name := path.Base(b.Path); {
		case b.Name != "":
			out = append(out, b.Name)
		case !strings.HasSuffix(b.Path, "/"):
			out = append(out, name)
		}
	}
	return out
}
