package session

import (
	"runtime"
	"runtime/debug"

	"nix2gpu/process"
)

// giveBack returns memory to the kernel that only the start has needed: free heap, and
// pages of our own program.
func giveBack() {
	runtime.GC() // a sync.Pool keeps what it has over one collection
	debug.FreeOSMemory()
	process.DropProgram()
}
