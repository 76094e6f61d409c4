package container_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
)

const confined = `{ perSystem.nix2gpu."my-container" = {
	services.custom."job" = { enable = true; command = "exec sleep infinity"; };
	services.custom."confined" = { enable = true; sandbox = "strict"; restart = "no"; command = "touch /root/seen || echo kept in; exec sleep infinity"; };
	services.custom."apart" = { enable = true; network = "loopback"; restart = "no"; command = "echo alone; exec sleep infinity"; };
}; }`

// What an engine grants decides what a service can be kept from. It never runs with less
// than it asks for: it is skipped, with the reason, and the others run.
func TestSandboxInAContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", confined)
	boot := func(args ...string) string { return e.Container(append(args, "my-container:latest")...) }
	skipped := func(id, service, why, hint string) {
		t.Helper()
		var logs string
		for _, want := range []string{service + ": skipped: ", `service "` + service + `": ` + why, "\nhint: ", hint} {
			logs = e.WaitLogs(id, want) // stdout and stderr have no order
		}
		if strings.Contains(logs, "["+service+"]") {
			t.Errorf("%s has run:\n%s", service, logs)
		}
	}
	const taken = `network = "loopback" takes a network of its own, which the kernel does not grant here: `

	// Docker's defaults allow Landlock, and no new network.
	id := boot()
	skipped(id, "apart", taken, "--cap-add SYS_ADMIN --cap-add NET_ADMIN")
	e.WaitLogs(id, "[confined] kept in")

	// One capability makes the network, and can't open its loopback.
	skipped(boot("--cap-add", "SYS_ADMIN"), "apart", taken, "--cap-add SYS_ADMIN --cap-add NET_ADMIN")

	id = boot("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN")
	e.WaitLogs(id, "all services healthy")
	wantNetworks := func(of string, want string, command ...string) {
		t.Helper()
		out := e.MustExec(append([]string{"exec", id}, command...)...)
		var names []string
		for line := range strings.Lines(out) {
			if name, _, ok := strings.Cut(line, ":"); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has the networks %q, want %q", of, got, want)
		}
	}
	wantNetworks("the container", "lo eth0", "cat", "/proc/net/dev")
	wantNetworks("apart", "lo", "nix2gpu", "exec", "apart", "--", "cat", "/proc/net/dev")

	// An engine whose profile does not know Landlock.
	profile := filepath.Join(t.TempDir(), "seccomp.json")
	if err := os.WriteFile(profile, []byte(`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], "action": "SCMP_ACT_ERRNO"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	skipped(boot("--security-opt", "seccomp="+profile), "confined", `sandbox = "strict" takes Landlock, which there is not here`, "an engine whose seccomp profile allows it")
}
