package archive_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/wheeltest"
	"nix2gpu/wheel"
	"nix2gpu/wheel/archive"
)

func bookworm() wheel.Target { return wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"} }

// rich returns a wheel that installs something in every place.
func rich() wheeltest.Wheel {
	return wheeltest.Wheel{
		Name: "Rich_Tool", Version: "2.1", Metadata: []string{"Requires-Dist: other>=1", "Requires-Dist: more; extra == 'all'"},
		Scripts: []string{"rich-tool = rich_tool.cli:main", "rich-admin = rich_tool.cli:Admin.run [all]"},
		Files: map[string]string{
			"rich_tool/__init__.py": "", "rich_tool/cli.py": "def main(): pass\n", "rich_tool/helper*": "#!/bin/sh\n",
			"STEM.data/scripts/rich-script*": "#!python -E\nprint('hi')\n", "STEM.data/scripts/rich-shell*": "#!/bin/sh\necho hi\n",
			"STEM.data/purelib/pure_part/__init__.py": "", "STEM.data/platlib/plat_part.py": "x = 1\n",
			"STEM.data/data/share/rich/data.txt": "data\n", "STEM.data/data/bin/rich-data*": "#!/bin/sh\n", "STEM.data/headers/rich.h": "#define RICH\n",
			"STEM.dist-info/INSTALLER": "somebody\n", "STEM.dist-info/licenses/LICENSE": "free\n",
		},
	}
}

func open(t testing.TB, w wheeltest.Wheel) (*archive.Wheel, error) {
	t.Helper()
	data := w.Bytes(t)
	return archive.Open(w.File(), bytes.NewReader(data), int64(len(data)))
}

func content(t testing.TB, e archive.Entry) string {
	t.Helper()
	r, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", e.Path, err)
	}
	if int64(len(data)) != e.Size {
		t.Errorf("%s has %d bytes, and %d are told", e.Path, len(data), e.Size)
	}
	return string(data)
}

// Each part is installed where Debian's pip puts it; scripts start with the image's
// Python.
func TestInstall(t *testing.T) {
	w, err := open(t, rich())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.Install(bookworm())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]archive.Entry{}
	var record string
	for _, e := range entries {
		got[e.Path] = e
		if strings.HasSuffix(e.Path, "/RECORD") {
			record = content(t, e)
		}
	}
	const site = "usr/local/lib/python3.11/dist-packages/"
	for name, want := range map[string]struct {
		executable bool
		text       string // part of it
	}{
		site + "rich_tool/cli.py":                  {false, "def main"},
		site + "rich_tool/helper":                  {true, "#!/bin/sh"},
		site + "pure_part/__init__.py":             {false, ""},
		site + "plat_part.py":                      {false, "x = 1"},
		site + "Rich_Tool-2.1.dist-info/METADATA":  {false, "Name: Rich_Tool"},
		site + "Rich_Tool-2.1.dist-info/INSTALLER": {false, "nix2gpu\n"},
		site + "Rich_Tool-2.1.dist-info/REQUESTED": {false, ""},
		"usr/local/bin/rich-script":                {true, "#!/usr/bin/python3\nprint('hi')\n"},
		"usr/local/bin/rich-shell":                 {true, "#!/bin/sh\necho hi\n"},
		"usr/local/bin/rich-data":                  {true, "#!/bin/sh\n"},
		"usr/local/bin/rich-tool":                  {true, "from rich_tool.cli import main\n"},
		"usr/local/bin/rich-admin":                 {true, "sys.exit(Admin.run())\n"},
		"usr/local/share/rich/data.txt":            {false, "data\n"},
		"usr/include/python3.11/Rich_Tool/rich.h":  {false, "#define RICH\n"},
	} {
		e, ok := got[name]
		if !ok || e.Executable != want.executable || !strings.Contains(content(t, e), want.text) {
			t.Errorf("%s: there: %t, executable: %t, %q; want %+v", name, ok, e.Executable, content(t, e), want)
		}
	}
	for _, line := range []string{"../../../bin/rich-script,sha256=", "../../../share/rich/data.txt,sha256=", "rich_tool/cli.py,sha256=", "Rich_Tool-2.1.dist-info/RECORD,,\n", "Rich_Tool-2.1.dist-info/REQUESTED,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"} {
		if !strings.Contains(record, line) {
			t.Errorf("RECORD lacks %q:\n%s", line, record)
		}
	}
	if want := []string{"rich-admin", "rich-data", "rich-script", "rich-shell", "rich-tool"}; !slices.Equal(w.Programs, want) {
		t.Errorf("programs are %q", w.Programs)
	}
	if needs := w.Metadata.Needs(bookworm(), []string{"all"}); strings.Join(needs, " ") != "more other>=1" {
		t.Errorf("it needs %q", needs)
	}
}

