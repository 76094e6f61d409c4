package engine

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// Plain describes an image of [Engine.Plain].
type Plain struct {
	Name       string            // "shop:latest"
	Project    []byte            // /etc/nix2gpu/project.json; nil: none
	Files      map[string]string // more files by path; a script or a program is executable
	Env        []string          // "NAME=value"
	Entrypoint []string          // nil: boot
	WorkingDir string            // "": /workspace
	Ports      []string          // "8080/tcp"
	Packages   []string          // attributes, for [Archive]; [Engine.Plain] has plainAttrs
}

// plainAttrs are the packages that every plain image has.
var plainAttrs = []string{"bash", "coreutils", "procps", "postgresql", "redis", "nginx", "python3", "openssh", "curl"}

// needless are Debian packages that only maintainer scripts need, or that are large and
// used by no test, such as PostgreSQL's JIT.
var needless = []string{"adduser", "debconf", "dpkg", "init-system-helpers", "install-info", "libllvm14", "libperl5.36", "libz3-4",
	"passwd", "perl", "perl-base", "perl-modules-5.36", "postgresql-client-common", "postgresql-common", "runit-helper", "sensible-utils",
	"ssl-cert", "tar", "ucf", "gcc-12-base", "media-types", "netbase"}

// needlessBelow are folders of the same kind.
var needlessBelow = []string{"/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/usr/share/lintian",
	"/usr/share/bash-completion", "/usr/share/postgresql/15/man", "/usr/lib/postgresql/15/lib/bitcode", "/usr/share/bug",
	"/usr/share/icons", "/usr/share/perl", "/usr/share/perl5", "/usr/share/debconf", "/var/lib/dpkg", "/etc/ssh/ssh_host_"}

// Plain makes an image from what is installed on this machine, without running
// maintainers' scripts, and loads it. All plain images of a test binary share the layers
// of the packages and of the program under test.
func (e *Engine) Plain(img Plain) (name string) {
	e.T.Helper()
	if img.Name == "" {
		img.Name = "plain:latest"
	}
	layers := []*layer{
		e.shared("packages", func() ([]byte, error) { return packagesLayer(e.T, plainAttrs) }),
		e.shared("program", func() ([]byte, error) { return programLayer(testkit.Binary(e.T)) }),
	}
	own, err := img.layer()
	if err != nil {
		e.T.Fatal(err)
	}
	layers = append(layers, newLayer(own))
	e.Load(img.write(e.T, layers))
	for _, l := range layers {
		l.loaded = true
		l.data = nil
	}
	return img.Name
}

