package wheel_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nix2gpu/wheel"
)

// oracle runs Python with the rules that pip has, and reads the JSON it prints.
func oracle(t *testing.T, script string, in, out any) {
	t.Helper()
	const python = "/usr/bin/python3"
	if _, err := os.Stat("/usr/lib/python3/dist-packages/pip"); err != nil {
		t.Skip("pip is not installed: apt-get install python3-pip")
	}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", "import json, sys, os\n"+script)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(data)), os.Stderr
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v", err)
	}
	if err := json.Unmarshal(got, out); err != nil {
		t.Fatalf("python said %q: %v", got, err)
	}
}

// Tags are those of pip, in its order, for the Python of this machine.
func TestTagsAsPip(t *testing.T) {
	var want struct {
		Python, Machine, Glibc string
		Tags                   []string
	}
	oracle(t, `
from pip._internal.utils.compatibility_tags import get_supported
import platform
print(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "glibc": os.confstr("CS_GNU_LIBC_VERSION").split()[1],
  "tags": [str(t) for t in get_supported()]}))`, nil, &want)
	arch := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[want.Machine]
	got := wheel.Target{Python: want.Python, Arch: arch, Glibc: want.Glibc}.Tags()
	if !slices.Equal(got, want.Tags) {
		for i := range got {
			if i >= len(want.Tags) || got[i] != want.Tags[i] {
				t.Fatalf("tag %d of %d is %q; pip has %d: %q", i, len(got), got[i], len(want.Tags), want.Tags[min(i, len(want.Tags)-1)])
			}
		}
		t.Fatalf("%d tags, and pip has %d", len(got), len(want.Tags))
	}
}

func versions() []string {
	return []string{
		"1.0", "1", "1.0.0", "1.0.1", "1.0.dev1", "1.0a1", "1.0a2.dev3", "1.0.alpha-1", "1.0b2", "1.0rc1", "1.0c1", "1.0-preview2", "1.0.post1", "1.0-1", "1.0.rev2", "1.0.post1.dev2",
		"1.0a1.post2", "1.0+cu121", "1.0+cu118", "1.0+abc.5", "1.0+abc.10", "1.0+5", "1!0.5", "1.10", "1.9", "v1.2", "2.5.1+cu121", "2024.1.1", "0.0", "1.0.DEV", "1.1.dev0", "1.1",
		"1.2.3.4.5", "1.0+ABC_def", "1.2", "1.2.3", "1.3",
	}
}

// Every two versions compare as in pip.
func TestVersionsAsPip(t *testing.T) {
	var want [][]int
	oracle(t, `
from pip._vendor.packaging.version import Version
v = [Version(s) for s in json.load(sys.stdin)]
print(json.dumps([[(a > b) - (a < b) for b in v] for a in v]))`, versions(), &want)
	for i, a := range versions() {
		for j, b := range versions() {
			if got := version(t, a).Compare(version(t, b)); got != want[i][j] {
				t.Errorf("%q against %q is %d; pip has %d", a, b, got, want[i][j])
			}
		}
	}
	var normal []string
	oracle(t, `
from pip._vendor.packaging.version import Version
print(json.dumps([str(Version(s)) for s in json.load(sys.stdin)]))`, versions(), &normal)
	for i, s := range versions() {
		if got := version(t, s).String(); got != normal[i] {
			t.Errorf("%q is %q; pip has %q", s, got, normal[i])
		}
	}
}

