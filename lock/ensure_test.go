package lock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// A desk is a lock file and an index that changes under it.
type desk struct {
	t        *testing.T
	opts     lock.Options
	packages []string            // "name version [arch]" and lines of fields
	others   map[string][]string // those of other releases
	reads    int                 // how often an index was read
}

func newDesk(t *testing.T, packages ...string) *desk {
	d := &desk{t: t, packages: packages}
	d.opts = lock.Options{File: filepath.Join(t.TempDir(), lock.Name), Arches: []string{"amd64"}, Index: d.index}
	return d
}

func (d *desk) index(_ context.Context, suite, arch string) (*debian.Index, []repo.Origin, error) {
	d.reads++
	var b strings.Builder
	list := d.packages
	if others, ok := d.others[suite]; ok {
		list = others
	}
	for _, p := range list {
		head, fields, _ := strings.Cut(p, "\n")
		words := strings.Fields(head)
		if len(words) == 2 {
			words = append(words, arch)
		}
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nFilename: pool/%s_%s.deb\nSize: 7\nSHA256: %064x\n", words[0], words[1], words[2], words[0], words[1], head)
		if fields != "" {
			b.WriteString(fields + "\n")
		}
		b.WriteByte('\n')
	}
	table, err := debian.ReadPackages(strings.NewReader(b.String()), "debian")
	if err != nil {
		d.t.Fatal(err)
	}
	return debian.NewIndex(arch, table), []repo.Origin{{Archive: "debian", Suite: suite, InRelease: fmt.Sprintf("%064x", d.reads)}}, nil
}

// want sets what the only container wants.
func (d *desk) want(names ...string) *desk { return d.wantIn("web", names...) }

func (d *desk) wantIn(container string, names ...string) *desk {
	if d.opts.Wants == nil {
		d.opts.Wants = map[string][]lock.Want{}
	}
	d.opts.Wants[container] = []lock.Want{}
	for _, name := range names {
		d.opts.Wants[container] = append(d.opts.Wants[container], lock.Want{Name: name, Attr: name, Pos: project.Pos{File: "f.nix", Line: len(name), Col: 1}})
	}
	return d
}

// ensure locks, and prints the packages of the container: "a=1 b=2".
func (d *desk) ensure() string {
	d.t.Helper()
	r, err := lock.Ensure(d.t.Context(), d.opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.print(r, "web", "amd64")
}

func (d *desk) print(r *lock.Result, container, arch string) string {
	var out []string
	for _, p := range r.Packages(container, arch) {
		out = append(out, p.Name+"="+p.Version)
	}
	return strings.Join(out, " ")
}

func (d *desk) fails(want string) {
	d.t.Helper()
	before, _ := os.ReadFile(d.opts.File)
	_, err := lock.Ensure(d.t.Context(), d.opts)
	if err == nil || err.Error() != strings.ReplaceAll(want, "LOCK", d.opts.File) {
		d.t.Errorf("got %v\nwant %s", err, want)
	}
	if after, _ := os.ReadFile(d.opts.File); string(after) != string(before) {
		d.t.Errorf("the lock was changed beside an error")
	}
}

func (d *desk) is(got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("got %s, want %s", got, want)
	}
}

// With a lock the index is not read, and nothing newer comes in.
func TestLockHolds(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib", "lib 1", "tool 1").want("app")
	d.is(d.ensure(), "app=1 lib=1")
	data, err := os.ReadFile(d.opts.File)
	if err != nil {
		t.Fatal(err)
	}
	d.packages = []string{"app 2\nDepends: lib", "lib 2", "tool 2\nDepends: lib"}
	d.is(d.ensure(), "app=1 lib=1")
	if d.reads != 1 {
		t.Errorf("the index was read %d times", d.reads)
	}
	if again, _ := os.ReadFile(d.opts.File); string(again) != string(data) {
		t.Error("the file changed")
	}
	// What is added is new; what was locked stays.
	d.want("app", "tool")
	d.is(d.ensure(), "app=1 lib=1 tool=2")
	// What came along with another needs no index either, nor what goes.
	reads := d.reads
	d.want("lib")
	d.is(d.ensure(), "lib=1")
	if d.reads != reads {
		t.Error("an index was read to take something out")
	}
	if text, _ := os.ReadFile(d.opts.File); strings.Contains(string(text), "tool") {
		t.Errorf("what nobody needs stayed:\n%s", text)
	}
}

