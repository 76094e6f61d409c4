package wheel_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/wheeltest"
	"nix2gpu/wheel"
)

func bookworm() wheel.Target { return wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"} }

func files(names ...string) []wheel.File {
	var out []wheel.File
	for i, name := range names {
		f := wheel.File{Name: name, SHA256: fmt.Sprintf("%064x", i+1), Size: 1}
		f.Name, f.RequiresPython, _ = strings.Cut(name, " requires ")
		f.Name, f.Yanked = strings.CutSuffix(f.Name, " yanked")
		out = append(out, f)
	}
	return out
}

func TestChoose(t *testing.T) {
	arm := wheel.Target{Python: "3.11.2", Arch: "arm64", Glibc: "2.36"}
	all := []string{
		"x-1.0-py3-none-any.whl", "x-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "x-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
		"x-1.0-cp311-cp311-manylinux_2_39_x86_64.whl", "x-1.0-cp39-abi3-manylinux_2_17_aarch64.whl", "x-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "x-1.0.tar.gz",
		"x-1.1rc1-py3-none-any.whl", "x-0.9-py3-none-any.whl", "x-2.0-py3-none-any.whl requires >=3.12", "x-1.5-py3-none-any.whl yanked", "other-9-py3-none-any.whl",
	}
	for _, c := range []struct {
		target wheel.Target
		req    string
		hash   int // of the file that is wanted, by its number; 0: none
		files  []string
		want   string // a file, or part of the error
	}{
		{bookworm(), "x", 0, all, "x-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"},
		{arm, "x", 0, all, "x-1.0-cp39-abi3-manylinux_2_17_aarch64.whl"},
		{bookworm(), "x==1.0", 1, all, "x-1.0-py3-none-any.whl"},
		{bookworm(), "x==1.0", 2, all, "x-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"},
		{bookworm(), "x==1.0", 4, all, "has none of the hashes"},
		{bookworm(), "x>=1.1rc1", 0, all, "x-1.1rc1-py3-none-any.whl"},
		{bookworm(), "x>1.0", 0, all, "x-1.1rc1-py3-none-any.whl"}, // there is no release
		{bookworm(), "x==2.0", 0, all, `"x==2.0" needs Python >=3.12, and the image has 3.11.2`},
		{bookworm(), "x==1.5", 0, all, "x-1.5-py3-none-any.whl"},
		{bookworm(), "x==7", 0, all, `there is no "x==7": the index has wheels of 2.0, 1.5, 1.1rc1, 1.0, 0.9`},
		{bookworm(), "y", 0, nil, `the index has no project "y"`},
		{bookworm(), "x", 0, []string{"x-1.0.tar.gz"}, `"x" has no wheel, only sources: x-1.0.tar.gz`},
		{bookworm(), "x", 0, []string{"x-1.0-cp311-cp311-win_amd64.whl", "x-1.0.tar.gz"}, `"x" has no wheel for Python 3.11 on linux/amd64 with glibc 2.36: there is x-1.0-cp311-cp311-win_amd64.whl`},
		{bookworm(), "x", 0, []string{"x-1.0-1-py3-none-any.whl", "x-1.0-10b-py3-none-any.whl", "x-1.0-9-py3-none-any.whl", "x-1.0-py3-none-any.whl"}, "x-1.0-10b-py3-none-any.whl"},
		{bookworm(), "x", 0, []string{"x-1-py3-none-any.whl yanked"}, "taken back"},
		{bookworm(), "x", 0, []string{"X-1-py2.py3-none-any.whl"}, "X-1-py2.py3-none-any.whl"},
		{bookworm(), "x", 0, []string{"x-1-cp311-cp311-musllinux_1_2_x86_64.whl", "x-1-cp311-cp311-linux_x86_64.whl"}, "x-1-cp311-cp311-linux_x86_64.whl"},
	} {
		r, err := wheel.ParseRequirement(c.req)
		if err != nil {
			t.Fatal(err)
		}
		var hashes []string
		if c.hash > 0 {
			hashes = []string{fmt.Sprintf("%064x", c.hash)}
		}
		got, err := wheel.Choose(c.target, r, hashes, false, files(c.files...))
		switch {
		case strings.HasSuffix(c.want, ".whl") && !strings.Contains(c.want, " ") && (err != nil || got.File.Name != c.want):
			t.Errorf("%s of %q: %v, %v; want %s", c.req, c.files, got, err, c.want)
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s of %q: %v; want %s", c.req, c.files, err, c.want)
		case err == nil && got.File.Name != c.want:
			t.Errorf("%s of %q: %s; want %s", c.req, c.files, got.File.Name, c.want)
		}
	}
}

// pip chooses the same wheel from a folder, for each of several sets.
func TestChooseAsPip(t *testing.T) {
	var machine struct{ Python, Machine, Glibc string }
	oracle(t, `
import platform
print(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "glibc": os.confstr("CS_GNU_LIBC_VERSION").split()[1]}))`, nil, &machine)
	target := wheel.Target{Python: machine.Python, Arch: map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[machine.Machine], Glibc: machine.Glibc}
	m, cp := machine.Machine, "cp"+strings.ReplaceAll(target.Short(), ".", "")
	dir := t.TempDir()
	sets := map[string][]wheeltest.Wheel{ // each of one project
		"aa": {{Version: "1.0", Tag: "py3-none-any"}, {Version: "1.0", Tag: cp + "-" + cp + "-manylinux_2_17_" + m}, {Version: "1.0", Tag: cp + "-" + cp + "-manylinux_2_28_" + m}, {Version: "1.0", Tag: cp + "-" + cp + "-manylinux_2_99_" + m}},
		"bb": {{Version: "1.0", Tag: "cp38-abi3-manylinux2014_" + m}, {Version: "1.0", Tag: cp + "-none-linux_" + m}, {Version: "1.0", Tag: "py3-none-manylinux_2_17_" + m}},
		"cc": {{Version: "1.0", Tag: "py3-none-any"}, {Version: "1.1rc1", Tag: "py3-none-any"}, {Version: "0.9", Tag: "py2.py3-none-any"}},
		"dd": {{Version: "1.0", Build: "2"}, {Version: "1.0", Build: "10"}, {Version: "1.0"}},
		"ee": {{Version: "1.0.post1"}, {Version: "1.0+local.1"}, {Version: "1.0"}},
		"ff": {{Version: "2.0rc1"}, {Version: "2.0b1"}},
		"gg": {{Version: "1.0", Tag: "py30-none-any"}, {Version: "1.0", Tag: "py3-none-any"}, {Version: "1.0", Tag: "py38-none-any"}},
	}
	for name, wheels := range sets {
		for _, w := range wheels {
			w.Name = name
			if err := os.WriteFile(filepath.Join(dir, w.File()), w.Bytes(t), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"-m", "pip", "install", "--dry-run", "--no-deps", "--quiet", "--no-index", "--ignore-installed", "--break-system-packages", "--find-links", dir, "--report", report}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append(args, slices.Sorted(maps.Keys(sets))...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK=1", "HOME=" + t.TempDir()}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Install []struct {
			Info struct {
				URL string `json:"url"`
			} `json:"download_info"`
		} `json:"install"`
	}
	if err := json.Unmarshal(data, &said); err != nil || len(said.Install) != len(sets) {
		t.Fatalf("pip reports %s, %v", data, err)
	}
	for _, one := range said.Install {
		want := strings.ReplaceAll(filepath.Base(one.Info.URL), "%2B", "+")
		name, _, _ := strings.Cut(want, "-")
		var names []wheel.File
		for _, w := range sets[name] {
			w.Name = name
			names = append(names, wheel.File{Name: w.File(), SHA256: hashA})
		}
		r, err := wheel.ParseRequirement(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wheel.Choose(target, r, nil, false, names); err != nil || got.File.Name != want {
			t.Errorf("of %v: %v, %v; pip takes %s", names, got, err, want)
		}
	}
}
