package lock_test

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/definition"
	"nix2gpu/internal/debtest"
	"nix2gpu/lock"
	"nix2gpu/packages"
)

// apt is Debian's own resolver, with a state of its own: nothing is installed.
type apt struct {
	t    *testing.T
	dir  string
	arch string
}

const debianKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

func newApt(t *testing.T, arch string, archives []repo.Archive) *apt {
	t.Helper()
	a := &apt{t, t.TempDir(), arch}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "none"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var sources strings.Builder
	for _, s := range archives {
		fmt.Fprintf(&sources, "deb [signed-by=%s] %s %s main\n", debianKeys, s.URL, s.Suite)
	}
	for name, text := range map[string]string{"status": "", "sources.list": sources.String()} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a.get("update")
	return a
}

func (a *apt) get(args ...string) string {
	a.t.Helper()
	options := []string{"-q"}
	for name, value := range map[string]string{
		"Dir::State": a.dir, "Dir::State::lists": a.dir + "/lists", "Dir::State::status": a.dir + "/status", "Dir::Cache": a.dir + "/cache",
		"Dir::Etc::SourceList": a.dir + "/sources.list", "Dir::Etc::SourceParts": a.dir + "/none", "Dir::Etc::PreferencesParts": a.dir + "/none",
		"APT::Architecture": a.arch, "APT::Architectures": a.arch, "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
		"Acquire::Languages": "none", "Acquire::ForceHash": "SHA256", "Debug::NoLocking": "1",
		// As apt is without a container's thrift: each call would parse all lists anew.
		"Acquire::GzipIndexes": "false", "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
	} {
		options = append(options, "-o", name+"="+value)
	}
	out, err := exec.CommandContext(a.t.Context(), "apt-get", append(options, args...)...).CombinedOutput()
	if err != nil {
		a.t.Fatalf("apt-get %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// install says what apt would download for packages: "file size digest", sorted.
func (a *apt) install(names ...string) []string {
	a.t.Helper()
	var out []string
	for line := range strings.Lines(a.get(append([]string{"install", "-y", "--print-uris"}, names...)...)) {
		if words := strings.Fields(line); strings.HasPrefix(line, "'") && len(words) == 4 {
			uri, err := url.PathUnescape(strings.Trim(words[0], "'"))
			if err != nil {
				a.t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s %s %s", uri[strings.LastIndexByte(uri, '/')+1:], words[2], strings.TrimPrefix(words[3], "SHA256:")))
		}
	}
	slices.Sort(out)
	return out
}

func downloads(list []debian.Locked) []string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%s %d %s", p.File(), p.Size, p.SHA256))
	}
	slices.Sort(out)
	return out
}

// What we lock is what apt would install: the same files, by size and digest,
// from Debian's mirror as this machine has it configured.
func TestLockIsApts(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt is not installed: this machine is no Debian")
	}
	archives := debtest.MachineArchives(t)
	client := debtest.Mirror(t, archives)
	file, err := filepath.Abs("../examples/microservices/nix2gpu.nix")
	if err != nil {
		t.Fatal(err)
	}
	example, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	needs, err := lock.FindNeeds(example.Project, lock.Brought{Suite: "bookworm"})
	if err != nil {
		t.Fatal(err)
	}
	wants := needs.Wants
	arches := []string{"amd64", "arm64"}
	locked, err := lock.Ensure(t.Context(), lock.Options{
		File: filepath.Join(t.TempDir(), lock.Name), Arches: arches, Wants: map[string][]lock.Want{"web": wants}, Index: lock.OneRelease(client.Index),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range arches {
		t.Run(arch, func(t *testing.T) {
			t.Parallel() // apt-get decides alone, and takes its time
			apt := newApt(t, arch, archives)
			var names []string
			for _, w := range wants {
				names = append(names, w.Name)
			}
			list := locked.Packages("web", arch)
			compare(t, "the example", downloads(list), apt.install(names...))
			if len(list) < 100 {
				t.Errorf("the example has only %d packages", len(list))
			}
			// A package of it comes as it was locked.
			smallest := slices.MinFunc(list, func(a, b debian.Locked) int { return int(a.Size - b.Size) })
			r, err := client.Open(t.Context(), smallest)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if n, err := io.Copy(io.Discard, r); err != nil || n != smallest.Size {
				t.Errorf("%s: %d bytes, %v", smallest, n, err)
			}
			ix, _, err := client.Index(t.Context(), arch)
			if err != nil {
				t.Fatal(err)
			}
			for _, attr := range []string{
				"postgresql", "redis", "mariadb", "nginx", "apacheHttpd", "caddy", "prometheus", "rabbitmq-server", "memcached", "nats-server",
				"python3", "openssh", "nodejs", "ffmpeg", "git", "imagemagick",
			} {
				names := packages.Lookup(attr).Debian
				solution, err := debian.Resolve(ix, debian.Request{Names: names})
				if err != nil {
					t.Errorf("%s: %v", attr, err)
					continue
				}
				var list []debian.Locked
				for _, p := range solution.Packages {
					list = append(list, p.Locked)
				}
				compare(t, attr, downloads(list), apt.install(names...))
			}
		})
	}
}

func compare(t *testing.T, what string, ours, apts []string) {
	t.Helper()
	for _, p := range apts {
		if !slices.Contains(ours, p) {
			t.Errorf("%s: apt has %s, we don't", what, p)
		}
	}
	for _, p := range ours {
		if !slices.Contains(apts, p) {
			t.Errorf("%s: we have %s, apt doesn't", what, p)
		}
	}
}