func TestUpdate(t *testing.T) {
	packages := func(v string) []string {
		return []string{"app " + v + "\nDepends: lib", "lib " + v + "\nSource: libs", "lib-data " + v + "\nSource: libs", "other " + v + "\nDepends: lib-data"}
	}
	d := newDesk(t, packages("1")...).want("app", "other")
	d.is(d.ensure(), "app=1 lib=1 lib-data=1 other=1")
	d.packages = packages("2")
	d.opts.Update = []string{"lib"} // and what is built of the same source
	r, err := lock.Ensure(t.Context(), d.opts)
	if err != nil {
		t.Fatal(err)
	}
	if want := "[~ lib 1 -> 2 (amd64) ~ lib-data 1 -> 2 (amd64)]"; fmt.Sprint(r.Changes) != want {
		t.Errorf("changes %v, want %s", r.Changes, want)
	}
	d.opts.Update = []string{"lub"}
	d.fails(`there is no package "lub" in the lock; did you mean "lib"?`)
	d.opts.Update, d.opts.UpdateAll = nil, true
	d.is(d.ensure(), "app=2 lib=2 lib-data=2 other=2")
	// A new package of the same version is a change as well.
	d.opts.UpdateAll = true
	d.packages = []string{"app 2\nDepends: lib", "lib 2 all", "other 2"}
	if r, err = lock.Ensure(t.Context(), d.opts); err != nil {
		t.Fatal(err)
	}
	if want := "[~ lib 2, rebuilt (amd64) - lib-data 2 (amd64)]"; fmt.Sprint(r.Changes) != want {
		t.Errorf("changes %v, want %s", r.Changes, want)
	}
}

// What stands in the way of an addition is named with the cure; an update moves it.
func TestBlockedByLockedVersion(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib", "lib 1").want("app")
	d.ensure()
	d.packages = []string{"app 2\nDepends: lib (>= 2)", "lib 2", "tool 1\nDepends: app, lib (>= 2)"}
	d.want("app", "tool")
	d.fails("f.nix:4:1: package \"tool\" cannot be had: lib is locked at 1\n  tool 1 depends on lib (>= 2)\n  hint: nix2gpu lock --update lib")
	d.want("app")
	d.opts.Update = []string{"app"}
	d.is(d.ensure(), "app=2 lib=2")
}

// A locked version that left the index goes on to be used, with what it needs.
func TestGoneVersionIsHeld(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib, mta", "lib 1", "mail 1\nProvides: mta", "tool 1").want("app")
	d.is(d.ensure(), "app=1 lib=1 mail=1")
	d.packages = []string{"tool 1\nDepends: mta"}
	d.want("app", "tool")
	d.is(d.ensure(), "app=1 lib=1 mail=1 tool=1")
}

func TestFrozen(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib", "lib 1", "tool 1").want("app")
	d.opts.Frozen = true
	d.fails("there is no LOCK, and --locked (or CI=1) allows none to be made\nhint: nix2gpu lock, and put the file under version control")
	d.opts.Frozen = false
	d.ensure()
	d.opts.Frozen = true
	d.is(d.ensure(), "app=1 lib=1")
	d.want("app", "tool")
	d.fails("LOCK does not fit the definition, and --locked (or CI=1) allows no change:\n  + tool 1 (amd64)\nhint: nix2gpu lock")
	d.want("app", "lib")
	d.fails("LOCK does not fit the definition, and --locked (or CI=1) allows no change:\n  what its containers want\nhint: nix2gpu lock")
	d.want()
	d.fails("LOCK does not fit the definition, and --locked (or CI=1) allows no change:\n  - app 1 (amd64)\n  - lib 1 (amd64)\nhint: nix2gpu lock")
}

