package definition

import (
	"net/url"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/packages"
)

// An AptSource is a signed apt repository beyond Debian's, which a container
// takes packages from.
type AptSource struct {
	Name       string
	URL        map[string]string // by architecture; what stands under "" is for every one
	Suite      string
	Components []string
	// Key is the file with the keys that sign it, or the keys themselves in ASCII
	// armour; "" for that of a repository which the package table knows.
	Key string
	// Packages are what the attribute of the source's name stands for.
	Packages []string
	Pos      string // where it is set: "flake.nix:3:5"
}

func aptSourceOptions() module.Options {
	return module.Options{
		"url":        {Type: module.NullOr(module.OneOf(module.String, module.AttrsOf(module.String))), Default: module.Null, Example: "https://apt.example.org/debian", Description: "The root of the repository, or one for each architecture, amd64 and arm64. Only \"nvidia\", from which CUDA comes, has one of its own."},
		"suite":      {Type: module.String, Default: "./", Example: "stable", Description: "The folder below dists; one that ends in a slash is a folder of the root itself, as in flat repositories."},
		"components": {Type: module.ListOf(module.String), Default: []any{}, Example: []any{"main"}, Description: "The parts of the suite; a flat repository has none."},
		"key":        {Type: module.NullOr(module.OneOf(module.Path, module.String)), Default: module.Null, Example: module.Expr("./key.asc"), Description: "The file with the keys that sign the repository, or the keys themselves in ASCII armour."},
		"packages":   {Type: module.NullOr(module.ListOf(module.String)), Default: module.Null, Example: []any{"clickhouse-server", "clickhouse-client"}, Description: "What the attribute of the source's name stands for; default: the package of that name."},
	}
}

// AptSources are the repositories of a container's options, by name.
func AptSources(container *module.Config) []AptSource {
	var out []AptSource
	for _, c := range container.Each("aptSources") {
		s := AptSource{
			Name: c.Name(), URL: urls(c.Get("url")), Suite: c.String("suite"), Components: c.Strings("components"), Key: c.String("key"),
			Packages: []string{c.Name()}, Pos: c.Pos().String(),
		}
		if c.Has("packages") {
			s.Packages = c.Strings("packages")
		}
		out = append(out, s)
	}
	return out
}

// urls are those of a repository, by architecture.
func urls(c *module.Config) map[string]string {
	out := map[string]string{}
	switch c.Kind() {
	case module.KindStr:
		out[""] = c.String()
	case module.KindAttrs:
		for _, one := range c.Each() {
			out[one.Name()] = one.String()
		}
	}
	return out
}

// checkAptSources says what is wrong with the container's repositories.
func (b *builder) checkAptSources() {
	for _, c := range b.Each("aptSources") {
		name := c.Name()
		if name == "debian" || name == "debian-security" || strings.ContainsAny(name, "/ {}") {
			c.Errorf("an apt source must not be called %q: Debian's own archives are there without being named", name)
		}
		all := urls(c.Get("url"))
		for arch, text := range all {
			if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				c.Get("url").Errorf("url must be that of a repository, as %q; is %q", "https://apt.example.org/debian", text)
			}
			if arch != "" && arch != "amd64" && arch != "arm64" {
				c.Get("url").Errorf("an architecture must be \"amd64\" or \"arm64\", is %q", arch)
			}
		}
		if len(all) == 0 && name != packages.NVIDIA {
			c.Errorf("aptSources.%s needs url: the root of the repository", name)
		}
		flat := strings.HasSuffix(c.String("suite"), "/")
		if n := len(c.Strings("components")); flat != (n == 0) {
			c.Errorf("components must name some of suite %q; only a suite that ends in a slash has none", c.String("suite"))
		}
		if c.String("key") == "" && name != packages.NVIDIA {
			c.Errorf("aptSources.%s needs key: nothing is believed that no key has signed\n  hint: save the key that its vendor publishes, and name the file: key = ./%s.asc", name, name)
		}
	}
}
