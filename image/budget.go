package image

import "sync"

// decoderMemory bounds the memory of all decoders that run at a time, in bytes. A
// single one may have 64 MiB.
const decoderMemory = 128 << 20

// A budget is an amount of memory. Whoever takes more than is left has to wait.
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

// take waits until n bytes are left and takes them, until release is called.
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
