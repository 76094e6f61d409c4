package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"unsafe"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

const (
	startUnused = 2 << 20   // the heap beyond which dropStart pays
	smallHeap   = 14 << 20  // the heap beyond which growHeap pays
	heapRoom    = 252 << 20 // the addresses that growHeap takes; with what there is, four of Go's arenas
	heapTarget  = 48 << 20  // no garbage is collected before the heap is as large; see collectAt
	smallFactor = 800       // GOGC until growHeap is called, so that nothing is collected just before
	heapUnit    = 4 << 20   // the first collection of a Go program at GOGC=100
	laterFactor = 200       // GOGC of a heap that is larger than that
	hugePage    = 2 << 20
)

// dropStart gives back what the start has touched of our program, of which an evaluation needs
// little. That is 6 MB, and takes half a millisecond.
func dropStart(int64) { process.DropProgram() }

// growHeap prepares the heap for an evaluation that needs a lot, need bytes at once. A page
// of 4 KiB costs 3 µs when it is first touched, which is up to a third of what an evaluation
// takes; one of 2 MiB costs 150. Go asks for those only for its own tables, and grows the
// heap by 4 MiB at a time. So this takes one large block, asks for large pages there, and
// gives it back: Go keeps the addresses, and nothing was touched. The collection for that
// comes when there would be one anyway.
func growHeap(need int64) {
	debug.SetGCPercent(-1) // or the block would start a collection before the one that frees it
	adviseHuge(heapRoom)
	go func() { // the evaluation goes on meanwhile
		runtime.GC()
		collectAt(heapTarget + need)
	}()
}

// collectAt sets when garbage is collected: when the heap has target bytes, or as many times the
// live ones as laterFactor says. After each collection that is set again, for heapTarget: who
// makes much garbage and keeps little would be interrupted every few megabytes.
func collectAt(target int64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	used := max(int64(live[0].Value.Uint64()), heapUnit)
	debug.SetGCPercent(int(max((target-used)*100/used, laterFactor)))
	runtime.SetFinalizer(new([2]int64), func(*[2]int64) { collectAt(heapTarget) })
}

// adviseHuge is a function of its own so that nothing refers to the block afterwards.
//
//go:noinline
func adviseHuge(size int) {
	block := make([]byte, size) // fresh from the system, so not cleared
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(block))) % hugePage
	_ = unix.Madvise(block[start:], unix.MADV_HUGEPAGE) // where there are none, nothing is lost
}
