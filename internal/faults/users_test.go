package faults

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// TestUserWithoutRoot runs a definition as a user who is not root: what that user can't
// do is reported by "check --here", with its place, and by "up"; "check" alone is the
// same for everybody.
func TestUserWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom = {
  "mine" = { enable = true; command = "id -u; exec sleep 1000"; };
  "other" = { enable = true; command = "id -u; exec sleep 1000"; user = "nobody"; };
  "low" = { enable = true; command = "exec sleep 1000"; ports = [ 80 ]; };
  "strange" = { enable = true; command = "exec sleep 1000"; user = "no-such-user"; };
}; }
`)
	if err := os.Chown(s.Dir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	as := func(args ...string) []string {
		return append([]string{"--reuid", "1000", "--regid", "1000", "--clear-groups", "env", "HOME=/nonexistent", "XDG_RUNTIME_DIR=", s.Bin}, args...)
	}
	stdout, stderr, code := s.ExecCommand("setpriv", as("check")...)
	if code != 0 || stdout != "nix2gpu.nix: ok, 4 services\n" || stderr != "" {
		t.Errorf("check: exit code %d, %q, %q", code, stdout, stderr)
	}
	_, stderr, code = s.ExecCommand("setpriv", as("check", "--here")...)
	if code != 1 {
		t.Errorf("check --here: exit code %d", code)
	}
	const low = `nix2gpu.nix:4:57: service "low": only root may listen on port 80`
	for _, want := range []string{
		"nix2gpu.nix:3:66: warning: other runs as you, and not as nobody: only root starts programs as another user\n",
		low, "\nhint: use a port from 1024 on, or run as root\n",
		"warning: strange runs as you, and not as no-such-user: ",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("check --here says\n%s\nwant %q", stderr, want)
		}
	}
	up := s.StartCommand("setpriv", as("up")...)
	up.WaitLine("[nix2gpu] 3 of 4 services healthy")
	for _, want := range []string{"[mine] 1000\n", "[other] 1000\n", "[nix2gpu] low: skipped: only root may listen on port 80"} {
		if !testkit.Eventually(func() bool { return strings.Contains(up.Stdout(), want) }) {
			t.Errorf("up prints\n%s\nwant %q", up.Stdout(), want)
		}
	}
	if !testkit.Eventually(func() bool { return strings.Contains(up.Stderr(), low) }) {
		t.Errorf("up says\n%s\nwant %q", up.Stderr(), low)
	}
	up.Stop()
}
