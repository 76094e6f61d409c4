package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// aptSet are the packages of the main example, as one would name them to apt.
var aptSet = []string{"postgresql", "redis-server", "nginx-light", "python3", "openssh-server", "ca-certificates", "procps"}

// BenchmarkBeside measures other ways to make such an image: mmdebstrap and "docker
// build" with apt, which run the packages' scripts, and crane, which packs an existing
// root. As in BenchmarkBuild/cold, the packages are downloaded already.
func BenchmarkBeside(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("mmdebstrap needs root")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		b.Skip("needs mmdebstrap: scripts/deps bench")
	}
	dir := b.TempDir()
	debs := filepath.Join(dir, "debs")
	if err := os.Mkdir(debs, 0o755); err != nil {
		b.Fatal(err)
	}
	// mmdebstrap's manual keeps packages between two runs in this way.
	mmdebstrap := func(b *testing.B, tarball string, args ...string) (cpu time.Duration) {
		b.Helper()
		args = append([]string{"--quiet", "--variant=minbase", "--skip=essential/unlink",
			`--setup-hook=mkdir -p "$1"/var/cache/apt/archives/`, "--setup-hook=sync-in " + debs + " /var/cache/apt/archives/",
			"--customize-hook=sync-out /var/cache/apt/archives " + debs}, args...)
		return run(b, dir, "mmdebstrap", append(args, "bookworm", tarball)...)
	}
	root := filepath.Join(dir, "root.tar")
	all := "--include=" + strings.Join(aptSet, ",")
	mmdebstrap(b, root, all) // downloads

	b.Run("mmdebstrap", func(b *testing.B) {
		var cpu time.Duration
		for b.Loop() {
			cpu += mmdebstrap(b, root, all)
		}
		b.ReportMetric(cpu.Seconds()/float64(b.N), "s-cpu")
		b.ReportMetric(megabytes(b, root), "MB-tar")
	})

	b.Run("crane-append", func(b *testing.B) {
		version, err := exec.CommandContext(b.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/google/go-containerregistry").Output()
		if err != nil {
			b.Fatal(err)
		}
		install := exec.CommandContext(b.Context(), "go", "install", "github.com/google/go-containerregistry/cmd/crane@"+strings.TrimSpace(string(version)))
		install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod")
		if out, err := install.CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", install, err, out)
		}
		var cpu time.Duration
		image := filepath.Join(dir, "image.tar")
		for b.Loop() {
			cpu += run(b, dir, filepath.Join(dir, "crane"), "append", "--oci-empty-base", "-f", root, "-t", "root:latest", "-o", image)
		}
		b.ReportMetric(cpu.Seconds()/float64(b.N), "s-cpu")
		b.ReportMetric(megabytes(b, image), "MB")
	})

	b.Run("docker-build", func(b *testing.B) {
		e := engine.Docker(b)
		base := filepath.Join(dir, "base.tar")
		mmdebstrap(b, base, "--skip=cleanup/apt/lists") // without them, apt knows no packages
		e.MustExec("import", base, "debian-base:latest")
		text := fmt.Sprintf("FROM debian-base\nCOPY debs/*.deb /var/cache/apt/archives/\nRUN DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-download %s\n", strings.Join(aptSet, " "))
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte("*\n!Dockerfile\n!debs\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			e.MustExec("build", "--quiet", "--no-cache", "--network", "none", "-t", "by-apt", dir)
		}
		e.MustExec("rmi", "-f", "by-apt", "debian-base:latest")
	})

	b.Run("nix2gpu", func(b *testing.B) {
		x := newBench(b)
		x.build()
		var cpu time.Duration
		for b.Loop() {
			b.StopTimer()
			x.remove(x.cache("layers"))
			b.StartTimer()
			used := x.build()
			cpu += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		}
		b.ReportMetric(cpu.Seconds()/float64(b.N), "s-cpu")
	})
}

// run runs a program to its end, and returns the processor time of it and its children.
func run(b *testing.B, dir, program string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func megabytes(b *testing.B, file string) float64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}

// BenchmarkProgram reports the size of the program.
func BenchmarkProgram(b *testing.B) {
	size := megabytes(b, testkit.Binary(b))
	for b.Loop() {
	}
	b.ReportMetric(size, "MB")
}
