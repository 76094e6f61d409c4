package repo

import "io"

// An ahead reads in its own goroutine, some pieces before they are asked for, so that one
// processor decompresses a list while another one parses it. It must be closed, and is for
// one goroutine.
type ahead struct {
	full  chan piece
	free  chan []byte
	done  chan struct{} // closed by Close
	ended chan struct{} // by the goroutine

	now  piece
	rest []byte
}

// A piece is the result of one read: data, then perhaps an error.
type piece struct {
	data []byte
	err  error
}

// readAhead starts to read r, at most so many pieces of that size ahead.
func readAhead(r io.Reader, size, pieces int) *ahead {
	a := &ahead{full: make(chan piece, pieces), free: make(chan []byte, pieces), done: make(chan struct{}), ended: make(chan struct{})}
	for range pieces {
		a.free <- make([]byte, size)
	}
	go func() {
		defer close(a.ended)
		for {
			var buf []byte
			select {
			case <-a.done:
				return
			case buf = <-a.free:
			}
			n, err := 0, error(nil)
			for n < len(buf) && err == nil {
				var got int
				got, err = r.Read(buf[n:])
				n += got
			}
			a.full <- piece{buf[:n], err} // there is room for all pieces
			if err != nil {
				return
			}
		}
	}()
	return a
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.free <- a.now.data[:cap(a.now.data)]
		}
		a.now = <-a.full
		a.rest = a.now.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine and waits for it, so that the underlying reader can be closed.
func (a *ahead) Close() {
	close(a.done)
	<-a.ended
}
