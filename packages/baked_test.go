package packages_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"nix2gpu/packages"
)

func TestBaked(t *testing.T) {
	baked := t.TempDir()
	if err := os.MkdirAll(filepath.Join(baked, "python3", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := machine(t, "/usr/bin/jq")
	h.SearchPath = []string{filepath.Join(h.Root, "usr/bin")}
	b := &packages.Baked{Dir: baked, Next: h}
	if dir, err := b.Path("python3"); err != nil || dir != filepath.Join(baked, "python3") {
		t.Errorf("python3 is %q, %v", dir, err)
	}
	if dir, err := b.Path("jq"); err != nil || dir != filepath.Join(h.Dir, "jq") {
		t.Errorf("jq is %q, %v: what was installed later comes from the machine", dir, err)
	}
	for _, attr := range []string{"tree", "", "..", "a/b"} {
		if dir, err := b.Path(attr); err == nil {
			t.Errorf("%q is %q", attr, dir)
		}
	}
}

// The list of an image's files is searched as a machine is.
func TestPackageIn(t *testing.T) {
	program := &fstest.MapFile{Mode: 0o755}
	files := fstest.MapFS{
		"usr/bin/python3":                    program,
		"usr/lib/postgresql/9/bin/postgres":  program,
		"usr/lib/postgresql/15/bin/postgres": program,
		"usr/lib/postgresql/15/bin/README":   {Mode: 0o644},
		"usr/sbin/nginx":                     program,
		"etc/nginx/mime.types":               {Mode: 0o644},
		"usr/share/zoneinfo/UTC":             {Mode: 0o644},
	}
	for attr, want := range map[string]map[string]string{
		"python3":    {"bin/python3": "/usr/bin/python3", "bin/python": "/usr/bin/python3"},
		"postgresql": {"bin/postgres": "/usr/lib/postgresql/15/bin/postgres"},
		"nginx":      {"bin/nginx": "/usr/sbin/nginx", "conf/mime.types": "/etc/nginx/mime.types"},
		"tzdata":     {"share/zoneinfo": "/usr/share/zoneinfo"},
	} {
		links, ok := packages.Lookup(attr).In(files)
		if !ok || len(links) != len(want) {
			t.Errorf("%s: %v, %t; want %v", attr, links, ok, want)
		}
		for sub, place := range want {
			if links[sub] != place {
				t.Errorf("%s: %s is %q, want %q", attr, sub, links[sub], place)
			}
		}
	}
	if _, ok := packages.Lookup("redis").In(files); ok {
		t.Error("redis is there without its program")
	}
}
