package process

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// DropProgram drops the pages of our own program from memory. Those that the start has
// touched are most of what an idle process would take. If one is needed again, the kernel
// maps it again, so pages that differ from the file, such as relocated ones, must stay.
func DropProgram() {
	smaps, err := readProc("/proc/self/smaps")
	if err != nil {
		return
	}
	var from, to uintptr
	for line := range strings.Lines(string(smaps)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 6 && strings.Contains(f[0], "-"): // a mapping; its counts follow
			fmt.Sscanf(f[0], "%x-%x", &from, &to)
			if f[5][0] != '/' || strings.Contains(f[1], "w") {
				from, to = 0, 0
			}
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			from, to = 0, 0
		case len(f) > 1 && (f[0] == "Anonymous:" || f[0] == "Swap:") && f[1] != "0":
			from, to = 0, 0
		case len(f) > 0 && f[0] == "VmFlags:" && to > from: // the last one
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}
