package session

import (
	"fmt"
	"sync"
	"time"

	"nix2gpu/control"
)

// oomKills counts processes that the kernel has killed in our container for lack
// of memory and that are no service's main process: it does not tell us which they
// were. The zero value is ready to use.
type oomKills struct {
	mu   sync.Mutex
	past control.OutOfMemory
	say  func(line string) // nil: there is no output yet
}

// announce makes add print kills with say from now on.
func (m *oomKills) announce(say func(string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.say = say
}

// add counts kills, and prints them once there is an output.
func (m *oomKills) add(kills int) {
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

// report returns all kills so far; nil if there were none.
func (m *oomKills) report() *control.OutOfMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.past.Kills == 0 {
		return nil
	}
	past := m.past
	past.Last = byClock(past.Last)
	return &past
}
