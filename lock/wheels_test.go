package lock_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"nix2gpu/debian"
	"nix2gpu/internal/testkit"
	"nix2gpu/internal/wheeltest"
	"nix2gpu/lock"
	"nix2gpu/project"
	"nix2gpu/wheel"
	"nix2gpu/wheel/archive"
)

// An index serves wheels, and records what it was asked.
type index struct {
	t      *testing.T
	wheels []wheeltest.Wheel

	mu    sync.Mutex // lines are looked up side by side
	asked int
}

func (s *index) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
}

func (s *index) Files(_ context.Context, project string) ([]wheel.File, error) {
	s.ask()
	var out []wheel.File
	for _, w := range s.wheels {
		if data := w.Bytes(s.t); wheel.Normalize(w.Name) == project {
			out = append(out, wheel.File{Name: w.File(), SHA256: wheeltest.SHA256(data), Size: int64(len(data))})
		}
	}
	return out, nil
}

func (s *index) Inspect(_ context.Context, f wheel.File) (*wheel.Inspected, error) {
	return s.look(f.Name)
}

func (s *index) Again(_ context.Context, l wheel.Locked) (*wheel.Inspected, error) {
	return s.look(l.File)
}

func (s *index) look(file string) (*wheel.Inspected, error) {
	s.ask()
	for _, w := range s.wheels {
		if w.File() != file {
			continue
		}
		data := w.Bytes(s.t)
		a, err := archive.Open(file, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		return &wheel.Inspected{Locked: wheel.Locked{
			Name: a.Name, Version: a.Version.String(), File: file, Path: "../files/" + file, Size: int64(len(data)), SHA256: wheeltest.SHA256(data), Programs: a.Programs,
		}, Metadata: a.Metadata}, nil
	}
	return nil, fmt.Errorf("no wheel %s", file)
}

// withPython gives the desk's container Python, and requirements.
func (d *desk) withPython(s *index, requirements string) *desk {
	d.t.Helper()
	reqs, wrong := wheel.Parse("r.txt", func(string) ([]byte, error) { return []byte(requirements), nil })
	if len(wrong) > 0 {
		d.t.Fatal(wrong)
	}
	reqs.Pos = project.Pos{File: "f.nix", Line: 7, Col: 3}
	d.opts.Python = map[string]lock.Requirements{"web": {Requirements: reqs, Source: s}}
	return d
}

func python() []string { return []string{"python3 3.11.2-1+b1", "libc6 2.36-9+deb12u10"} }

// wheels locks, and prints those of the container: "a=1 b=2".
func (d *desk) wheels() string {
	d.t.Helper()
	r, err := lock.Ensure(d.t.Context(), d.opts)
	if err != nil {
		d.t.Fatal(err)
	}
	list, _ := r.Wheels("web", "amd64")
	var out []string
	for _, l := range list {
		text := l.Name + "=" + l.Version
		if len(l.Extras) > 0 {
			text += "[" + strings.Join(l.Extras, ",") + "]"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func hashOf(t *testing.T, w wheeltest.Wheel) string {
	return " --hash=sha256:" + wheeltest.SHA256(w.Bytes(t))
}

// With a lock the index of Python packages is not asked, and nothing newer comes in.
func TestWheelsHold(t *testing.T) {
	flask := wheeltest.Wheel{Name: "Flask", Version: "3.0", Metadata: []string{"Requires-Dist: click>=8", "Requires-Dist: dotenv; extra == 'dotenv'"}, Scripts: []string{"flask = flask:main"}}
	click := wheeltest.Wheel{Name: "click", Version: "8.1"}
	s := &index{t: t, wheels: []wheeltest.Wheel{flask, click}}
	d := newDesk(t, python()...).want("python3", "libc6").withPython(s, "flask>=3\nclick==8.1\nnever==1; python_version < '3'\n")
	// Without a hash only "lock" may believe the index.
	d.fails("r.txt:1:1: \"flask>=3\" names no version, and the lock has none for it\n  hint: nix2gpu lock asks the index, and keeps what it learns in nix2gpu.lock; or write flask==VERSION --hash=sha256:…\n" +
		"r.txt:2:1: \"click==8.1\" has no hash, and the lock has none for it\n  hint: nix2gpu lock asks the index, and keeps what it learns in nix2gpu.lock; or write its hash behind it: --hash=sha256:…")
	d.opts.Believe = true
	d.is(d.wheels(), "click=8.1 flask=3.0")
	data, err := os.ReadFile(d.opts.File)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/wheels.lock", data)
	if decoded, err := lock.Decode(data); err != nil || strings.Join(decoded.Programs("web"), " ") != "flask" {
		t.Errorf("the file is read as %v, %v", decoded, err)
	}

	d.opts.Believe, d.opts.Frozen, s.asked = false, true, 0
	s.wheels = append(s.wheels, wheeltest.Wheel{Name: "Flask", Version: "3.1"})
	d.is(d.wheels(), "click=8.1 flask=3.0")
	if s.asked > 0 {
		t.Errorf("the index was asked %d times beside a lock that fits", s.asked)
	}

	s.asked = 0
	d.withPython(s, "flask==3.1\nclick==8.1\n").fails("LOCK does not fit the definition, and --locked (or CI=1) allows no change:\n  ~ flask 3.0 -> 3.1 (amd64, wheel)\nhint: nix2gpu lock")
	if s.asked > 0 {
		t.Errorf("the index was asked %d times for what --locked refuses", s.asked)
	}

	// What a line says anew counts; what no line names leaves.
	d.opts.Frozen = false
	d.withPython(s, "flask==3.1"+hashOf(t, s.wheels[2])+"\n")
	d.is(d.wheels(), "flask=3.1")

	// An update takes the newest that fits.
	d.opts.Believe = true
	d.withPython(s, "flask>=3,<4\n")
	s.wheels = append(s.wheels, wheeltest.Wheel{Name: "Flask", Version: "3.2"}, wheeltest.Wheel{Name: "Flask", Version: "4.0"})
	d.is(d.wheels(), "flask=3.1")
	d.opts.Update = []string{"flask"}
	r, err := lock.Ensure(t.Context(), d.opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Changes); got != "[~ flask 3.1 -> 3.2 (amd64, wheel)]" {
		t.Errorf("changes are %s", got)
	}
	d.opts.Update = []string{"flsk"}
	d.fails(`there is no package "flsk" in the lock; did you mean "flask"?`)
	d.opts.Update = nil

	// Without requirements the section goes.
	d.opts.Python = nil
	d.is(d.wheels(), "")
	if data, _ := os.ReadFile(d.opts.File); strings.Contains(string(data), "wheels") {
		t.Errorf("the lock keeps wheels that nobody wants:\n%s", data)
	}
}

// What wheels need must be in the file, with their extras; nobody adds to it.
func TestWheelsComplete(t *testing.T) {
	s := &index{t: t, wheels: []wheeltest.Wheel{
		{Name: "app", Metadata: []string{"Requires-Dist: server[fast]>=1", "Requires-Dist: old; python_version < '3'"}},
		{Name: "server", Metadata: []string{"Requires-Dist: loop>=2; extra == 'fast'", "Requires-Dist: never; extra == 'slow'"}},
		{Name: "loop", Version: "1.5"},
	}}
	d := newDesk(t, python()...).want("python3", "libc6")
	d.opts.Believe = true
	d.withPython(s, "app==1.0\n").fails("r.txt:1:1: app 1.0 needs \"server[fast]>=1\", which r.txt does not have\n  hint: pip-compile --generate-hashes writes a file that has everything; or add server[fast]>=1")
	d.withPython(s, "app==1.0\nserver\n").fails("r.txt:2:1: server 1.0 needs \"loop>=2\", which r.txt does not have\n  hint: pip-compile --generate-hashes writes a file that has everything; or add loop>=2")
	d.withPython(s, "app==1.0\nserver\nloop\n").fails("r.txt:3:1: server 1.0 needs \"loop>=2\", and r.txt has loop 1.5\n  hint: take versions that fit each other")
	s.wheels = append(s.wheels, wheeltest.Wheel{Name: "loop", Version: "2.5"})
	d.is(d.withPython(s, "app==1.0\nserver\nloop\n").wheels(), "app=1.0 loop=2.5 server=1.0[fast]")
	// Nobody needs the extra any more: the lock says so, without the index.
	d.is(d.withPython(s, "server\nloop\n").wheels(), "loop=2.5 server=1.0")
	// A version that is changed is compared with what others need of it.
	d.withPython(s, "app==1.0\nserver\nloop==1.5\n").fails("r.txt:3:1: server 1.0 needs \"loop>=2\", and r.txt has loop 1.5\n  hint: take versions that fit each other")
}

// What is wrong has its line; all of it comes at once.
func TestWheelsRefused(t *testing.T) {
	a := wheeltest.Wheel{Name: "a"}
	s := &index{t: t, wheels: []wheeltest.Wheel{a, {Name: "b", Tag: "cp311-cp311-win_amd64"}}}
	d := newDesk(t, python()...).want("python3", "libc6")
	d.withPython(s, "a==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\nb==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\nc==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n")
	d.fails("r.txt:1:1: the wheel of \"a==1.0\" for Python 3.11 on linux/amd64 with glibc 2.36 has none of the hashes: a-1.0-py3-none-any.whl is sha256:" + wheeltest.SHA256(a.Bytes(t)) +
		"\n  hint: was it published again, or is its hash missing in the file? pip-compile --generate-hashes writes those of all wheels" +
		"\nr.txt:2:1: \"b==1.0\" has no wheel for Python 3.11 on linux/amd64 with glibc 2.36: there is b-1.0-cp311-cp311-win_amd64.whl\n  hint: take a version that has one, or build the wheel yourself (pip wheel), into a folder that --find-links names" +
		"\nr.txt:3:1: the index has no project \"c\"\n  hint: is the name right? --index-url or --extra-index-url names another index")
	d.withPython(s, "a==1.0\na>=1\n").fails("r.txt:2:1: \"a\" appears twice: r.txt:1:1 has \"a==1.0\"\n  hint: keep one of them")
	d = newDesk(t, "tool 1").want("tool")
	d.withPython(s, "a==1.0\n").fails(`f.nix:7:3: wheels need packages "python3" and "libc6" of the suite: "" is not a version of Python such as "3.11.2"`)
}

// A newer Python may want other wheels.
func TestWheelsOfAnotherPython(t *testing.T) {
	s := &index{t: t, wheels: []wheeltest.Wheel{{Name: "a", Tag: "cp311-cp311-manylinux_2_17_x86_64"}, {Name: "a", Tag: "cp313-cp313-manylinux_2_17_x86_64"}}}
	d := newDesk(t, python()...).want("python3", "libc6").withPython(s, "a==1.0\n")
	d.opts.Believe = true
	d.wheels()
	d.packages = []string{"python3 3.13.5-1", "libc6 2.41-12"}
	d.opts.Suite, d.opts.UpdateAll = "trixie", true
	d.wheels()
	data, err := os.ReadFile(d.opts.File)
	if err != nil || !strings.Contains(string(data), `"file":"a-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"`) || strings.Contains(string(data), "cp311") {
		t.Errorf("the lock is %s, %v", data, err)
	}
}

// On another image its own libraries, and its Python, say which wheels fit.
func TestWheelsOnABase(t *testing.T) {
	s := &index{t: t, wheels: []wheeltest.Wheel{{Name: "a", Tag: "cp310-cp310-manylinux_2_35_x86_64"}, {Name: "a", Tag: "cp310-cp310-manylinux_2_36_x86_64"}}}
	d := newDesk(t, "tool 1").want("tool", "python3").withPython(s, "a==1.0\n")
	d.opts.Believe = true
	d.opts.Bases = map[string]map[string]lock.Base{"web": {"amd64": {Digest: "sha256:" + strings.Repeat("b", 64), Installed: []debian.Installed{
		{Name: "libc6", Version: "2.35-0ubuntu3.8", Arch: "amd64"}, {Name: "python3", Version: "3.10.6-1~22.04.1", Arch: "amd64"},
	}}}}
	for range 2 { // the second from the file
		r, err := lock.Ensure(t.Context(), d.opts)
		if err != nil {
			t.Fatal(err)
		}
		list, target := r.Wheels("web", "amd64")
		if len(list) != 1 || list[0].File != "a-1.0-cp310-cp310-manylinux_2_35_x86_64.whl" || target.Short() != "3.10" {
			t.Errorf("for %v: %v", target, list)
		}
	}
}

func TestDecodeRefusesWheels(t *testing.T) {
	good, err := os.ReadFile("testdata/wheels.lock")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, want string }{
		{`"path":"../files/Flask`, `"path":"https://evil.example.org/Flask`, "its path is"},
		{`"path":"../files/Flask`, `"path":"/files/Flask`, "its path is"},
		{`"path":"../files/Flask`, `"path":"//evil.example.org/Flask`, "its path is"},
		{`"file":"Flask-3.0`, `"file":"../Flask-3.0`, "is not the name of a wheel"},
		{`"name":"flask"`, `"name":"flask2"`, "its file is"},
		{`"name":"click","version":"8.1"`, `"name":"click","version":"8.2"`, "its file is"},
		{`"python": "3.11.2"`, `"python": "x"`, "not a version of Python"},
		{`"glibc": "2.36"`, `"glibc": "2.999999999"`, "not a version of glibc"},
		{`"needs":["click>=8"]`, `"needs":["click >>8"]`, "it needs"},
		{`"programs":["flask"]`, `"programs":["../flask"]`, "its programs are"},
	} {
		damaged := strings.Replace(string(good), test.old, test.new, 1)
		if damaged == string(good) {
			t.Errorf("%s is not in the file", test.old)
		}
		if _, err := lock.Decode([]byte(damaged)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.new, err, test.want)
		}
	}
}
