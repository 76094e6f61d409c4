package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sys/unix"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/lock"
)

// A badInput is one error in what a verb is given.
type badInput struct {
	name   string
	change func(s *stand) // breaks the archive, the definition or the machine
	def    string         // the container's; default: a program from a package
	args   []string       // the verb; default: build
	code   int
}

// write writes a file next to the definition.
func (s *stand) write(name, text string, mode fs.FileMode) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

// define writes the definition of a container.
func (s *stand) define(text string) {
	s.write("nix2gpu.nix", "{\n  perSystem.nix2gpu.\"web\" = { pkgs, ... }: {\n    "+strings.ReplaceAll(text, "\n", "\n    ")+"\n  };\n}\n", 0o644)
}

// must runs a verb, which has to succeed.
func (s *stand) must(args ...string) {
	s.t.Helper()
	if out, err := s.command(args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// add adds a package to the archive.
func (s *stand) add(name, depends string, fields ...string) {
	s.release.Debs = append(s.release.Debs, debtest.Deb{Name: name, Depends: depends, Fields: fields, Compression: "gz"})
	s.server.Set(s.tree())
}

// answer makes the server answer requests for paths that end in suffix with a status.
func (s *stand) answer(suffix string, status int) {
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if !strings.HasSuffix(r.URL.Path, suffix) {
			return false
		}
		w.WriteHeader(status)
		return true
	})
}

