package image_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/wheeltest"
	"nix2gpu/project"
)

// program is an ELF file that names a loader, libraries and folders for them.
func program(t testing.TB, loader, soname string, runpath string, libs ...string) string {
	t.Helper()
	strings := "\x00"
	text := func(s string) uint64 {
		at := len(strings)
		strings += s + "\x00"
		return uint64(at)
	}
	var dynamic []elf.Dyn64
	for _, lib := range libs {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: text(lib)})
	}
	if soname != "" {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_SONAME), Val: text(soname)})
	}
	if runpath != "" {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_RUNPATH), Val: text(runpath)})
	}
	const phs = 3
	head := uint64(64 + phs*56)
	dynamicAt := head + uint64(len(strings)) + uint64(len(loader)+1)
	dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_STRTAB), Val: head}, elf.Dyn64{Tag: int64(elf.DT_STRSZ), Val: uint64(len(strings))}, elf.Dyn64{})
	end := dynamicAt + uint64(len(dynamic)*16)
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: phs}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	interp := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: head + uint64(len(strings)), Filesz: uint64(len(loader) + 1)}
	if loader == "" {
		interp.Type = uint32(elf.PT_NULL)
	}
	var b bytes.Buffer
	for _, v := range []any{h,
		elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: end, Memsz: end}, elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: dynamicAt, Vaddr: dynamicAt, Filesz: uint64(len(dynamic) * 16)}, interp,
		[]byte(strings), []byte(loader + "\x00"), dynamic} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// A minimal image has the programs that the project names and the libraries, the
