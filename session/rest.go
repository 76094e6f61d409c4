package session

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns memory to the kernel that only the start has needed: free heap, and
// pages of our own program. The pages stay in the page cache, and are mapped again
// when they are used.
func giveBack() {
	runtime.GC() // a sync.Pool keeps what it has over one collection
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // it only saves memory
	}
	defer f.Close()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	type mapping struct{ start, end uintptr }
	var clean []mapping
	var at *mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if field, value, ok := strings.Cut(line, ":"); ok && !strings.Contains(field, " ") {
			// A page that was written to has no copy in the file: dropping it would lose it.
			if at != nil && field == "Anonymous" && strings.TrimSpace(value) != "0 kB" {
				clean, at = clean[:len(clean)-1], nil
			}
			continue
		}
		at = nil
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "r-xp" && fields[1] != "r--p" || strings.Join(fields[5:], " ") != self {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			clean = append(clean, mapping{uintptr(start), uintptr(end)})
			at = &clean[len(clean)-1]
		}
	}
	for _, m := range clean {
		unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}