// badInputs returns the errors in definitions, archives and machines.
func badInputs() []badInput {
	const tool = "systemPackages = [ pkgs.tool ];"
	with := func(change func(d *debtest.Deb)) func(s *stand) {
		return func(s *stand) { change(s.deb("tool")); s.server.Set(s.tree()) }
	}
	signed := func(change func(a *debtest.Archive)) func(s *stand) {
		return func(s *stand) { change(&s.release); s.server.Set(s.tree()) }
	}
	return []badInput{
		{name: "a package that is not known", def: "systemPackages = [ pkgs.tol ];", code: 2},
		{name: "a package without a candidate for arm64", change: with(func(d *debtest.Deb) { d.Arch = "amd64" }), args: []string{"lock", "--platform", "linux/arm64"}, code: 2},
		{name: "a dependency that nothing satisfies", change: func(s *stand) {
			s.deb("tool").Depends = "sed (>= 1), helper"
			s.add("helper", "deep")
			s.add("deep", "mawk (>= 2), nowhere")
		}, code: 2},
		{name: "a conflict", change: func(s *stand) {
			s.deb("tool").Depends = "helper"
			s.add("helper", "deep")
			s.add("deep", "", "Conflicts: tool")
		}, code: 2},
		{name: "a package that is held by the lock", change: func(s *stand) {
			s.must("lock")
			s.deb("tool").Version, s.release.Date = "2.0", s.release.Date.Add(time.Minute)
			s.add("other", "tool (>= 2)")
			s.define("systemPackages = [ pkgs.tool pkgs.other ];")
		}, code: 2},
		{name: "a lock that does not fit", change: func(s *stand) { s.must("lock"); s.define("systemPackages = [ ];") }, args: []string{"build", "--locked"}, code: 1},
		{name: "a lock that is damaged", change: func(s *stand) { s.write("nix2gpu.lock", `{"version": 1, "suite": "bookworm", "packages": {`, 0o644) }, code: 1},
		{name: "no lock", args: []string{"build", "--locked"}, code: 1},

		{name: "an index that is not signed", change: signed(func(a *debtest.Archive) { a.Keys = nil }), code: 1},
		{name: "an index signed by another key", change: func(s *stand) { s.release.Keys = []*debtest.Key{debtest.NewKey(s.t, 0)}; s.server.Set(s.tree()) }, code: 1},
		{name: "an index that was changed", change: func(s *stand) {
			tree := s.tree()
			tree["debian/dists/bookworm/InRelease"] = []byte(strings.Replace(string(tree["debian/dists/bookworm/InRelease"]), "Label: Tests", "Label: Texts", 1))
			s.server.Set(tree)
		}, code: 1},
		{name: "a key that has expired", change: func(s *stand) {
			key := debtest.NewKey(s.t, 365*24*time.Hour)
			s.write("key.asc", string(key.Public(s.t)), 0o644)
			s.release.Keys, s.release.Date = []*debtest.Key{key}, time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
			s.server.Set(s.tree())
		}, code: 1},
		{name: "an index that has expired", change: signed(func(a *debtest.Archive) { a.ValidUntil = a.Date.Add(time.Minute) }), code: 1},
		{name: "an index that is replayed", change: func(s *stand) {
			s.must("lock")
			s.release.Date = s.release.Date.Add(-24 * time.Hour)
			s.server.Set(s.tree())
		}, args: []string{"lock", "--update"}, code: 1},

		{name: "a package that is another", change: func(s *stand) {
			s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				if strings.HasSuffix(r.URL.Path, "tool_1.0_all.deb") {
					w.Write([]byte(strings.Repeat("x", len(data))))
					return true
				}
				return false
			})
		}, code: 1},
		{name: "a package that left the archive", change: func(s *stand) {
			s.must("lock")
			s.deb("tool").Version, s.release.Date = "2.0", s.release.Date.Add(time.Minute)
			s.server.Set(s.tree())
		}, code: 1},
		{name: "an archive that is not there", change: func(s *stand) { s.server.Set(nil) }, code: 1},
		{name: "a server that is busy", change: func(s *stand) { s.answer("InRelease", 503) }, code: 1},
		{name: "a server that is asked too often", change: func(s *stand) { s.answer("tool_1.0_all.deb", 429) }, code: 1},
		{name: "a server that forbids it", change: func(s *stand) { s.answer("tool_1.0_all.deb", 403) }, code: 1},
		{name: "a connection that is cut each time", change: func(s *stand) {
			s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				if !strings.HasSuffix(r.URL.Path, "tool_1.0_all.deb") {
					return false
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				w.Write(data[:len(data)/2]) // half of it, however often it is requested
				return true
			})
		}, code: 1},
		{name: "nothing listens", args: []string{"lock", "--mirror", "http://127.0.0.1:1/debian"}, code: 1},

		{name: "a package that leads out of the root", change: with(func(d *debtest.Deb) {
			d.Bare, d.Entries = true, []debtest.Entry{debtest.File("./usr/../../etc/passwd", "root")}
		}), code: 1},
		{name: "a package with a device", change: with(func(d *debtest.Deb) {
			d.Entries = []debtest.Entry{{Header: tar.Header{Name: "dev/sda", Typeflag: tar.TypeBlock}}}
		}), code: 1},
		{name: "a package that is truncated", change: func(s *stand) {
			d := s.deb("tool")
			d.Data = debtest.Tar(s.t, d.Entries)
			d.Data = d.Data[:len(d.Data)-4096]
			s.server.Set(s.tree())
		}, code: 1},
		{name: "a package that is a bomb", change: with(func(d *debtest.Deb) {
			d.Compression, d.Entries = "zst", []debtest.Entry{debtest.File("zeros", strings.Repeat("\x00", 80<<20))}
		}), code: 1},

		{name: "a container name outside the rules", change: func(s *stand) { s.write("nix2gpu.nix", "{\n  perSystem.nix2gpu.\"Web_\" = { };\n}\n", 0o644) }, code: 2},
		{name: "a tag outside the rules", def: `tag = "a b";`, code: 2},
		{name: "a tag of the command line outside the rules", args: []string{"build", "--tag=-x"}, code: 2},
		{name: "an environment name that none is", def: `env."a=b" = "c";`, code: 2},
		{name: "more layers than engines mount", def: "maxLayers = 128;", code: 2},
		{name: "a program that lacks its loader", def: "copyToRoot = [ ./program ];", change: func(s *stand) {
			data, err := os.ReadFile("/bin/true")
			if err != nil {
				s.t.Fatal(err)
			}
			s.write("program", string(data), 0o755)
		}, code: 2},
		{name: "a file that is not there", def: "copyToRoot = [ ./nothing ];", code: 2},
		{name: "a base for another architecture", change: func(s *stand) {
			s.define(fmt.Sprintf("fromImage = %q;\n"+tool, s.base("arm64", "bookworm")))
		}, code: 2},

		{name: "a registry that asks for a login", change: func(s *stand) {
			s.must("build")
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}))
			s.t.Cleanup(srv.Close)
			s.define(fmt.Sprintf("registries = [ \"%s/me\" ];\n"+tool, srv.Listener.Addr()))
		}, args: []string{"push", "--from", "web.oci"}, code: 1},
		{name: "a registry that refuses", change: func(s *stand) {
			s.must("build")
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not yours"}]}`)
			}))
			s.t.Cleanup(srv.Close)
			s.define(fmt.Sprintf("registries = [ \"%s/me\" ];\n"+tool, srv.Listener.Addr()))
		}, args: []string{"push", "--from", "web.oci"}, code: 1},
		{name: "a registry with a certificate of nobody", change: func(s *stand) {
			s.must("build")
			srv := httptest.NewUnstartedServer(http.NotFoundHandler())
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			s.t.Cleanup(srv.Close)
			s.define(fmt.Sprintf("registries = [ \"%s/me\" ];\n"+tool, srv.Listener.Addr()))
		}, args: []string{"push", "--from", "web.oci"}, code: 1},
		{name: "no daemon", change: func(s *stand) { s.must("build"); s.t.Setenv("DOCKER_HOST", "unix://"+s.dir+"/none.sock") }, args: []string{"load", "--from", "web.oci", "--into", "docker"}, code: 1},
		{name: "a daemon of an old API", change: func(s *stand) {
			s.must("build")
			dir, err := os.MkdirTemp("", "n2g-") // the path of a socket must be short
			if err != nil {
				s.t.Fatal(err)
			}
			s.t.Cleanup(func() { os.RemoveAll(dir) })
			l, err := net.Listen("unix", dir+"/old.sock")
			if err != nil {
				s.t.Fatal(err)
			}
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, `{"ApiVersion":"1.18","Version":"1.6.2","Arch":"amd64"}`)
			})}
			go srv.Serve(l)
			s.t.Cleanup(func() { srv.Close() })
			s.t.Setenv("DOCKER_HOST", "unix://"+dir+"/old.sock")
		}, args: []string{"load", "--from", "web.oci", "--into", "docker"}, code: 1},
	}
}

