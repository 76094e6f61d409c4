package examples

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// ps and pgrep show the supervisor by its name, even after up has executed itself
// again.
func TestSupervisorIsFoundByName(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", sleepers(1, false))
	up := s.Start("up")
	up.WaitLine(healthy)
	for pid, want := range map[int]string{up.Supervisor(): "nix2gpu", up.PID(): "nix2gpu-guard"} {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if got := strings.TrimSpace(string(name)); err != nil || got != want {
			t.Errorf("process %d is called %q, want %q (%v)", pid, got, want, err)
		}
	}
	up.Stop()
}