func TestProblemsHavePlaces(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: none", "postgresql 15", "a 1\nConflicts: b", "b 1").want("app", "postgresq")
	d.fails("f.nix:3:1: package \"app\" cannot be had: there is no none for amd64\n  app 1 depends on none\n" +
		"f.nix:9:1: there is no package \"postgresq\" for amd64; did you mean \"postgresql\"?")
	d.want("a", "b")
	d.fails("f.nix:1:1: a 1 conflicts with b, which is 1")
	d.want()
	d.opts.Wants["web"] = []lock.Want{{Name: "postgresq", Attr: "pg"}}
	d.fails("there is no package \"postgresq\" for amd64; did you mean \"postgresql\"? (for pkgs.pg)")
	broken := errors.New("no network")
	d.opts.Index = func(context.Context, string, string) (*debian.Index, []repo.Origin, error) { return nil, nil, broken }
	d.fails("no network")
}

// Each container has packages of its own; a package has one version in all.
func TestContainers(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib, mta", "lib 1", "mail 1\nProvides: mta", "post 1\nProvides: mta\nConflicts: mail").want("app", "mail")
	d.wantIn("other", "app", "post")
	r, err := lock.Ensure(t.Context(), d.opts)
	if err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "web", "amd64"), "app=1 lib=1 mail=1")
	d.is(d.print(r, "other", "amd64"), "app=1 lib=1 post=1")
	// One alone leaves the other as it was, and takes over its versions.
	d.packages = []string{"app 2\nDepends: lib", "lib 2", "new 2\nDepends: lib"}
	d.opts.Wants = nil
	d.wantIn("third", "new", "app")
	if r, err = lock.Ensure(t.Context(), d.opts); err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "third", "amd64"), "app=1 lib=1 new=2 post=1") // what app needs in the first that has it
	d.is(d.print(r, "web", "amd64"), "app=1 lib=1 mail=1")
	// With all of them named, the rest leaves.
	d.opts.Wants, d.opts.All = nil, true
	d.wantIn("other", "app", "post")
	if r, err = lock.Ensure(t.Context(), d.opts); err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "other", "amd64"), "app=1 lib=1 post=1")
	if text, _ := os.ReadFile(d.opts.File); strings.Contains(string(text), `"web"`) || strings.Contains(string(text), `"mail"`) {
		t.Errorf("what is gone stayed:\n%s", text)
	}
}

func TestArchitectures(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib", "lib 1", "tool 1 amd64").want("app")
	d.is(d.ensure(), "app=1 lib=1")
	d.opts.Arches = []string{"arm64"}
	r, err := lock.Ensure(t.Context(), d.opts)
	if err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "web", "amd64"), "app=1 lib=1") // stays
	d.is(d.print(r, "web", "arm64"), "app=1 lib=1")
	d.want("app", "tool")
	d.fails(`f.nix:4:1: there is no package "tool" for arm64`)
	// An update is for all architectures that the file has.
	d.want("app")
	d.packages = []string{"app 2"}
	d.opts.Arches, d.opts.UpdateAll = nil, true
	if r, err = lock.Ensure(t.Context(), d.opts); err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "web", "amd64")+" "+d.print(r, "web", "arm64"), "app=2 app=2")
}

func TestSuite(t *testing.T) {
	d := newDesk(t, "app 1").want("app")
	d.ensure()
	d.opts.Suite = "bookworm"
	d.ensure()
	d.opts.Suite = "trixie"
	d.fails("LOCK is of suite \"bookworm\", not of \"trixie\"\nhint: nix2gpu lock --update --suite trixie")
	d.opts.UpdateAll = true
	d.ensure()
	if text, _ := os.ReadFile(d.opts.File); !strings.Contains(string(text), `"suite": "trixie"`) {
		t.Errorf("the suite stayed:\n%s", text)
	}
}

// Whatever is wanted one after another: the file is whole each time, has what is
// wanted and nothing else, and locking again changes nothing.
func TestAnyHistory(t *testing.T) {
	d := newDesk(t, "a 1\nDepends: b | c", "b 1\nDepends: d", "c 1\nProvides: v", "d 1", "e 1\nDepends: v, d", "f 1\nDepends: c")
	names := []string{"a", "b", "c", "e", "f", "v"}
	for n := range 64 {
		var wants []string
		for i, name := range names {
			if (n*37)%64&(1<<i) != 0 {
				wants = append(wants, name)
			}
		}
		d.want(wants...)
		got := d.ensure()
		fresh := newDesk(t, d.packages...).want(wants...)
		if n%2 == 0 {
			fresh.is(fresh.ensure(), got)
		}
		before, _ := os.ReadFile(d.opts.File)
		reads := d.reads
		d.is(d.ensure(), got)
		after, err := os.ReadFile(d.opts.File)
		if err != nil || string(before) != string(after) || d.reads != reads {
			t.Errorf("%q: locking again changed something: %v", wants, err)
		}
		for _, w := range wants {
			if w != "v" && !slices.Contains(strings.Fields(got), w+"=1") {
				t.Errorf("%q wanted, got %s", wants, got)
			}
		}
	}
}

