package packages

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// An AptSource is a signed apt repository beyond Debian's.
type AptSource struct {
	Name       string
	URL        map[string]string // by architecture; what stands under "" is for every one
	Suite      string            // "{suite}" in it is Debian's
	Components []string
	// Key is the file with the keys that sign it, the keys themselves in ASCII
	// armour, or the URL where its vendor publishes them.
	Key          string
	Fingerprints []string // of the keys that count, in capital digits; none: all of Key
	Packages     []string // what the attribute of the source's name stands for
	Pos          project.Pos
}

// Completed is the source with what its definition leaves out: that of the vendor
// whom the table knows by its name, for a release of Debian.
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

// HasURL reports whether the key is to be fetched.
func (s *AptSource) HasURL() bool {
	return strings.HasPrefix(s.Key, "https://") || strings.HasPrefix(s.Key, "http://")
}

// An Archive is software that its vendor publishes as a file: it stands for an
// attribute in images.
type Archive struct {
	Attr string
	// URL and SHA256 are by architecture, "amd64"; what stands under "" is for
	// every one. A digest is 64 hexadecimal digits, or missing.
	URL, SHA256 map[string]string
	Strip       int
	// Bin are its programs; none: those of its folder bin, else those at its top.
	Bin []Bin
	Pos project.Pos
}

// A Bin is a program of an archive, or a folder of programs.
type Bin struct {
	Name string // what it is called; "": as the file is
	Path string // below the top of the archive, without the folders that Strip takes away
}

// For is what a map by architecture has for one.
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

// Main is the program of the archive that has its attribute's name, or the first
// that it names.
func (a *Archive) Main() string {
	names := a.Programs()
	if main := MainProgram(a.Attr); len(names) == 0 || slices.Contains(names, main) {
		return main
	}
	return names[0]
}

// Programs are the names of programs that the definition gives; of folders none.
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
