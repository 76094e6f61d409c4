package examples

import (
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// BenchmarkMicroservices measures the time from the command to "all healthy", from
// nothing (initdb included) and from existing data, against the same servers started by
// a shell script.
func BenchmarkMicroservices(b *testing.B) {
	benchmarkStack(b, "by-hand.sh", func(b *testing.B) *testkit.Stack { return testkit.NewStack(b, "microservices") })
}

// chain is the smallest useful stack: each service needs the one before it.
const chain = `{
  services.postgresql."db" = { enable = true; createDatabase = false; };
  services.custom."app" = {
    enable = true;
    command = "python3 app.py";
    depends_on.postgresql = "ready";
    readiness_probe.http_get = { path = "/"; port = 3001; };
  };
  services.nginx."web" = {
    enable = true;
    depends_on.app = "ready";
    virtualHosts."web" = {
      listen = [{ addr = "0.0.0.0"; port = 8080; }];
      locations."/".proxyPass = "http://127.0.0.1:3001/";
    };
  };
}
`

// chainApp is the chain's program.
const chainApp = `import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 3001), Handler).serve_forever()
`

// BenchmarkServerChain is BenchmarkMicroservices for postgresql, a program
// and nginx.
func BenchmarkServerChain(b *testing.B) {
	benchmarkStack(b, "chain-by-hand.sh", func(b *testing.B) *testkit.Stack {
		s := testkit.NewStackFrom(b, "")
		s.Write("nix2gpu.nix", chain)
		s.Write("app.py", chainApp)
		return s
	})
}

// benchmarkStack runs a stack by nix2gpu and by a script in turn, so that other load on
// the machine affects both.
func benchmarkStack(b *testing.B, script string, stack func(*testing.B) *testkit.Stack) {
	for _, fresh := range []bool{true, false} {
		name := "existing-data"
		if fresh {
			name = "from-nothing"
		}
		b.Run(name, func(b *testing.B) {
			s := stack(b)
			data := filepath.Join(filepath.Dir(s.Dir), "by-hand")
			ours := func() cost { return runOurs(s) }
			byHand := func() cost { return runScript(b, s, script, data) }
			makeDataFolder(b, data)
			if !fresh {
				ours()
				byHand()
			}
			var us, them []cost
			for b.Loop() {
				if fresh {
					os.RemoveAll(filepath.Join(s.Dir, "data"))
					makeDataFolder(b, data)
				}
				us, them = append(us, ours()), append(them, byHand())
			}
			reportPair(b, us, them)
		})
	}
}

// A cost is what one run took.
type cost struct {
	ready time.Duration // from the command to "all healthy"
	stop  time.Duration
	cpu   time.Duration // of it and all its descendants, to the end of the stop
}

// reportPair prints medians. The ratio is that of the two times to ready.
func reportPair(b *testing.B, us, them []cost) {
	ready := func(c cost) time.Duration { return c.ready }
	stop := func(c cost) time.Duration { return c.stop }
	cpu := func(c cost) time.Duration { return c.cpu }
	b.ReportMetric(0, "ns/op") // it would hold both, and the stops as well
	b.ReportMetric(median(us, ready), "ready-ms")
	b.ReportMetric(median(them, ready), "by-hand-ready-ms")
	b.ReportMetric(median(us, ready)/median(them, ready), "ratio")
	b.ReportMetric(median(us, stop), "stop-ms")
	b.ReportMetric(median(them, stop), "by-hand-stop-ms")
	b.ReportMetric(median(us, cpu), "cpu-ms")
	b.ReportMetric(median(them, cpu), "by-hand-cpu-ms")
}

// median returns the median in milliseconds.
func median(costs []cost, of func(cost) time.Duration) float64 {
	all := make([]time.Duration, len(costs))
	for i, c := range costs {
		all[i] = of(c)
	}
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds()) / 1000
}

// runOurs runs "nix2gpu up" until all is healthy, and then stops it.
func runOurs(s *testkit.Stack) cost {
	s.T.Helper()
	start := time.Now()
	up := s.Start("up")
	up.WaitLine(healthy)
	ready := time.Since(start)
	return finish(up, ready)
}

// finish stops a run, and returns its cost.
func finish(up *testkit.Run, ready time.Duration) cost {
	start := time.Now()
	up.Signal(os.Interrupt)
	up.Wait()
	c := cost{ready: ready, stop: time.Since(start), cpu: up.CPU()}
	up.Stop() // nothing is left
	return c
}

// runScript is like runOurs for a script, which prints the same and stops at a line.
func runScript(b *testing.B, s *testkit.Stack, name, data string) cost {
	b.Helper()
	script, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("bash", script, data)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := s.Net.Do(cmd.Start); err != nil {
		b.Fatal(err)
	}
	buf, got := make([]byte, 4096), ""
	for !strings.Contains(got, "all healthy") {
		n, err := stdout.Read(buf)
		got += string(buf[:n])
		if err != nil {
			b.Fatalf("%s ended early: %v %q", name, err, got)
		}
	}
	c := cost{ready: time.Since(start)}
	start = time.Now()
	io.WriteString(stdin, "stop\n")
	if err := cmd.Wait(); err != nil {
		b.Errorf("%s: %v", name, err)
	}
	c.stop = time.Since(start)
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return c
}

// makeDataFolder makes an empty folder that the script's server may use.
func makeDataFolder(b *testing.B, data string) {
	b.Helper()
	os.RemoveAll(data)
	if err := os.Mkdir(data, 0o755); err != nil {
		b.Fatal(err)
	}
	if u, err := user.Lookup("postgres"); err == nil && os.Getuid() == 0 {
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(data, uid, gid); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVersion measures the start of the program, which every command pays.
func BenchmarkVersion(b *testing.B) {
	bin := testkit.Binary(b)
	for b.Loop() {
		if err := exec.Command(bin, "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