// base pushes an image of Debian for an architecture to a registry, and returns its
// reference by digest.
func (s *stand) base(arch, release string) string {
	s.t.Helper()
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	s.t.Cleanup(srv.Close)
	img := testkit.Image(s.t, arch, v1.Config{}, testkit.Layer(s.t, map[string]string{
		"etc/os-release -> ../usr/lib/os-release": "", "usr/lib/os-release": "ID=debian\nVERSION_CODENAME=" + release + "\nPRETTY_NAME=Debian\n", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
		"bin -> usr/bin": "", "sbin -> usr/sbin": "", "lib -> usr/lib": "", "usr/bin/": "", "usr/sbin/": "", "var/lib/dpkg/status": "Package: old\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nMaintainer: Nobody\nDescription: of the base\n\n",
	}))
	ref, err := name.ParseReference(strings.TrimPrefix(srv.URL, "http://") + "/base:1")
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	return ref.Name() + "@" + digest.String()
}

// TestBadInput wants for each error a message with its place and its cure, an exit code
// of 1 or 2, and nothing half-written. The golden file is what a user reads.
func TestBadInput(t *testing.T) {
	var out strings.Builder
	for _, c := range badInputs() {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			if c.def != "" {
				s.define(c.def)
			}
			if c.change != nil {
				c.change(s)
			}
			if c.args == nil {
				c.args = []string{"build"}
			}
			fmt.Fprintf(&out, "--- %s: nix2gpu %s\n%s", c.name, s.plain(strings.Join(c.args, " ")), s.fails(s.command(c.args...), c.code))
		})
	}
	testkit.Golden(t, "testdata/badinput.golden", []byte(out.String()))
}

// fails runs a verb that must fail with an exit code and leave nothing behind, and
// returns what it printed.
func (s *stand) fails(cmd *exec.Cmd, want int) string {
	s.t.Helper()
	before := s.beside()
	fresh := !strings.Contains(before, "/nix2gpu.lock")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(cmd.Env, "HOME="+s.dir, "DOCKER_CONFIG="+s.dir+"/.docker")
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		s.t.Errorf("%v, want exit code %d\n%s", err, want, stderr.String())
	}
	if stdout.Len() > 0 {
		s.t.Errorf("stdout has %q", stdout.String())
	}
	after := s.beside()
	if fresh { // a decision that was made before the failure may stay, if it is complete
		after = regexp.MustCompile(`/nix2gpu\.lock .*\n`).ReplaceAllString(after, "")
		if _, err := lock.Read(filepath.Join(s.dir, lock.Name)); err != nil {
			s.t.Error(err)
		}
	}
	if after != before {
		s.t.Errorf("beside the definition there is\n%s\nand was\n%s", after, before)
	}
	if left := s.unfinished(); len(left) > 0 {
		s.t.Errorf("half-written in the cache: %q", left)
	}
	return s.plain(stderr.String())
}

