package examples

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

const healthy = "[nix2gpu] all services healthy"

// A status is what "nix2gpu ps -o json" has of one service.
type status struct {
	Label    string `json:"label"`
	State    string `json:"state"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
}

func statusOf(t *testing.T, s *testkit.Stack, label string) status {
	t.Helper()
	var all struct {
		Services []status `json:"services"`
	}
	out := s.MustExec("ps", "-o", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("ps -o json: %v\n%s", err, out)
	}
	for _, st := range all.Services {
		if st.Label == label {
			return st
		}
	}
	t.Fatalf("ps -o json has no %q:\n%s", label, out)
	return status{}
}

func wantShop(s *testkit.Stack) {
	s.T.Helper()
	s.WantBody("http://127.0.0.1:8080/users/", `"name":"Grace"`)
	s.WantBody("http://127.0.0.1:8080/orders/", `"item":"compiler"`)
	s.WantBody("http://127.0.0.1:8080/inventory/", `"quantity":12`)
}

func TestMicroservices(t *testing.T) {
	s := testkit.NewStack(t, "microservices")

	up := s.Start("up")
	up.WaitLine("[nix2gpu] starting process-compose with 6 services")
	up.WaitLine(healthy)
	wantShop(s)
	if !testkit.Eventually(func() bool { return strings.Contains(up.Stdout(), "[user-service] serving on port 3001\n") }) {
		t.Error("the services' own lines are not on stdout")
	}

	t.Run("one request is found in all logs", func(t *testing.T) {
		for _, name := range []string{"users", "orders", "inventory"} {
			id, why, _ := s.ExecCommand("curl", "-sf", "-o", "/dev/null", "-w", "%header{X-Request-ID}", "http://127.0.0.1:8080/"+name+"/")
			if len(id) != 32 {
				t.Fatalf("the gateway answers with X-Request-ID %q%s", id, why)
			}
			service := map[string]string{"users": "user-service", "orders": "order-service", "inventory": "inventory-service"}[name]
			var found string
			if !testkit.Eventually(func() bool { // nginx writes its line once it has answered
				found = s.MustExec("logs", "--grep", id)
				return strings.Count(found, "\n") == 2
			}) || !strings.Contains(found, "["+service+"] GET / 200 request_id="+id+"\n") ||
				!strings.Contains(found, "[nginx] 127.0.0.1 - - [") || !strings.Contains(found, "\"GET /"+name+"/ HTTP/1.1\" 200 ") {
				t.Errorf("logs --grep %s prints\n%s", id, found)
			}
		}
	})

	t.Run("a killed service returns", func(t *testing.T) {
		for _, label := range []string{"user-service", "redis", "nginx", "postgresql"} {
			before := statusOf(t, s, label)
			if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
				t.Fatalf("kill %s: %v", label, err)
			}
			var now status
			if !testkit.Eventually(func() bool {
				now = statusOf(t, s, label)
				return now.PID != 0 && now.PID != before.PID && now.State == "running"
			}) {
				t.Errorf("%s did not return after SIGKILL: %+v", label, now)
			}
			if now.Restarts == 0 {
				t.Errorf("%s: restarts = 0 after SIGKILL", label)
			}
		}
		wantShop(s)
	})

	t.Run("a killed supervisor leaves nothing that a new up doubles", func(t *testing.T) {
		old := map[string]int{}
		for _, label := range []string{"postgresql", "redis", "nginx", "user-service"} {
			old[label] = statusOf(t, s, label).PID
		}
		up.Signal(syscall.SIGKILL)
		up.Wait()

		up = s.Start("up")
		up.WaitLine(healthy)
		wantShop(s)
		for label, pid := range old {
			if err := syscall.Kill(pid, 0); err == nil && statusOf(t, s, label).PID == pid {
				t.Errorf("%s still runs as pid %d", label, pid)
			}
		}
		for _, program := range []string{"redis-server", "nginx: master", "user-service"} {
			var found []string
			if !testkit.Eventually(func() bool { // a child has its parent's name until it gives itself one
				found = nil
				for _, p := range s.Net.Processes() {
					if strings.Contains(p, program) {
						found = append(found, p)
					}
				}
				return len(found) == 1
			}) {
				t.Errorf("%d processes of %s, want 1: %v", len(found), program, found)
			}
		}
	})

	up.Stop()

	t.Run("existing data is served again", func(t *testing.T) {
		up := s.Start("up")
		up.WaitLine(healthy)
		wantShop(s)
		up.Stop()
	})
}

// TestTranscript compares the output that users know from containers, line by line.
func TestTranscript(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{
  perSystem.nix2gpu."my-container".services = {
    postgresql."db".enable = true;
    redis."cache".enable = true;
    nginx."web" = {
      enable = true;
      depends_on.postgresql = "ready";
    };
  };
}
`)
	up := s.Start("up")
	up.WaitLine(healthy)
	for _, label := range []string{"[postgresql] ", "[redis] "} {
		if !testkit.Eventually(func() bool { return strings.Contains(up.Stdout(), label) }) {
			t.Errorf("no line of %s", label)
		}
	}
	var ours []string
	for line := range strings.Lines(up.Stdout()) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "[nix2gpu] ") {
			ours = append(ours, line)
		} else if !strings.Contains(line, "] ") {
			t.Errorf("a line without a prefix: %q", line)
		}
	}
	want := []string{
		"[nix2gpu] starting process-compose with 3 services",
		"[nix2gpu] postgresql: starting",
		"[nix2gpu] redis: starting",
		"[nix2gpu] nginx: waiting for dependencies",
		"[nix2gpu] postgresql: ready",
		"[nix2gpu] nginx: starting",
		"[nix2gpu] all services healthy",
	}
	if got := fmt.Sprint(strings.Join(ours, "\n")); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	up.Stop()
}
