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
	needs, err := lock.FindNeeds(p, lock.Brought{Suite: "bookworm"})
	if err != nil {
		t.Fatal(err)
	}
	wants := needs.Wants
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
	// What Debian has not comes from the vendor that the table names, with what it
	// needs; one whose key nobody has told, and one that nobody has, are refused.
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "loki"}, {Attr: "clickhouse"}, {Attr: "apacheKafka"}}
	if needs, err = lock.FindNeeds(p, lock.Brought{Suite: "bookworm"}); err != nil {
		t.Fatal(err)
	}
	var sources, names []string
	for _, s := range needs.Sources {
		sources = append(sources, s.Name)
	}
	for _, w := range needs.Wants {
		names = append(names, w.Name)
	}
	if slices.Sort(sources); !slices.Equal(sources, []string{"clickhouse", "grafana"}) {
		t.Errorf("sources are %q", sources)
	}
	for _, name := range []string{"loki", "promtail", "clickhouse-server", "clickhouse-client", "default-jre-headless"} {
		if !slices.Contains(names, name) {
			t.Errorf("%q is not wanted: %q", name, names)
		}
	}
	if len(needs.Archives) != 1 || needs.Archives[0].Attr != "apacheKafka" || slices.Contains(names, "apachekafka") {
		t.Errorf("archives are %v", needs.Archives)
	}
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "google-cloud-sdk", Pos: project.Pos{File: "f.nix", Line: 9, Col: 1}}, {Attr: "ollama"}}
	_, err = lock.FindNeeds(p, lock.Brought{Suite: "bookworm"})
	want := "f.nix:9:1: package \"google-cloud-sdk\" cannot be put into an image: it is not known whose key signs the repository of google-cloud\n  hint: set aptSources.google-cloud.key; see https://cloud.google.com/pubsub/docs/emulator\n" +
		"package \"ollama\" cannot be put into an image: Debian has no package for it\n  hint: name a repository that has it by aptSources.ollama = { url; suite; components; key; }, or its file by archives.ollama = { url; sha256; }; see https://ollama.com/download"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	// What comes as a wheel is there when the requirements name it.
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "mlflow-server", Pos: project.Pos{File: "f.nix", Line: 9, Col: 1}}}
	want = "f.nix:9:1: package \"mlflow-server\" cannot be put into an image: Debian has no package for it\n" +
		"  hint: it comes as a wheel: name \"mlflow\", and what it needs, in a file, and the file by python.requirements = ./requirements.txt; see https://mlflow.org"
	if _, err := lock.FindNeeds(p, lock.Brought{}); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := lock.FindNeeds(p, lock.Brought{Wheels: []string{"mlflow"}}); err != nil {
		t.Error(err)
	}
}

// The extensions of a server that names no version are those of the release's.
func TestWantsOfExtensions(t *testing.T) {
	p := &project.Project{Container: project.Container{SystemPkgs: []project.PackageRef{{Attr: "postgresqlPackages.hypopg"}, {Attr: "postgresql13Packages.pg_cron"}}}}
	needs, err := lock.FindNeeds(p, lock.Brought{Suite: "trixie"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgresql-17-hypopg", "postgresql-13-cron"} {
		if !slices.ContainsFunc(needs.Wants, func(w lock.Want) bool { return w.Name == name }) {
			t.Errorf("%q is not wanted", name)
		}
	}
	if got := needs.Stand["postgresqlPackages.hypopg"]; !slices.Equal(got, []string{"postgresql-17-hypopg"}) {
		t.Errorf("the extension stands for %q", got)
	}
}

// Tailscale comes from what the definition brings, of a vendor by the name alone;
// without that an image does without it.
func TestWantsOfATailnet(t *testing.T) {
	p := &project.Project{Container: project.Container{Tailscale: &project.Tailscale{Hostname: "h", Pos: project.Pos{File: "f.nix", Line: 2, Col: 3}}}}
	is := func(w lock.Want) bool { return w.Name == "tailscale" && w.Attr == "tailscale" && w.Pos.Line == 2 }
	for _, c := range []struct {
		brought lock.Brought
		url     string
		archive bool
	}{
		{lock.Brought{Suite: "bookworm", Sources: []packages.AptSource{{Name: "tailscale", Packages: []string{"tailscale"}}}}, "https://pkgs.tailscale.com/stable/debian", false},
		{lock.Brought{Sources: []packages.AptSource{{Name: "tailscale", URL: map[string]string{"": "https://mirror"}, Packages: []string{"tailscale"}}}}, "https://mirror", false},
		{lock.Brought{Archives: []packages.Archive{{Attr: "tailscale"}}}, "", true},
	} {
		n, err := lock.FindNeeds(p, c.brought)
		if err != nil {
			t.Errorf("%v: %v", c.brought, err)
			continue
		}
		url := ""
		if len(n.Sources) > 0 {
			url = n.Sources[0].URL[""]
		}
		if slices.ContainsFunc(n.Wants, is) == c.archive || (len(n.Archives) > 0) != c.archive || url != c.url {
			t.Errorf("%v: %v, from %q", c.brought, n, url)
		}
	}
	if n, err := lock.FindNeeds(p, lock.Brought{Suite: "bookworm"}); err != nil || len(n.Sources)+len(n.Archives) > 0 || slices.ContainsFunc(n.Wants, is) {
		t.Errorf("without a source: %v, %v", n, err)
	}
}
