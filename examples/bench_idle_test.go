package examples

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// sleepers returns a definition of n services that do nothing. When chained, each waits
// for the one before, and is ready at its first probe.
func sleepers(n int, chained bool) string {
	var def strings.Builder
	def.WriteString("{\n")
	for i := range n {
		fmt.Fprintf(&def, `services.custom."s%d" = { enable = true; command = "sleep infinity"; `, i)
		if chained {
			def.WriteString(`readiness_probe.exec.command = "true"; `)
			if i > 0 {
				fmt.Fprintf(&def, `depends_on.s%d = "ready"; `, i-1)
			}
		}
		def.WriteString("};\n")
	}
	def.WriteString("}\n")
	return def.String()
}

// BenchmarkChain starts services that each wait for the one before and are ready at
// once: the rest is the supervisor's own time.
func BenchmarkChain(b *testing.B) {
	benchmarkSleepers(b, 20, true)
}

// BenchmarkSleepers starts and stops services that do nothing.
func BenchmarkSleepers(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkSleepers(b, n, false) })
	}
}

func benchmarkSleepers(b *testing.B, n int, chained bool) {
	s := testkit.NewStackFrom(b, "")
	s.Write("nix2gpu.nix", sleepers(n, chained))
	var us []cost
	for b.Loop() {
		us = append(us, runOurs(s))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(us, func(c cost) time.Duration { return c.ready }), "ready-ms")
	b.ReportMetric(median(us, func(c cost) time.Duration { return c.stop }), "stop-ms")
	b.ReportMetric(median(us, func(c cost) time.Duration { return c.cpu }), "cpu-ms")
}

// BenchmarkIdle measures what services that do nothing cost: the memory of the
// supervisor and its guard, and the processor time that they take.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			const while = 2 * time.Second
			s := testkit.NewStackFrom(b, "")
			s.Write("nix2gpu.nix", sleepers(n, false))
			up := s.Start("up")
			up.WaitLine(healthy)
			guard, supervisor := up.PID(), up.Supervisor()
			var cpu time.Duration
			rounds := 0
			for b.Loop() {
				before := cpuTime(b, supervisor) + cpuTime(b, guard)
				time.Sleep(while) // this is what is measured
				cpu += cpuTime(b, supervisor) + cpuTime(b, guard) - before
				rounds++
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(memory(b, supervisor, "Rss:"), "supervisor-rss-MiB")
			b.ReportMetric(memory(b, supervisor, "Pss:"), "supervisor-pss-MiB")
			b.ReportMetric(memory(b, guard, "Rss:"), "guard-rss-MiB")
			b.ReportMetric(memory(b, guard, "Pss:"), "guard-pss-MiB")
			b.ReportMetric(cpu.Seconds()*1e6/(while.Seconds()*float64(rounds)), "cpu-us/s")
			up.Stop()
		})
	}
}

// cpuTime returns the processor time of a process, to the nanosecond.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("process %d has no schedstat: %v", pid, err)
	}
	var sum time.Duration
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // of a thread that has just ended
		ns, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// memory returns a line of a process's smaps_rollup, in MiB.
func memory(b *testing.B, pid int, line string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == line {
			kib, _ := strconv.Atoi(f[1])
			return float64(kib) / 1024
		}
	}
	b.Fatalf("smaps_rollup of %d has no %s", pid, line)
	return 0
}

// BenchmarkRestart measures "nix2gpu restart" of a service that ends at once, beside 99
// others.
func BenchmarkRestart(b *testing.B) {
	s := testkit.NewStackFrom(b, "")
	s.Write("nix2gpu.nix", sleepers(100, false))
	up := s.Start("up")
	up.WaitLine(healthy)
	for b.Loop() {
		s.MustExec("restart", "s50")
	}
	up.Stop()
}

// BenchmarkPs measures the request that every dashboard makes.
func BenchmarkPs(b *testing.B) {
	s := testkit.NewStackFrom(b, "")
	s.Write("nix2gpu.nix", sleepers(100, false))
	up := s.Start("up")
	up.WaitLine(healthy)
	for b.Loop() {
		s.MustExec("ps", "-o", "json")
	}
	up.Stop()
}

// BenchmarkOutput measures one service that prints as fast as it is read: through the
// prefix, to stdout and to the rotated file.
func BenchmarkOutput(b *testing.B) {
	const lines, line = 500_000, "GET /inventory/widgets?colour=blue 200 1534 bytes in 12 ms"
	s := testkit.NewStackFrom(b, "")
	s.Write("nix2gpu.nix", fmt.Sprintf(`{ services.custom."talker" = { enable = true; restart = "no"; command = "yes '%s' | head -n %d"; }; }`, line, lines))
	b.SetBytes(lines * int64(len(line)+1))
	for b.Loop() {
		cmd := exec.Command(s.Bin, "up")
		cmd.Dir = s.Dir
		cmd.Env = append(os.Environ(), s.Env...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Net.Do(cmd.Start); err != nil {
			b.Fatal(err)
		}
		got := 0
		for r := bufio.NewReaderSize(out, 1<<20); ; {
			text, err := r.ReadSlice('\n')
			if bytes.HasPrefix(text, []byte("[talker] GET")) {
				got++
			}
			if err == io.EOF {
				break
			}
		}
		if err := cmd.Wait(); err != nil || got != lines {
			b.Errorf("%d lines, want %d: %v", got, lines, err)
		}
	}
}
