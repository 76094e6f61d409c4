package servicelog

// Idle reports whether stdout has all there is.
func (h *Hub) Idle() bool {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	return len(h.out.queue) == 0 && h.out.behind == nil
}
