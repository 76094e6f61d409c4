package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/image/inspect"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// writeReasons says which options asked for each package.
func (o *buildOptions) writeReasons(env *Env, l *loaded, wants []lock.Want, r *lock.Result, all map[string][]debian.Locked) {
	options := l.askers()
	for _, arch := range slices.Sorted(maps.Keys(all)) {
		reasons := map[string][]string{}
		for _, w := range wants {
			why := []string{"every image"}
			if w.Attr != "" && w.Attr != lock.SSHD {
				why = options[w.Attr]
			}
			p := r.Wanted(l.lockName(), arch, w.Name)
			for _, one := range why {
				if !slices.Contains(reasons[p], one) {
					reasons[p] = append(reasons[p], one)
				}
			}
		}
		for _, p := range all[arch] {
			why := strings.Join(reasons[p.Name], ", ")
			fmt.Fprintf(env.Stderr, "%-28s %-28s %9s  %s\n", p.Name, p.Version, inspect.Bytes(p.Size), orElse(why, "needed by others"))
		}
		wheels, _ := r.Wheels(l.lockName(), arch)
		for _, w := range wheels {
			fmt.Fprintf(env.Stderr, "%-28s %-28s %9s  %s\n", w.Name, w.Version, inspect.Bytes(w.Size), "python.requirements ("+l.python.Place(w.Name)+")")
		}
	}
}

// askers are the options that ask for each attribute, with their places.
func (l *loaded) askers() map[string][]string {
	out := map[string][]string{}
	add := func(attr, option string, pos project.Pos) {
		if pos.File != "" {
			option += " (" + pos.String() + ")"
		}
		if !slices.Contains(out[attr], option) {
			out[attr] = append(out[attr], option)
		}
	}
	for _, ref := range l.project.Container.SystemPkgs {
		add(ref.Attr, "systemPackages", ref.Pos)
	}
	if l.python != nil {
		add(lock.Python, "python.requirements", l.python.Pos)
	}
	idle := *l.project
	idle.Services = nil // what is left is the container's
	for _, ref := range packages.BareWords(&idle).Refs {
		add(ref.Attr, "extraStartupScript", l.optionPos("extraStartupScript"))
	}
	names := map[string]string{"startup": "extraStartupScript"}
	l.project.Container.EachText(func(o project.Owner, t *project.Text) {
		for _, attr := range t.Packages() {
			option := orElse(names[o.Field], o.Field)
			add(attr, option, l.optionPos(option))
		}
	})
	for _, id := range l.project.Select(l.project.Enabled(), false) {
		s := l.project.Services[id]
		own := *l.project
		own.Container = project.Container{} // what is left is the service's
		option := "services." + s.Type + "." + strconv.Quote(s.Instance)
		for _, ref := range packages.Needed(&own, id) {
			pos := ref.Pos
			if pos.File == "" {
				pos = s.Pos
			}
			add(ref.Attr, option, pos)
		}
		own.Services = map[project.ID]*project.Service{id: s}
		for _, ref := range packages.BareWords(&own).Refs {
			add(ref.Attr, option+".command", ref.Pos)
		}
	}
	return out
}
