package process

// Protect makes h believe that the kernel spares us when memory runs out.
func Protect(h *Host) { h.ownScore = -1 }
