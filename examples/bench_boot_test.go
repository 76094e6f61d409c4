package examples

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// pageStack is the stack of three services whose transcript is in the documentation.
const pageStack = `{ perSystem.nix2gpu."page" = { systemPackages = [ pkgs.strace pkgs.coreutils ]; services = {
  postgresql."db".enable = true;
  redis."cache".enable = true;
  nginx."web" = {
    enable = true;
    virtualHosts."default".listen = [ { addr = "0.0.0.0"; port = 8080; } ];
    depends_on.postgresql = "ready";
  };
}; }; }
`

// The lines whose times are measured.
const (
	firstLine    = "[nix2gpu] container initialization starting..."
	firstService = "[nix2gpu] postgresql: starting"
)

// BenchmarkBoot measures an image from its start on, and "up" of the same definition on
// this machine: each from the moment of the exec. Times in a container are those of the
// engine's log.
func BenchmarkBoot(b *testing.B) {
	e := engine.Docker(b)
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(pageStack), 0o644); err != nil {
		b.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if _, stderr, err := built(b, dir, "-o", archive); err != nil {
		b.Fatalf("build: %v\n%s", err, stderr)
	}
	e.Load(archive)

	b.Run("container", func(b *testing.B) {
		sum := map[string]time.Duration{}
		memory := 0.0
		for b.Loop() {
			id := e.Container("--entrypoint", "bash", "page:latest", "-c", `date +%s%N; exec /usr/bin/nix2gpu boot`)
			e.WaitLogs(id, healthy)
			var begun time.Time
			for line := range strings.Lines(e.MustExec("logs", "-t", id)) {
				stamp, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				if begun.IsZero() {
					n, err := strconv.ParseInt(text, 10, 64)
					if err != nil {
						b.Fatal(err)
					}
					begun = time.Unix(0, n)
					continue
				}
				at, err := time.Parse(time.RFC3339Nano, stamp)
				if err != nil {
					b.Fatal(err)
				}
				switch text {
				case firstLine:
					sum["ms/first-line"] += at.Sub(begun)
				case firstService:
					sum["ms/first-service"] += at.Sub(begun)
				case healthy:
					sum["ms/healthy"] += at.Sub(begun)
				}
			}
			memory += resident(b, e.MustExec("exec", id, "cat", "/proc/1/status"))
			e.MustExec("rm", "-f", "-v", id)
		}
		for unit, d := range sum {
			b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), unit)
		}
		b.ReportMetric(memory/float64(b.N), "MB-rss-pid1")
	})

	b.Run("up", func(b *testing.B) {
		sum := map[string]time.Duration{}
		for b.Loop() {
			s := testkit.NewStackFrom(b, dir)
			up := exec.Command(s.Bin, "up")
			up.Dir, up.Env = s.Dir, append(os.Environ(), s.Env...)
			out, err := up.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			begun := time.Now()
			if err := s.Net.Do(up.Start); err != nil {
				b.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				switch lines.Text() {
				case firstService:
					sum["ms/first-service"] += time.Since(begun)
				case healthy:
					sum["ms/healthy"] += time.Since(begun)
					if err := up.Process.Signal(os.Interrupt); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := up.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		for unit, d := range sum {
			b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), unit)
		}
	})

	b.Run("pull", func(b *testing.B) {
		data := b.TempDir()
		config := filepath.Join(data, "reg.yml")
		text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: 127.0.0.1:5000}\n", data)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		registry := e.StartCommand("docker-registry", "serve", config)
		defer func() { registry.Signal(os.Kill); registry.Wait() }()
		if !testkit.Eventually(func() bool { _, _, err := e.Get("http://127.0.0.1:5000/v2/"); return err == nil }) {
			b.Fatal("docker-registry does not answer")
		}
		// The layers are pulled as we make them: the engine would compress them anew. floor
		// has the same files as one layer: no pull can be faster.
		const image, floor = "127.0.0.1:5000/page:latest", "127.0.0.1:5000/floor:latest"
		export := filepath.Join(data, "root.tar")
		id := strings.TrimSpace(e.MustExec("create", "page:latest"))
		e.MustExec("export", "-o", export, id)
		e.MustExec("import", export, floor)
		e.MustExec("push", floor)
		push := e.StartCommand(testkit.Binary(b), "push", "--from", archive, "--to", image)
		if code := push.Wait(); code != 0 {
			b.Fatalf("push: exit code %d", code)
		}
		e.MustExec("rm", id)
		e.MustExec("rmi", "-f", floor, "page:latest")
		if err := os.Remove(export); err != nil {
			b.Fatal(err)
		}
		sum := map[string]time.Duration{}
		for b.Loop() {
			begun := time.Now()
			e.MustExec("pull", image)
			sum["s-pull"] += time.Since(begun)
			id := e.Container(image)
			e.WaitLogs(id, healthy)
			b.StopTimer()
			e.MustExec("rm", "-f", "-v", id)
			e.MustExec("rmi", "-f", image)
			begun = time.Now()
			e.MustExec("pull", floor)
			sum["s-pull-one-layer"] += time.Since(begun)
			e.MustExec("rmi", "-f", floor)
			b.StartTimer()
		}
		for unit, d := range sum {
			b.ReportMetric(d.Seconds()/float64(b.N), unit)
		}
		e.MustExec("pull", image)
		e.MustExec("tag", image, "page:latest")
	})

	// What the loader tries before it finds a library.
	b.Run("opens", func(b *testing.B) {
		failing := 0
		for b.Loop() {
			trace := e.MustExec("run", "--rm", "--entrypoint", "bash", "page:latest", "-c", "strace -f -e openat /opt/nix2gpu/pkgs/postgresql/bin/postgres --version 2>&1")
			failing += strings.Count(trace, "ENOENT")
		}
		b.ReportMetric(float64(failing)/float64(b.N), "failing-opens")
	})
}

// resident returns the memory of a process from its /proc/PID/status.
func resident(b *testing.B, status string) float64 {
	b.Helper()
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1000
		}
	}
	b.Fatalf("no VmRSS in\n%s", status)
	return 0
}
