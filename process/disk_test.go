package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kernel bounds whole disks: sysfs says of which one a partition is.
func TestWholeDisk(t *testing.T) {
	sys := t.TempDir()
	for file, text := range map[string]string{
		"devices/pci0/block/sda/dev": "8:0\n", "devices/pci0/block/sda/sda1/dev": "8:1\n", "devices/pci0/block/sda/sda1/partition": "1\n",
		"devices/virtual/block/dm-0/dev": "252:0\n",
	} {
		write(t, filepath.Join(sys, file), text)
	}
	for dev, dir := range map[string]string{"8:0": "pci0/block/sda", "8:1": "pci0/block/sda/sda1", "252:0": "virtual/block/dm-0"} {
		if err := os.MkdirAll(filepath.Join(sys, "dev/block"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../devices/"+dir, filepath.Join(sys, "dev/block", dev)); err != nil {
			t.Fatal(err)
		}
	}
	for dev, want := range map[string]string{"8:0": "8:0", "8:1": "8:0", "252:0": "252:0", "9:9": "9:9"} {
		if got := wholeDisk(sys, dev); got != want {
			t.Errorf("the disk of %s is %s, want %s", dev, got, want)
		}
	}
}

// Where nothing heeds weights, the kernel takes them in silence.
func TestWeightsCount(t *testing.T) {
	for text, want := range map[string]bool{"[none] mq-deadline bfq": false, "none [bfq]": true} {
		sys := t.TempDir()
		write(t, filepath.Join(sys, "block/sda/queue/scheduler"), text)
		if got := weightsCount(sys); got != want {
			t.Errorf("weights count with %q: %v, want %v", text, got, want)
		}
	}
	sys := t.TempDir()
	for text, want := range map[string]bool{"8:0 enable=0 ctrl=auto\n": false, "8:0 enable=0 ctrl=auto\n9:0 enable=1 ctrl=user\n": true} {
		write(t, filepath.Join(sys, "fs/cgroup/io.cost.qos"), text)
		if got := weightsCount(sys); got != want {
			t.Errorf("weights count with %q: %v, want %v", text, got, want)
		}
	}
}

func TestBFQWeight(t *testing.T) {
	for w, want := range map[int]int{1: 1, 99: 99, 100: 100, 101: 100, 111: 101, 5050: 550, 10000: 1000} {
		if got := bfqWeight(w); got != want {
			t.Errorf("bfqWeight(%d) = %d, want %d", w, got, want)
		}
	}
}

// Both versions get one entry for each disk, with the lower of two bounds; and what has
// no disk is told, with where it was set.
func TestBoundsOfDisks(t *testing.T) {
	folder := t.TempDir()
	disk, err := diskOf(folder)
	if err != nil {
		t.Skip(err) // temporary files are in memory
	}
	limits := IO{Max: []IOMax{
		{Path: folder, ReadBytes: 5, WriteBytes: 7, WriteOps: 1},
		{Path: filepath.Join(folder, ".."), ReadBytes: 6, WriteBytes: 4, ReadOps: 2},
		{Path: "/proc", ReadBytes: 1, Where: "a.nix:1:2"}, {Path: "/no/such", ReadBytes: 1},
	}}
	want := map[string]string{
		"io.max":                          disk + " rbps=5 wbps=4 riops=2 wiops=1",
		"blkio.throttle.read_bps_device":  disk + " 5",
		"blkio.throttle.write_bps_device": disk + " 4", "blkio.throttle.read_iops_device": disk + " 2", "blkio.throttle.write_iops_device": disk + " 1",
	}
	for version, to := range map[string]ioWriter{"io": ioV2(), "blkio": ioV1()} {
		group := t.TempDir()
		for file := range want { // the kernel makes them
			write(t, filepath.Join(group, file), "")
		}
		var un unkept
		un.io(&limits, group, to)
		const why = `a limit is not enforced: limits.io of "/proc" (a.nix:1:2): it is on proc, which is no disk; ` +
			`name a folder that is on one, or the device, such as /dev/sda; limits.io of "/no/such": it does not exist`
		if got := un.unlimited().Error(); got != why {
			t.Errorf("%s: got %s\nwant %s", version, got, why)
		}
		for file, text := range want {
			if data, _ := os.ReadFile(filepath.Join(group, file)); strings.HasPrefix(file, version+".") && string(data) != text {
				t.Errorf("%s is %q, want %q", file, data, text)
			}
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