// pip installs the same files, with the same modes and content, except for those that
// tell the installer.
func TestInstallAsPip(t *testing.T) {
	if _, err := os.Stat("/usr/lib/python3/dist-packages/pip"); err != nil {
		t.Skip("pip is not installed: apt-get install python3-pip")
	}
	version, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import platform; print(platform.python_version())").Output()
	if err != nil {
		t.Fatal(err)
	}
	target := bookworm()
	target.Python = strings.TrimSpace(string(version))
	dir := t.TempDir()
	w := rich()
	delete(w.Files, "STEM.dist-info/INSTALLER") // pip would list it twice
	file := filepath.Join(dir, w.File())
	if err := os.WriteFile(file, w.Bytes(t), 0o644); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--ignore-installed", "--break-system-packages",
		"--root", root, "--find-links", dir, "Rich_Tool")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	opened, err := open(t, w)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := opened.Install(target)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]archive.Entry{}
	for _, e := range entries {
		ours[e.Path] = e
	}
	theirs := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		theirs++
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		e, ok := ours[name]
		if !ok {
			t.Errorf("pip makes %s", name)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if executable := info.Mode()&0o111 != 0; executable != e.Executable {
			t.Errorf("%s: pip makes it executable: %t", name, executable)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Base(name) {
		case "INSTALLER", "rich-tool", "rich-admin": // each installer's own
		case "RECORD":
			if got, want := rows(content(t, e)), rows(string(data)); !slices.Equal(got, want) {
				t.Errorf("RECORD names %q, and pip's %q", got, want)
			}
		default:
			if got := content(t, e); got != string(data) {
				t.Errorf("%s is %q, and pip's %q", name, got, data)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if theirs != len(ours) {
		t.Errorf("pip makes %d files, and we %d", theirs, len(ours))
	}
}

func rows(record string) []string {
	var out []string
	for line := range strings.Lines(record) {
		name, _, _ := strings.Cut(line, ",")
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// What a wheel must never contain is refused, with the file's name.
func TestHostile(t *testing.T) {
	raw := func(name, body string, mode fs.FileMode) wheeltest.Wheel {
		return wheeltest.Wheel{Name: "bad", Raw: []wheeltest.Member{{Name: name, Body: body, Mode: mode}}, Listed: true}
	}
	record := func(f func([]string) []string) wheeltest.Wheel { return wheeltest.Wheel{Name: "bad", Record: f} }
	replace := func(old, now string) wheeltest.Wheel {
		return record(func(lines []string) []string {
			for i := range lines {
				lines[i] = strings.Replace(lines[i], old, now, 1)
			}
			return lines
		})
	}
	for name, c := range map[string]struct {
		wheel wheeltest.Wheel
		want  string
	}{
		"traversal":         {raw("../etc/passwd", "x", 0), "leads out"},
		"traversal in data": {raw("STEM.data/data/../../../etc/passwd", "x", 0), "leads out"},
		"absolute":          {raw("/etc/passwd", "x", 0), "leads out"},
		"backslash":         {raw("..\\x", "x", 0), "is not a valid name for a file"},
		"control character": {raw("a\x01b", "x", 0), "is not a valid name for a file"},
		"link":              {raw("bad/link", "/etc/passwd", fs.ModeSymlink|0o777), "no links and devices"},
		"device":            {raw("bad/dev", "", fs.ModeDevice|0o600), "no links and devices"},
		"file and folder":   {raw("bad", "x", 0), "is a file and a folder"},
		"data of another":   {raw("other-1.0.data/scripts/x", "x", 0), "data of another wheel"},
		"unknown scheme":    {raw("STEM.data/etc/x", "x", 0), "not a file of purelib"},
		"second metadata":   {raw("other-1.0.dist-info/METADATA", "x", 0), "must have one folder"},
		"whiteout":          {raw("bad/.wh.x", "x", 0), ""}, // refused by the layer
		"bomb":              {raw("bad/zeros", strings.Repeat("\x00", 80<<20), 0), "unpacks to more than"},
		"not in RECORD":     {wheeltest.Wheel{Name: "bad", Raw: []wheeltest.Member{{Name: "bad/more.py", Body: "x"}}}, "does not name"},
		"only in RECORD": {record(func(l []string) []string {
			return append(l, "gone.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0")
		}), "which it does not contain"},
		"wrong size":          {replace("bad/__init__.py,", "bad/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nx,"), "by its RECORD"},
		"weak hash":           {replace("sha256=", "md5="), "not a hash by SHA-256 or better"},
		"no hash":             {record(func(l []string) []string { l[0] = strings.Split(l[0], ",")[0] + ",,"; return l }), "not a hash"},
		"newer format":        {wheeltest.Wheel{Name: "bad", Files: map[string]string{"STEM.dist-info/WHEEL": "Wheel-Version: 2.0\n"}}, "not supported: a wheel of format 2.0"},
		"another's metadata":  {wheeltest.Wheel{Name: "bad", Files: map[string]string{"STEM.dist-info/METADATA": "Name: good\nVersion: 1.0\n"}}, "that of good 1.0"},
		"another version":     {wheeltest.Wheel{Name: "bad", Files: map[string]string{"STEM.dist-info/METADATA": "Name: bad\nVersion: 1.1\n"}}, "that of bad 1.1"},
		"entry point":         {wheeltest.Wheel{Name: "bad", Scripts: []string{"../x = bad:main"}}, "no name for a program"},
		"entry point of code": {wheeltest.Wheel{Name: "bad", Scripts: []string{"x = bad:main();import os"}}, "must be NAME = MODULE:FUNCTION"},
		"twice installed":     {wheeltest.Wheel{Name: "bad", Files: map[string]string{"bad.py": "", "STEM.data/purelib/bad.py": ""}}, "twice"},
		"encrypted":           {wheeltest.Wheel{Name: "bad", Raw: []wheeltest.Member{{Name: "bad/x", Body: "x", Header: func(h *zip.FileHeader) { h.Flags |= 1 }}}, Listed: true}, "encrypted"},
	} {
		w, err := open(t, c.wheel)
		if err == nil {
			_, err = w.Install(bookworm())
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "wheel bad-1.0-py3-none-any.whl: ") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// A file that differs from its digest in RECORD is an error when it is read to its end,
// before anything can be made of it.
func TestWrongDigest(t *testing.T) {
	w, err := open(t, wheeltest.Wheel{Name: "bad", Files: map[string]string{"bad.py": "good", "STEM.data/scripts/x*": "#!python\n"}, Record: func(lines []string) []string {
		for i, l := range lines {
			name, _, _ := strings.Cut(l, ",")
			if name == "bad.py" {
				lines[i] = "bad.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,4"
			}
		}
		return lines
	}})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.Install(bookworm())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		if bad := strings.HasSuffix(e.Path, "bad.py"); bad != (err != nil && strings.Contains(err.Error(), `"bad.py" is not what its RECORD says`)) {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
}

func TestCUDA(t *testing.T) {
	for name, want := range map[string]bool{
		"torch/lib/libcudart-d0da41ae.so.11.0": true, "nvidia/cublas/lib/libcublasLt.so.12": true, "x/libcudnn.so.9": true,
		"x/libcurl.so.4": false, "x/libcudart.txt": false, "x/libcublas_wrapper.py": false,
	} {
		w, err := open(t, wheeltest.Wheel{Name: "x", Files: map[string]string{name: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.CUDA(); got != "" != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Whatever the bytes, opening ends, and nothing lies outside /usr/local.
func FuzzOpen(f *testing.F) {
	for _, w := range []wheeltest.Wheel{rich(), {Name: "x"}} {
		f.Add(w.Bytes(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := archive.Open("x-1.0-py3-none-any.whl", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		entries, err := w.Install(bookworm())
		if err != nil {
			return
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Path, "usr/local/") && !strings.HasPrefix(e.Path, "usr/include/python3.11/x/") || strings.Contains(e.Path, "..") && e.Path != filepath.Clean(e.Path) {
				t.Errorf("it installs %q", e.Path)
			}
		}
	})
}
