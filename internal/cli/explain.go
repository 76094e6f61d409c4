package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/debian/repo"
	"nix2gpu/image/inspect"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// writeReasons prints which options asked for each package and archive. For a
// package that none asked for, it prints which other one needs it, and why that is
// there.
func writeReasons(ctx context.Context, env *Env, l *loaded, wants []lock.Want, r *lock.Result, client *repo.Client,
	all map[string][]debian.Locked, archives map[string][]lockedArchive) error {
	options := l.askers()
	for _, arch := range slices.Sorted(maps.Keys(all)) {
		if err := client.Fetch(ctx, all[arch]); err != nil { // the image needs them in any case
			return err
		}
		asked, order := map[string][]string{}, []string{}
		for _, w := range wants {
			why := reasonsOf(w, options)
			p := r.Wanted(l.lockName(), arch, w.Name)
			if asked[p] == nil {
				order = append(order, p)
			}
			for _, one := range why {
				if !slices.Contains(asked[p], one) {
					asked[p] = append(asked[p], one)
				}
			}
		}
		needs, err := dependencies(ctx, client, all[arch])
		if err != nil {
			return err
		}
		// The packages of every image come first: what they need is not put
		// down to an option.
		sort.SliceStable(order, func(i, j int) bool {
			a, b := order[i], order[j]
			return strings.Compare(strconv.FormatBool(asked[b][0] == everyImage), strconv.FormatBool(asked[a][0] == everyImage)) < 0
		})
		from := reachedFrom(order, needs)
		line := func(name, version string, size int64, why string) {
			fmt.Fprintf(env.Stderr, "%-28s %-28s %9s  %s\n", name, version, inspect.Bytes(size), why)
		}
		for _, p := range all[arch] {
			why := strings.Join(asked[p.Name], ", ")
			if why == "" {
				root := p.Name
				for from[root] != "" {
					root = from[root]
				}
				why = "needed by " + orElse(from[p.Name], "others")
				if len(asked[root]) > 0 {
					why += ", for " + strings.Join(asked[root], ", ")
				}
			}
			line(p.Name, p.Version, p.Size, why)
		}
		for _, a := range archives[arch] {
			line(a.Attr, "archive", a.file.Size, strings.Join(options[a.Attr], ", "))
		}
		wheels, _ := r.Wheels(l.lockName(), arch)
		for _, w := range wheels {
			line(w.Name, w.Version, w.Size, "python.requirements ("+l.python.Place(w.Name)+")")
		}
	}
	return nil
}

// everyImage is the reason for packages that no option can leave out.
const everyImage = "every image"

// reasonsOf returns all reasons for a wanted package: several attributes may stand
// for it, and options may ask for one that every image has.
func reasonsOf(w lock.Want, options map[string][]string) []string {
	var why []string
	if w.Attr == "" || w.Attr == lock.SSHD || slices.Contains(packages.Base(), w.Name) {
		why = append(why, everyImage)
	}
	why = append(why, options[w.Attr]...)
	for _, attr := range slices.Sorted(maps.Keys(options)) {
		if attr != w.Attr && slices.Contains(packages.Lookup(attr).Debian, w.Name) {
			why = append(why, options[attr]...)
		}
	}
	if len(why) == 0 {
		why = append(why, "pkgs."+w.Attr)
	}
	return why
}

// dependencies returns for each package of a set the others of the set that it
// depends on, according to its control file.
func dependencies(ctx context.Context, client *repo.Client, set []debian.Locked) (map[string][]string, error) {
	there := map[string][]string{} // the packages that provide a name
	depends := map[string][]string{}
	for _, p := range set {
		file, err := client.Open(ctx, p)
		if err != nil {
			return nil, err
		}
		d, err := deb.NewReader(file, deb.Options{})
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("package %s: %w", p, err)
		}
		control := d.Control()
		depends[p.Name] = []string{control.Field("Pre-Depends"), control.Field("Depends")}
		there[p.Name] = append([]string{p.Name}, there[p.Name]...)
		provides, err := debian.ParseRelations(control.Field("Provides"))
		if err == nil {
			for _, one := range provides {
				there[one[0].Name] = append(there[one[0].Name], p.Name)
			}
		}
		d.Close()
		file.Close()
	}
	out := map[string][]string{}
	for name, fields := range depends {
		for _, field := range fields {
			groups, err := debian.ParseRelations(field)
			if err != nil {
				continue // the lock was resolved already; this only describes it
			}
			for _, alternatives := range groups {
				for _, one := range alternatives {
					out[name] = append(out[name], there[one.Name]...)
				}
			}
		}
	}
	return out, nil
}

// reachedFrom returns for each package the one that leads to it on the shortest way
// from those in order, of which earlier ones win.
func reachedFrom(order []string, needs map[string][]string) map[string]string {
	from := map[string]string{}
	seen := map[string]bool{}
	for _, root := range order {
		seen[root] = true
	}
	for _, root := range order { // in turn: a package keeps the first root that leads to it
		for queue := []string{root}; len(queue) > 0; queue = queue[1:] {
			for _, next := range needs[queue[0]] {
				if !seen[next] {
					seen[next], from[next] = true, queue[0]
					queue = append(queue, next)
				}
			}
		}
	}
	return from
}

// askers returns the options that ask for each attribute, with their positions.
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
	idle.Services = nil // only the container's own needs are left
	for _, ref := range packages.BareWords(&idle).Refs {
		add(ref.Attr, "extraStartupScript", l.optionPos("extraStartupScript"))
	}
	if set := l.project.Container.CUDA; set != "" {
		for _, part := range packages.CUDARuntime(set) {
			add(set+"."+part, "cudaPackages", l.project.Container.CUDAPos)
		}
	}
	names := map[string]string{"startup": "extraStartupScript"}
	l.project.Container.EachText(func(o project.Owner, t *project.Text) {
		for _, attr := range t.Packages() {
			option := orElse(names[o.Field], o.Field)
			add(attr, option, l.optionPos(option))
		}
	})
	for _, id := range l.project.Select(l.project.Shipped(), false) {
		s := l.project.Services[id]
		own := *l.project
		// Only this service's needs are left. The archives stay, because a bare
		// word of its command may be a program of one.
		own.Container = project.Container{Archives: l.project.Container.Archives}
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