// What a container's apt source has is for that container, newer or not.
func TestSourcesAreOfTheirContainer(t *testing.T) {
	d := newDesk(t, "app 1").wantIn("web", "app").wantIn("other", "app")
	plain := d.opts.Index
	d.opts.Index = func(ctx context.Context, suite, arch string) (*debian.Index, []repo.Origin, error) {
		_, origins, err := plain(ctx, suite, arch)
		var tables []*debian.Table
		for archive, version := range map[string]string{"debian": "1", "vendor": "2"} {
			text := fmt.Sprintf("Package: app\nVersion: %s\nArchitecture: all\nFilename: app.deb\nSize: 1\nSHA256: %064s\n", version, version)
			table, err := debian.ReadPackages(strings.NewReader(text), archive)
			if err != nil {
				t.Fatal(err)
			}
			tables = append(tables, table)
		}
		return debian.NewIndex(arch, tables...), origins, err
	}
	d.opts.Sources = map[string][]string{"web": {"vendor"}}
	d.fails("not supported: package \"app\" in two versions: container \"other\" takes 1 of \"debian\", and \"web\" takes 2 of \"vendor\"\nhint: name the same apt sources in both")
	delete(d.opts.Wants, "other")
	d.is(d.ensure(), "app=2")
	d.opts.Wants = map[string][]lock.Want{"other": {{Name: "app"}}}
	d.fails("not supported: package \"app\" in two versions: container \"other\" takes 1 of \"debian\", and \"web\" takes 2 of \"vendor\"\nhint: name the same apt sources in both")
	// A source that the definition no longer names has nothing in the lock either.
	d.opts.Wants, d.opts.Sources = nil, nil
	d.want("app")
	d.is(d.ensure(), "app=1")
	fresh := d.opts
	fresh.File += ".other"
	fresh.Wants = map[string][]lock.Want{"other": {{Name: "app"}}}
	r, err := lock.Ensure(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "other", "amd64"), "app=1")
}

// What a recipe leaves out is not locked, and comes back when it is wanted.
func TestRecipesLeaveTheLock(t *testing.T) {
	d := newDesk(t, "postgresql 15\nDepends: postgresql-15", "postgresql-15 15.1\nDepends: libicu, libllvm14, locales | locales-all", "libicu 1", "libllvm14 14\nDepends: libz3", "libz3 4", "locales 2", "locales-all 2", "tool 1\nDepends: libz3")
	d.want("postgresql")
	slim := map[string][]packages.Recipe{"web": packages.Recipes(nil)}
	jit := map[string][]packages.Recipe{"web": packages.Recipes([]project.PackageRef{{Attr: "postgresql_jit"}})}
	d.opts.Recipes = slim
	d.is(d.ensure(), "libicu=1 postgresql=15 postgresql-15=15.1")
	text, err := os.ReadFile(d.opts.File)
	if err != nil || !strings.Contains(string(text), `"without":["jit","clusters"]`) || strings.Contains(string(text), "llvm") {
		t.Errorf("%v, the lock is\n%s", err, text)
	}
	reads := d.reads
	d.opts.Frozen = true
	d.is(d.ensure(), "libicu=1 postgresql=15 postgresql-15=15.1") // nothing to do
	d.opts.Recipes = jit
	d.fails("LOCK does not fit the definition, and --locked (or CI=1) allows no change:\n  + libllvm14 14 (amd64)\n  + libz3 4 (amd64)\nhint: nix2gpu lock")
	d.opts.Frozen = false
	d.is(d.ensure(), "libicu=1 libllvm14=14 libz3=4 postgresql=15 postgresql-15=15.1")
	if d.reads == reads {
		t.Error("what was left out came back without an index")
	}
	reads = d.reads
	d.opts.Recipes = slim
	d.is(d.ensure(), "libicu=1 postgresql=15 postgresql-15=15.1")
	if d.reads != reads {
		t.Error("an index was read to leave something out")
	}
	d.want("postgresql", "libz3") // what is asked for by name is there
	d.is(d.ensure(), "libicu=1 libz3=4 postgresql=15 postgresql-15=15.1")
	d.want("postgresql")
	d.is(d.ensure(), "libicu=1 postgresql=15 postgresql-15=15.1")
	// Another container's recipes are its own.
	d.wantIn("whole", "postgresql")
	r, err := lock.Ensure(t.Context(), d.opts)
	if err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "web", "amd64"), "libicu=1 postgresql=15 postgresql-15=15.1")
	d.is(d.print(r, "whole", "amd64"), "libicu=1 libllvm14=14 libz3=4 locales=2 postgresql=15 postgresql-15=15.1")
	d.opts.Frozen = true
	if r, err = lock.Ensure(t.Context(), d.opts); err != nil {
		t.Fatal(err)
	}
	d.is(d.print(r, "web", "amd64"), "libicu=1 postgresql=15 postgresql-15=15.1")
}

