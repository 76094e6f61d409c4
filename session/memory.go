package session

import (
	"fmt"
	"sync"
	"time"

	"nix2gpu/control"
)

// A starvation counts what the kernel has killed in our container for lack of
// memory and what is no service's main process: of whom it was, nobody knows.
// The zero value has none.
type starvation struct {
	mu   sync.Mutex
	past control.OutOfMemory
	say  func(line string) // nil: nobody hears it yet
}

// begin lets everybody hear of kills.
func (m *starvation) begin(say func(string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.say = say
}

// add is told of kills.
func (m *starvation) add(kills int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.Kills += kills
	m.past.Last = time.Now()
	if m.say != nil {
		what := "a process"
		if kills > 1 {
			what = fmt.Sprintf("%d processes", kills)
		}
		m.say("out of memory: the kernel has killed " + what + " of this container, and services go on; nix2gpu top shows who uses how much")
	}
}

// told is what there was; nil: nothing.
func (m *starvation) told() *control.OutOfMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.past.Kills == 0 {
		return nil
	}
	past := m.past
	return &past
}
