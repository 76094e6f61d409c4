package image_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/wheeltest"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// wheelOf is a wheel of a test as an image takes it.
func wheelOf(t testing.TB, w wheeltest.Wheel) image.Wheel {
	t.Helper()
	data := w.Bytes(t)
	name, err := wheel.ParseFilename(w.File())
	if err != nil {
		t.Fatal(err)
	}
	return image.Wheel{
		Locked: wheel.Locked{Name: name.Name, Version: name.Version.String(), File: w.File(), Size: int64(len(data)), SHA256: wheeltest.SHA256(data)},
		Open:   func(context.Context) (image.WheelFile, error) { return inMemory{bytes.NewReader(data)}, nil },
	}
}

// noise is what does not get smaller, and makes a wheel a big one.
func noise() string {
	b := make([]byte, 4_100_000)
	rand.Read(b)
	return string(b)
}

func python311() wheel.Target { return wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"} }

// Wheels lie in layers of their own between the packages and the fix-ups: big ones
// alone, those for every machine together, the others together.
func TestWheelLayers(t *testing.T) {
	big := wheelOf(t, wheeltest.Wheel{Name: "big", Tag: "cp311-cp311-manylinux_2_17_x86_64", Files: map[string]string{"big/data.bin": noise(), "big/__init__.py": ""}})
	small := []image.Wheel{
		wheelOf(t, wheeltest.Wheel{Name: "flask", Scripts: []string{"flask = flask:main"}}), wheelOf(t, wheeltest.Wheel{Name: "click"}),
		wheelOf(t, wheeltest.Wheel{Name: "fast", Tag: "cp311-cp311-manylinux_2_17_x86_64", Files: map[string]string{"fast.so": "elf", "STEM.data/data/lib/libfast.so.1": "elf"}}),
	}
	s := spec(t, shop())
	s.Python, s.Wheels = python311(), append([]image.Wheel{big}, small...)
	b := build(t, s)
	var titles []string
	layers := map[string]*image.Layer{}
	for _, l := range b.Layers {
		titles, layers[l.Title] = append(titles, l.Title), l
	}
	at := slices.Index(titles, "Python: big")
	if at < 0 || !slices.Equal(titles[at:at+4], []string{"Python: big", "Python: click, flask", "Python: fast", "accounts, certificates, loader, packages by name"}) {
		t.Errorf("layers are %q", titles)
	}
	shown, content := root(t, b)
	for name, want := range map[string]string{
		"usr/local/lib/python3.11/dist-packages/flask/__init__.py":          "0 0644 0:0 ",
		"usr/local/lib/python3.11/dist-packages/flask-1.0.dist-info/RECORD": "0 0644 0:0 ",
		"usr/local/lib/python3.11/dist-packages/big/data.bin":               "0 0644 0:0 ",
		"usr/local/bin/flask":        "0 0755 0:0 ",
		"usr/local/lib/libfast.so.1": "0 0644 0:0 ",
	} {
		if shown[name] != want {
			t.Errorf("%s: got %q, want %q", name, shown[name], want)
		}
	}
	if text := content["usr/local/bin/flask"]; !strings.HasPrefix(text, "#!/usr/bin/python3\n") {
		t.Errorf("the program of flask is %q", text)
	}
	if got := layers["Python: click, flask"].Wheels; len(got) != 2 || got[0].Name != "click" {
		t.Errorf("the layer has %v", got)
	}

	// The same on a cache that is empty; a layer for every machine is the same on
	// another; a wheel more moves none of the others.
	again := s
	again.Cache = t.TempDir()
	if digest(t, build(t, again)) != digest(t, b) {
		t.Error("with an empty cache the image is another")
	}
	other := s
	other.Wheels = append([]image.Wheel{wheelOf(t, wheeltest.Wheel{Name: "fast2", Tag: "cp311-cp311-manylinux_2_17_x86_64"})}, other.Wheels...)
	for _, l := range build(t, other).Layers {
		if before := layers[l.Title]; strings.HasPrefix(l.Title, "Python: big") || strings.HasPrefix(l.Title, "Python: click") {
			if before == nil || before.Digest != l.Digest {
				t.Errorf("layer %q is another beside one more wheel", l.Title)
			}
		}
	}
	arm := s
	arm.Arch, arm.Binary, arm.Python.Arch, arm.Wheels = "arm64", standIn(t, elf.EM_AARCH64), "arm64", small[:2]
	for _, l := range build(t, arm).Layers {
		if strings.HasPrefix(l.Title, "Python: ") && l.Digest != layers["Python: click, flask"].Digest {
			t.Errorf("on another architecture layer %q is another", l.Title)
		}
	}
	newer := s
	newer.Python.Python = "3.13.5"
	shown, _ = root(t, build(t, newer))
	if shown["usr/local/lib/python3.13/dist-packages/click/__init__.py"] == "" {
		t.Error("for another Python wheels lie where they did")
	}
}

// Few layers are enough.
func TestWheelsInFewLayers(t *testing.T) {
	s := spec(t, shop())
	s.Python = python311()
	for i := range 2 {
		s.Wheels = append(s.Wheels, wheelOf(t, wheeltest.Wheel{Name: fmt.Sprint("big", i), Files: map[string]string{fmt.Sprintf("big%d/x", i): noise()}}))
	}
	s.MaxLayers = 6
	if b := build(t, s); len(b.Layers) != 5 { // there are no files of the user's
		t.Errorf("%d layers", len(b.Layers))
	}
	s.MaxLayers = 5
	if _, err := image.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), "maxLayers must be at least 6, not 5") {
		t.Errorf("with 5 layers: %v", err)
	}
}

