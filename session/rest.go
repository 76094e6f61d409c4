package session

import (
	"runtime"
	"runtime/debug"
	"time"

	"nix2gpu/process"
)

// aftermath is how long what follows a start goes on: whoever waits for it is told, and asks.
const aftermath = 2 * time.Second

// giveBack returns memory to the kernel that only the start has needed: free heap, and
// pages of our own program, those of its aftermath included.
func giveBack() {
	runtime.GC() // a sync.Pool keeps what it has over one collection
	debug.FreeOSMemory()
	process.DropProgram()
	time.AfterFunc(aftermath, process.DropProgram)
}
