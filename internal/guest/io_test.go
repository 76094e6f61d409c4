package guest_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/guest"
)

// disks is a definition whose services have limits on I/O, some of them on what has
// none.
const disks = `{ perSystem.nix2gpu.box = { workingDir = "/var"; services.custom = {
  held = { enable = true; restart = "no"; command = "/opt/write"; limits.io.writeBandwidthMax = { "disk" = "256K"; "/dev/ubda" = "1G"; }; };
  slow = { enable = true; restart = "no"; command = "/opt/read"; limits.io.readIOPSMax."/dev/ubda1" = 10; depends_on.held = "exited"; };
  free = { enable = true; restart = "no"; command = "/opt/write"; limits.io.writeIOPSMax."/var/disk" = 1000000; depends_on.slow = "exited"; };
  late = { enable = true; restart = "no"; command = "/opt/late"; limits.io.writeBandwidthMax."disk" = "1G"; depends_on.free = "exited"; };
  stray = { enable = true; restart = "no"; command = "true"; limits.pids = 10; limits.io = {
    weight = 50;
    readBandwidthMax."/run" = "1M";
    writeIOPSMax."/nowhere" = 5;
  }; };
  last = { enable = true; restart = "no"; command = "kill -TERM 1"; depends_on = { late = "exited"; stray = "exited"; }; };
}; }; }`

var diskFiles = map[string]string{
	"/opt/write": `#!/bin/bash
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
began=$(date +%s%N)
dd if=/dev/zero of=/var/disk/$$ bs=64k count=12 oflag=direct 2>/dev/null || echo dd has failed
echo "took $((($(date +%s%N) - began) / 1000000)) ms"
echo "max $(cat $group/io.max)"
echo "stat $(cat $group/io.stat)"
`,
	"/opt/late": `#!/bin/bash
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
head -c 300000 /dev/zero >/var/disk/late
until grep -q wbytes=[1-9] $group/io.stat; do sync; sleep 0.2; done
echo "stat $(cat $group/io.stat)"
`,
	"/opt/read": `#!/bin/bash
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
began=$(date +%s%N)
dd if=/dev/ubda1 of=/dev/null bs=4k count=30 iflag=direct 2>/dev/null || echo dd has failed
echo "took $((($(date +%s%N) - began) / 1000000)) ms"
echo "max $(cat $group/io.max)"
echo "stat $(cat $group/io.stat)"
`,
}

// TestIO lets services read and write on a real disk, through a partition. The kernel
// limits rates only for whole disks.
func TestIO(t *testing.T) {
	files := map[string]string{"/etc/nix2gpu/project.json": project(t, disks)}
	for name, text := range diskFiles {
		files[name] = text
	}
	run := guest.Start(t, guest.Options{
		Files: files, Init: guest.Boot(), DiskMB: 32,
		Setup: `mke2fs -q -t ext4 /dev/ubda1 && mkdir /var/disk && mount /dev/ubda1 /var/disk || echo no disk`,
	})
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := guest.Console(run)
	for _, want := range []string{
		"[held] max 98:0 rbps=max wbps=262144 riops=max wiops=max\n",
		"[slow] max 98:0 rbps=max wbps=max riops=10 wiops=max\n",
		"[free] max 98:0 rbps=max wbps=max riops=max wiops=1000000\n",
		"[nix2gpu] stray: a limit is not enforced: limits.io.weight: no disk here has the scheduler bfq, or io.cost, so that weights count; " +
			`limits.io of "/run" (nix2gpu.nix:8:22): it is on tmpfs, which is no disk; name a folder that is on one, or the device, such as /dev/sda; ` +
			`limits.io of "/nowhere" (nix2gpu.nix:9:18): it does not exist` + "\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	number := func(pattern string) int {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("%q matches nothing", pattern)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// 768 KiB at 256 KiB a second, and 30 reads at 10 a second. However slow a machine is,
	// it can't be faster. The kernel counts in slices, so the first one may come early.
	if ms := number(`\[held\] took (\d+) ms`); ms < 2500 {
		t.Errorf("768 KiB at 256 KiB a second took %d ms", ms)
	}
	if ms := number(`\[slow\] took (\d+) ms`); ms < 2500 {
		t.Errorf("30 reads at 10 a second took %d ms", ms)
	}
	if n := number(`\[held\] stat 98:0 .*wbytes=(\d+)`); n < 12*64<<10 {
		t.Errorf("the kernel counts %d bytes for the group, want what it wrote", n)
	}
	if n := number(`\[slow\] stat 98:0 .*rios=(\d+)`); n < 30 {
		t.Errorf("the kernel counts %d reads for the group, want what it read", n)
	}
	// Data that the kernel's threads write later counts for the group too.
	if n := number(`\[late\] stat 98:0 .*wbytes=(\d+)`); n < 300000 {
		t.Errorf("the kernel counts %d bytes for the group whose pages it has written, want 300000", n)
	}
	t.Logf("the same bytes took %d ms held and %d ms free", number(`\[held\] took (\d+) ms`), number(`\[free\] took (\d+) ms`))
}
