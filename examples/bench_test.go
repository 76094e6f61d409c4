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

// BenchmarkMicroservices is the time from the command to "all healthy", from
// nothing (initdb included) and from existing data, beside the same servers
// started by a shell script. The column median-ms is the one to quote.
func BenchmarkMicroservices(b *testing.B) {
	for _, fresh := range []bool{true, false} {
		name := "existing-data"
		if fresh {
			name = "from-nothing"
		}
		b.Run(name+"/nix2gpu", func(b *testing.B) {
			s := testkit.NewStack(b, "microservices")
			clear := func() { os.RemoveAll(filepath.Join(s.Dir, "data")) }
			if !fresh {
				up := s.Start("up")
				up.WaitLine(healthy, time.Minute)
				up.Stop()
			}
			measure(b, fresh, clear, func() (time.Duration, func()) {
				start := time.Now()
				up := s.Start("up")
				up.WaitLine(healthy, time.Minute)
				return time.Since(start), up.Stop
			})
		})
		b.Run(name+"/by-hand", func(b *testing.B) {
			s := testkit.NewStack(b, "microservices")
			data := filepath.Join(filepath.Dir(s.Dir), "by-hand")
			clear := func() {
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
			clear()
			run := func() (time.Duration, func()) { return byHand(b, s, data) }
			if !fresh {
				_, stop := run()
				stop()
			}
			measure(b, fresh, clear, run)
		})
	}
}

// measure runs once a loop and reports the median.
func measure(b *testing.B, fresh bool, clear func(), run func() (time.Duration, func())) {
	var times []time.Duration
	for b.Loop() {
		if fresh {
			clear()
		}
		took, stop := run()
		times = append(times, took)
		stop()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(times[0].Microseconds())/1000, "min-ms")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "max-ms")
	b.ReportMetric(0, "ns/op") // it would hold the stop as well
}

func byHand(b *testing.B, s *testkit.Stack, data string) (time.Duration, func()) {
	script, err := filepath.Abs("testdata/by-hand.sh")
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
			b.Fatalf("by-hand.sh ended early: %v %q", err, got)
		}
	}
	took := time.Since(start)
	return took, func() {
		io.WriteString(stdin, "stop\n")
		if err := cmd.Wait(); err != nil {
			b.Errorf("by-hand.sh: %v", err)
		}
	}
}

// BenchmarkVersion is the start of the program itself: every command pays it.
func BenchmarkVersion(b *testing.B) {
	bin := testkit.Binary(b)
	for b.Loop() {
		if err := exec.Command(bin, "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChain starts services that each wait for the one before, and are
// ready the moment they listen: what is left is the supervisor's own share.
func BenchmarkChain(b *testing.B) {
	const links = 20
	s := testkit.NewStackFrom(b, "")
	var def strings.Builder
	def.WriteString("{\n")
	for i := range links {
		dep := ""
		if i > 0 {
			dep = "depends_on.s" + strconv.Itoa(i-1) + ` = "ready";`
		}
		def.WriteString(`services.custom."s` + strconv.Itoa(i) + `" = { enable = true; command = "sleep infinity"; ` + dep +
			` readiness_probe.exec.command = "true"; };` + "\n")
	}
	def.WriteString("}\n")
	s.Write("nix2gpu.nix", def.String())
	measure(b, false, nil, func() (time.Duration, func()) {
		start := time.Now()
		up := s.Start("up")
		up.WaitLine(healthy, time.Minute)
		return time.Since(start), up.Stop
	})
}
