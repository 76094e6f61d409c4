package packages_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// machine returns a host with these programs. A name without a path is in its PATH
// folder.
func machine(t *testing.T, programs ...string) *packages.Host {
	t.Helper()
	root := t.TempDir()
	bin := filepath.Join(root, "path")
	for _, name := range programs {
		file := filepath.Join(bin, name)
		if strings.HasPrefix(name, "/") {
			file = root + name
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\necho "+name+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &packages.Host{Dir: filepath.Join(root, "packages"), SearchPath: []string{bin}, Root: root}
}

func TestHostLinksWhatPeopleExpect(t *testing.T) {
	for _, c := range []struct {
		attr    string
		host    []string
		want    map[string]string // path below the package to what it prints
		wantNot []string
	}{
		{attr: "python3", host: []string{"python3"}, want: map[string]string{"bin/python": "python3", "bin/python3": "python3"}, wantNot: []string{"bin/pip"}},
		{attr: "postgresql", host: []string{"/usr/lib/postgresql/9/bin/postgres", "/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/15/bin/initdb"},
			want: map[string]string{"bin/postgres": "/usr/lib/postgresql/15/bin/postgres", "bin/initdb": "/usr/lib/postgresql/15/bin/initdb"}},
		{attr: "postgresql", host: []string{"postgres", "psql"}, want: map[string]string{"bin/psql": "psql"}},
		{attr: "postgresql_15", host: []string{"/usr/lib/postgresql/15/bin/postgres"}, want: map[string]string{"bin/postgres": "/usr/lib/postgresql/15/bin/postgres"}},
		{attr: "nginx", host: []string{"/usr/sbin/nginx"}, want: map[string]string{"bin/nginx": "/usr/sbin/nginx"}},
		{attr: "apacheHttpd", host: []string{"/usr/sbin/apache2"}, want: map[string]string{"bin/httpd": "/usr/sbin/apache2"}},
		{attr: "mysql", host: []string{"mariadbd"}, want: map[string]string{"bin/mysqld": "mariadbd"}},
		{attr: "bash", host: []string{"bash"}, want: map[string]string{"bin/sh": "bash"}},
		{attr: "nodejs_20", host: []string{"node"}, want: map[string]string{"bin/node": "node"}},
		{attr: "python3Packages.uvicorn", host: []string{"uvicorn"}, want: map[string]string{"bin/uvicorn": "uvicorn"}},
		{attr: "cudaPackages_12_8.cudatoolkit", host: []string{"/usr/local/cuda-12.8/bin/nvcc"}, want: map[string]string{"bin/nvcc": "/usr/local/cuda-12.8/bin/nvcc"}},
		{attr: "some-tool", host: []string{"some-tool"}, want: map[string]string{"bin/some-tool": "some-tool"}},
	} {
		t.Run(c.attr, func(t *testing.T) {
			dir, err := machine(t, c.host...).Path(c.attr)
			if err != nil {
				t.Fatal(err)
			}
			for sub, says := range c.want {
				out, err := exec.Command(filepath.Join(dir, sub)).CombinedOutput()
				if got := strings.TrimSpace(string(out)); err != nil || got != says {
					t.Errorf("%s says %q (%v), want %q", sub, got, err, says)
				}
			}
			for _, sub := range c.wantNot {
				if _, err := os.Lstat(filepath.Join(dir, sub)); err == nil {
					t.Errorf("%s exists", sub)
				}
			}
		})
	}
}

func TestHostSeesChanges(t *testing.T) {
	h := machine(t, "redis-server")
	dir, err := h.Path("redis")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(dir)
	if _, err := h.Path("redis"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(dir); !os.SameFile(before, after) {
		t.Error("the folder was written although nothing had changed")
	}
	cli := filepath.Join(h.SearchPath[0], "redis-cli")
	os.WriteFile(cli, []byte("#!/bin/sh\n"), 0o755)
	if _, err := h.Path("redis"); err != nil {
		t.Fatal(err)
	}
	if target, _ := os.Readlink(filepath.Join(dir, "bin/redis-cli")); target != cli {
		t.Errorf("bin/redis-cli links to %q, want %q", target, cli)
	}
	left, _ := filepath.Glob(filepath.Join(h.Dir, ".new-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	os.Remove(filepath.Join(h.SearchPath[0], "redis-server"))
	if _, err := h.Path("redis"); err == nil {
		t.Error("redis is still provided after its server was removed")
	}
}

func TestHostTogether(t *testing.T) {
	h := machine(t, "node")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := h.Path("nodejs")
			if err == nil {
				_, err = os.Stat(filepath.Join(dir, "bin/node"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// A link to the python of a virtual environment would lose the environment.
func TestHostKeepsVirtualEnvironments(t *testing.T) {
	h := machine(t, "/venv/bin/python3")
	venv := filepath.Join(h.Root, "venv")
	os.WriteFile(filepath.Join(venv, "pyvenv.cfg"), nil, 0o644)
	os.WriteFile(filepath.Join(venv, "bin/python3"), []byte("#!/bin/sh\necho \"$0 $1\"\n"), 0o755)
	h.SearchPath = []string{filepath.Join(venv, "bin")}
	for range 2 { // made, then found as it is
		dir, err := h.Path("python3")
		if err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command(filepath.Join(dir, "bin/python"), "a b").Output()
		if want := filepath.Join(venv, "bin/python3") + " a b\n"; string(out) != want {
			t.Errorf("started as %q, want %q", out, want)
		}
	}
}

func TestMissing(t *testing.T) {
	h := machine(t)
	for attr, want := range map[string]string{
		"nginx":      "package \"nginx\" is not installed: no program \"nginx\" on this machine\nhint: apt-get install --no-install-recommends nginx (or: nix2gpu up --install)",
		"pyhton3":    `did you mean "python3"?`,
		"grafana":    "hint: Debian has no package for it; see https://grafana.com/",
		"postgresql": "apt-get install --no-install-recommends postgresql ",
	} {
		_, err := h.Path(attr)
		if _, ok := errors.AsType[*packages.MissingError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("Path(%q) = %v, want %q", attr, err, want)
		}
	}
	missing, err := packages.Missing(h, []project.PackageRef{{Attr: "redis"}, {Attr: "nginx"}, {Attr: "redis"}})
	if err != nil || len(missing) != 2 || missing[0].Attr != "nginx" {
		t.Errorf("Missing = %v, %v", missing, err)
	}
	if _, err := h.Path("../etc"); err == nil {
		t.Error("a path was taken for an attribute")
	}
}

func TestEveryRowIsSound(t *testing.T) {
	for _, attr := range packages.Attrs() {
		if packages.IsSet(attr) {
			continue
		}
		p := packages.Lookup(attr)
		if !p.Known || (len(p.Debian) == 0) != (p.From != "") || len(p.Debian) > 0 && strings.HasPrefix(p.Debian[0], "@") {
			t.Errorf("%s: %+v", attr, p)
		}
		if p.Main == "" && len(p.Dirs) == 0 && len(p.Links) == 0 {
			t.Errorf("%s has nothing to look for", attr)
		}
	}
}
