package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The bounds of what an evaluation may use, in bytes, whatever is free.
const (
	maxMemory = 2 << 30
	minMemory = 128 << 20
)

// memoryLimit returns how many bytes an evaluation may use: half of what is free,
// because the garbage collector needs room as well.
func memoryLimit() int64 {
	free := int64(2 * maxMemory)
	for _, f := range []func() (int64, bool){availableMemory, cgroupMemory, addressSpace} {
		if n, known := f(); known {
			free = min(free, n)
		}
	}
	return max(free/2, minMemory)
}

// availableMemory returns the bytes that the kernel can give without swapping, from
// /proc/meminfo.
func availableMemory() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	_, rest, found := strings.Cut(string(data), "MemAvailable:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, false
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10, err == nil
}

// cgroupMemory returns the bytes that a container's limit leaves, as seen from inside.
func cgroupMemory() (int64, bool) {
	for _, c := range []struct{ dir, limit, used string }{
		{"/sys/fs/cgroup", "memory.max", "memory.current"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"},
	} {
		limit, known := readNumber(filepath.Join(c.dir, c.limit))
		if !known {
			continue // no such file, or "max"
		}
		used, _ := readNumber(filepath.Join(c.dir, c.used))
		return max(limit-used, 0), true
	}
	return 0, false
}

func readNumber(file string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// addressSpace returns the bytes that ulimit -v leaves.
func addressSpace() (int64, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur == unix.RLIM_INFINITY {
		return 0, false
	}
	data, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) == 0 {
		return int64(limit.Cur), true
	}
	pages, _ := strconv.ParseInt(fields[0], 10, 64)
	return max(int64(limit.Cur)-pages*int64(os.Getpagesize()), 0), true
}
