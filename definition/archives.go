package definition

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"path"
	"slices"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// Archives returns the archives that a container's options declare, sorted by
// attribute. Their positions are in the project.
func Archives(container *module.Config) []packages.Archive {
	var out []packages.Archive
	for _, c := range container.Each("archives") {
		a := packages.Archive{Attr: c.Name(), URL: byArch(c.Get("url")), SHA256: byArch(c.Get("sha256")), Strip: c.Int("strip")}
		for arch, text := range a.SHA256 {
			if sum, ok := digest(text); ok {
				a.SHA256[arch] = sum
			}
		}
		bin := c.Get("bin")
		if bin.Kind() == module.KindAttrs {
			for _, b := range bin.Each() {
				a.Bin = append(a.Bin, packages.Bin{Name: b.Name(), Path: b.String()})
			}
		} else if bin.Kind() == module.KindList {
			for _, p := range bin.Strings() {
				a.Bin = append(a.Bin, packages.Bin{Path: p})
			}
		}
		out = append(out, a)
	}
	return out
}

// byArch returns texts by architecture: one for every architecture under "", or one for
// each.
func byArch(c *module.Config) map[string]string {
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

// digest returns a SHA-256 in hexadecimal digits, from either form that users write.
func digest(text string) (string, bool) {
	if coded, ok := strings.CutPrefix(text, "sha256-"); ok {
		sum, err := base64.StdEncoding.DecodeString(coded)
		return hex.EncodeToString(sum), err == nil && len(sum) == 32
	}
	sum, err := hex.DecodeString(text)
	return strings.ToLower(text), err == nil && len(sum) == 32
}

// archives reports what is wrong with the container's archives, and adds them to the
// project.
func (b *builder) archives() {
	all := Archives(b.Config)
	for _, c := range b.Each("archives") {
		name := c.Name()
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			c.Errorf("the name of an archive must be the attribute that it stands for, of letters, digits, \"_\" and \"-\", not %q", name)
			continue
		}
		urls, sums := byArch(c.Get("url")), byArch(c.Get("sha256"))
		for arch, text := range urls {
			if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
				c.Get("url").Errorf("url must be that of a file, such as %q, not %q", "https://example.org/tool-1.2.tar.gz", text)
			}
			if arch != "" && arch != "amd64" && arch != "arm64" {
				c.Get("url").Errorf("an architecture must be \"amd64\" or \"arm64\", not %q", arch)
			}
		}
		for arch, text := range sums {
			if _, ok := digest(text); !ok {
				c.Get("sha256").Errorf("sha256 must be 64 hexadecimal digits, or \"sha256-\" and base64, not %q", text)
			}
			if _, ok := urls[arch]; !ok && len(urls) > 0 {
				c.Get("sha256").Errorf("sha256 must be given for each architecture, as url is: %q has no url", arch)
			}
		}
		bin := c.Get("bin")
		paths := []string{}
		switch bin.Kind() {
		case module.KindList:
			paths = bin.Strings()
		case module.KindAttrs:
			for _, one := range bin.Each() {
				paths = append(paths, one.String())
				if strings.Contains(one.Name(), "/") {
					bin.Errorf("the name of a program must not contain a slash: %q", one.Name())
				}
			}
		}
		for _, p := range paths {
			if p == "" || path.IsAbs(p) || slices.Contains(strings.Split(p, "/"), "..") {
				bin.Errorf("bin must name paths below the top of the archive, not %q", p)
			}
		}
		i := slices.IndexFunc(all, func(a packages.Archive) bool { return a.Attr == name })
		b.project.Container.Archives = append(b.project.Container.Archives,
			project.Archive{Attr: name, Programs: all[i].Programs(), Pos: b.projectPos(c.Pos())})
	}
}
