package catalog

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// extensions are the packages of the option extensions: a list, or a function from the set
// of what was built for the server.
func (pg *pgOptions) extensions() (refs []project.PackageRef) {
	list := pg.Get("extensions")
	if f, ok := pg.Func("extensions"); ok {
		server := pg.Type.Package // of one that pkgs does not have
		if attrs := pg.Text("package").Packages(); len(attrs) > 0 {
			server, _, _ = strings.Cut(attrs[0], "+") // joined with others
		}
		list = f.Call(pg.Arg("pkgs").Get(server, "pkgs"))
	}
	const kind = "extensions must be a list of packages, or a function that makes one, such as ps: [ ps.hypopg ]"
	switch list.Kind() {
	case module.KindNull, module.Missing:
		return nil
	case module.KindList:
	default:
		pg.Get("extensions").Errorf(kind)
		return nil
	}
	for _, c := range list.List() {
		var attrs []string
		if c.Kind() == module.KindStr {
			attrs = pg.place.Text(c.Str()).Packages()
		}
		if len(attrs) == 0 {
			pg.Get("extensions").Errorf(kind)
			return nil
		}
		for _, attr := range attrs {
			refs = append(refs, project.PackageRef{Attr: attr, Pos: pg.place.pos(pg.Pos("extensions"))})
		}
	}
	return refs
}