// write writes the archive, and returns its file.
func (img *Plain) write(t testing.TB, layers []*layer) (file string) {
	t.Helper()
	archive, err := img.archive(layers)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Archive writes a plain image as "docker save" does, for another engine than ours, and
// returns the file.
func Archive(t testing.TB, img Plain) (file string) {
	t.Helper()
	packages, err := packagesLayer(t, img.Packages)
	if err != nil {
		t.Fatal(err)
	}
	program, err := programLayer(testkit.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	own, err := img.layer()
	if err != nil {
		t.Fatal(err)
	}
	return img.write(t, []*layer{newLayer(packages), newLayer(program), newLayer(own)})
}

// PlainOf makes a plain image of a definition, with further files, and loads it.
func (e *Engine) PlainOf(name, definition string, more map[string]string) string {
	e.T.Helper()
	return e.Plain(PlainOf(e.Stack, name, definition, more))
}

// PlainOf describes a plain image of a definition, with further files. The definition is
// evaluated now, and the image has the project, as with an image builder.
func PlainOf(s *testkit.Stack, name, definition string, more map[string]string) Plain {
	s.T.Helper()
	project, errs, code := s.ExecCommand(testkit.Binary(s.T), "config", "--output", "project", definition)
	if code != 0 {
		s.T.Fatalf("the definition: exit code %d\n%s", code, errs)
	}
	// As in our own images: Debian's file would set a prompt whatever PS1 is.
	files := map[string]string{"/etc/bash.bashrc": "shopt -s checkwinsize\n", "/etc/profile": "for i in /etc/profile.d/*.sh; do . $i; done\n"}
	maps.Copy(files, more)
	return Plain{Name: name, Project: []byte(project), Files: files, Env: []string{`PS1=\u@container:\w\$ `}, Packages: plainAttrs}
}

// A layer is an uncompressed tar. The engine needs the data once.
type layer struct {
	data   []byte
	digest string // hex
	loaded bool
}

func newLayer(data []byte) *layer {
	sum := sha256.Sum256(data)
	return &layer{data: data, digest: hex.EncodeToString(sum[:])}
}

// shared makes a layer once for a test binary.
func (e *Engine) shared(name string, build func() ([]byte, error)) *layer {
	e.T.Helper()
	once, _ := e.daemon.plain.LoadOrStore(name, sync.OnceValues(func() (*layer, error) {
		data, err := build()
		if err != nil {
			return nil, err
		}
		return newLayer(data), nil
	}))
	l, err := once.(func() (*layer, error))()
	if err != nil {
		e.T.Fatal(err)
	}
	return l
}

// archive returns what "docker save" would write. A layer that the engine has is only
// named.
func (img *Plain) archive(layers []*layer) ([]byte, error) {
	type history struct {
		CreatedBy string `json:"created_by"`
	}
	var config struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       struct {
			Env          []string
			Entrypoint   []string
			WorkingDir   string
			StopSignal   string              `json:",omitempty"`
			ExposedPorts map[string]struct{} `json:",omitempty"`
		} `json:"config"`
		RootFS struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
		History []history `json:"history"`
	}
	config.Architecture, config.OS = "amd64", "linux"
	config.Config.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, img.Env...)
	config.Config.Entrypoint = img.Entrypoint
	if img.Entrypoint == nil {
		config.Config.Entrypoint = []string{"/usr/bin/nix2gpu", "boot"}
	}
	config.Config.WorkingDir = img.WorkingDir
	if img.WorkingDir == "" {
		config.Config.WorkingDir = "/workspace"
	}
	config.Config.ExposedPorts = map[string]struct{}{}
	for _, p := range img.Ports {
		config.Config.ExposedPorts[p] = struct{}{}
	}
	config.RootFS.Type = "layers"
	var manifest struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	w := newTar()
	for i, l := range layers {
		name := l.digest + "/layer.tar"
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, "sha256:"+l.digest)
		config.History = append(config.History, history{fmt.Sprint("plain layer ", i)})
		manifest.Layers = append(manifest.Layers, name)
		if !l.loaded {
			w.file(name, l.data, 0o644, 0, 0)
		}
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	manifest.Config = hex.EncodeToString(sum[:]) + ".json"
	manifest.RepoTags = []string{img.Name}
	w.file(manifest.Config, data, 0o644, 0, 0)
	if data, err = json.Marshal([]any{manifest}); err != nil {
		return nil, err
	}
	w.file("manifest.json", data, 0o644, 0, 0)
	return w.close()
}

// layer returns the layer with the image's own files.
func (img *Plain) layer() ([]byte, error) {
	w := newTar()
	if img.Project != nil {
		w.file("etc/nix2gpu/project.json", img.Project, 0o644, 0, 0)
	}
	for _, name := range slices.Sorted(maps.Keys(img.Files)) {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(img.Files[name], "#!") || strings.HasPrefix(img.Files[name], "\x7fELF") {
			mode = 0o755
		}
		w.file(strings.TrimPrefix(name, "/"), []byte(img.Files[name]), mode, 0, 0)
	}
	return w.close()
}

// programLayer returns the layer with the program under its two names.
func programLayer(binary string) ([]byte, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	w := newTar()
	w.file("usr/bin/nix2gpu", data, 0o755, 0, 0)
	w.link("usr/bin/process-compose", "nix2gpu")
	return w.close()
}

// packagesLayer returns the layer with the files of packages, and with what their
// scripts would have made: users, links to programs, empty folders.
func packagesLayer(t testing.TB, attrs []string) ([]byte, error) {
	w := newTar()
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "run", "root", "var/log", "var/lib", "proc", "sys", "dev", "workspace"} {
		w.folder(dir, 0o755, 0, 0)
	}
	w.folder("tmp", 0o777|fs.ModeSticky, 0, 0)
	w.folder("var/tmp", 0o777|fs.ModeSticky, 0, 0)
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		w.link(name, "usr/"+name)
	}
	farms := filepath.Join(t.TempDir(), "farms")
	// /usr/local belongs to no package.
	host := &packages.Host{Dir: farms, SearchPath: []string{"/usr/sbin", "/usr/bin"}}
	for _, attr := range attrs {
		c, err := host.Contents(attr)
		if err != nil {
			return nil, fmt.Errorf("%w\nhint: scripts/deps all", err)
		}
		for _, u := range c.Closure {
			if slices.Contains(needless, u.Name) {
				continue
			}
			for _, file := range u.Files {
				if err := w.copy(file); err != nil {
					return nil, err
				}
			}
		}
		if err := w.farm(host, attr); err != nil {
			return nil, err
		}
	}
	w.link("usr/bin/sh", "bash")
	w.users()
	w.file("etc/os-release", []byte("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"a plain image of tests\"\n"), 0o644, 0, 0)
	w.file("etc/nsswitch.conf", []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644, 0, 0)
	return w.close()
}