// A file that two wheels have alike is there once; of two that differ the first
// stays, which is told, also when the layer comes from the cache.
func TestWheelsClash(t *testing.T) {
	s := spec(t, shop())
	s.Python = python311()
	both := func(text string) map[string]string {
		return map[string]string{"ns/__init__.py": "", "tests/__init__.py": text}
	}
	one, two := wheelOf(t, wheeltest.Wheel{Name: "one", Files: both("one")}), wheelOf(t, wheeltest.Wheel{Name: "two", Files: both("two")})
	for _, c := range []struct {
		second      image.Wheel
		loser, want string
	}{
		{two, "two", "one"}, // in the same layer
		{wheelOf(t, wheeltest.Wheel{Name: "three", Tag: "cp311-cp311-manylinux_2_17_x86_64", Files: both("three")}), "", ""}, // in another
	} {
		s.Wheels = []image.Wheel{one, c.second}
		for range 2 {
			b := build(t, s)
			_, content := root(t, b)
			winner := content["usr/local/lib/python3.11/dist-packages/tests/__init__.py"]
			if c.want != "" && winner != c.want {
				t.Errorf("the file of %s is there, want that of %s", winner, c.want)
			}
			loser := "one"
			if winner == "one" {
				loser = c.second.Name
			}
			want := "the wheels of " + loser + " and " + winner + " have different files at /usr/local/lib/python3.11/dist-packages/tests/__init__.py: that of " + winner + " is there"
			if !slices.Contains(b.Warnings, want) || strings.Count(strings.Join(b.Warnings, "\n"), "different files") != 1 {
				t.Errorf("warnings are %q, want %q", b.Warnings, want)
			}
		}
	}
}

// A wheel that is not what its RECORD says makes no image, and leaves no layer.
func TestHostileWheel(t *testing.T) {
	for name, w := range map[string]wheeltest.Wheel{
		"is not what its RECORD says": {Name: "bad", Record: func(l []string) []string {
			for i := range l {
				if file, rest, _ := strings.Cut(l[i], ","); strings.HasSuffix(file, "__init__.py") {
					l[i] = file + ",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU," + rest[strings.LastIndexByte(rest, ',')+1:]
				}
			}
			return l
		}},
		".wh.":      {Name: "bad", Files: map[string]string{"bad/.wh.x": ""}},
		"leads out": {Name: "bad", Raw: []wheeltest.Member{{Name: "../../x", Body: "x"}}, Listed: true},
	} {
		s := spec(t, shop())
		s.Python, s.Wheels = python311(), []image.Wheel{wheelOf(t, w)}
		for range 2 { // nothing of it was kept
			if _, err := image.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "wheel bad-1.0-py3-none-any.whl: ") {
				t.Errorf("%v; want %q", err, name)
			}
		}
	}
}

// sharedLibrary is the smallest file that the loader's cache takes for a library.
func sharedLibrary(t testing.TB) []byte {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Phentsize: 56}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Libraries of wheels in /usr/local/lib are in the loader's cache.
func TestWheelLibraries(t *testing.T) {
	s := spec(t, shop())
	s.Python = python311()
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "libc-bin", Entries: []debtest.Entry{debtest.File("etc/ld.so.conf.d/libc.conf", "/usr/local/lib\n")}}))
	s.Wheels = []image.Wheel{wheelOf(t, wheeltest.Wheel{Name: "x", Files: map[string]string{"x.py": "", "STEM.data/data/lib/libx.so.1": string(sharedLibrary(t))}})}
	_, content := root(t, build(t, s))
	if !strings.Contains(content["etc/ld.so.cache"], "/usr/local/lib/libx.so.1") {
		t.Error("the loader does not know the library")
	}
}

// A wheel that brings CUDA, whatever it is called, is told of where the image has
// CUDA too; an attribute that a wheel stands for has its programs.
func TestWheelsBeside(t *testing.T) {
	p := shop()
	p.Container.CUDA = "cudaPackages_12_8"
	p.Container.SystemPkgs = []project.PackageRef{{Attr: "mlflow-server"}}
	s := spec(t, p)
	s.Python = python311()
	s.Wheels = []image.Wheel{
		wheelOf(t, wheeltest.Wheel{Name: "own-torch", Files: map[string]string{"own_torch/lib/libcudart-d0da41ae.so.12": "x"}}),
		wheelOf(t, wheeltest.Wheel{Name: "mlflow", Scripts: []string{"mlflow = mlflow:main"}}),
	}
	for range 2 { // the second from the cache
		b := build(t, s)
		const want = "cudaPackages_12_8: the wheel of own-torch brings CUDA too (libcudart-d0da41ae.so.12): the image has it twice"
		if !slices.Contains(b.Warnings, want) {
			t.Errorf("warnings are %q", b.Warnings)
		}
		if shown, _ := root(t, b); shown["opt/nix2gpu/pkgs/mlflow-server/bin/mlflow"] != "2 0777 0:0 /usr/local/bin/mlflow" {
			t.Errorf("mlflow of the farm is %q", shown["opt/nix2gpu/pkgs/mlflow-server/bin/mlflow"])
		}
	}
	p.Container.CUDA = ""
	s.Project = valid(t, p)
	if b := build(t, s); strings.Contains(strings.Join(b.Warnings, "\n"), "CUDA") {
		t.Errorf("without CUDA of its own it warns: %q", b.Warnings)
	}
}
