package process

import (
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// firstMourning is how long after SIGKILL we begin to look for a tracer: nearly every
// process has told us of its end by then.
const firstMourning = 100 * time.Millisecond

// mourn sees the end of a leader that was killed and that somebody traces: the kernel tells
// us of it only once the tracer lets it go, which a forgotten one never does. It is dead
// all the same. Its number stays its own until then, and we reap it as an orphan.
func (h *Host) mourn(p *Process) {
	for pause := firstMourning; ; pause = min(2*pause, time.Second) {
		select {
		case <-p.exited:
			return
		case <-h.quit:
			return
		case <-time.After(pause):
		}
		h.mu.Lock()
		if !p.hasExited() && deadAsAWhole(p.pid) {
			if _, exit, ours := peek(unix.P_PID, p.pid); ours {
				h.leaderExited(p, exit, h.noOrphans())
			} else {
				exit = project.KilledBy(project.SIGKILL)
				exit.At = time.Now()
				h.leaderExited(p, exit, h.noOrphans())
			}
			h.again() // for what is due now
		}
		h.mu.Unlock()
	}
}

// deadAsAWhole reports whether a process is a zombie without another thread, which could
// live on, or wait for a device.
func deadAsAWhole(pid int) bool {
	info, err := Inspect(pid)
	return err == nil && info.State == 'Z' && len(threadsOf(pid)) == 1
}
