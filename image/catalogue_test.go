package image

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
)

// catalogue is what images of the catalogue's servers have, as attributes.
func catalogue() map[string][]string {
	all := map[string][]string{
		"nothing": nil, "postgresql, python": {"postgresql", "python3"}, "redis, nginx, python": {"redis", "nginx", "python3"},
		"microservices": {"postgresql", "redis", "nginx", "python3"}, "curl": {"curl"},
	}
	for _, attr := range []string{"postgresql", "redis", "mariadb", "nginx", "apacheHttpd", "caddy", "prometheus", "rabbitmq-server", "memcached", "nats-server", "python3"} {
		all[attr] = []string{attr}
	}
	return all
}

const catalogueFile = "testdata/catalogue.txt"

// readCatalogue reads what Debian 12 had for each of these: a line for each package,
// with its source and its size, then one for each set.
func readCatalogue(t *testing.T) map[string][]Package {
	t.Helper()
	data, err := os.ReadFile(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	known, sets := map[string]Package{}, map[string][]Package{}
	for line := range strings.Lines(string(data)) {
		set, names, isSet := strings.Cut(strings.TrimSpace(line), ": ")
		if !isSet {
			var name, source string
			var size int64
			if _, err := fmt.Sscan(line, &name, &source, &size); err != nil {
				t.Fatalf("%s: %q: %v", catalogueFile, line, err)
			}
			known[name] = locked(name, source, size)
			continue
		}
		for name := range strings.FieldsSeq(names) {
			sets[set] = append(sets[set], known[name])
		}
	}
	return sets
}

// writeCatalogue asks Debian's mirror anew.
func writeCatalogue(t *testing.T) {
	t.Helper()
	index, _, err := debtest.Mirror(t, debtest.MachineArchives(t)).Index(t.Context(), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	lines, sets := map[string]bool{}, map[string]bool{}
	for set, attrs := range catalogue() {
		names := slices.Concat(packages.Base(), packages.Lookup("openssh").Debian)
		for _, attr := range attrs {
			names = append(names, packages.Lookup(attr).Debian...)
		}
		solution, err := debian.Resolve(index, debian.Request{Names: names, Cut: func(name, need string) bool {
			return slices.ContainsFunc(packages.Recipes(nil), func(r packages.Recipe) bool { return r.Cuts(name, need) })
		}})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range solution.Packages {
			lines[fmt.Sprintf("%s %s %d\n", p.Name, p.Source, p.Size)] = true
			all = append(all, p.Name)
		}
		sets[set+": "+strings.Join(all, " ")+"\n"] = true
	}
	text := strings.Join(slices.Sorted(maps.Keys(lines)), "") + strings.Join(slices.Sorted(maps.Keys(sets)), "")
	if err := os.WriteFile(catalogueFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Images of the catalogue's servers have at most 40 layers of the 50 that they might
// have, and lose next to nothing by it: of the packages that two of them have in
// common, nearly all bytes are in layers that they have in common. The golden file
// has the numbers.
func TestCatalogueLayers(t *testing.T) {
	if testkit.Updating() {
		writeCatalogue(t)
	}
	sets := readCatalogue(t)
	names := slices.Sorted(maps.Keys(sets))
	if len(names) != len(catalogue()) {
		t.Fatalf("%s has %d sets, want %d", catalogueFile, len(names), len(catalogue()))
	}
	size := func(list []Package) (n int64) {
		for _, p := range list {
			n += p.Size
		}
		return n
	}
	layers := map[string]map[string]bool{}
	var out strings.Builder
	for _, name := range names {
		layers[name] = map[string]bool{}
		all := groups(sets[name], DefaultMaxLayers-ownLayers)
		for _, g := range all {
			layers[name][shownGroups([]*group{g})] = true
			if g.name == "rest" {
				t.Errorf("%s: there are too many groups", name)
			}
		}
		if n := len(all) + ownLayers; n > 40 {
			t.Errorf("%s: %d layers", name, n)
		}
		fmt.Fprintf(&out, "%s: %d packages, %d layers, %d kB\n", name, len(sets[name]), len(all)+ownLayers, size(sets[name])/1000)
	}
	out.WriteString("\nOf its bytes, in percent: in packages that the other has, in layers that it has.\n")
	for _, first := range names {
		for _, second := range names {
			if first == second {
				continue
			}
			var common []Package
			for _, p := range sets[second] {
				if slices.ContainsFunc(sets[first], func(q Package) bool { return p.Name == q.Name }) {
					common = append(common, p)
				}
			}
			shared := int64(0)
			for _, g := range groups(sets[second], DefaultMaxLayers-ownLayers) {
				if layers[first][shownGroups([]*group{g})] {
					shared += g.size()
				}
			}
			possible, all := size(common), size(sets[second])
			if slices.Contains([]string{"postgresql, python", "microservices", "redis"}, first) {
				fmt.Fprintf(&out, "%s, where %s is: %d, %d\n", second, first, 100*possible/all, 100*shared/all)
			}
			if 100*shared < 95*possible {
				t.Errorf("%s, where %s is: %d of %d kB are shared", second, first, shared/1000, possible/1000)
			}
		}
	}
	testkit.Golden(t, "testdata/sharing.golden", []byte(out.String()))
}
