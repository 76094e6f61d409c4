package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/lock"
)

// buildVariants are the variants of the main example's image.
var buildVariants = []struct {
	name string
	args []string
}{
	{"full", []string{"--variant", "full"}},
	{"slim", nil},
	{"slim-with-jit", []string{"--module", "jit.nix"}},
	{"minimal", []string{"--variant", "minimal"}},
	{"slim-zstd", []string{"--compression", "zstd"}},
	{"minimal-zstd", []string{"--variant", "minimal", "--compression", "zstd"}},
}

// A bench builds the main example in a folder with a cache of its own.
type bench struct {
	*testing.B
	dir, out string
	env      []string
}

func newBench(b *testing.B) *bench {
	b.Helper()
	x := &bench{B: b, dir: copied(b, "microservices")}
	x.out = filepath.Join(b.TempDir(), "out")
	// Beside the binary, like the cache of the tests, so that downloads are shared.
	x.env = append(os.Environ(), "CI=", "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(testkit.Binary(b)), "cache"))
	text := "{ services.postgresql.userdb.enableJIT = true; }\n"
	if err := os.WriteFile(filepath.Join(x.dir, "jit.nix"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return x
}

// nix2gpu runs a verb to its end, and returns its output, processor time and peak
// memory.
func (x *bench) nix2gpu(args ...string) (stdout, stderr string, used *syscall.Rusage) {
	x.Helper()
	cmd := exec.CommandContext(x.Context(), testkit.Binary(x), args...)
	cmd.Dir, cmd.Env = x.dir, x.env
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		x.Fatalf("nix2gpu %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.String(), errs.String(), cmd.ProcessState.SysUsage().(*syscall.Rusage)
}

// build builds the image, and returns what that took.
func (x *bench) build(args ...string) *syscall.Rusage {
	x.Helper()
	_, _, used := x.nix2gpu(append([]string{"build", "-o", x.out}, args...)...)
	return used
}

// cache returns a folder of the cache.
func (x *bench) cache(sub string) string {
	return filepath.Join(filepath.Dir(testkit.Binary(x)), "cache", "nix2gpu", sub)
}

func (x *bench) remove(path string) {
	x.Helper()
	if err := os.RemoveAll(path); err != nil {
		x.Fatal(err)
	}
}

func (x *bench) write(file, text string) {
	x.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, file), []byte(text), 0o644); err != nil {
		x.Fatal(err)
	}
}

// layers returns the layers of an image by digest, with their sizes; total is the size
// of a pull.
func (x *bench) layers(image string) (sizes map[string]int64, total int64) {
	x.Helper()
	out, _, _ := x.nix2gpu("image", "show", image, "-o", "json")
	var shown struct {
		Size   int64
		Layers []struct {
			Digest string
			Size   int64
		}
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		x.Fatal(err)
	}
	sizes = map[string]int64{}
	for _, l := range shown.Layers {
		sizes[l.Digest] = l.Size
	}
	return sizes, shown.Size
}

// BenchmarkBuild measures the build of the main example: from nothing, and with its
// packages in the cache and no layer.
func BenchmarkBuild(b *testing.B) {
	cold := func(b *testing.B, x *bench, args []string, without ...string) {
		var cpu time.Duration
		var memory int64
		for b.Loop() {
			b.StopTimer()
			for _, sub := range without {
				x.remove(x.cache(sub))
			}
			b.StartTimer()
			used := x.build(args...)
			cpu += time.Duration(used.Utime.Nano() + used.Stime.Nano())
			memory = max(memory, used.Maxrss) // in KiB
		}
		sizes, total := x.layers(x.out)
		b.ReportMetric(float64(total)/1e6, "MB")
		b.ReportMetric(float64(len(sizes)), "layers")
		b.ReportMetric(float64(memory)*1024/1e6, "MB-rss")
		b.ReportMetric(cpu.Seconds()/float64(b.N), "s-cpu")
	}
	b.Run("from-nothing", func(b *testing.B) {
		x := newBench(b)
		cold(b, x, nil, "indexes", "packages", "layers", "licences")
	})
	for _, c := range buildVariants {
		b.Run("cold/"+c.name, func(b *testing.B) {
			x := newBench(b)
			x.build(c.args...) // writes the lock, and downloads what is not there yet
			cold(b, x, c.args, "layers")
		})
	}
}

// BenchmarkRebuild measures the cost of a small change, of the definition and of one
// package: from the change to the image, and to the registry.
func BenchmarkRebuild(b *testing.B) {
	x := newBench(b)
	x.write("stack.nix", readFile(b, filepath.Join(x.dir, "nix2gpu.nix")))
	repository := testkit.Distribution(b) + "/me/microservices"
	push := func(x *bench) (blobs string) {
		x.Helper()
		_, said, _ := x.nix2gpu("push", "--from", x.out, "--to", repository+":latest")
		return said
	}
	// changed counts the layers that an earlier image does not have.
	changed := func(x *bench, before map[string]int64) (n int, size int64) {
		after, _ := x.layers(x.out)
		for digest, bytes := range after {
			if _, same := before[digest]; !same {
				n++
				size += bytes
			}
		}
		return n, size
	}
	n := 0
	edit := func() { // a label, which is part of the project
		n++
		x.write("nix2gpu.nix", fmt.Sprintf("{ imports = [ ./stack.nix ]; perSystem.nix2gpu.microservices.labels.n = \"%d\"; }\n", n))
	}
	edit()
	x.build()
	push(x)

	b.Run("definition", func(b *testing.B) {
		x := &bench{b, x.dir, x.out, x.env}
		before, _ := x.layers(x.out)
		var cpu time.Duration
		for b.Loop() {
			b.StopTimer()
			edit()
			b.StartTimer()
			used := x.build()
			cpu += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		}
		b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "ms-cpu")
		layers, size := changed(x, before)
		b.ReportMetric(float64(layers), "layers-changed")
		b.ReportMetric(float64(size), "B-changed")
	})
	b.Run("definition/push", func(b *testing.B) {
		x := &bench{b, x.dir, x.out, x.env}
		for b.Loop() {
			b.StopTimer()
			edit()
			x.build()
			b.StartTimer()
			push(x)
		}
	})
	b.Run("push-again", func(b *testing.B) {
		x := &bench{b, x.dir, x.out, x.env}
		push(x)
		for b.Loop() {
			push(x)
		}
	})

	// A newer Redis, from a repository that has Debian's own under a later version.
	b.Run("package", func(b *testing.B) {
		x := &bench{b, x.dir, x.out, x.env}
		up := newUpgrade(x, "redis-server")
		newer := func() {
			up.next()
			x.nix2gpu("lock", "--update", "redis-server")
		}
		newer()
		x.build() // with the definition that has the repository
		push(x)
		before := map[string]int64{}
		var took time.Duration
		for b.Loop() {
			b.StopTimer()
			newer()
			before, _ = x.layers(x.out)
			b.StartTimer()
			x.build("--locked")
			b.StopTimer()
			began := time.Now()
			push(x)
			took += time.Since(began)
			b.StartTimer()
		}
		layers, size := changed(x, before)
		b.ReportMetric(float64(layers), "layers-changed")
		b.ReportMetric(float64(size), "B-changed")
		b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms-push")
	})
}

// An upgrade serves a package of the example again and again, each time as a newer one.
type upgrade struct {
	x       *bench
	server  *debtest.Server
	key     *debtest.Key
	deb     debtest.Deb
	files   []byte // its archive, without the end
	version string
	n       int
}

func newUpgrade(x *bench, name string) *upgrade {
	x.Helper()
	file, err := lock.Read(filepath.Join(x.dir, "nix2gpu.lock"))
	if err != nil {
		x.Fatal(err)
	}
	up := &upgrade{x: x, key: debtest.NewKey(x, 0), server: debtest.Serve(x, nil)}
	for _, p := range file.Packages[runtime.GOARCH] {
		if p.Name != name {
			continue
		}
		deb := filepath.Join(x.cache("packages"), p.SHA256+".deb")
		up.version = p.Version
		up.deb = debtest.Deb{Name: name, Compression: "xz"}
		up.files = bytes.TrimRight([]byte(dpkgDeb(x, "--fsys-tarfile", deb)), "\x00")
		up.files = append(up.files, make([]byte, (512-len(up.files)%512)%512)...)
		up.deb.Arch = strings.TrimSpace(dpkgDeb(x, "-f", deb, "Architecture"))
		up.deb.Depends = strings.TrimSpace(dpkgDeb(x, "-f", deb, "Depends"))
		if source := strings.TrimSpace(dpkgDeb(x, "-f", deb, "Source")); source != "" {
			up.deb.Fields = []string{"Source: " + source}
		}
	}
	if up.deb.Name == "" {
		x.Fatalf("the lock has no %s", name)
	}
	x.write("newer.asc", string(up.key.Public(x)))
	x.write("nix2gpu.nix", fmt.Sprintf("{ imports = [ ./stack.nix ]; perSystem.nix2gpu.microservices.aptSources.newer = { url = %q; suite = \"stable\"; components = [ \"main\" ]; key = ./newer.asc; }; }\n", up.server.URL))
	return up
}

// next publishes a version that is newer than all before, and has a file that differs.
func (u *upgrade) next() {
	u.x.Helper()
	u.n++
	u.deb.Version = fmt.Sprintf("%s+newer%d", u.version, u.n)
	u.deb.Data = slices.Concat(u.files, debtest.Tar(u.x, []debtest.Entry{debtest.File("./usr/lib/"+u.deb.Name+".build", u.deb.Version)}))
	suite := debtest.Archive{Keys: []*debtest.Key{u.key}, Codename: "stable", Suite: "stable", Date: time.Now().Add(-time.Hour).Add(time.Duration(u.n) * time.Second), Debs: []debtest.Deb{u.deb}}
	u.server.Set(suite.Tree(u.x))
}

func dpkgDeb(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("dpkg-deb %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.String()
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// BenchmarkShared reports how much of an image is there already beside another one, and
// how long it takes to build.
func BenchmarkShared(b *testing.B) {
	const (
		python     = `systemPackages = [ pkgs.python3 ];`
		postgresql = `services.postgresql.db.enable = true;`
		redis      = `services.redis.cache.enable = true;`
		nginx      = `services.nginx.web.enable = true;`
		apache     = `services.apache-httpd.web.enable = true;`
	)
	for _, pair := range []struct{ name, first, second string }{
		{"postgresql,python-then-redis,nginx,python", postgresql + python, redis + nginx + python},
		{"redis,nginx-then-python", redis + nginx, python},
		{"postgresql-then-all", postgresql, postgresql + redis + nginx + python},
		{"postgresql,python-then-apache", postgresql + python, apache},
	} {
		b.Run(pair.name, func(b *testing.B) {
			x := newBench(b)
			definition := func(name, text string) string {
				x.write(name+".nix", fmt.Sprintf("{ perSystem.nix2gpu.%s = { pkgs, ... }: { %s }; }\n", name, text))
				return name + ".nix"
			}
			first, second := definition("first", pair.first), definition("second", pair.second)
			for b.Loop() {
				b.StopTimer()
				x.remove(filepath.Join(x.dir, "nix2gpu.lock"))
				x.nix2gpu("build", "-o", x.out, first)
				b.StartTimer()
				x.nix2gpu("build", "-o", x.out+"-2", second)
			}
			before, _ := x.layers(x.out)
			after, total := x.layers(x.out + "-2")
			shared := int64(0)
			for digest, size := range after {
				if _, same := before[digest]; same {
					shared += size
				}
			}
			b.ReportMetric(float64(len(after)), "layers")
			b.ReportMetric(float64(total)/1e6, "MB")
			b.ReportMetric(float64(shared)/1e6, "MB-shared")
			b.ReportMetric(100*float64(shared)/float64(total), "%-shared")
		})
	}
}
