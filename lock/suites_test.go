package lock_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/debian"
	"nix2gpu/lock"
)

// on puts a container on an image of a release.
func (d *desk) on(container, release string) *desk {
	if d.opts.Bases == nil {
		d.opts.Bases = map[string]map[string]lock.Base{}
	}
	d.opts.Bases[container] = map[string]lock.Base{}
	for _, arch := range d.opts.Arches {
		d.opts.Bases[container][arch] = lock.Base{Digest: "sha256:" + container, Suite: release, Installed: []debian.Installed{{Name: "libc", Version: "9", Arch: arch}}}
	}
	return d
}

// locks locks, and tells what changed, and what web and ml have.
func (d *desk) locks() (changes, web, ml string) {
	d.t.Helper()
	r, err := lock.Ensure(d.t.Context(), d.opts)
	if err != nil {
		d.t.Fatal(err)
	}
	var lines []string
	for _, c := range r.Changes {
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "; "), d.print(r, "web", "amd64"), d.print(r, "ml", "amd64")
}

func (d *desk) text() string {
	d.t.Helper()
	data, err := os.ReadFile(d.opts.File)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(data)
}

// Containers of one lock may be of several releases: each has its packages, and those
// of one release share a version.
func TestReleases(t *testing.T) {
	both := func() *desk {
		d := newDesk(t, "app 1\nDepends: lib", "lib 1").wantIn("web", "app").wantIn("ml", "app").on("ml", "noble")
		d.others = map[string][]string{"noble": {"app 2\nDepends: lib", "lib 2"}, "trixie": {"app 3\nDepends: lib", "lib 3"}}
		return d
	}
	is := func(d *desk, changes, web, ml string) {
		t.Helper()
		gotChanges, gotWeb, gotML := d.locks()
		if gotChanges != changes || gotWeb != web || gotML != ml {
			t.Errorf("changes: %s\nweb: %s\nml: %s\nwant\n%s\n%s\n%s", gotChanges, gotWeb, gotML, changes, web, ml)
		}
	}
	d := both()
	d.opts.All = true
	is(d, "+ app 1 (amd64); + app 2 (noble/amd64); + lib 1 (amd64); + lib 2 (noble/amd64)", "app=1 lib=1", "app=2 lib=2")
	for _, want := range []string{`"suite": "bookworm"`, `"base":"sha256:ml","suite":"noble"`, `"noble/amd64": [`, `"suite":"noble","inRelease":"`} {
		if !strings.Contains(d.text(), want) {
			t.Errorf("the lock lacks %s:\n%s", want, d.text())
		}
	}
	first, reads := d.text(), d.reads
	is(d, "", "app=1 lib=1", "app=2 lib=2")
	if d.text() != first || d.reads != reads {
		t.Errorf("locked again it is read %d times, and\n%s", d.reads-reads, d.text())
	}

	// One after the other it is the same file, whichever comes first.
	for _, order := range [][]string{{"web", "ml"}, {"ml", "web"}} {
		d := both()
		wants, bases := d.opts.Wants, d.opts.Bases
		for _, name := range order {
			d.opts.Wants, d.opts.Bases = map[string][]lock.Want{name: wants[name]}, map[string]map[string]lock.Base{}
			if name == "ml" {
				d.opts.Bases = bases
			}
			d.locks()
		}
		digests := strings.NewReplacer(strings.Repeat("0", 63)+"1", "N", strings.Repeat("0", 63)+"2", "N")
		if got, want := digests.Replace(d.text()), digests.Replace(first); got != want {
			t.Errorf("%v: the lock is\n%s\nwant\n%s", order, got, want)
		}
	}

	// Another release is for those on no image alone; an update holds what is of another.
	d.opts.Suite = "trixie"
	d.fails("LOCK is of suite \"bookworm\", not of \"trixie\"\nhint: nix2gpu lock --update --suite trixie")
	d.opts.UpdateAll = true
	is(d, "~ app 1 -> 3 (amd64); ~ lib 1 -> 3 (amd64)", "app=3 lib=3", "app=2 lib=2")
	d.opts.UpdateAll, d.opts.Suite = false, ""
	d.others["noble"] = []string{"app 2.1\nDepends: lib", "lib 2.1"}
	d.opts.Update = []string{"lib"}
	is(d, "~ lib 2 -> 2.1 (noble/amd64)", "app=3 lib=3", "app=2 lib=2.1")
	d.opts.Update = nil

	// What is of a release that nobody has any more leaves the lock.
	delete(d.opts.Wants, "ml")
	d.opts.Bases = nil
	is(d, "- app 2 (noble/amd64); - lib 2.1 (noble/amd64)", "app=3 lib=3", "")
	if strings.Contains(d.text(), "noble") {
		t.Errorf("the lock still has noble:\n%s", d.text())
	}
	// And one on an image is of that image's release, whatever the lock is of.
	d.wantIn("web", "app").on("web", "noble")
	is(d, "+ app 2.1 (amd64); - app 3 (amd64); + lib 2.1 (amd64); - lib 3 (amd64)", "app=2.1 lib=2.1", "")
}
