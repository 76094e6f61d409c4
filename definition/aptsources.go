package definition

import (
	"encoding/hex"
	"net/url"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// AptSources returns the apt repositories that a container's options declare, by name.
// What the options leave out is empty: see [packages.AptSource.Completed].
func AptSources(container *module.Config) []packages.AptSource {
	var out []packages.AptSource
	for _, c := range container.Each("aptSources") {
		out = append(out, aptSource(c))
	}
	return out
}

func aptSource(c *module.Config) packages.AptSource {
	s := packages.AptSource{
		Name: c.Name(), URL: byArch(c.Get("url")), Suite: c.String("suite"), Components: c.Strings("components"), Key: c.String("key"),
		Packages: []string{c.Name()}, Fingerprints: fingerprints(c),
	}
	if row := packages.Lookup(c.Name()); row.Source == c.Name() {
		s.Packages = row.Vendor
	}
	if c.Has("packages") {
		s.Packages = c.Strings("packages")
	}
	if p := c.Pos(); p.IsValid() {
		line, col := p.LineCol()
		s.Pos = project.Pos{File: p.File(), Line: line, Col: col}
	}
	return s
}

// fingerprints returns the fingerprints that a source pins, in upper case and without
// spaces.
func fingerprints(c *module.Config) (out []string) {
	texts := []string{}
	switch f := c.Get("fingerprint"); f.Kind() {
	case module.KindStr:
		texts = []string{f.String()}
	case module.KindList:
		texts = f.Strings()
	}
	for _, text := range texts {
		out = append(out, strings.ToUpper(strings.Join(strings.Fields(text), "")))
	}
	return out
}

// checkAptSources reports what is wrong with the container's apt repositories.
func (b *builder) checkAptSources() {
	for _, c := range b.Each("aptSources") {
		name, s := c.Name(), aptSource(c).Completed("")
		_, known := packages.VendorSource(name, "")
		if name == "debian" || name == "debian-security" || strings.ContainsAny(name, "/ {}") {
			c.Errorf("an apt source must not be called %q: Debian's own archives are there without being named", name)
		}
		if len(s.URL) == 0 && !known {
			c.Errorf("aptSources.%s needs url: the root of the repository", name)
		}
		for arch, text := range byArch(c.Get("url")) {
			if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				c.Get("url").Errorf("url must be that of a repository, such as %q, not %q", "https://apt.example.org/debian", text)
			}
			if arch != "" && arch != "amd64" && arch != "arm64" {
				c.Get("url").Errorf("an architecture must be \"amd64\" or \"arm64\", not %q", arch)
			}
		}
		if flat := strings.HasSuffix(s.Suite, "/"); flat != (len(s.Components) == 0) {
			c.Errorf("components must name components of suite %q; only a suite that ends in a slash has none", s.Suite)
		}
		for _, f := range s.Fingerprints {
			if _, err := hex.DecodeString(f); err != nil || len(f) != 40 && len(f) != 64 {
				c.Get("fingerprint").Errorf("fingerprint must be the 40 hexadecimal digits of a key, not %q", f)
			}
		}
		if s.Key == "" && !known {
			c.Errorf("aptSources.%s needs key: nothing unsigned is trusted\n  hint: save the key that its vendor publishes, and name the file: key = ./%s.asc; or name its URL, and the fingerprint", name, name)
		}
	}
}
