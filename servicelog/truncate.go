package servicelog

import "golang.org/x/sys/unix"

// Truncate removes what a source has printed so far, in earlier runs too. It may be
// printing: what comes next begins a new file. One who reads at the moment may still get
// lines that are removed.
func (h *Hub) Truncate(source string) error {
	h.mu.Lock()
	f, kept := h.files[fileName(source)], h.dir != nil
	h.mu.Unlock()
	if !kept {
		return nil
	}
	if f != nil {
		if err := f.forget(); err != nil {
			return err
		}
	}
	if err := h.Reader().removeOlder(source, f != nil); err != nil {
		return err
	}
	h.changes.notify()
	return nil
}

// forget removes the current segment and those of this run.
func (f *file) forget() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	if err := unix.Unlinkat(f.dir.fd, f.name, 0); err != nil && err != unix.ENOENT {
		return err
	}
	for _, o := range f.olders() {
		_ = unix.Unlinkat(f.dir.fd, o.name, 0) // removeOlder would find it
	}
	f.shut()
	f.current++
	f.first, f.segments, f.size = f.current, nil, 0
	return nil
}
