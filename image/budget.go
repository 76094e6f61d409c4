package image

import "sync"

// decoderMemory is what the decoders of all packages that are read at one time
// may have together. The largest alone may have 64 MiB.
const decoderMemory = 128 << 20

// A budget hands out memory, and makes those wait who ask for more than is left.
type budget struct {
	mu   sync.Mutex
	free *sync.Cond
	left int64
}

func newBudget(size int64) *budget {
	b := &budget{left: size}
	b.free = sync.NewCond(&b.mu)
	return b
}

// take waits until n bytes are left, and takes them.
func (b *budget) take(n int64) (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < n {
		b.free.Wait()
	}
	b.left -= n
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.left += n
		b.free.Broadcast()
	})
}
