package packages_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// installed writes a database of dpkg below a host's root: "name arch status
// depends; provides", then the paths of the package.
func installed(t *testing.T, h *packages.Host, entries ...string) {
	t.Helper()
	var status strings.Builder
	info := filepath.Join(h.Root, "var/lib/dpkg/info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, entry := range append([]string{"dpkg amd64 installed"}, entries...) {
		head, files, _ := strings.Cut(entry, ": ")
		words := strings.SplitN(head, " ", 4)
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok %s\nArchitecture: %s\nVersion: 1.0-1\n", words[0], words[2], words[1])
		list := words[0]
		if strings.HasPrefix(words[0], "lib") {
			status.WriteString("Multi-Arch: same\n")
			list += ":" + words[1]
		}
		if len(words) == 4 {
			depends, provides, _ := strings.Cut(words[3], "; ")
			if depends != "" {
				fmt.Fprintf(&status, "Depends: %s\n", depends)
			}
			if provides != "" {
				fmt.Fprintf(&status, "Provides: %s\n", provides)
			}
		}
		status.WriteString("Description: a package\n of a test\n\n")
		content := "/.\n" + strings.Join(strings.Fields(files), "\n") + "\n"
		if err := os.WriteFile(filepath.Join(info, list+".list"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.Root, "var/lib/dpkg/status"), []byte(status.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shown formats contents on one line.
func shown(c *packages.Contents) string {
	var units, users []string
	for _, u := range c.Closure {
		units = append(units, u.Name+":"+u.Arch)
	}
	for name, u := range c.Users {
		users = append(users, fmt.Sprint(name, "=", u.UID))
	}
	slices.Sort(users)
	return fmt.Sprint(c.Own, units, c.Files(), users)
}

func TestContents(t *testing.T) {
	base := []string{
		"redis-server amd64 installed redis-tools (= 5:7) | redis-old, lsb-base:any: /usr/bin /usr/bin/redis-server /etc/redis.conf",
		"redis-tools amd64 installed libc6 (>= 2.3), awk: /usr/bin/redis-cli",
		"libc6 i386 installed: /lib/i386/libc.so.6",
		"libc6 amd64 installed: /lib/amd64/libc.so.6",
		"sysvinit all unpacked libgcc, ; lsb-base (= 11): /lib/lsb",
		"libgcc amd64 installed libc6: /lib/gcc",
		"mawk amd64 triggers-pending libc6; awk: /usr/bin/mawk",
		"gone amd64 config-files: /etc/gone",
		"circle amd64 installed circle-data: /usr/bin/circle",
		"circle-data all installed circle: /usr/share/circle",
		"broken amd64 installed gone | nowhere: /usr/bin/broken",
		"other-build amd64 installed libc6: /bin/nginx",
	}
	for _, c := range []struct {
		attr string
		host []string
		want string
	}{
		{"redis", []string{"/usr/bin/redis-server"},
			"[redis-server] [libc6:amd64 mawk:amd64 redis-tools:amd64 libgcc:amd64 sysvinit:all redis-server:amd64] [/etc/redis.conf /usr/bin /usr/bin/redis-server] [redis=901]"},
		// In the list by its old path, and of a package of another name.
		{"nginx", []string{"/usr/bin/nginx"}, "[other-build] [libc6:amd64 other-build:amd64] [/bin/nginx] [www-data=33]"},
		{"caddy", []string{"/usr/bin/caddy"}, "[] [] [/usr/bin/caddy] [caddy=907]"}, // installed by hand
		{"circle", []string{"/usr/bin/circle"}, "[circle] [circle-data:all circle:amd64] [/usr/bin/circle] []"},
		{"python3Packages.redis-tools", nil, "missing"},
		{"nginxStable", nil, "missing"},
	} {
		t.Run(c.attr, func(t *testing.T) {
			h := machine(t, c.host...)
			h.SearchPath = []string{filepath.Join(h.Root, "usr/bin")}
			installed(t, h, base...)
			got, err := h.Contents(c.attr)
			if c.want == "missing" {
				if _, ok := errors.AsType[*packages.MissingError](err); !ok {
					t.Errorf("got %v, %v; want a *MissingError", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if shown(got) != c.want {
				t.Errorf("got  %s\nwant %s", shown(got), c.want)
			}
			if _, err := os.Stat(h.Dir); err == nil {
				t.Error("a folder was made by looking")
			}
		})
	}
	h := machine(t, "/usr/bin/broken")
	h.SearchPath = []string{filepath.Join(h.Root, "usr/bin")}
	installed(t, h, base...)
	if _, err := h.Contents("broken"); err == nil || !strings.Contains(err.Error(), `package "broken" depends on "gone | nowhere", which is not installed`) {
		t.Errorf("a package without what it needs: %v", err)
	}
	if _, err := h.Contents("a/b"); err == nil {
		t.Error("a path was taken for an attribute")
	}
}

// A file that one package diverts from another is at its new place.
func TestContentsKnowDiversions(t *testing.T) {
	h := machine(t, "/usr/bin/jq")
	h.SearchPath = []string{filepath.Join(h.Root, "usr/bin")}
	installed(t, h, "jq amd64 installed: /usr/bin/jq /usr/share/jq", "taker amd64 installed: /usr/share/jq")
	file := filepath.Join(h.Root, "var/lib/dpkg/diversions")
	if err := os.WriteFile(file, []byte("/usr/share/jq\n/usr/share/jq.distrib\ntaker\n/usr/bin/jq\n/x\njq\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := h.Contents("jq")
	if err != nil || fmt.Sprint(c.Files()) != "[/usr/bin/jq /usr/share/jq.distrib]" {
		t.Errorf("files are %v, %v", c, err)
	}
}

// A link that a maintainer script made, as update-alternatives does, belongs to no
// package; its target does.
func TestContentsSeeLinksOfScripts(t *testing.T) {
	h := machine(t, "/usr/bin/nc.openbsd")
	h.SearchPath = []string{filepath.Join(h.Root, "usr/bin")}
	if err := os.Symlink("nc.openbsd", filepath.Join(h.SearchPath[0], "nc")); err != nil {
		t.Fatal(err)
	}
	installed(t, h, "netcat-openbsd amd64 installed: /bin/nc.openbsd")
	c, err := h.Contents("netcat")
	if err != nil || fmt.Sprint(c.Own, c.Loose, c.Files()) != "[netcat-openbsd] [/usr/bin/nc] [/bin/nc.openbsd /usr/bin/nc]" {
		t.Errorf("contents are %+v, %v", c, err)
	}
}

// Without dpkg, a machine has the files that are there; a damaged database is an error.
func TestContentsWithoutDpkg(t *testing.T) {
	h := machine(t, "redis-server")
	c, err := h.Contents("redis")
	if err != nil || len(c.Own) != 0 || fmt.Sprint(c.Files()) != "[/path/redis-server]" {
		t.Errorf("contents are %+v, %v", c, err)
	}
	installed(t, h, "redis-server amd64 installed: /path/redis-server")
	if err := os.Remove(filepath.Join(h.Root, "var/lib/dpkg/info/redis-server.list")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Contents("redis"); err == nil || !strings.Contains(err.Error(), `list of files of package "redis-server"`) {
		t.Errorf("without the list: %v", err)
	}
	if err := os.Remove(filepath.Join(h.Root, "var/lib/dpkg/status")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.Root, "var/lib/dpkg/status"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Contents("redis"); err == nil || !strings.Contains(err.Error(), "list of installed packages") {
		t.Errorf("without the status: %v", err)
	}
}

// The users of packages are known accounts.
func TestUsersOfPackages(t *testing.T) {
	known := project.SystemUsers()
	for _, attr := range packages.Attrs() {
		for _, user := range packages.Lookup(attr).Users {
			if _, ok := known[user]; !ok {
				t.Errorf("%s runs as %q, which project does not declare", attr, user)
			}
		}
	}
}

// The contents of this machine's packages are those that dpkg lists.
func TestContentsAgreeWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("dpkg is not installed: apt-get install dpkg")
	}
	h := &packages.Host{Dir: t.TempDir()}
	for _, attr := range []string{"bash", "coreutils", "redis", "nginx", "postgresql", "python3"} {
		c, err := h.Contents(attr)
		if _, ok := errors.AsType[*packages.MissingError](err); ok {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", attr, err)
			continue
		}
		for _, u := range c.Closure {
			out, err := exec.Command("dpkg-query", "--listfiles", u.Name+":"+u.Arch).Output()
			if u.Arch == "all" {
				out, err = exec.Command("dpkg-query", "--listfiles", u.Name).Output()
			}
			if err != nil {
				t.Errorf("dpkg-query --listfiles %s: %v", u.Name, err)
				continue
			}
			want := len(strings.Split(strings.TrimSpace(string(out)), "\n")) - 1 // without "/."
			if strings.Contains(string(out), "diver") {
				continue // dpkg adds a line for each
			}
			if len(u.Files) != want {
				t.Errorf("%s has %d files, dpkg-query says %d", u.Name, len(u.Files), want)
			}
		}
	}
}

// The files of contents run without the rest of the machine: the closure lacks nothing.
func TestContentsAreWhole(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may chroot")
	}
	h := &packages.Host{Dir: t.TempDir()}
	for attr, command := range map[string][]string{
		"redis": {"/usr/bin/redis-server", "--version"}, "nginx": {"/usr/sbin/nginx", "-v"}, "python3": {"/usr/bin/python3", "-c", "import json, ssl, sqlite3"},
	} {
		c, err := h.Contents(attr)
		if _, ok := errors.AsType[*packages.MissingError](err); ok {
			t.Logf("%s is not installed", attr)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		for _, dir := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
			if err := errors.Join(os.MkdirAll(filepath.Join(root, "usr", dir), 0o755), os.Symlink("usr/"+dir, filepath.Join(root, dir))); err != nil {
				t.Fatal(err)
			}
		}
		for _, u := range c.Closure {
			for _, path := range u.Files {
				if strings.HasPrefix(path, "/usr/share/doc/") || strings.HasPrefix(path, "/usr/share/locale/") || strings.HasPrefix(path, "/usr/share/man/") {
					continue
				}
				if err := copyPath(path, filepath.Join(root, path)); err != nil {
					t.Fatal(err)
				}
			}
		}
		out, err := exec.CommandContext(t.Context(), "chroot", append([]string{root}, command...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s in a folder of its own: %v\n%s", attr, err, out)
		}
	}
}

func copyPath(from, to string) error {
	info, err := os.Lstat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // an administrator may remove a configuration
	case err != nil:
		return err
	case info.IsDir():
		return os.MkdirAll(to, 0o755)
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(to); err == nil {
			return nil // /bin itself
		}
		return os.Symlink(target, to)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
