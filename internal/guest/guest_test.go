package guest_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/guest"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.RemoveBinary()
	os.Exit(code)
}

// project returns the project.json of a definition, as in /etc/nix2gpu.
func project(t *testing.T, definition string) string {
	t.Helper()
	s := testkit.NewStack(t, "")
	s.Write("nix2gpu.nix", definition)
	return s.MustExec("config", "--output", "project")
}

// TestGuest checks what the other tests rely on.
func TestGuest(t *testing.T) {
	run := guest.Start(t, guest.Options{
		Files:    map[string]string{"/etc/greeting": "hello\n", "/usr/../opt/say": "#!/bin/bash\necho from $1\n"},
		ReadOnly: true,
		Setup:    "ulimit -n 64",
		Init: []string{"/bin/bash", "-c", `cat /etc/greeting; /opt/say "a file"; echo pid $$ of $(ls -d /proc/[0-9]* | wc -l)
cat /sys/fs/cgroup/cgroup.controllers; ulimit -Hn
touch /etc/x; touch /usr/x; touch /run/x /tmp/x /var/x && echo written; cp /bin/true /run/; /run/true
ls /mnt /workspace; echo "$(stat -fc %T /run /tmp)"; echo o >/proc/sysrq-trigger; sleep 1000`},
	})
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := guest.Console(run)
	for _, want := range []string{"hello\nfrom a file\npid 1 of ", "\ncpu io memory pids\n64\n", "'/etc/x': Read-only file system", "'/usr/x': Read-only file system",
		"\nwritten\n", "/run/true: Permission denied", "/mnt:\n\n/workspace:\ntmpfs\ntmpfs\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// box is a definition whose services run into their limits.
const box = `{ perSystem.nix2gpu.box = { workingDir = "/var/work"; services.custom = {
  hog = { enable = true; restart = "no"; limits.memory = "24M"; command = "exec tail /dev/zero"; };
  child = { enable = true; restart = "no"; limits.memory = "24M"; command = "tail /dev/zero; echo the child has ended with $?"; };
  goeson = { enable = true; limits.memory = "24M"; command = "tail /dev/zero; echo goes on; sleep 1000"; };
  forks = { enable = true; restart = "no"; limits.pids = 4; command = "/opt/forks"; };
  half = { enable = true; restart = "no"; limits.cpus = 0.5; command = "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cpu.max"; };
  many = { enable = true; restart = "no"; limits.nofile = 100000; command = "ulimit -n"; };
  few = { enable = true; restart = "no"; limits.nofile = 64; command = "ulimit -n"; };
  tree = { enable = true; limits.pids = 200; shutdown.timeout_seconds = 1; command = "/opt/tree"; };
  check = { enable = true; restart = "no"; command = "/opt/check"; depends_on = {
    hog = "exited"; child = "exited"; half = "exited"; many = "exited"; few = "exited"; }; };
}; }; }`

// boxFiles are the programs of box. What tree starts cannot be recognised as its child:
// it has another session, another parent and no environment, and ignores signals.
var boxFiles = map[string]string{
	"/opt/forks": "#!/bin/bash\nfor i in 1 2 3 4 5 6 7 8; do sleep 1000 & done\nwait\n",
	"/opt/tree": `#!/bin/bash
trap '' TERM
for i in {1..6}; do (env -i setsid sleep 7777 & env -i setsid bash -c 'sleep 7777 & sleep 7777' &); done
until [ $(ps -eo comm | grep -c '^sleep$') -ge 18 ]; do sleep 1; done
echo "grown in $(cut -d: -f3 /proc/self/cgroup)"
while :; do sleep 1000; done
`,
	"/opt/check": `#!/bin/bash
until /nix2gpu logs forks | grep -q 'Resource temporarily unavailable'; do sleep 0.2; done
until /nix2gpu logs tree | grep -q grown; do sleep 0.2; done
group=/sys/fs/cgroup$(/nix2gpu logs tree | grep -o 'grown in .*' | cut -d' ' -f3)
[ $(ps -eo comm | grep -c '^sleep$') -ge 18 ] && echo they live
echo "in the group: at most $(cat $group/pids.max)"
/nix2gpu status hog child
until /nix2gpu status goeson | grep 'for lack of memory'; do sleep 0.2; done
/nix2gpu stop tree forks goeson && echo stopped
echo "living: $(ps -eo comm | grep -c '^sleep$')"
[ -e $group ] || echo the group is gone
touch /etc/x && echo the root takes files
kill -TERM 1
exec sleep 1000 # so that something is there to stop
`,
}

// TestLimits runs services in groups of cgroup v2 with all controllers: first with boot
// in the root of the hierarchy, then as in a container, in a group that must not have
// both processes and groups, on a read-only root.
func TestLimits(t *testing.T) {
	files := map[string]string{"/etc/nix2gpu/project.json": project(t, box)}
	for name, text := range boxFiles {
		files[name] = text
	}
	contained := `ulimit -n 512
cd /sys/fs/cgroup && mkdir box && echo "+cpu +memory +pids +io" >cgroup.subtree_control && echo $$ >box/cgroup.procs && cd /
exec unshare --cgroup --mount bash -c 'umount /sys/fs/cgroup && mount -t cgroup2 cgroup /sys/fs/cgroup && exec "$@"' bash "$@"`
	for name, o := range map[string]guest.Options{
		"in the root":    {Setup: "ulimit -n 512"},
		"in a container": {Setup: contained, ReadOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Files, o.Init = files, guest.Boot()
			run := guest.Start(t, o)
			if code := run.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			out := guest.Console(run)
			for _, want := range []string{
				"[half] 50000 100000\n", "[many] 100000\n", "[few] 64\n",
				"[nix2gpu] hog: failed: out of memory (killed)\n", "[child] the child has ended with 137\n",
				"[check] hog: failed (out of memory (killed))\n",
				"[nix2gpu] child: out of memory: the kernel has killed 1 process of it; limits.memory is 24 MiB\n",
				"[nix2gpu] goeson: out of memory: the kernel has killed 1 process of it; limits.memory is 24 MiB\n",
				"[check]   killed:     the kernel has killed 1 process of it for lack of memory, the last ",
				"[check] they live\n", "[check] in the group: at most 200\n", "[check] stopped\n", "[check] living: 0\n", "[check] the group is gone\n",
				"[nix2gpu] all services stopped\n[nix2gpu] powering off (exit code 0)\n", "\nreboot: ",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if strings.Contains(out, "not enforced") || strings.Contains(out, "the root takes files") == o.ReadOnly {
				t.Error("limits are not enforced, or the root is another")
			}
		})
	}
}
