package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// peakMemory returns the most that was resident of a process, in KiB.
func peakMemory(t *testing.T, pid int) (peak int) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscanf(rest, "%d", &peak)
		}
	}
	return peak
}

// TestFlood lets four services print as fast as they can, each something else that is hard
// to take, and one that says little: it is heard whole, and memory stays bounded.
func TestFlood(t *testing.T) {
	mb := rounds(16, 256) // of each
	s := testkit.NewStackFrom(t, "")
	flood := func(command string) string {
		return fmt.Sprintf("{ enable = true; restart = \"no\"; command = \"bash -c '%s | head -c %d; touch done.$$'\"; };\n", command, mb<<20)
	}
	s.Write("nix2gpu.nix", `{ services.custom = {
  "lines" = `+flood("yes 0123456789012345678901234567890123456789")+`
  "binary" = `+flood("cat /dev/urandom")+`
  "returns" = `+flood(`yes $(printf \\\\r\\\\n\\\\r)`)+`
  "endless" = `+flood(`tr \\\\0 x </dev/zero`)+`
  "quiet" = { enable = true; restart = "no"; command = "bash ./quiet"; };
}; }
`)
	s.Write("quiet", `n=0
until [ $(ls | grep -c '^done') = 4 ]; do n=$((n + 1)); echo "heard $n"; sleep 0.01; done
echo "the last of $n"
until [ -e enough ]; do sleep 0.05; done
`)
	began := time.Now()
	up := s.StartCommand("bash", "-c", "exec nix2gpu up >/dev/null")
	var last string
	if !testkit.Eventually(func() bool {
		last, _, _ = s.Exec("logs", "--no-log-prefix", "--tail", "1", "quiet")
		return strings.Contains(last, "the last of ")
	}) {
		t.Fatalf("the last line is %q", last)
	}
	took := time.Since(began)
	var n int
	fmt.Sscanf(last, "the last of %d", &n)
	heard := 0
	for line := range strings.Lines(s.MustExec("logs", "--no-log-prefix", "quiet")) {
		if line == fmt.Sprintf("heard %d\n", heard+1) {
			heard++
		}
	}
	if heard != n || n == 0 {
		t.Errorf("of %d lines of the quiet one, %d were kept in order", n, heard)
	}
	peak := peakMemory(t, up.Supervisor())
	if peak == 0 || peak > 64<<10 {
		t.Errorf("peak memory %d KiB", peak)
	}
	t.Attr("R21", fmt.Sprintf("%d MiB in %v, and all %d lines of a quiet service; peak memory %d MiB", 4*mb, took.Round(time.Millisecond), n, peak>>10))
	s.Write("enough", "")
	up.Wait()
	s.WantNothingLeft()
}
