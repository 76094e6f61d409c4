package lock_test

import (
	"slices"
	"testing"

	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

func TestWants(t *testing.T) {
	p := &project.Project{
		Services: map[project.ID]*project.Service{
			"db":  {ID: "db", Main: "db"},
			"off": {ID: "off", Main: "off", Disabled: true},
		},
		Processes: map[project.ID]*project.Process{
			"db":  {ID: "db", Service: "db", Packages: []project.PackageRef{{Attr: "postgresql", Pos: project.Pos{File: "f.nix", Line: 3, Col: 5}}}},
			"off": {ID: "off", Service: "off", Packages: []project.PackageRef{{Attr: "redis"}}},
		},
		Container: project.Container{SystemPkgs: []project.PackageRef{{Attr: "python3"}, {Attr: "some-debian-package"}}},
	}
	wants, _, err := lock.Wants(p, lock.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]lock.Want{}
	for _, w := range wants {
		if _, twice := got[w.Name]; twice {
			t.Errorf("%q is wanted twice", w.Name)
		}
		got[w.Name] = w
	}
	for _, name := range []string{"python3", "python-is-python3", "some-debian-package", "openssh-server", "base-files", "ca-certificates", "mawk"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%q is not wanted", name)
		}
	}
	if _, ok := got["redis-server"]; ok {
		t.Error("a disabled service's package is wanted")
	}
	if !slices.ContainsFunc(wants, func(w lock.Want) bool { return w.Attr == "postgresql" && w.Pos.Line == 3 }) {
		t.Errorf("postgresql without its place: %v", wants)
	}
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "grafana", Pos: project.Pos{File: "f.nix", Line: 9, Col: 1}}, {Attr: "tailscale"}}
	_, _, err = lock.Wants(p, lock.Sources{})
	want := "f.nix:9:1: package \"grafana\" cannot be put into an image: Debian has no package of it\n  hint: name a repository that has it by aptSources.grafana = { url; suite; components; key; }, or its file by archives.grafana = { url; sha256; }; see https://grafana.com/docs/grafana/latest/setup-grafana/installation/\n" +
		"package \"tailscale\" cannot be put into an image: Debian has no package of it\n  hint: name a repository that has it by aptSources.tailscale = { url; suite; components; key; }, or its file by archives.tailscale = { url; sha256; }; see https://tailscale.com/download/linux"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	// What comes as a wheel is there when the requirements name it.
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "mlflow-server", Pos: project.Pos{File: "f.nix", Line: 9, Col: 1}}}
	want = "f.nix:9:1: package \"mlflow-server\" cannot be put into an image: Debian has no package of it\n" +
		"  hint: it comes as a wheel: name \"mlflow\", and what it needs, in a file, and the file by python.requirements = ./requirements.txt; see https://mlflow.org"
	if _, _, err := lock.Wants(p, lock.Sources{}); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, _, err := lock.Wants(p, lock.Sources{Wheels: []string{"mlflow"}}); err != nil {
		t.Error(err)
	}
}

// Tailscale comes from what the definition brings; without that an image does
// without it.
func TestWantsOfATailnet(t *testing.T) {
	p := &project.Project{Container: project.Container{Tailscale: &project.Tailscale{Hostname: "h", Pos: project.Pos{File: "f.nix", Line: 2, Col: 3}}}}
	is := func(w lock.Want) bool { return w.Attr == "tailscale" && w.Pos.Line == 2 }
	for _, c := range []struct {
		sources lock.Sources
		wanted  bool
		archive bool
	}{
		{lock.Sources{}, false, false},
		{lock.Sources{Packages: map[string][]string{"tailscale": {"tailscale"}}}, true, false},
		{lock.Sources{Archives: []packages.Archive{{Attr: "tailscale"}}}, false, true},
	} {
		wants, archives, err := lock.Wants(p, c.sources)
		if err != nil || slices.ContainsFunc(wants, is) != c.wanted || (len(archives) > 0) != c.archive {
			t.Errorf("%v: %v, %v", c.sources, archives, err)
		}
	}
}
