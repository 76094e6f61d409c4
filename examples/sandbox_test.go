package examples

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// TestSandbox runs real servers and programs in strict sandboxes: they need no more than
// that leaves them.
func TestSandbox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the servers have users of their own (run as root)")
	}
	s := testkit.NewStack(t, "microservices")
	s.Write("strict.nix", `{ services = {
  postgresql."userdb".sandbox = "strict";
  redis."session-store".sandbox = "strict";
  nginx."gateway".sandbox = "strict";
  custom."user-service".sandbox = "strict";
  custom."order-service".sandbox = "strict";
  custom."inventory-service".sandbox = "strict";
  memcached."more" = { enable = true; sandbox = "strict"; };
}; }`)
	up := s.Start("up", "--module", "strict.nix")
	up.WaitLine("[nix2gpu] all services healthy")
	wantShop(s)
	for _, label := range []string{"postgresql", "redis", "nginx", "memcached", "user-service"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(statusOf(t, s, label).PID), "status"))
		if err != nil {
			t.Errorf("%s: %v", label, err)
		}
		// Their users keep at most what lets them pass through closed folders.
		if !strings.Contains(string(text), "NoNewPrivs:\t1\n") || strings.Contains(string(text), "CapBnd:\t000001") {
			t.Errorf("%s has its privileges:\n%s", label, text)
		}
	}
	up.Stop()
}
