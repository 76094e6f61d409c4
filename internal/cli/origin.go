package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// packagePath matches what stands for a package in a string until the package's
// path is known.
var packagePath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`/nix2gpu/packages/([A-Za-z0-9_.+-]+)`)
})

// writeOrigins prints every value that a definition assigns, with the position of
// the assignment and of those that it overrides.
func writeOrigins(w io.Writer, l *loaded) {
	base := len(l.config.Path())
	var walk func(c *module.Config)
	walk = func(c *module.Config) {
		o := c.Origin()
		if len(o.Assignments) == 0 && o.IsOption {
			return // the option has its default
		}
		if c.Kind() == module.KindAttrs && len(c.Keys()) > 0 {
			for _, key := range c.Keys() {
				walk(c.Get(key))
			}
			return
		}
		if len(o.Assignments) == 0 {
			return
		}
		path := c.Path()[base:]
		value := packagePath().ReplaceAllString(c.Show(), "$${pkgs.$1}")
		if project.SecretName(c.Name()) {
			value = project.Mask
		}
		fmt.Fprintf(w, "%s\t%s = %s%s\n", l.places(o.Assignments), strings.Join(path, "."), project.MaskString(value), l.overrides(o))
	}
	walk(l.config)
}

func (l *loaded) overrides(o module.Origin) string {
	if len(o.Overridden) == 0 {
		return ""
	}
	return "\t# over " + l.places(o.Overridden)
}

// places formats positions, with files relative to the definition's folder.
func (l *loaded) places(list []module.Pos) string {
	var out []string
	for _, p := range list {
		file := p.File()
		if rel, err := filepath.Rel(l.root, file); err == nil && !strings.HasPrefix(rel, "..") {
			file = rel
		}
		line, col := p.LineCol()
		out = append(out, fmt.Sprintf("%s:%d:%d", file, line, col))
	}
	return strings.Join(out, ",")
}
