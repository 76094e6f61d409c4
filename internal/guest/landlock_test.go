package guest_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/guest"
)

// TestNoLandlock starts a service with a sandbox on a kernel that knows none: it is refused,
// and others run.
func TestNoLandlock(t *testing.T) {
	run := guest.Start(t, guest.Options{
		Files: map[string]string{"/etc/nix2gpu/project.json": project(t, `{ perSystem.nix2gpu.box = { workingDir = "/var"; services.custom = {
  open = { enable = true; restart = "no"; command = "/nix2gpu exec confined true; kill -TERM 1"; };
  confined = { enable = true; restart = "no"; command = "echo it runs";
    sandbox = "strict"; };
}; }; }`)},
		Init: guest.Boot(),
	})
	run.Wait()
	out := guest.Console(run)
	const why = `confined: skipped: sandbox = "strict" takes Landlock, which there is not here; ` +
		`start a kernel with Landlock (Linux 5.13 or newer, with landlock in lsm=), in a container under an engine whose seccomp profile allows it, or leave sandbox out here`
	if !strings.Contains(out, why) || strings.Contains(out, "it runs") {
		t.Errorf("it is not refused with %q", why)
	}
}
