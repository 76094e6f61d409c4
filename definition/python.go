package definition

import (
	"path/filepath"

	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

// python parses the requirements of the container; nil if it has none.
func (b *builder) python() (*wheel.Requirements, project.Errors) {
	c := b.Get("python")
	if !c.Has("requirements") || c.Kind("requirements") != module.KindStr {
		return nil, nil
	}
	file := c.String("requirements")
	if file == "" {
		return nil, nil // the file is missing, which is reported already
	}
	at := b.projectPos(c.Pos("requirements"))
	reqs, wrong := wheel.Parse(shorten(file, b.root), func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(b.root, name)
		}
		s, err := b.source.files.read(name)
		if err != nil {
			return nil, err
		}
		return []byte(s.Text), nil
	})
	reqs.Pos = at
	for _, e := range wrong {
		if e.Pos.File == "" {
			e.Pos = at
		}
	}
	return reqs, wrong
}
