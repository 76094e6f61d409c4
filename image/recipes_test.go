package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/debtest"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// A recipe leaves files out of a package, and its dependency out of dpkg's
// database: apt finds nothing amiss.
func TestRecipes(t *testing.T) {
	s := spec(t, shop())
	s.Packages = append(s.Packages,
		packaged(t, debtest.Deb{Name: "postgresql-15", Depends: "dash, locales | locales-all, libllvm14 (>= 14)", Entries: []debtest.Entry{
			debtest.Exec("usr/lib/postgresql/15/bin/postgres", "p"), debtest.File("usr/lib/postgresql/15/lib/plpgsql.so", "l"),
			debtest.File("usr/lib/postgresql/15/lib/llvmjit.so", "j"), debtest.Dir("usr/lib/postgresql/15/lib/bitcode", 0o755), debtest.File("usr/lib/postgresql/15/lib/bitcode/a.bc", "b"),
		}}),
		packaged(t, debtest.Deb{Name: "locales-all", Entries: []debtest.Entry{debtest.File("usr/lib/locale/x", "x")}}))
	layers := func() map[string]bool {
		out := map[string]bool{}
		for _, l := range build(t, s).Layers {
			out[l.Digest.Hex] = true
		}
		return out
	}
	whole, full := root(t, build(t, s))
	if !strings.Contains(full["var/lib/dpkg/status"], "Depends: dash, locales | locales-all, libllvm14 (>= 14)\n") || whole["usr/lib/postgresql/15/lib/llvmjit.so"] == "" {
		t.Errorf("without recipes something is missing:\n%s", full["var/lib/dpkg/status"])
	}
	before := layers()
	s.Recipes = packages.Recipes(nil)
	shown, content := root(t, build(t, s))
	for name, want := range map[string]bool{
		"usr/lib/postgresql/15/bin/postgres": true, "usr/lib/postgresql/15/lib/plpgsql.so": true,
		"usr/lib/postgresql/15/lib/llvmjit.so": false, "usr/lib/postgresql/15/lib/bitcode": false, "usr/lib/postgresql/15/lib/bitcode/a.bc": false,
	} {
		if got := shown[name] != ""; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	for _, list := range []string{"postgresql-15.list", "postgresql-15.md5sums"} {
		if text := content["var/lib/dpkg/info/"+list]; strings.Contains(text, "llvm") || strings.Contains(text, "bitcode") {
			t.Errorf("%s is\n%s", list, text)
		}
	}
	if status := content["var/lib/dpkg/status"]; !strings.Contains(status, "Depends: dash, locales | locales-all\n") {
		t.Errorf("the status is\n%s", status)
	}
	same := 0
	for digest := range layers() {
		if before[digest] {
			same++
		}
	}
	if same != len(before)-2 { // its own, and that of the fix-ups
		t.Errorf("%d of %d layers are the same", same, len(before))
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("no apt-get here")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "status"), []byte(content["var/lib/dpkg/status"]), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	apt := exec.Command("apt-get", "-o", "Dir::State="+dir, "-o", "Dir::State::lists="+dir+"/lists", "-o", "Dir::State::status="+dir+"/status", "-o", "Dir::Cache="+dir+"/cache",
		"-o", "Dir::Etc="+dir+"/etc", "-o", "APT::Architecture=amd64", "-o", "Debug::NoLocking=1", "check")
	if out, err := apt.CombinedOutput(); err != nil {
		t.Errorf("apt-get check: %v\n%s", err, out)
	}
}

// The same layer is made for images that keep the same parts.
func TestRecipesFollowPackages(t *testing.T) {
	postgres := packaged(t, debtest.Deb{Name: "postgresql-15", Entries: []debtest.Entry{debtest.File("usr/lib/postgresql/15/lib/llvmjit.so", "j")}})
	digests := map[string]string{}
	for _, attr := range []string{"postgresql", "postgresql_15", "postgresql_15_jit"} {
		s := spec(t, shop())
		s.Packages = append(s.Packages, postgres)
		s.Recipes = packages.Recipes([]project.PackageRef{{Attr: attr}})
		for _, l := range build(t, s).Layers {
			if strings.Contains(l.Title, "postgresql-15") {
				digests[attr] = l.Digest.Hex
			}
		}
	}
	if digests["postgresql"] == "" || digests["postgresql"] != digests["postgresql_15"] || digests["postgresql"] == digests["postgresql_15_jit"] {
		t.Errorf("the layers are %v", digests)
	}
}
