package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nix2gpu/debian"
	"nix2gpu/image"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// packaged is a package of a test as an image takes it.
func packaged(t testing.TB, d debtest.Deb) image.Package {
	t.Helper()
	data := d.Bytes(t)
	sum := sha256.Sum256(data)
	version, arch := d.Version, d.Arch
	if version == "" {
		version = "1.0"
	}
	if arch == "" {
		arch = "all"
	}
	return image.Package{
		Locked: debian.Locked{Name: d.Name, Version: version, Arch: arch, Source: d.Name, SourceVersion: version, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])},
		Open:   func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// tiny is a small system of a few packages.
func tiny(t testing.TB) []image.Package {
	bookworm := "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"
	var list []image.Package
	for _, d := range []debtest.Deb{
		{Name: "base-files", Entries: []debtest.Entry{
			debtest.Dir("tmp", 0o1777), debtest.Dir("bin", 0o755), debtest.File("usr/lib/os-release", bookworm), debtest.Symlink("etc/os-release", "../usr/lib/os-release"),
			debtest.File("etc/debian_version", "12.1\n"),
		}, Scripts: map[string]string{"conffiles": "/etc/debian_version\n"}},
		{Name: "base-passwd", Entries: []debtest.Entry{
			debtest.File("usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
			debtest.File("usr/share/base-passwd/group.master", "root:*:0:\ndaemon:*:1:\nshadow:*:42:\nwww-data:*:33:\nnogroup:*:65534:\n"),
		}},
		{Name: "ca-certificates", Entries: []debtest.Entry{
			debtest.File("usr/share/ca-certificates/mozilla/B.crt", "-----BEGIN B\n"), debtest.File("usr/share/ca-certificates/mozilla/A.crt", "-----BEGIN A\n\n"),
			debtest.File("usr/share/doc/ca-certificates/copyright", "free\n"), debtest.File("usr/share/doc/ca-certificates/README", "read\n"), debtest.File("usr/share/man/man8/x.8.gz", "man"),
		}},
		{Name: "dash", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("bin/dash", "dash")}},
		{Name: "mawk", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/bin/mawk", "mawk")},
			Scripts: map[string]string{"postinst": "update-alternatives --install /usr/bin/nawk nawk /usr/bin/mawk 5\n"}},
		{Name: "python3", Arch: "amd64", Entries: []debtest.Entry{debtest.Exec("usr/bin/python3", "#!/bin/dash\n")}},
		{Name: "server", Arch: "amd64", Depends: "dash", Entries: []debtest.Entry{debtest.Exec("usr/lib/server/bin/server", "s"), debtest.Exec("usr/sbin/server", "s")}},
	} {
		list = append(list, packaged(t, d))
	}
	return list
}

