package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// An ioWriter writes limits into the folder of a group, in the format of one version of
// cgroups.
type ioWriter struct {
	// max sets the bounds of a disk, which is given as "8:0".
	max     func(dir, disk string, m *IOMax) error
	weights []ioWeight
}

// An ioWeight is a file that takes a weight.
type ioWeight struct {
	file  string
	value func(weight int) string
}

// ioV2 returns the ioWriter of the unified hierarchy.
func ioV2() ioWriter {
	return ioWriter{
		max: func(dir, disk string, m *IOMax) error {
			line := disk
			for _, r := range m.rates() {
				if r.limit > 0 {
					line += fmt.Sprintf(" %s=%d", r.v2, r.limit)
				}
			}
			return put(dir, "io.max", line)
		},
		weights: []ioWeight{
			{"io.weight", func(w int) string { return fmt.Sprintf("default %d", w) }},
			{"io.bfq.weight", func(w int) string { return fmt.Sprintf("default %d", bfqWeight(w)) }},
		},
	}
}

// ioV1 returns the ioWriter of the controller blkio of v1.
func ioV1() ioWriter {
	return ioWriter{
		max: func(dir, disk string, m *IOMax) error {
			var err error
			for _, r := range m.rates() {
				if r.limit > 0 {
					err = errors.Join(err, put(dir, "blkio.throttle."+r.v1, fmt.Sprintf("%s %d", disk, r.limit)))
				}
			}
			return err
		},
		weights: []ioWeight{{"blkio.bfq.weight", func(w int) string { return fmt.Sprint(bfqWeight(w)) }}},
	}
}

// An ioRate is one bound of a disk, with its names in both versions of cgroups.
type ioRate struct {
	v2, v1 string
	limit  int64
}

func (m *IOMax) rates() []ioRate {
	return []ioRate{
		{"rbps", "read_bps_device", m.ReadBytes}, {"wbps", "write_bps_device", m.WriteBytes},
		{"riops", "read_iops_device", m.ReadOps}, {"wiops", "write_iops_device", m.WriteOps},
	}
}

// bfqWeight converts a weight for the scheduler bfq, whose weights go from 1 to 1000. 100
// is the default of both.
func bfqWeight(w int) int {
	if w <= 100 {
		return w
	}
	return 100 + (w-100)*900/9900
}

// io sets the bounds at disks.
func (u *unkept) io(l *IO, dir string, to ioWriter) {
	if l.Weight > 0 {
		u.add("io", to.weigh(dir, l.Weight))
	}
	var disks []string
	bounds := map[string]*IOMax{}
	for i := range l.Max {
		m := &l.Max[i]
		disk, err := diskOf(m.Path)
		if err != nil {
			where := ""
			if m.Where != "" {
				where = " (" + m.Where + ")"
			}
			u.add("io", fmt.Errorf("limits.io of %q%s: %v", m.Path, where, err))
			continue
		}
		if bounds[disk] == nil {
			bounds[disk] = &IOMax{}
			disks = append(disks, disk)
		}
		bounds[disk].tighten(m)
	}
	for _, disk := range disks {
		u.add("io", to.max(dir, disk, bounds[disk]))
	}
}

// tighten adds the bounds for another path on the same disk: the lower ones win.
func (m *IOMax) tighten(by *IOMax) {
	lower := func(to *int64, n int64) {
		if n > 0 && (*to == 0 || n < *to) {
			*to = n
		}
	}
	lower(&m.ReadBytes, by.ReadBytes)
	lower(&m.WriteBytes, by.WriteBytes)
	lower(&m.ReadOps, by.ReadOps)
	lower(&m.WriteOps, by.WriteOps)
}

// weigh sets a weight. The kernel also accepts one that has no effect, which is an error
// here.
func (to *ioWriter) weigh(dir string, weight int) error {
	taken := false
	for _, w := range to.weights {
		taken = put(dir, w.file, w.value(weight)) == nil || taken
	}
	if !taken || !weightsCount("/sys") {
		return errors.New("limits.io.weight: no disk here has the scheduler bfq, or io.cost, so that weights count")
	}
	return nil
}

// weightsCount reports whether weights have an effect on a disk.
func weightsCount(sys string) bool {
	queues, _ := filepath.Glob(sys + "/block/*/queue/scheduler")
	for _, queue := range queues {
		if data, err := readProc(queue); err == nil && strings.Contains(string(data), "[bfq]") {
			return true
		}
	}
	// Only the root of the hierarchy has this file, so a container can't know.
	cost, _ := readProc(sys + "/fs/cgroup/io.cost.qos")
	return strings.Contains(string(cost), "enable=1")
}

// diskOf returns the disk of a device or of the file system of a path, as "8:0". It is the
// whole disk, because cgroups have no limits for partitions.
func diskOf(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == unix.ENOENT {
		return "", errors.New("it does not exist")
	} else if err != nil {
		return "", err
	}
	dev := st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		dev = st.Rdev
	}
	if unix.Major(dev) == 0 { // not a device number: btrfs names a device as its source, tmpfs and overlay have none
		kind, source := mountOf(path)
		var src unix.Stat_t
		if unix.Stat(source, &src) != nil || src.Mode&unix.S_IFMT != unix.S_IFBLK {
			return "", fmt.Errorf("it is on %s, which is no disk; name a folder that is on one, or the device, such as /dev/sda", kind)
		}
		dev = src.Rdev
	}
	return wholeDisk("/sys", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))), nil
}

// wholeDisk returns the disk of a partition; for a disk, itself.
func wholeDisk(sys, dev string) string {
	dir, err := filepath.EvalSymlinks(sys + "/dev/block/" + dev)
	if err != nil {
		return dev
	}
	if _, err := os.Stat(dir + "/partition"); err != nil {
		return dev
	}
	if disk, err := readProc(filepath.Dir(dir) + "/dev"); err == nil {
		return strings.TrimSpace(string(disk))
	}
	return dev
}

// mountOf returns the type of the file system of a path, and what it was mounted from.
func mountOf(path string) (kind, source string) {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st) != nil {
		return "a file system without a name", ""
	}
	data, _ := readProc("/proc/self/mountinfo")
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		sep := slices.Index(f, "-")
		if sep > 0 && len(f) > sep+2 && f[0] == fmt.Sprint(st.Mnt_id) {
			return f[sep+1], f[sep+2]
		}
	}
	return "a file system without a name", ""
}
