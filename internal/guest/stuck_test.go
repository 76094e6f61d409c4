package guest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/guest"
)

// hung is a definition with a service that writes to a disk which stops answering.
const hung = `{ perSystem.nix2gpu.box = { workingDir = "/var"; services.custom = {
  stuck = { enable = true; restart = "no"; command = "exec /opt/stuck"; shutdown.timeout_seconds = 1; };
  fine = { enable = true; command = "exec sleep 1000"; };
  judge = { enable = true; restart = "no"; command = "/opt/judge"; depends_on.stuck = "started"; };
}; }; }`

var hungFiles = map[string]string{
	// The file system inner is a file on one that is frozen later. Perl loads the kernel's
	// module, because a minimal Debian has no other program that does.
	"/opt/mount": `#!/bin/bash
set -e
mke2fs -q -t ext4 /dev/ubda1
mkdir /var/outer /var/inner
mount /dev/ubda1 /var/outer
perl -e 'open F, "<", $ARGV[0] or die "$!"; my $none = ""; syscall(313, fileno(F), $none, 0) == 0 or die "finit_module: $!"' \
  /usr/lib/uml/modules/$(uname -r)/kernel/drivers/block/loop.ko
truncate -s 16M /var/outer/disk
mke2fs -q -t ext4 /var/outer/disk
mount -o loop /var/outer/disk /var/inner
`,
	"/opt/stuck": `#!/bin/bash
until [ -e /run/frozen ]; do sleep 0.1; done
exec dd if=/dev/zero of=/var/inner/x bs=64k count=1 conv=fsync
`,
	"/opt/judge": `#!/bin/bash
sync
fsfreeze -f /var/outer
touch /run/frozen
until ps -C dd -o stat= | grep -q D; do sleep 0.1; done
kill -TERM 1
exec sleep 1000 # so that something is there to stop
`,
}

// TestHungDisk stops boot, as PID 1 of a machine, while a service waits for a disk that does
// not answer. It is named, with where it waits, and the machine powers off all the same,
// although it can't write what is meant for that disk either.
func TestHungDisk(t *testing.T) {
	files := map[string]string{"/etc/nix2gpu/project.json": project(t, hung)}
	for name, text := range hungFiles {
		files[name] = text
	}
	run := guest.Start(t, guest.Options{Files: files, Init: guest.Boot(), DiskMB: 64, Setup: "/opt/mount || { echo no disk; echo o >/proc/sysrq-trigger; sleep 1000; }"})
	run.WaitLine("[nix2gpu] stopping")
	began := time.Now()
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	took := time.Since(began).Round(time.Millisecond)
	out := guest.Console(run)
	named := regexp.MustCompile(`stuck: process (\d+) is unkillable: still alive after SIGKILL: dd \(pid (\d+), state D( in \w+)?\)\n`).FindAllStringSubmatch(out, -1)
	if len(named) != 1 || named[0][1] != named[0][2] {
		t.Fatalf("dd is not named once: %q", named)
	}
	for _, want := range []string{
		"[nix2gpu] all services stopped\n", "[nix2gpu] powering off (exit code 1)\n",
		"[nix2gpu] a disk does not answer: what it has not yet written is lost\n", "\nreboot: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	t.Attr("R13", fmt.Sprintf("as PID 1 of a machine with a hung disk, a grace of 1 s: named once%s, and the machine off after %v", named[0][3], took))
}
