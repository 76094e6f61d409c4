package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// watch reads which files restart the service when they change.
func (in *Instance) watch() {
	if !in.Has("watch") {
		return
	}
	c := in.Get("watch")
	w := &project.Watch{Pos: in.place.pos(c.Pos()), Cascade: c.Bool("cascade"), All: c.Bool("disable_default_excludes"), MaxFolders: c.Int("max_entries")}
	in.service.Watch = w
	if d := in.pause("watch", "debounce"); d != nil {
		w.Debounce = max(*d, 1) // of nothing, since 0 is the default
	}
	for _, item := range c.Get("paths").List() {
		one, at := project.WatchPath{}, item
		if item.Kind() == module.KindAttrs {
			at, one.Include, one.Exclude = item.Get("path"), item.Strings("include"), item.Strings("exclude")
		}
		one.Path = in.place.Path(at.Str())
		w.Paths = append(w.Paths, one)
	}
}