// standIn is the smallest file that passes for a static program.
func standIn(t testing.TB, machine elf.Machine) string {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Phentsize: 56}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nix2gpu")
	if err := os.WriteFile(file, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// shop is a small project.
func shop() *project.Project {
	return &project.Project{
		Version: project.Version, Name: "shop",
		Services:  map[project.ID]*project.Service{"web": {ID: "web", Type: "custom", Instance: "web", Label: "web", Main: "web"}},
		Processes: map[project.ID]*project.Process{"web": {ID: "web", Service: "web", Role: project.Main, Command: project.Command{Exec: []project.Text{project.PackagePath("server", "/bin/server"), project.PackagePath("python3", "/bin/python")}}}},
		Container: project.Container{WorkingDir: "/workspace", ExposedPorts: []string{"8080/tcp", "3000-3002/udp"}, Env: map[string]project.Value{"TZ": {Text: project.Lit("UTC")}}},
	}
}

func valid(t testing.TB, p *project.Project) project.Valid {
	t.Helper()
	v, err := project.Validated(p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func spec(t testing.TB, p *project.Project) image.Spec {
	return image.Spec{Project: valid(t, p), Root: t.TempDir(), Arch: "amd64", Packages: tiny(t), Binary: standIn(t, elf.EM_X86_64), Cache: t.TempDir()}
}

func build(t testing.TB, s image.Spec) *image.Built {
	t.Helper()
	b, err := image.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func digest(t testing.TB, b *image.Built) string {
	t.Helper()
	d, err := b.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// entries are those of a layer, in order.
func entries(t testing.TB, l *image.Layer) (list []tar.Header, content map[string]string) {
	t.Helper()
	f, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader
	if strings.HasSuffix(string(l.Media), "zstd") {
		z, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	} else if r, err = gzip.NewReader(f); err != nil {
		t.Fatal(err)
	}
	content = map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return list, content
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, *h)
		content[path.Clean(h.Name)] = string(data)
	}
}

// root is what all layers come to: a line for each path.
func root(t testing.TB, b *image.Built) (shown map[string]string, content map[string]string) {
	shown, content = map[string]string{}, map[string]string{}
	for _, l := range b.Layers {
		list, texts := entries(t, l)
		for _, h := range list {
			name := path.Clean(h.Name)
			shown[name] = fmt.Sprintf("%c %04o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname)
			content[name] = texts[name]
		}
	}
	return shown, content
}

// Engines refuse a layer in which a path occurs twice, and whatever is not below
// a folder that was there before.
func TestEachPathOnce(t *testing.T) {
	s := spec(t, shop())
	s.MaxLayers = 6 // two of packages: many folders meet
	b := build(t, s)
	if len(b.Layers) != 5 { // there are no files of the user's
		t.Errorf("%d layers, want 5", len(b.Layers))
	}
	for _, l := range b.Layers {
		list, _ := entries(t, l)
		seen := map[string]bool{".": true}
		for _, h := range list {
			name := path.Clean(h.Name)
			if seen[name] {
				t.Errorf("layer %q has %q twice", l.Title, name)
			}
			seen[name] = true
			if !seen[path.Dir(name)] {
				t.Errorf("layer %q has %q before the folder that it is in", l.Title, name)
			}
		}
		if len(list) == 0 {
			t.Errorf("layer %q is empty", l.Title)
		}
	}
}

func TestRoot(t *testing.T) {
	b := build(t, spec(t, shop()))
	shown, content := root(t, b)
	for name, want := range map[string]string{
		"bin":                                  "2 0777 0:0 usr/bin",
		"lib":                                  "2 0777 0:0 usr/lib",
		"usr/bin/dash":                         "0 0755 0:0 ",
		"usr/bin/sh":                           "2 0777 0:0 dash",
		"usr/bin/awk":                          "2 0777 0:0 mawk",
		"usr/bin/nawk":                         "2 0777 0:0 /usr/bin/mawk",
		"usr/bin/python":                       "2 0777 0:0 python3",
		"tmp":                                  "5 1777 0:0 ",
		"root":                                 "5 0700 0:0 ",
		"workspace":                            "5 0755 0:0 ",
		"etc/shadow":                           "0 0640 0:42 ",
		"etc/ld.so.conf.d":                     "5 0755 0:0 ",
		"usr/bin/nix2gpu":                      "0 0755 0:0 ",
		"usr/bin/process-compose":              "2 0777 0:0 nix2gpu",
		"etc/nix2gpu/project.json":             "0 0644 0:0 ",
		"etc/ssl/certs/ca-bundle.crt":          "2 0777 0:0 ca-certificates.crt",
		"opt/nix2gpu/pkgs/server/bin/server":   "2 0777 0:0 /usr/sbin/server",
		"opt/nix2gpu/pkgs/python3/bin/python":  "2 0777 0:0 /usr/bin/python",
		"opt/nix2gpu/pkgs/python3/bin/python3": "2 0777 0:0 /usr/bin/python3",
		"usr/share/doc/ca-certificates/copyright": "0 0644 0:0 ",
		"usr/share/doc/ca-certificates/README":    "",
		"usr/share/man/man8/x.8.gz":               "",
	} {
		if shown[name] != want {
			t.Errorf("%s: got %q, want %q", name, shown[name], want)
		}
	}
	if got := content["etc/ssl/certs/ca-certificates.crt"]; got != "-----BEGIN A\n-----BEGIN B\n" {
		t.Errorf("the bundle of certificates is %q", got)
	}
	for _, line := range []string{"root:x:0:0:root:/root:/bin/sh\n", "www-data:x:33:33:", "postgres:x:900:900::/var/lib/postgresql:/usr/sbin/nologin\n", "nobody:x:65534:"} {
		if !strings.Contains(content["etc/passwd"], line) {
			t.Errorf("passwd lacks %q:\n%s", line, content["etc/passwd"])
		}
	}
	if strings.Count(content["etc/passwd"], "\nwww-data:x") != 1 || !strings.Contains(content["etc/group"], "redis:x:901:\n") {
		t.Errorf("accounts are\n%s\n%s", content["etc/passwd"], content["etc/group"])
	}
	for line := range strings.Lines(content["etc/shadow"]) {
		if f := strings.Split(line, ":"); f[1] != "*" {
			t.Errorf("an account is not locked: %s", line)
		}
	}
	want, err := shop().Encode()
	if err != nil || content["etc/nix2gpu/project.json"] != string(want) {
		t.Errorf("the project of the image is another: %v", err)
	}
	if len(b.Warnings) != 0 {
		t.Errorf("warnings: %q", b.Warnings)
	}
}

// dpkg reads what it is told to be installed: exactly our packages.
func TestDpkgReadsTheStatus(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("dpkg is not installed: apt-get install dpkg")
	}
	_, content := root(t, build(t, spec(t, shop())))
	admin := t.TempDir()
	for name, data := range content {
		sub, ok := strings.CutPrefix(name, "var/lib/dpkg/")
		if !ok {
			continue
		}
		file := filepath.Join(admin, sub)
		if strings.HasSuffix(sub, ".list") || strings.HasSuffix(sub, ".md5sums") || sub == "status" || sub == "available" || sub == "info/format" {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	query := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "dpkg-query", append([]string{"--admindir", admin}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg-query %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got, want := query("-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"), "base-files 1.0 installed\nbase-passwd 1.0 installed\nca-certificates 1.0 installed\ndash 1.0 installed\nmawk 1.0 installed\npython3 1.0 installed\nserver 1.0 installed\n"; got != want {
		t.Errorf("installed is\n%s\nwant\n%s", got, want)
	}
	if got := query("-L", "server"); !strings.Contains(got, "/usr/sbin/server\n") {
		t.Errorf("files of server are\n%s", got)
	}
	if got := query("-S", "/usr/bin/dash"); got != "dash: /usr/bin/dash\n" {
		t.Errorf("owner of dash is %s", got)
	}
	if got := query("-W", "-f", "${Conffiles}", "base-files"); !strings.HasPrefix(strings.TrimSpace(got), "/etc/debian_version ") {
		t.Errorf("conffiles of base-files are %q", got)
	}
}

// The same inputs give the same bytes: in another folder, with an empty or a full
// cache, on one processor and on eight, at another time.
func TestReproducible(t *testing.T) {
	s := spec(t, shop())
	want := digest(t, build(t, s))
	if again := digest(t, build(t, s)); again != want {
		t.Errorf("from the cache it is %s, want %s", again, want)
	}
	for _, cores := range []int{1, 8} {
		before := runtime.GOMAXPROCS(cores)
		s := spec(t, shop()) // in folders of its own
		slices.Reverse(s.Packages)
		got := digest(t, build(t, s))
		runtime.GOMAXPROCS(before)
		if got != want {
			t.Errorf("on %d processors it is %s, want %s", cores, got, want)
		}
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	if got := digest(t, build(t, spec(t, shop()))); got != want {
		t.Errorf("under another umask it is %s, want %s", got, want)
	}
	var golden bytes.Buffer
	b := build(t, s)
	fmt.Fprintln(&golden, want)
	for _, l := range b.Layers {
		fmt.Fprintln(&golden, l.DiffID, l.Digest, l.Title)
	}
	config, err := b.Image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&golden, string(config))
	testkit.Golden(t, "testdata/tiny.golden", golden.Bytes())
}

// A change of the definition alone is a new last layer, and nothing else.
func TestDefinitionComesLast(t *testing.T) {
	s := spec(t, shop())
	var made []string
	var reached, all int64
	s.Progress = func(title string, done, total int64) {
		made = append(made, title)
		if done < reached || total <= 0 || all > 0 && total != all {
			t.Errorf("progress %d of %d after %d of %d", done, total, reached, all)
		}
		reached, all = done, total
	}
	before := build(t, s)
	if len(made) == 0 || reached != all {
		t.Errorf("all layers are made, and the progress is %d of %d: %q", reached, all, made)
	}
	p := shop()
	p.Services["web"].Description = "changed"
	s.Project = valid(t, p)
	made = nil
	after := build(t, s)
	for i, l := range after.Layers[:len(after.Layers)-1] {
		if l.Digest != before.Layers[i].Digest {
			t.Errorf("layer %q changed", l.Title)
		}
	}
	last := len(after.Layers) - 1
	if after.Layers[last].Digest == before.Layers[last].Digest || after.Layers[last].Size > 4096 || len(made) > 0 {
		t.Errorf("the last layer is %+v, made anew: %q", after.Layers[last], made)
	}
}

func TestEpochClampsTimes(t *testing.T) {
	s := spec(t, shop())
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	s.Epoch = &at
	b := build(t, s)
	for _, l := range b.Layers {
		list, _ := entries(t, l)
		for _, h := range list {
			if h.ModTime.After(at) {
				t.Errorf("%s is of %s", h.Name, h.ModTime)
			}
		}
	}
	if c, err := b.Image.ConfigFile(); err != nil || !c.Created.Equal(at) {
		t.Errorf("the image was created at %v, %v", c.Created, err)
	}
}

func TestConfig(t *testing.T) {
	p := shop()
	p.Container.Env["HF_TOKEN"] = project.Value{Text: project.Lit("hf_123")}
	p.Container.Env["DATABASE_URL"] = project.Value{Text: project.Lit("postgresql://me:hunter2@db/x")}
	p.Container.Env["PYTHON"] = project.Value{Text: project.PackagePath("python3", "/bin/python")}
	p.Container.Env["MODELS"] = project.Value{Text: project.RootPath("/models")}
	p.Container.CUDA = "cudaPackages_12_8"
	p.Container.Labels = map[string]string{"a": "definition", "b": "definition"}
	s := spec(t, p)
	s.Labels = map[string]string{"b": "command line"}
	s.Annotations = map[string]string{"note": "x"}
	b := build(t, s)
	c, err := b.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(c.Config.Env, "\n") + "\n"
	for _, line := range []string{"TZ=UTC\n", "LANG=C.UTF-8\n", "PYTHON=/opt/nix2gpu/pkgs/python3/bin/python\n", "MODELS=/workspace/models\n", "NVIDIA_REQUIRE_CUDA=cuda>=12.8\n", "NVIDIA_VISIBLE_DEVICES=all\n", "PS1=\\u@container:\\w\\$ \n"} {
		if !strings.Contains(env, line) {
			t.Errorf("Env lacks %q:\n%s", line, env)
		}
	}
	raw, err := b.Image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(raw); strings.Contains(s, "hf_123") || strings.Contains(s, "hunter2") {
		t.Errorf("the config has a secret:\n%s", s)
	}
	if got := strings.Join(b.Warnings, "\n"); !strings.Contains(got, "env.HF_TOKEN looks like a secret") || !strings.Contains(got, "env.DATABASE_URL looks like a secret") {
		t.Errorf("warnings: %s", got)
	}
	var ports []string
	for port := range c.Config.ExposedPorts {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	if got := fmt.Sprintf("%v %s %s %s %v %v %s %s", ports, c.Config.User, c.Config.WorkingDir, c.Config.StopSignal, c.Config.Entrypoint, c.Config.Cmd, c.Config.Labels["a"], c.Config.Labels["b"]); got != "[3000/udp 3001/udp 3002/udp 8080/tcp] root /workspace SIGTERM [/usr/bin/nix2gpu boot] [] definition command line" {
		t.Errorf("config is %s", got)
	}
	if len(c.History) != len(b.Layers) || len(c.RootFS.DiffIDs) != len(b.Layers) {
		t.Errorf("%d lines of history and %d diff ids for %d layers", len(c.History), len(c.RootFS.DiffIDs), len(b.Layers))
	}
	if m, err := b.Image.Manifest(); err != nil || m.Annotations["note"] != "x" {
		t.Errorf("manifest is %+v, %v", m, err)
	}
}

func TestRefusesWhatIsNoImage(t *testing.T) {
	replaced := func(from string, d debtest.Deb) func(*testing.T, *image.Spec) {
		return func(t *testing.T, s *image.Spec) {
			i := slices.IndexFunc(s.Packages, func(p image.Package) bool { return p.Name == from })
			s.Packages[i].Open = packaged(t, d).Open
		}
	}
	with := func(list ...debtest.Deb) func(*testing.T, *image.Spec) {
		return func(t *testing.T, s *image.Spec) {
			for _, d := range list {
				s.Packages = append(s.Packages, packaged(t, d))
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*testing.T, *image.Spec)
		want   string
	}{
		"another file":    {replaced("dash", debtest.Deb{Name: "dash", Entries: []debtest.Entry{debtest.Exec("bin/dash", "other")}}), `package "dash": its file has the digest`},
		"another package": {replaced("dash", debtest.Deb{Name: "evil"}), `package "dash": its file is that of "evil"`},
		"whiteout":        {with(debtest.Deb{Name: "white", Entries: []debtest.Entry{debtest.File("etc/.wh.passwd", "")}}), `package "white": "etc/.wh.passwd": engines take a name`},
		"clash":           {with(debtest.Deb{Name: "other", Entries: []debtest.Entry{debtest.Exec("bin/dash", "o")}}), `both have "/usr/bin/dash"`},
		"device":          {with(debtest.Deb{Name: "dev", Entries: []debtest.Entry{{Header: tar.Header{Name: "dev/x", Typeflag: tar.TypeChar}}}}), `package "dev": "./dev/x": it is a device`},
		"many layers":     {func(_ *testing.T, s *image.Spec) { s.MaxLayers = 128 }, `maxLayers must be at most 127`},
		"few layers":      {func(_ *testing.T, s *image.Spec) { s.MaxLayers = 4 }, `maxLayers must be at least 5`},
		"arch":            {func(_ *testing.T, s *image.Spec) { s.Arch = "riscv64" }, `not supported: an image for the architecture "riscv64"`},
		"our program":     {func(t *testing.T, s *image.Spec) { s.Binary = standIn(t, elf.EM_AARCH64) }, `it is a program for EM_AARCH64, and the image is for amd64`},
		"a script": {func(t *testing.T, s *image.Spec) {
			s.Binary = filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(s.Binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, `it is not a program for Linux`},
		"not static": {func(t *testing.T, s *image.Spec) { s.Binary = "/bin/ls" }, map[bool]string{true: `it is not static`, false: `it is a program for`}[runtime.GOARCH == "amd64"]},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, shop())
			c.change(t, &s)
			_, err := image.Build(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v\nwant %s", err, c.want)
			}
			left, _ := filepath.Glob(filepath.Join(s.Cache, "layers", "new-*"))
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// A package that says that it replaces files of another has them, in whatever
// order the two come.
func TestReplaces(t *testing.T) {
	for _, name := range []string{"aaa", "zzz"} {
		s := spec(t, shop())
		s.MaxLayers = 5 // one of packages
		s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: name, Fields: []string{"Replaces: other, dash (<< 2)"}, Entries: []debtest.Entry{debtest.Exec("bin/dash", "replaced")}}))
		_, content := root(t, build(t, s))
		if content["usr/bin/dash"] != "replaced" {
			t.Errorf("%s: dash is %q", name, content["usr/bin/dash"])
		}
	}
}

// What a filter leaves out is not in the image, and the digest does not depend on it.
func TestCopyWithout(t *testing.T) {
	p := shop()
	p.Container.CopyToRoot = []project.Text{project.RootPath("")}
	p.Container.CopyToRoot[0][0].Without = []string{".env", "srv/cache"}
	s := spec(t, p)
	real := s.Root
	if s.Root = filepath.Join(t.TempDir(), "link"); os.Symlink(real, s.Root) != nil { // its content is copied
		t.Fatal("no link")
	}
	for _, name := range []string{".env", "srv/app.py", "srv/.env", "srv/cache/big", "cache/small"} {
		file := filepath.Join(s.Root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := build(t, s)
	shown, _ := root(t, b)
	for name, want := range map[string]bool{".env": false, "srv/app.py": true, "srv/.env": true, "srv/cache": false, "srv/cache/big": false, "cache/small": true} {
		if _, got := shown[name]; got != want {
			t.Errorf("%s is in the image: %v, want %v", name, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Root, ".env"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := build(t, s); digest(t, again) != digest(t, b) {
		t.Error("the image is another once a file has changed that is not in it")
	}
}

func TestCopyToRoot(t *testing.T) {
	p := shop()
	p.Files = map[string]*project.File{
		"0123-tools/bin/hi": {Content: project.Join(project.Lit("#!"), project.PackagePath("python3", "/bin/python")), Mode: "0755"},
		"0123-tools/etc/no": {Folder: true},
		"0123-tools/py":     {Link: project.PackagePath("python3", "/bin/python")},
		"4567-motd":         {Content: project.Lit("hello")},
		"89ab-unused":       {Content: project.Lit("not copied")},
	}
	tools, motd := "0123-tools", "4567-motd"
	p.Container.CopyToRoot = []project.Text{project.RootPath("/rootfs"), project.RootPath("/run-me"), {{File: &tools}}, {{File: &motd}}, project.PackagePath("server", "")}
	s := spec(t, p)
	for name, mode := range map[string]os.FileMode{"rootfs/etc/app.conf": 0o600, "rootfs/bin/app": 0o700, "run-me": 0o755} {
		file := filepath.Join(s.Root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/nope\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("app.conf", filepath.Join(s.Root, "rootfs/etc/link")); err != nil {
		t.Fatal(err)
	}
	b := build(t, s)
	shown, content := root(t, b)
	for name, want := range map[string]string{
		"etc/app.conf": "0 0644 0:0 ", "usr/bin/app": "0 0755 0:0 ", "usr/local/bin/run-me": "0 0755 0:0 ", "etc/link": "2 0777 0:0 app.conf",
		"usr/bin/hi": "0 0755 0:0 ", "motd": "0 0644 0:0 ", "unused": "",
		"etc/no": "5 0755 0:0 ", "py": "2 0777 0:0 /opt/nix2gpu/pkgs/python3/bin/python",
	} {
		if shown[name] != want {
			t.Errorf("%s: got %q, want %q", name, shown[name], want)
		}
	}
	if content["usr/bin/hi"] != "#!/opt/nix2gpu/pkgs/python3/bin/python" || content["motd"] != "hello" {
		t.Errorf("generated files are %q and %q", content["usr/bin/hi"], content["motd"])
	}
	if got := strings.Join(b.Warnings, "\n"); !strings.Contains(got, `"/usr/bin/app" is run by "/bin/nope", which the image lacks`) {
		t.Errorf("warnings: %s", got)
	}
	if again := build(t, s); digest(t, again) != digest(t, b) || !slices.Equal(again.Warnings, b.Warnings) {
		t.Errorf("from the cache the image is another, or warns otherwise: %q", again.Warnings)
	}
	for _, c := range []struct {
		text project.Text
		want string
	}{
		{project.RootPath("/missing"), "no such file"},
		{project.Lit("relative"), `"relative" must be a package or a path`},
		{project.RunPath("/x"), "known only once the container runs"},
	} {
		p := shop()
		p.Container.CopyToRoot = []project.Text{c.text}
		if _, err := image.Build(t.Context(), spec(t, p)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.text, err, c.want)
		}
	}
	if err := os.MkdirAll(filepath.Join(s.Root, "clash"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Root, "clash", "tmp"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p = shop()
	p.Container.CopyToRoot = []project.Text{project.RootPath("/clash")}
	s.Project = valid(t, p)
	if _, err := image.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), `"/tmp" is a folder of the image`) {
		t.Errorf("a file in the place of a folder: %v", err)
	}
}

// A program of the user's that cannot begin in the image is refused, with the cure.
func TestCopiedProgramsBegin(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	p := shop()
	p.Container.CopyToRoot = []project.Text{project.RootPath("/app")}
	s := spec(t, p)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.Root, "app"), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want string) {
		t.Helper()
		want = "copyToRoot: \"/usr/local/bin/app\" needs " + want + ", which the image lacks\nhint: add the packages that have it to systemPackages, or link the program statically"
		if _, err := image.Build(t.Context(), s); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	write(program(t, loader, "", "", "libc.so.6"))
	fails(`the loader "/lib64/ld-linux-x86-64.so.2"`)
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "libc6", Arch: "amd64", Entries: []debtest.Entry{
		debtest.Exec("lib64/ld-linux-x86-64.so.2", "l"), debtest.File("lib/x86_64-linux-gnu/libc.so.6", "c"), debtest.File("opt/app/lib/libown.so", "o"),
	}}))
	build(t, s)
	write(program(t, loader, "", "", "libc.so.6", "libown.so", "libmissing.so.2"))
	fails(`the library "libown.so", the library "libmissing.so.2"`)
	write(program(t, loader, "", "$ORIGIN/../../../opt/app/lib", "libc.so.6", "libown.so", "libcuda.so.1")) // the last is lent
	build(t, s)
	write(program(t, "", "", "", "libmissing.so.2")) // nobody executes a library
	build(t, s)
}

// What a definition names and the image has not is a warning.
func TestMissingPrograms(t *testing.T) {
	p := shop()
	p.Processes["web"].Command.Exec = []project.Text{project.PackagePath("redis", "/bin/redis-server"), project.PackagePath("python3", "/bin/pypy"), project.PackagePath("server", "/lib/server")}
	b := build(t, spec(t, p))
	got := strings.Join(b.Warnings, "\n")
	for _, want := range []string{`package "redis" has no program "redis-server" in this image`, `package "python3" has no "/bin/pypy" in this image`} {
		if !strings.Contains(got, want) {
			t.Errorf("warnings are\n%s\nwithout %s", got, want)
		}
	}
	if shown, _ := root(t, b); shown["opt/nix2gpu/pkgs/server/lib/server"] != "2 0777 0:0 /usr/lib/server" {
		t.Errorf("a folder that a text names is %q", shown["opt/nix2gpu/pkgs/server/lib/server"])
	}
}

func TestUserOfServices(t *testing.T) {
	p := shop()
	p.Container.User, p.Container.WorkingDir = "app", "/srv/app"
	shown, content := root(t, build(t, spec(t, p)))
	if !strings.Contains(content["etc/passwd"], "app:x:1000:1000::/home/app:/bin/sh\n") || !strings.Contains(content["etc/group"], "app:x:1000:\n") {
		t.Errorf("passwd is\n%s", content["etc/passwd"])
	}
	if shown["srv/app"] != "5 0755 1000:1000 " || shown["home/app"] != "5 0755 1000:1000 " {
		t.Errorf("the working directory is %q, the home %q", shown["srv/app"], shown["home/app"])
	}
	p.Container.User = "www-data"
	if shown, _ = root(t, build(t, spec(t, p))); shown["srv/app"] != "5 0755 33:33 " {
		t.Errorf("the working directory of www-data is %q", shown["srv/app"])
	}
}

// A build that is interrupted ends soon, and leaves nothing half-written.
func TestInterrupted(t *testing.T) {
	s := spec(t, shop())
	ctx, cancel := context.WithCancel(t.Context())
	s.Progress = func(string, int64, int64) { cancel() }
	if _, err := image.Build(ctx, s); err != context.Canceled {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
	left, err := os.ReadDir(filepath.Join(s.Cache, "layers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "new-") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
	s.Progress = nil
	build(t, s)
}

// Layers whose bytes, or whose facts, are gone from the cache are made again.
func TestDamagedCache(t *testing.T) {
	for _, pattern := range []string{"sha256-*", "*.facts", "*.json", "*"} {
		s := spec(t, shop())
		want := digest(t, build(t, s))
		files, err := filepath.Glob(filepath.Join(s.Cache, "layers", pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for i, file := range files {
			if i%2 == 0 {
				err = os.Remove(file)
			} else {
				err = os.Truncate(file, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := digest(t, build(t, s)); got != want {
			t.Errorf("without %s the image is %s, want %s", pattern, got, want)
		}
		if _, content := root(t, build(t, s)); content["etc/passwd"] == "" {
			t.Errorf("without %s the image lacks files", pattern)
		}
	}
}

func TestZstd(t *testing.T) {
	s := spec(t, shop())
	want := build(t, s)
	s.Compression = image.Zstd
	b := build(t, s)
	for i, l := range b.Layers {
		if l.DiffID != want.Layers[i].DiffID || l.Digest == want.Layers[i].Digest || !strings.HasSuffix(string(l.Media), "tar+zstd") {
			t.Errorf("layer %q is %+v", l.Title, l)
		}
		entries(t, l) // it is whole
	}
}
