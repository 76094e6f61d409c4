package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
)

// A lock that is killed in the middle of a download leaves nothing half-written,
// and the next one goes on where it stood.
func TestKilledLock(t *testing.T) {
	key := debtest.NewKey(t, 0)
	date := time.Now().Add(-time.Hour)
	debs := []debtest.Deb{}
	for _, name := range strings.Fields("tool openssh-client openssh-server base-files base-passwd bash ca-certificates coreutils dash debianutils diffutils " +
		"findutils grep gzip hostname libc-bin mawk ncurses-base netbase procps sed tar") {
		debs = append(debs, debtest.Deb{Name: name, Compression: "gz"})
	}
	tree := debtest.Tree{}
	for _, suite := range []string{"bookworm", "bookworm-updates", "bookworm-security"} {
		a := debtest.Archive{Keys: []*debtest.Key{key}, Date: date, Codename: suite}
		root := "debian"
		switch suite {
		case "bookworm":
			a.Debs = debs
		case "bookworm-security":
			root = "debian-security"
		}
		tree.Add(root, a.Tree(t))
	}
	server := debtest.Serve(t, tree)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nix2gpu.nix": "{ perSystem.nix2gpu.web = { pkgs, ... }: { systemPackages = [ pkgs.tool ]; }; }\n", "key.asc": string(key.Public(t)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lock := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), testkit.Binary(t), "lock", "--mirror", server.URL+"/debian", "--keyring", "key.asc", "--platform", "linux/amd64")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_CACHE_HOME="+dir)
		return cmd
	}

	// The list of packages comes by half, and then nothing.
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
