package supervisor

import (
	"sync"
	"time"
)

// starts are runs that are to begin. A few goroutines begin them, since one for each of
// hundreds leaves its stack behind, and all of them wait for the one thread that forks. A
// start may wait for something else, or hang: while none gets anywhere, more begin, twice as
// many each time.
type starts struct {
	mu    *sync.Mutex // guards all below
	queue []*execution
	busy  int  // how many goroutines there are
	taken int  // how many runs were taken from the queue
	last  int  // what that was when somebody has looked
	late  bool // somebody is going to look
}

const (
	startsAtOnce  = 4
	startPatience = 5 * time.Millisecond
)

// add begins a run. Called with the lock.
func (s *starts) add(x *execution) {
	s.queue = append(s.queue, x)
	if s.busy < startsAtOnce {
		s.more(1)
	} else if !s.late {
		s.await()
	}
}

// more makes n more goroutines. Called with the lock.
func (s *starts) more(n int) {
	s.busy += n
	for range n {
		go s.work()
	}
}

// work begins runs until none is left.
func (s *starts) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		x := s.queue[0]
		s.queue[0], s.queue = nil, s.queue[1:]
		s.taken++
		s.mu.Unlock()
		x.live()
		s.mu.Lock()
	}
	s.queue = nil
	s.busy--
}

// await looks after a moment whether those that begin get anywhere. Called with the lock.
func (s *starts) await() {
	s.late, s.last = true, s.taken
	time.AfterFunc(startPatience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.late = false; len(s.queue) == 0 {
			return
		}
		if s.taken == s.last {
			s.more(min(s.busy, len(s.queue)))
		}
		s.await()
	})
}