// A package that is locked without what it needs to be whole cannot be made whole
// once its version has left: the cure is named.
func TestLiftedRecipeNeedsIndex(t *testing.T) {
	d := newDesk(t, "postgresql-15 15.1\nDepends: libllvm14", "libllvm14 14").want("postgresql-15")
	d.opts.Recipes = map[string][]packages.Recipe{"web": packages.Recipes(nil)}
	d.is(d.ensure(), "postgresql-15=15.1")
	d.packages = []string{"postgresql-15 15.2\nDepends: libllvm14", "libllvm14 14"}
	d.is(d.ensure(), "postgresql-15=15.1")
	d.opts.Recipes = nil
	d.fails("package \"postgresql-15\" is locked without all that it needs, and its version 15.1 has left the archive\nhint: nix2gpu lock --update postgresql-15")
	d.opts.Update = []string{"postgresql-15"}
	d.is(d.ensure(), "libllvm14=14 postgresql-15=15.2")
}

// What is wanted in another version than the lock has is resolved anew, and nothing
// else moves.
func TestLockAdmits(t *testing.T) {
	d := newDesk(t, "nccl 1+cuda12", "nccl 2+cuda13", "app 1").want("nccl", "app")
	admit := func(suffix string) {
		d.want("nccl", "app")
		d.opts.Wants["web"][0].Admits = func(v string) bool { return strings.HasSuffix(v, suffix) }
	}
	admit("+cuda12")
	d.is(d.ensure(), "app=1 nccl=1+cuda12")
	d.packages = append(d.packages, "app 2")
	d.is(d.ensure(), "app=1 nccl=1+cuda12")
	if d.reads != 1 {
		t.Errorf("the index was read %d times for a lock that fits", d.reads)
	}
	admit("+cuda13")
	d.is(d.ensure(), "app=1 nccl=2+cuda13")
}

// A container on a base locks what that one lacks. Another base is looked at anew.
func TestLockOnBase(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib", "lib 1", "tool 1").want("app", "tool")
	on := func(digest string, names ...string) {
		base := lock.Base{Digest: digest}
		for _, n := range names {
			base.Installed = append(base.Installed, debian.Installed{Name: n, Version: "1", Arch: "amd64"})
		}
		d.opts.Bases = map[string]map[string]lock.Base{"web": {"amd64": base}}
	}
	on("sha256:aa", "lib", "tool")
	d.is(d.ensure(), "app=1")
	d.is(d.ensure(), "app=1")
	if d.reads != 1 {
		t.Errorf("the index was read %d times for a lock that fits", d.reads)
	}
	data, err := os.ReadFile(d.opts.File)
	if err != nil || !strings.Contains(string(data), `"base":"sha256:aa","ofBase":["tool"]`) {
		t.Errorf("the lock is %s, %v", data, err)
	}
	on("sha256:bb", "lib")
	d.is(d.ensure(), "app=1 tool=1")
	d.opts.Bases = nil
	d.is(d.ensure(), "app=1 lib=1 tool=1")
}
