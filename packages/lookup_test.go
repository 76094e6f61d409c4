package packages_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

func TestMainProgram(t *testing.T) {
	for attr, want := range map[string]string{
		"redis": "redis-server", "ripgrep": "rg", "mysql": "mariadbd", "postgresql": "postgres", "apacheHttpd": "httpd",
		"tzdata": "tzdata", "my-own": "my-own", "python3Packages.uvicorn": "uvicorn", "cudaPackages_12_8.cuda_nvcc": "nvcc",
	} {
		if got := packages.MainProgram(attr); got != want {
			t.Errorf("MainProgram(%q) = %q, want %q", attr, got, want)
		}
	}
}

func TestIsSet(t *testing.T) {
	for attr, want := range map[string]bool{
		"python3Packages": true, "cudaPackages": true, "cudaPackages_12_8": true, "cudaPackages_12_8.cudatoolkit": false, "python3": false, "python3Packages.x": false,
	} {
		if got := packages.IsSet(attr); got != want {
			t.Errorf("IsSet(%q) = %t, want %t", attr, got, want)
		}
	}
}

// Parts of CUDA are views of the one folder that NVIDIA installs.
func TestLookupOfSets(t *testing.T) {
	for attr, want := range map[string]string{
		"cudaPackages_12_8.cudatoolkit": "cuda-compiler-12-8 cuda-libraries-12-8 cuda-libraries-dev-12-8 /usr/local/cuda-12.8/bin /usr/local/cuda*/bin",
		"cudaPackages.cudnn":            "libcudnn9-cuda-12 ",
		"cudaPackages.nccl":             "libnccl2 ",
		"cudaPackages_13_0.libcublas":   "libcublas-13-0 ",
		"cudaPackages_13_0.cuda_new":    "cuda-new-13-0 ", // NVIDIA's own form of the name
		"python3Packages.Flask_Cors":    "python3-flask-cors ",
		"nodePackages.typescript":       "node-typescript ",
		"perlPackages.DBI":              "libdbi-perl ",
		"xorg.xeyes":                    "xeyes ",
		"my.own.Thing":                  "thing ", // as a package of that name
	} {
		p := packages.Lookup(attr)
		if got := strings.Join(p.Debian, " ") + " " + strings.Join(p.Dirs, " "); got != want {
			t.Errorf("%s is of %q, want %q", attr, got, want)
		}
		if known := !strings.HasPrefix(attr, "my."); p.Known != known || p.Attr != attr {
			t.Errorf("%s: known is %t, attribute %q", attr, p.Known, p.Attr)
		}
	}
}

func TestOwner(t *testing.T) {
	for program, want := range map[string]string{
		"jq": "jq", "redis-cli": "redis", "psql": "postgresql", "nvidia-smi": "linuxPackages.nvidia_x11", "python": "python", "no-such-program": "",
	} {
		if got := packages.Owner(program); got != want {
			t.Errorf("Owner(%q) = %q, want %q", program, got, want)
		}
	}
}

func TestCures(t *testing.T) {
	for got, want := range map[string]string{
		packages.Cure("redis"):                      "apt-get install --no-install-recommends redis-server",
		packages.Cure("grafana"):                    "Debian has no package for it; see https://grafana.com/docs/grafana/latest/setup-grafana/installation/",
		packages.Cure("postgresqlPackages.hypopg"):  "apt-get install --no-install-recommends postgresql-15-hypopg",
		packages.ProgramCure("redis", "redis-cli"):  "apt-get install --no-install-recommends redis-server",
		packages.ProgramCure("redis", "redis-clj"):  `did you mean "redis-cli"?`,
		packages.ProgramCure("redis", "psql"):       "it is in ${pkgs.postgresql}/bin/psql",
		packages.ProgramCure("redis", "zzzzzzzzzz"): "correct its name, or install the Debian package that has it",
		packages.ProgramCure("my-own", "other"):     "apt-get install --no-install-recommends my-own",
		packages.ProgramCure("minio", "minio"):      "Debian has no package for it; see https://min.io/download",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A missing package is reported with its place, once, in the order of names.
func TestMissingHasItsPlace(t *testing.T) {
	h := machine(t)
	missing, err := packages.Missing(h, []project.PackageRef{
		{Attr: "tzdata", Pos: project.Pos{File: "a.nix", Line: 2, Col: 3}},
		{Attr: "my-own", Pos: project.Pos{File: "a.nix", Line: 4, Col: 5}},
		{Attr: "python3Packages.numpy"},
	})
	if err != nil || len(missing) != 2 {
		t.Fatalf("missing are %v, %v", missing, err)
	}
	for i, want := range []string{
		"a.nix:4:5: package \"my-own\" is not known, and there is no program \"my-own\" on this machine\nhint: if Debian has it: apt-get install --no-install-recommends my-own (or: nix2gpu up --install)",
		"a.nix:2:3: package \"tzdata\" is not installed\nhint: apt-get install --no-install-recommends tzdata (or: nix2gpu up --install)",
	} {
		if got := missing[i].Error(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// A folder that cannot be written is not reported as a missing package.
func TestFoldersThatCannotBeMade(t *testing.T) {
	h := machine(t, "jq")
	if err := os.WriteFile(h.Dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Path("jq"); err == nil || !strings.Contains(err.Error(), "cannot make package folder") || !strings.Contains(err.Error(), h.Dir) {
		t.Errorf("below a file: %v", err)
	}
	if _, err := packages.Missing(h, []project.PackageRef{{Attr: "jq"}}); err == nil {
		t.Error("Missing has no error below a file")
	}
}

// Of several versions the newest is taken, by number and not by letter.
func TestNewestVersion(t *testing.T) {
	for _, c := range []struct {
		dirs []string
		want string
	}{
		{[]string{"9", "15", "10"}, "15"},
		{[]string{"15", "15beta2"}, "15beta2"}, // has more to it
		{[]string{"a", "15"}, "a"},
	} {
		var programs []string
		for _, dir := range c.dirs {
			programs = append(programs, "/usr/lib/postgresql/"+dir+"/bin/postgres")
		}
		h := machine(t, programs...)
		dir, err := h.Path("postgresql")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.Readlink(filepath.Join(dir, "bin/postgres")); got != h.Root+"/usr/lib/postgresql/"+c.want+"/bin/postgres" {
			t.Errorf("of %v it is %q, want %q", c.dirs, got, c.want)
		}
	}
}
