package guest_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/internal/guest"
)

// TestProtected boots with a score that makes the kernel spare PID 1 when memory runs out.
// Services have none of that from their first instruction on, nor has what they start.
func TestProtected(t *testing.T) {
	const services = 8
	var text strings.Builder
	for i := range services {
		fmt.Fprintf(&text, "s%d = { enable = true; restart = \"no\"; command = [ \"/opt/score\" ]; };\n", i)
	}
	run := guest.Start(t, guest.Options{
		Files: map[string]string{
			"/etc/nix2gpu/project.json": project(t, "{ perSystem.nix2gpu.box.services.custom = {\n"+text.String()+
				"asked = { enable = true; restart = \"no\"; oomScoreAdjust = -100; command = [ \"/opt/score\" ]; };\n}; }"),
			"/opt/score": "#!/bin/bash\n(exec cat /proc/self/oom_score_adj) & read score </proc/self/oom_score_adj; wait; echo \"its own is $score\"\n",
		},
		Setup: "echo -500 >/proc/self/oom_score_adj",
		Init:  guest.Boot(),
	})
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := guest.Console(run)
	for i := range services {
		for _, want := range []string{"0", "its own is 0"} {
			if want = fmt.Sprintf("[s%d] %s\n", i, want); !strings.Contains(out, want) {
				t.Errorf("%q is missing", want)
			}
		}
	}
	for _, want := range []string{"[asked] -100\n", "[asked] its own is -100\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	t.Attr("R3", fmt.Sprintf("%d of %d services of a protected PID 1, and their children, have a score of 0", services, services))
}
