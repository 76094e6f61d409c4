package image

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/debian"
)

func locked(name, source string, size int64) Package {
	return Package{Locked: debian.Locked{Name: name, Source: source, Size: size, Version: "1", Arch: "amd64", SHA256: name}}
}

func shownGroups(list []*group) string {
	var out []string
	for _, g := range list {
		var names []string
		for _, p := range g.packages {
			names = append(names, p.Name)
		}
		out = append(out, g.name+"="+strings.Join(names, "+"))
	}
	return strings.Join(out, " ")
}

func TestGroups(t *testing.T) {
	packages := []Package{
		locked("redis-tools", "redis", 900_000), locked("libc6", "glibc", 2_700_000), locked("libllvm14", "llvm", 23_000_000),
		locked("redis-server", "redis", 80_000), locked("bash", "bash", 1_400_000), locked("libpq5", "postgresql-15", 190_000), locked("postgresql-15", "postgresql-15", 17_000_000),
		locked("libffi8", "libffi", 23_000), locked("libexpat1", "expat", 99_000), locked("libsqlite3-0", "sqlite3", 800_000), locked("dpkg", "dpkg", 1_500_000),
	}
	for limit, want := range map[int]string{
		10: "base=bash+libc6 family sshd=dpkg libllvm14=libllvm14 family postgresql=libpq5+postgresql-15 family redis=redis-server+redis-tools source sqlite3=libsqlite3-0 small=libexpat1+libffi8",
		4:  "base=bash+libc6 family sshd=dpkg libllvm14=libllvm14 rest=libexpat1+libffi8+libpq5+libsqlite3-0+postgresql-15+redis-server+redis-tools",
		1:  "rest=bash+dpkg+libc6+libexpat1+libffi8+libllvm14+libpq5+libsqlite3-0+postgresql-15+redis-server+redis-tools",
	} {
		if got := shownGroups(groups(packages, limit)); got != want {
			t.Errorf("%d layers:\ngot  %s\nwant %s", limit, got, want)
		}
	}
	if got := groups(nil, 10); len(got) != 0 {
		t.Errorf("no packages are in %d groups", len(got))
	}
}

// The group of a package is the same in every image, so two images with it share
// its layer, whatever else they have.
func TestGroupsAreShared(t *testing.T) {
	all := []Package{locked("libc6", "glibc", 2_700_000), locked("bash", "bash", 1_000_000)}
	for i := range 20 {
		all = append(all, locked(fmt.Sprint("tool-", i), fmt.Sprint("source-", i), smallPackage+int64(10_000*i)))
	}
	key := func(g *group) string { return shownGroups([]*group{g}) }
	some := map[string]bool{}
	for _, g := range groups(all[:12], 50) {
		some[key(g)] = true
	}
	shared := 0
	for _, g := range groups(all, 50) {
		if some[key(g)] {
			shared++
		}
	}
	if shared != len(some) {
		t.Errorf("%d of %d layers are shared", shared, len(some))
	}
}

func TestSlim(t *testing.T) {
	for name, kept := range map[string]bool{
		"usr/bin/x": true, "usr/share/man": true, "usr/share/man/man1/x.1.gz": false, "usr/share/locale/de/LC_MESSAGES/x.mo": false,
		"usr/share/doc/x": true, "usr/share/doc/x/copyright": true, "usr/share/doc/x/changelog.gz": false, "usr/share/doc/x/a/copyright": false,
		"usr/share/doc/x/examples": false, "usr/share/info/x.gz": false, "usr/share/lintian/overrides/x": false, "usr/share/zoneinfo/UTC": true, "usr/share/zoneinfo/posixrules": true, "usr/share/zoneinfo/posix": false, "usr/share/zoneinfo/right/UTC": false, "usr/lib/locale/C.utf8/LC_CTYPE": true,
		"usr/share": true, "usr/share/docs/x/y": true,
		"usr/share/postgresql/15/man": true, "usr/share/postgresql/15/man/man7": false, "usr/share/postgresql/15/man/man7/ABORT.7.gz": false, "usr/share/x/man/manual.txt": true, "srv/man/man1/x": true,
	} {
		if got := Slim.keeps(name); got != kept {
			t.Errorf("slim keeps %q: %t, want %t", name, got, kept)
		}
		if !Full.keeps(name) {
			t.Errorf("full leaves out %q", name)
		}
	}
}
