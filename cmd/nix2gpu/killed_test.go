package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
)

// everyImage are the packages that every image has.
const everyImage = "openssh-client openssh-server base-files base-passwd bash ca-certificates coreutils dash debianutils diffutils " +
	"findutils grep gzip hostname libc-bin mawk ncurses-base netbase procps sed tar"

// A stand is a definition with a folder and a cache of its own, and an archive that has
// its packages.
type stand struct {
	t         *testing.T
	server    *debtest.Server
	release   debtest.Archive   // bookworm
	others    []debtest.Archive // other releases
	dir       string
	bin       string
	platforms string
}

// newStand returns a stand whose archive has the packages of every image, those of
// pkgs.tool, and more.
func newStand(t *testing.T, more ...debtest.Deb) *stand {
	t.Helper()
	key := debtest.NewKey(t, 0)
	date := time.Now().Add(-time.Hour)
	debs := more
	for _, name := range strings.Fields("tool " + everyImage) {
		debs = append(debs, debtest.Deb{Name: name, Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/"+name, strings.Repeat(name, 5000))}})
	}
	s := &stand{t: t, dir: t.TempDir(), bin: testkit.Binary(t), platforms: "linux/amd64",
		release: debtest.Archive{Keys: []*debtest.Key{key}, Date: date, Codename: "bookworm", Debs: debs}}
	s.server = debtest.Serve(t, s.tree())
	for name, text := range map[string]string{
		"nix2gpu.nix": "{ perSystem.nix2gpu.web = { pkgs, ... }: { systemPackages = [ pkgs.tool ]; services = {}; }; }\n", "key.asc": string(key.Public(t)),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tree returns the files of the archive's server: the releases, with empty updates and
// security archives.
func (s *stand) tree() debtest.Tree {
	tree := debtest.Tree{}
	for _, release := range append([]debtest.Archive{s.release}, s.others...) {
		updates, security := release, release
		updates.Codename, updates.Debs = release.Codename+"-updates", nil
		security.Codename, security.Debs = release.Codename+"-security", nil
		tree.Add("debian", release.Tree(s.t)).Add("debian", updates.Tree(s.t)).Add("debian-security", security.Tree(s.t))
	}
	return tree
}

// deb returns the package of that name, to be changed.
func (s *stand) deb(name string) *debtest.Deb {
	i := slices.IndexFunc(s.release.Debs, func(d debtest.Deb) bool { return d.Name == name })
	return &s.release.Debs[i]
}

// command returns the command of a verb, with the archive's address if it reads that.
func (s *stand) command(args ...string) *exec.Cmd {
	s.t.Helper()
	if args[0] == "lock" || args[0] == "build" {
		args = slices.Insert(slices.Clone(args), 1, "--mirror", s.server.URL+"/debian", "--keyring", "key.asc", "--platform", s.platforms)
	}
	cmd := exec.CommandContext(s.t.Context(), s.bin, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "XDG_CACHE_HOME="+s.dir, "CI=")
	return cmd
}

// A lock that is killed during a download leaves nothing half-written, and the next one
// resumes the download.
func TestKilledLock(t *testing.T) {
	s := newStand(t)
	server, dir := s.server, s.dir
	lock := func() *exec.Cmd { return s.command("lock") }

	// Half of the list of packages is sent, and then nothing.
	half := make(chan int, 1)
	server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if !strings.HasPrefix(r.URL.Path, "/debian/dists/bookworm/main") {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
		w.(http.Flusher).Flush()
		half <- len(data) / 2
		<-r.Context().Done()
		return true
	})
	killed := lock()
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	sent := <-half
	// A small file that another suite was just writing may stay until the next
	// prune; the download may not.
	parts := func() []string {
		found, _ := filepath.Glob(filepath.Join(dir, "nix2gpu", "*", "*.packages.part"))
		return found
	}
	if !testkit.Eventually(func() bool {
		for _, p := range parts() {
			if info, err := os.Stat(p); err == nil && info.Size() == int64(sent) {
				return true
			}
		}
		return false
	}) {
		t.Fatalf("%d bytes were sent, and are in none of %q", sent, parts())
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.Wait()
	if _, err := os.Stat(filepath.Join(dir, "nix2gpu.lock")); err == nil {
		t.Error("there is a lock already")
	}

	server.Spoil(nil)
	server.Asked()
	if out, err := lock().CombinedOutput(); err != nil || !strings.Contains(string(out), "+ tool 1.0 (amd64)\n") {
		t.Errorf("lock: %v\n%s", err, out)
	}
	if asked := server.Asked(); !slices.ContainsFunc(asked, func(s string) bool { return strings.HasSuffix(s, fmt.Sprintf(" bytes=%d-", sent)) }) {
		t.Errorf("it did not go on at byte %d: %q", sent, asked)
	}
	if left := parts(); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

// names lists the files and folders of the stand itself, and hidden ones in the layout.
func (s *stand) names() string {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	inside, err := filepath.Glob(filepath.Join(s.dir, "web.oci", ".*"))
	if err != nil {
		s.t.Fatal(err)
	}
	list := inside
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// build runs several builds at once, and wants the same digest from all.
func (s *stand) build(times int) string {
	s.t.Helper()
	var running []*exec.Cmd
	var out, errs []*strings.Builder
	for range times {
		cmd := s.command("build")
		out, errs = append(out, &strings.Builder{}), append(errs, &strings.Builder{})
		cmd.Stdout, cmd.Stderr = out[len(out)-1], errs[len(errs)-1]
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for i, cmd := range running {
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("build: %v\n%s", err, errs[i])
		} else if out[i].String() != out[0].String() {
			s.t.Errorf("built %s beside %s", out[i], out[0])
		}
	}
	return out[0].String()
}

// whole checks that the layout has the image of that digest, complete.
func (s *stand) whole(digest string) {
	s.t.Helper()
	index, err := layout.ImageIndexFromPath(filepath.Join(s.dir, "web.oci"))
	if err != nil {
		s.t.Errorf("the layout: %v", err)
		return
	}
	hash, err := v1.NewHash(strings.TrimSpace(digest))
	if err != nil {
		s.t.Fatal(err)
	}
	img, err := index.Image(hash)
	if err == nil {
		err = validate.Image(img)
	}
	if err != nil {
		s.t.Errorf("the layout is not whole: %v", err)
	}
}

// A build that is killed at any moment does not hinder a later one.
func TestKilledBuild(t *testing.T) {
	s := newStand(t)
	began := time.Now()
	want := s.build(1)
	took := time.Since(began)
	whole := s.names()

	const kills = 24
	random := rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		// From nothing; with packages but no layers; or with all of it, and another
		// image where the new one belongs.
		switch i % 3 {
		case 0:
			os.RemoveAll(filepath.Join(s.dir, "nix2gpu"))
			os.RemoveAll(filepath.Join(s.dir, "nix2gpu.lock"))
			os.RemoveAll(filepath.Join(s.dir, "web.oci"))
		case 1:
			os.RemoveAll(filepath.Join(s.dir, "nix2gpu", "layers"))
		}
		// The result must be the same at every moment, so a slow machine does no harm.
		after := time.Duration(random.Int64N(int64(took) + 1))
		cmd := s.command("build")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(after, func() { cmd.Process.Kill() })
		cmd.Wait()
		if got := s.build(1); got != want {
			t.Errorf("killed after %v: then built %s, want %s", after, got, want)
		}
		s.whole(want)
		if got := s.names(); got != whole {
			t.Errorf("killed after %v: left %s, want %s", after, got, whole)
		}
	}
}

// Builds may share a cache and a lock, and write the same layout.
func TestBuildsAtOnce(t *testing.T) {
	s := newStand(t)
	want := s.build(4)
	s.whole(want)
	if got := s.names(); got != "key.asc nix2gpu nix2gpu.lock nix2gpu.nix web.oci" {
		t.Errorf("there is %s", got)
	}
}