// beside lists all files in the definition's folder with their times, without the
// cache.
func (s *stand) beside() string {
	var b strings.Builder
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(s.dir, "nix2gpu") {
			return fs.SkipDir
		}
		info, err := d.Info()
		switch {
		case err != nil:
		case d.IsDir():
			fmt.Fprintf(&b, "%s %v\n", strings.TrimPrefix(path, s.dir), info.Mode())
		default:
			fmt.Fprintf(&b, "%s %v %d %v\n", strings.TrimPrefix(path, s.dir), info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

// unfinished lists the files of the cache that are incomplete and cannot be resumed.
func (s *stand) unfinished() (found []string) {
	filepath.WalkDir(filepath.Join(s.dir, "nix2gpu"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		part := strings.HasSuffix(path, ".part")
		if part && (err != nil || info.Size() == 0) || !part && (strings.HasPrefix(d.Name(), ".new-") || strings.HasPrefix(d.Name(), "new-")) {
			found = append(found, d.Name())
		}
		return nil
	})
	return found
}

// plain returns a text with what differs from run to run replaced.
func (s *stand) plain(text string) string {
	text = strings.ReplaceAll(text, s.dir, "DIR")
	for _, one := range []struct{ pattern, with string }{
		{`127\.0\.0\.1:[0-9]{2,}`, "HOST"}, {`\b[0-9a-f]{64}\b`, "SHA256"}, {`sha256:[0-9a-f]+…`, "sha256:…"}, {`\b[0-9A-F]{40}\b`, "KEY"}, {`20[2-9][0-9]-[0-9]{2}-[0-9]{2} [0-9:]{5} UTC`, "TIME"}, {`/\S*/n2g-[0-9]+/`, "DIR/"},
	} {
		text = regexp.MustCompile(one.pattern).ReplaceAllString(text, one.with)
	}
	lines := strings.SplitAfter(text, "\n")
	// Any of several suites may be the first.
	if strings.HasPrefix(text, "nix2gpu: cannot use the index of") {
		slices.Sort(lines)
	}
	return strings.Join(lines, "")
}

// The same holds without a network, and on disks that are full or read-only.
func TestBadMachine(t *testing.T) {
	var out strings.Builder
	tell := func(name string, text string) { fmt.Fprintf(&out, "--- %s\n%s", name, text) }
	t.Run("no network", func(t *testing.T) {
		s := newStand(t)
		cmd := s.command("lock", "--mirror", "http://mirror.example/debian")
		cmd = exec.CommandContext(t.Context(), "unshare", append([]string{"--net"}, cmd.Args...)...)
		cmd.Dir, cmd.Env = s.dir, s.command("lock").Env
		if os.Geteuid() != 0 {
			t.Skip("needs a network namespace (run as root)")
		}
		text := s.fails(cmd, 1)
		tell("no network", regexp.MustCompile(`lookup .*`).ReplaceAllString(text, "…"))
	})
	for name, one := range map[string]struct {
		prepare func(d testkit.Disk) error
		cache   bool // the disk has the cache; else the image
	}{
		"a full disk below the cache":   {testkit.Disk.Fill, true},
		"a full disk below the image":   {testkit.Disk.Fill, false},
		"a cache that can only be read": {func(d testkit.Disk) error { return unix.Mount("", d.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			if !one.cache {
				s.must("build")
				os.RemoveAll(filepath.Join(s.dir, "web.oci"))
			}
			testkit.WithDisk(t, 1<<20, func(d testkit.Disk) error {
				if err := one.prepare(d); err != nil {
					return err
				}
				cmd := s.command("build", "-o", filepath.Join(d.Dir, "web.oci"))
				if one.cache {
					cmd = s.command("build")
					cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+d.Dir)
				}
				text := s.fails(cmd, 1)
				tell(name, strings.ReplaceAll(text, d.Dir, "DISK"))
				entries, err := os.ReadDir(d.Dir)
				for _, e := range entries {
					if e.Name() != "filler" && e.Name() != "nix2gpu" {
						t.Errorf("it left %s", e.Name())
					}
				}
				return err
			})
		})
	}
	parts := strings.Split(out.String(), "--- ")
	slices.Sort(parts)
	testkit.Golden(t, "testdata/badmachine.golden", []byte(strings.Join(parts, "--- ")))
}

// Ctrl-C ends a build at any moment, with nothing half-written: its result is there as
// a whole, or not at all.
func TestInterruptedBuild(t *testing.T) {
	s := newStand(t)
	began := time.Now()
	want := s.build(1)
	took := time.Since(began)
	for i := range 16 {
		os.RemoveAll(filepath.Join(s.dir, "nix2gpu"))
		os.Remove(filepath.Join(s.dir, "nix2gpu.lock"))
		os.RemoveAll(filepath.Join(s.dir, "web.oci"))
		cmd := s.command("build")
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Every moment, however long they last on this machine.
		var once sync.Once
		after := took * time.Duration(i) / 16
		timer := time.AfterFunc(after, func() { once.Do(func() { cmd.Process.Signal(os.Interrupt) }) })
		err := cmd.Wait()
		timer.Stop()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 130 && exit.ExitCode() != -1) {
			t.Errorf("interrupted after %v: %v\n%s", after, err, said.String())
		}
		for _, e := range strings.Fields(s.names()) {
			if !slices.Contains([]string{"key.asc", "nix2gpu", "nix2gpu.lock", "nix2gpu.nix", "web.oci"}, e) {
				t.Errorf("interrupted after %v: it left %s", after, e)
			}
		}
		if _, there := os.Stat(filepath.Join(s.dir, "web.oci")); there == nil {
			s.whole(want)
		}
		if left := s.unfinished(); len(left) > 0 {
			t.Errorf("interrupted after %v: half-written is %q", after, left)
		}
	}
	if got := s.build(1); got != want {
		t.Errorf("then built %s, want %s", got, want)
	}
}