func version(t *testing.T, s string) wheel.Version {
	t.Helper()
	v, err := wheel.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every condition holds for the versions that pip says.
func TestSpecifiersAsPip(t *testing.T) {
	conditions := []string{
		"==1.0", "==1.0.*", "!=1.0.*", "!=1.0", ">=1.0", "<=1.0", "<1.0", ">1.0", "~=1.0", "~=1.0.0", "==1.0+cu121", "!=1.0+cu121", ">=1.0a1", "<1.0rc1", ">1.0.post0", "<=1.0.dev5",
		"==1.*", "~=1.2.3", ">=1,<2", ">=1.0,!=1.0.1,<1.10", "==1!0.*", "===1.0", "~=2.2.post3", ">1.0rc1", "<1.1", "<1.1.dev1", ">1.0+abc.4, <2", "== 1.0 ",
	}
	type question struct {
		Conditions, Versions []string
	}
	var want [][]any
	oracle(t, `
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.version import Version
q = json.load(sys.stdin)
def answer(c):
  try: s = SpecifierSet(c)
  except Exception: return [None]
  return [s.contains(Version(v), prereleases=True) for v in q["Versions"]]
print(json.dumps([answer(c) for c in q["Conditions"]]))`, question{conditions, versions()}, &want)
	for i, c := range conditions {
		specs, err := wheel.ParseSpecifiers(c)
		if bad := len(want[i]) == 1; bad || err != nil {
			if c == ">1.0+abc.4, <2" { // newer rules forbid what that pip takes
				continue
			}
			t.Errorf("%q: %v; pip refuses it: %t", c, err, bad)
			continue
		}
		for j, s := range versions() {
			if got := specs.Has(version(t, s)); got != want[i][j] {
				t.Errorf("%q has %q: %t; pip has %v", c, s, got, want[i][j])
			}
		}
	}
}

// Markers are as pip evaluates them, on three targets.
func TestMarkersAsPip(t *testing.T) {
	markers := []string{
		`python_version < "3.12"`, `python_version >= '3.8' and sys_platform == 'linux'`, `sys_platform == "win32" or platform_machine == "aarch64"`,
		`python_full_version < "3.11.2"`, `python_full_version >= "3.11.2"`, `platform_system == "Linux"`, `os_name == "nt"`, `implementation_name == "cpython" and extra == "test"`,
		`extra == "Test_Extra"`, `"3.11" == python_version`, `python_version in "3.11 3.12"`, `python_version not in "3.9, 3.13"`, `platform_python_implementation != "PyPy"`,
		`(python_version > "3" and (os_name == "posix" or os_name == "nt")) and platform_machine != "x86_64"`, `python_version ~= "3.11"`, `python_version == "3.*"`,
		`sys_platform < "m"`, `platform_machine in "x86_64 amd64"`, `python_version <= "3.9" or python_version >= "3.13" and sys_platform == "darwin"`, `os.name == "posix"`,
	}
	targets := []wheel.Target{{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"}, {Python: "3.13.5", Arch: "arm64", Glibc: "2.41"}, {Python: "3.9.2", Arch: "amd64", Glibc: "2.31"}}
	var envs []map[string]string
	for _, t := range targets {
		machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[t.Arch]
		envs = append(envs, map[string]string{"python_version": t.Short(), "python_full_version": t.Python, "implementation_version": t.Python, "platform_machine": machine, "extra": ""})
	}
	type question struct {
		Markers []string
		Envs    []map[string]string
	}
	var want [][]bool
	oracle(t, `
from pip._vendor.packaging.markers import Marker
q = json.load(sys.stdin)
print(json.dumps([[Marker(m).evaluate(e) or Marker(m).evaluate(dict(e, extra="test")) for e in q["Envs"]] for m in q["Markers"]]))`, question{markers, envs}, &want)
	for i, m := range markers {
		r, err := wheel.ParseRequirement("x==1 ; " + m)
		if err != nil {
			t.Errorf("%s: %v", m, err)
			continue
		}
		for j, target := range targets {
			if got := r.Applies(target, "test"); got != want[i][j] {
				t.Errorf("%s on %v: %t; pip has %t", m, target, got, want[i][j])
			}
		}
	}
}

// What pip cannot read as a requirement is refused, and nothing else.
func TestRequirementsAsPip(t *testing.T) {
	texts := []string{
		"flask", "Flask==3.0.2", "flask >= 2, < 4", "uvicorn[standard]==0.30", "uvicorn[standard , watch]", "a.b_c-d~=1.2", "x @ https://example.org/x.whl", "x(>=1.0)", "x (>=1.0,<2)",
		"x; python_version < '3'", "x==1;python_version<'3' and extra=='a'", "x[]", "", "-x", "x==", "x=1", "x >=", "x[a", "x; python_version", "x; 'a' == 'b'", "x ; python_version < 3",
		"x==1 y", "x==1.*", "x>=1.*", "x~=1", "x==1.0.*.2", "x; unknown == '1'", "x; (python_version < '3'", "ümlaut", "x==1+abc", "x>=1+abc",
	}
	var want []*string
	oracle(t, `
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name
def read(s):
  try: r = Requirement(s)
  except Exception: return None
  return " ".join([canonicalize_name(r.name), ",".join(sorted(r.extras)), ",".join(sorted(str(r.specifier).split(","))), r.url or ""])
print(json.dumps([read(s) for s in json.load(sys.stdin)]))`, texts, &want)
	strict := []string{"x>=1.*", "x~=1", "x>=1+abc", "x; 'a' == 'b'", "x==", "x >=", "x==1.0.*.2"} // pip accepts them as legacy versions, or does not check them
	for i, text := range texts {
		r, err := wheel.ParseRequirement(text)
		if slices.Contains(strict, text) {
			if err == nil {
				t.Errorf("%q is taken for %v", text, r)
			}
			continue
		}
		if (err == nil) != (want[i] != nil) {
			t.Errorf("%q: %v; pip takes it: %t", text, err, want[i] != nil)
			continue
		}
		if err != nil {
			continue
		}
		specs := strings.Split(r.Specs.String(), ",")
		slices.Sort(specs)
		if got := fmt.Sprintf("%s %s %s %s", r.Name, strings.Join(r.Extras, ","), strings.Join(specs, ","), r.URL); got != *want[i] {
			t.Errorf("%q is %q; pip has %q", text, got, *want[i])
		}
	}
}
