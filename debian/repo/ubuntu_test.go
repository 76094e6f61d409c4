package repo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/internal/debtest"
)

// A release of Ubuntu is in one archive, with its own keys; without a mirror in two,
// by architecture.
func TestUbuntuArchives(t *testing.T) {
	key := debtest.NewKey(t, 0).Public(t)
	list := func(p repo.Place) string {
		all, err := p.Archives()
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, a := range all {
			out = append(out, strings.Join(append([]string{a.Name, a.URL, a.Suite, strings.Join(a.Components, "+")}, a.Arches...), " "))
		}
		return strings.Join(out, "\n")
	}
	for name, c := range map[string]struct {
		place repo.Place
		want  string
	}{
		"a mirror": {repo.Place{Suite: "noble", Trusted: key, Mirror: "http://mirror.example.org/ubuntu/"},
			"ubuntu http://mirror.example.org/ubuntu noble main+universe\nubuntu http://mirror.example.org/ubuntu noble-updates main+universe\nubuntu http://mirror.example.org/ubuntu noble-security main+universe"},
		"Ubuntu's own": {repo.Place{Suite: "jammy", Keyring: key},
			"ubuntu http://archive.ubuntu.com/ubuntu jammy main+universe amd64\nubuntu http://ports.ubuntu.com/ubuntu-ports jammy main+universe arm64\n" +
				"ubuntu http://archive.ubuntu.com/ubuntu jammy-updates main+universe amd64\nubuntu http://ports.ubuntu.com/ubuntu-ports jammy-updates main+universe arm64\n" +
				"ubuntu http://archive.ubuntu.com/ubuntu jammy-security main+universe amd64\nubuntu http://ports.ubuntu.com/ubuntu-ports jammy-security main+universe arm64"},
		"no keys":   {repo.Place{Suite: "noble"}, "the keys that sign Ubuntu's archive are not known\nhint: name them with --keyring FILE; Ubuntu has them at /usr/share/keyrings/ubuntu-archive-keyring.gpg"},
		"wrong URL": {repo.Place{Suite: "noble", Trusted: key, Mirror: "ftp://x"}, "not supported: an archive at \"ftp://x\": its URL must begin with http:// or https://\nhint: name a mirror with --mirror URL"},
	} {
		if got := list(c.place); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// An archive can be in several places, one for each architecture: each has an index
// of its own, and a package for every machine comes from where it is.
func TestArchivesByArchitecture(t *testing.T) {
	s := newStand(t)
	made := func(machine string, debs ...debtest.Deb) *debtest.Server {
		return debtest.Serve(t, debtest.NVIDIA(t, s.key, now().Add(-24*time.Hour), machine, debs...))
	}
	common := debtest.Deb{Name: "common", Version: "1"}
	x86 := made("x86_64", debtest.Deb{Name: "cudart", Version: "1", Arch: "amd64"})
	sbsa := made("sbsa", debtest.Deb{Name: "cudart", Version: "2", Arch: "arm64", Depends: "common"}, common)
	keys := s.archive().Keys
	s.opts.Archives = []repo.Archive{
		{Name: "nvidia", URL: x86.URL, Suite: "./", Keys: keys, Arches: []string{"amd64"}},
		{Name: "nvidia", URL: sbsa.URL, Suite: "./", Keys: keys, Arches: []string{"arm64"}},
	}
	for arch, want := range map[string]string{"amd64": "cudart 1 amd64", "arm64": "common 1 all, cudart 2 arm64"} {
		ix, origins, err := s.client().Index(t.Context(), arch)
		if err != nil || len(origins) != 1 {
			t.Fatalf("%s: %v, %v", arch, origins, err)
		}
		solution, err := debian.Resolve(ix, debian.Request{Names: []string{"cudart"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range solution.Packages {
			got = append(got, p.Locked.String())
			if _, err := s.read(p.Locked); err != nil {
				t.Errorf("%s: %v", arch, err)
			}
		}
		slices.Sort(got)
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s has %s, want %s", arch, text, want)
		}
	}
}
