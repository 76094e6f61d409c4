package guest_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/guest"
)

// delegated is a definition of a user without root, whose group has no controllers but
// those of memory and processes, as systemd gives it.
const delegated = `{ services.custom = {
  hog = { enable = true; restart = "no"; limits.memory = "24M"; command = "exec tail /dev/zero"; };
  forks = { enable = true; restart = "no"; limits.pids = 4; limits.cpus = 0.5; command = "/opt/forks"; };
  free = { enable = true; restart = "no"; command = "cat /proc/self/cgroup"; depends_on.forks = "started"; };
}; }`

// asUser is PID 1, and the shell of a user in a group of its own.
const asUser = `#!/bin/bash
cd /sys/fs/cgroup
echo "+memory +pids" >cgroup.subtree_control
mkdir user
chown -R 1000 user
mkdir /var/user
chown 1000 /var/user
echo $$ >user/cgroup.procs
for run in 1 2; do
  setpriv --reuid=1000 --regid=1000 --clear-groups env -u NIX2GPU_CONTAINER HOME=/var/user TMPDIR=/tmp /nix2gpu up -f /workspace/nix2gpu.nix
done
echo "PID 1 is in $(cut -d: -f3 /proc/1/cgroup); below: $(ls -d user/*/); handed down: $(cat user/cgroup.subtree_control)."
echo o >/proc/sysrq-trigger
sleep 1000
`

// TestRootless runs services of a user who may change a part of the hierarchy, twice
// from one shell: what limits can be kept are, and all is left as it was.
func TestRootless(t *testing.T) {
	run := guest.Start(t, guest.Options{
		Files: map[string]string{"/workspace/nix2gpu.nix": delegated, "/opt/session": asUser,
			"/opt/forks": "#!/bin/bash\necho at most $(cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/pids.max)\nfor i in 1 2 3 4 5 6 7 8; do sleep 3 & done\nwait\n"},
		Init: []string{"/opt/session"},
	})
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := guest.Console(run)
	for _, want := range []string{
		"[nix2gpu] hog: failed: out of memory (killed)\n", "[forks]   at most 4\n", "Resource temporarily unavailable\n",
		"[nix2gpu] forks: a limit is not enforced: there is no cpu cgroup here\n",
		"[free]    0::/user/nix2gpu-supervisor\n",
	} {
		if n := strings.Count(out, want); n < 2 {
			t.Errorf("%q is there %d times, want it in both runs", want, n)
		}
	}
	if want := "PID 1 is in /user; below: ; handed down: .\n"; !strings.Contains(out, want) {
		t.Errorf("%q is missing", want)
	}
}