// users writes the accounts of servers, each locked.
func (w *tarWriter) users() {
	passwd, group, shadow := "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:\n", "root:*:19700:0:99999:7:::\n"
	users := project.SystemUsers()
	for _, name := range slices.Sorted(maps.Keys(users)) {
		u := users[name]
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/usr/sbin/nologin\n", name, u.UID, u.GID, u.Home)
		group += fmt.Sprintf("%s:x:%d:\n", name, u.GID)
		shadow += name + ":*:19700:0:99999:7:::\n"
	}
	w.file("etc/passwd", []byte(passwd), 0o644, 0, 0)
	w.file("etc/group", []byte(group), 0o644, 0, 0)
	w.file("etc/shadow", []byte(shadow), 0o640, 0, 42)
}

// farm adds the folder of links that stands for a package.
func (w *tarWriter) farm(host *packages.Host, attr string) error {
	dir, err := host.Path(attr)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sub, err := filepath.Rel(host.Dir, file)
		if err != nil {
			return err
		}
		to, err := os.Readlink(file)
		if err == nil {
			w.link("opt/nix2gpu/pkgs/"+sub, to)
			return nil
		}
		data, err := os.ReadFile(file) // a launcher
		w.file("opt/nix2gpu/pkgs/"+sub, data, 0o755, 0, 0)
		return err
	})
}

// A tarWriter writes a layer: each path once, each folder before what is in it.
type tarWriter struct {
	buf  bytes.Buffer
	tw   *tar.Writer
	seen map[string]bool
	err  error
}

func newTar() *tarWriter {
	w := &tarWriter{seen: map[string]bool{".": true, "": true}}
	w.tw = tar.NewWriter(&w.buf)
	return w
}

func (w *tarWriter) close() ([]byte, error) {
	if err := w.tw.Close(); w.err == nil {
		w.err = err
	}
	return w.buf.Bytes(), w.err
}

func (w *tarWriter) add(h *tar.Header, content io.Reader) {
	if w.seen[h.Name] || w.err != nil {
		return
	}
	w.folder(path.Dir(h.Name), 0o755, 0, 0)
	w.seen[h.Name] = true
	if w.err = w.tw.WriteHeader(h); w.err == nil && content != nil {
		_, w.err = io.Copy(w.tw, content)
	}
}

func (w *tarWriter) folder(name string, mode fs.FileMode, uid, gid int) {
	if w.seen[name] || w.err != nil {
		return
	}
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	w.add(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: bits, Uid: uid, Gid: gid}, nil)
}

func (w *tarWriter) file(name string, data []byte, mode fs.FileMode, uid, gid int) {
	w.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: int64(len(data)), Uid: uid, Gid: gid}, bytes.NewReader(data))
}

func (w *tarWriter) link(name, to string) {
	w.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}, nil)
}

// copy adds a file of this machine, with the folders on its way.
func (w *tarWriter) copy(file string) error {
	if slices.ContainsFunc(needlessBelow, func(p string) bool { return strings.HasPrefix(file, p) }) {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file)) // /bin is a link
	if err != nil {
		return nil // its administrator removed it
	}
	file = filepath.Join(dir, filepath.Base(file))
	info, err := os.Lstat(file)
	if err != nil {
		return nil // the same
	}
	name := strings.TrimPrefix(file, "/")
	if w.seen[name] {
		return w.err
	}
	if parent := filepath.Dir(file); parent != "/" && !w.seen[strings.TrimPrefix(parent, "/")] {
		if err := w.copy(parent); err != nil {
			return err
		}
	}
	st := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case mode.IsDir():
		w.folder(name, mode, 0, 0)
	case mode&fs.ModeSymlink != 0:
		to, err := os.Readlink(file)
		if err != nil {
			return err
		}
		w.link(name, to)
	case mode.IsRegular():
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		w.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: info.Size(), Uid: 0, Gid: int(st.Gid)}, f)
	}
	return w.err
}