// interpreters and the data that these ask for; of software that the table does
// not know it has everything.
func TestMinimal(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	lib := "usr/lib/x86_64-linux-gnu/"
	elf := func(soname string, libs ...string) string { return program(t, "", soname, "", libs...) }
	s := spec(t, shop())
	p := shop()
	p.Processes["web"].Command.Exec = []project.Text{project.PackagePath("nginx", "/bin/nginx"), project.PackagePath("strange", "/bin/strange"), project.PackagePath("tree", "/bin/tree")}
	s.Project = valid(t, p)
	s.Packages = slices.DeleteFunc(s.Packages, func(p image.Package) bool { return p.Name == "server" || p.Name == "python3" })
	for _, d := range []debtest.Deb{
		{Name: "libc6", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("lib64/ld-linux-x86-64.so.2", elf("ld-linux-x86-64.so.2")), debtest.File(lib+"libc.so.6", elf("libc.so.6")), debtest.File(lib+"libm.so.6", elf("libm.so.6")), debtest.File(lib+"gconv/X.so", elf("X.so"))}},
		{Name: "nginx", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/sbin/nginx", program(t, loader, "", "", "liba.so.1", "libc.so.6")), debtest.Exec("usr/sbin/nginx-tool", "x"),
			debtest.File("usr/share/doc/nginx/copyright", "free\n"), debtest.Dir("var/lib/nginx", 0o700)}},
		{Name: "nginx-data", Entries: []debtest.Entry{debtest.File("etc/nginx/mime.types", "m"), debtest.File("usr/share/other/x", "x")}},
		{Name: "liba", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"liba.so.1.2", program(t, "", "liba.so.1", "$ORIGIN/private", "libb.so")), debtest.Symlink(lib+"liba.so.1", "liba.so.1.2"), debtest.File(lib+"liba-extra.so.1", elf("liba-extra.so.1")), debtest.File("usr/share/doc/liba/copyright", "free\n")}},
		{Name: "libb", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"private/libb.so", elf("libb.so"))}},
		{Name: "libunused", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libunused.so.1", elf("libunused.so.1")), debtest.File("usr/share/doc/libunused/copyright", "free\n")}},
		{Name: "tree", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/bin/tree", "#!/usr/bin/env python3\n"), debtest.File("usr/share/tree/data", "d")}},
		{Name: "python3.11", Arch: "amd64", Entries: []debtest.Entry{debtest.Symlink("usr/bin/python3", "python3.11"), debtest.Exec("usr/bin/python3.11", program(t, loader, "", "", "libc.so.6")), debtest.File("usr/lib/python3.11/os.py", "o"), debtest.File("usr/lib/python3.11/idlelib/i.py", "i")}},
		{Name: "strange", Arch: "amd64", Depends: "strange-data (>= 1) | none, dpkg", Entries: []debtest.Entry{debtest.Exec("usr/bin/strange", program(t, loader, "", "", "libc.so.6")), debtest.File("usr/share/strange/a", "a")}},
		{Name: "strange-data", Entries: []debtest.Entry{debtest.File("usr/share/strange-data/b", "b")}},
		{Name: "dpkg", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/bin/dpkg", "d")}},
	} {
		s.Packages = append(s.Packages, packaged(t, d))
	}
	s.Variant = image.Minimal
	own := filepath.Join(s.Root, "own")
	if err := os.WriteFile(own, []byte(program(t, loader, "", "", "libown.so", "libc.so.6")), 0o755); err != nil {
		t.Fatal(err)
	}
	libs := filepath.Join(s.Root, "libs/usr/lib")
	if err := os.MkdirAll(libs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(libs, "libown.so"), []byte(elf("libown.so", "libowned.so.1")), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "libowned", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libowned.so.1", elf("libowned.so.1"))}}))
	p.Container.CopyToRoot = []project.Text{project.RootPath("/own"), project.RootPath("/libs")}
	s.Project = valid(t, p)
	b := build(t, s)
	shown, content := root(t, b)
	for name, want := range map[string]bool{
		"usr/sbin/nginx": true, "usr/sbin/nginx-tool": false, "etc/nginx/mime.types": true, "usr/share/other/x": false, "var/lib/nginx": true, "usr/share/doc/nginx/copyright": true,
		lib + "liba.so.1": true, lib + "liba.so.1.2": true, lib + "liba-extra.so.1": false, lib + "private/libb.so": true, lib + "libunused.so.1": false, "usr/share/doc/libunused": false,
		"usr/lib64/ld-linux-x86-64.so.2": true, lib + "libc.so.6": true, lib + "libm.so.6": true, lib + "gconv/X.so": false,
		"usr/bin/tree": true, "usr/share/tree/data": false, "usr/bin/python3": true, "usr/bin/python3.11": true, "usr/lib/python3.11/os.py": true, "usr/lib/python3.11/idlelib/i.py": false,
		"usr/bin/strange": true, "usr/share/strange/a": true, "usr/share/strange-data/b": true, "usr/bin/dpkg": false,
		"usr/bin/dash": true, "usr/bin/sh": true, "usr/bin/mawk": true, "etc/debian_version": true, "usr/share/ca-certificates/mozilla/A.crt": false, "etc/ssl/certs/ca-certificates.crt": true,
		lib + "libowned.so.1": true, "usr/local/bin/own": true, "usr/lib/libown.so": true,
	} {
		if got := shown[name] != ""; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	if !strings.Contains(content["etc/ssl/certs/ca-certificates.crt"], "BEGIN A") || !strings.Contains(content["etc/passwd"], "daemon:x:1:1") {
		t.Errorf("what packages say that are not there is lost:\n%s", content["etc/passwd"])
	}
	status := content["var/lib/dpkg/status"]
	var listed []string
	for _, l := range b.Layers {
		for _, p := range l.Packages {
			listed = append(listed, p.Name)
		}
	}
	for name, want := range map[string]bool{"nginx": true, "liba": true, "nginx-data": true, "libunused": false, "dpkg": false, "ca-certificates": false} {
		if strings.Contains(status, "Package: "+name+"\n") != want || slices.Contains(listed, name) != want {
			t.Errorf("package %s is named: %v", name, !want)
		}
	}
	if len(b.Warnings) > 0 {
		t.Errorf("warnings: %q", b.Warnings)
	}
	if again := digest(t, build(t, s)); again != digest(t, b) {
		t.Errorf("from the cache it is %s, not %s", again, digest(t, b))
	}
	s.Cache = t.TempDir()
	if again := digest(t, build(t, s)); again != digest(t, b) {
		t.Errorf("made anew it is %s, not %s", again, digest(t, b))
	}
}

// kept wants paths to be there, or not to be.
func kept(t *testing.T, there func(name string) bool, want map[string]bool) {
	t.Helper()
	for name, want := range want {
		if got := there(name); got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
}

// Wheels are in a minimal image as they are, with Python and the libraries of Debian
// that their files load; what they bring themselves is theirs.
func TestMinimalWithWheels(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	lib := "usr/lib/x86_64-linux-gnu/"
	elf := func(soname string, libs ...string) string { return program(t, "", soname, "", libs...) }
	s := spec(t, shop())
	s.Packages = slices.DeleteFunc(s.Packages, func(p image.Package) bool { return p.Name == "python3" })
	for _, d := range []debtest.Deb{
		{Name: "libc6", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("lib64/ld-linux-x86-64.so.2", elf("ld-linux-x86-64.so.2")), debtest.File(lib+"libc.so.6", elf("libc.so.6"))}},
		{Name: "python3.11", Arch: "amd64", Entries: []debtest.Entry{debtest.Symlink("usr/bin/python3", "python3.11"), debtest.Exec("usr/bin/python3.11", program(t, loader, "", "", "libc.so.6")), debtest.File("usr/lib/python3.11/os.py", "o"), debtest.File("usr/lib/python3.11/test/t.py", "t")}},
		{Name: "libgomp1", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libgomp.so.1", elf("libgomp.so.1", "libdeep.so.1"))}},
		{Name: "libdeep", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libdeep.so.1", elf("libdeep.so.1"))}},
		{Name: "libblas", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libblas.so.3", elf("libblas.so.3"))}},
	} {
		s.Packages = append(s.Packages, packaged(t, d))
	}
	p := shop()
	p.Processes["web"].Command.Exec = []project.Text{project.Lit("serve")}
	s.Project, s.Variant, s.Python = valid(t, p), image.Minimal, python311()
	s.Wheels = []image.Wheel{wheelOf(t, wheeltest.Wheel{
		Name: "fast", Tag: "cp311-cp311-manylinux_2_17_x86_64", Scripts: []string{"serve = fast:main"},
		Files: map[string]string{"fast/core.so": program(t, "", "core.so", "$ORIGIN/../fast.libs", "libgomp.so.1", "libblas.so.3"), "fast.libs/libblas.so.3": elf("libblas.so.3"), "fast/data.txt": "d"},
	})}
	b := build(t, s)
	shown, content := root(t, b)
	const site = "usr/local/lib/python3.11/dist-packages/"
	kept(t, func(name string) bool { return shown[name] != "" }, map[string]bool{
		site + "fast/core.so": true, site + "fast/data.txt": true, site + "fast.libs/libblas.so.3": true, "usr/local/bin/serve": true,
		"usr/bin/python3": true, "usr/bin/python3.11": true, "usr/lib/python3.11/os.py": true, "usr/lib/python3.11/test/t.py": false,
		lib + "libgomp.so.1": true, lib + "libdeep.so.1": true, lib + "libblas.so.3": false, "usr/lib/server/bin/server": false,
	})
	if status := content["var/lib/dpkg/status"]; !strings.Contains(status, "Package: libgomp1\n") || strings.Contains(status, "Package: libblas\n") {
		t.Errorf("packages are\n%s", status)
	}
	if len(b.Warnings) > 0 {
		t.Errorf("warnings: %q", b.Warnings)
	}
	if again := digest(t, build(t, s)); again != digest(t, b) {
		t.Errorf("from the cache it is %s, not %s", again, digest(t, b))
	}
	// Another wheel that needs what was left out brings it.
	s.Wheels = append(s.Wheels, wheelOf(t, wheeltest.Wheel{Name: "slow", Tag: "cp311-cp311-manylinux_2_17_x86_64", Files: map[string]string{"slow.so": elf("slow.so", "libblas.so.3")}}))
	if shown, _ = root(t, build(t, s)); shown[lib+"libblas.so.3"] == "" {
		t.Error("a library that a new wheel needs is not there")
	}
}

// On a base a minimal image has of packages what programs need and the base has not.
// What takes the place of a package of the base is whole: there is no mixture of two
// versions.
func TestMinimalOnBase(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	lib := "usr/lib/x86_64-linux-gnu/"
	elf := func(soname string, libs ...string) string { return program(t, "", soname, "", libs...) }
	p := shop()
	p.Processes["web"].Command.Exec = []project.Text{project.PackagePath("nginx", "/bin/nginx")}
	s := spec(t, p)
	s.Base = readBase(t, cudaBase(t, "amd64", func(f map[string]string) {
		f[lib+"libc.so.6"], f[lib+"libof.so.1"], f[lib+"libssl.so.3"], f["etc/ssl.conf"] = "base", "base", "base", "base"
		f["var/lib/dpkg/status"] += "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nMaintainer: Nobody\nDescription: of the base\n\n" +
			"Package: libidle\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nMaintainer: Nobody\nDescription: of the base\n\n"
	}))
	s.Variant, s.Packages = image.Minimal, nil
	for _, d := range []debtest.Deb{
		{Name: "nginx", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/sbin/nginx", program(t, loader, "", "", "liba.so.1", "libof.so.1", "libssl.so.3", "libc.so.6"))}},
		{Name: "liba", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"liba.so.1", elf("liba.so.1")), debtest.File(lib+"liba-extra.so.1", elf("liba-extra.so.1"))}},
		{Name: "libunused", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libunused.so.1", elf("libunused.so.1"))}},
		{Name: "libssl3", Version: "2", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libssl.so.3", elf("libssl.so.3")), debtest.File("etc/ssl.conf", "new"), debtest.File(lib+"engine.so", elf("engine.so", "libengine.so.1"))}},
		{Name: "libengine", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libengine.so.1", elf("libengine.so.1"))}},
		{Name: "libidle", Version: "2", Arch: "amd64", Entries: []debtest.Entry{debtest.File(lib+"libidle.so.1", elf("libidle.so.1"))}},
	} {
		s.Packages = append(s.Packages, packaged(t, d))
	}
	b := build(t, s)
	kinds, content := over(t, b)
	kept(t, func(name string) bool { _, ok := kinds[name]; return ok }, map[string]bool{
		"usr/sbin/nginx": true, lib + "liba.so.1": true, lib + "liba-extra.so.1": false, lib + "libunused.so.1": false, lib + "libof.so.1": true, "opt/vendor/c": true,
		lib + "engine.so": true, lib + "libengine.so.1": true, lib + "libidle.so.1": false,
	})
	if content["etc/ssl.conf"] != "new" || content[lib+"libssl.so.3"] == "base" || content[lib+"libc.so.6"] != "base" {
		t.Errorf("libssl3 is of two versions: %q", content["etc/ssl.conf"])
	}
	status := content["var/lib/dpkg/status"]
	for text, want := range map[string]bool{
		"Package: nginx\n": true, "Package: libunused\n": false, "Package: bash\n": true, "Package: libssl3\nStatus: install ok installed\nVersion: 2\n": true,
		"Package: libidle\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n": true,
	} {
		if strings.Contains(status, text) != want {
			t.Errorf("the list of packages has %q: %v\n%s", text, !want, status)
		}
	}
	if again := digest(t, build(t, s)); again != digest(t, b) {
		t.Errorf("from the cache it is %s, not %s", again, digest(t, b))
	}
}
