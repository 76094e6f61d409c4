package process

import (
	"os/signal"

	"golang.org/x/sys/unix"
)

// YieldTerminal gives up the terminal on our stdin, if we lead its session, so
// that a [Process] with OwnTerminal can have it without any privilege. What
// the terminal sends from then on reaches that one alone.
func YieldTerminal() {
	// The kernel hangs up on whoever loses it so.
	signal.Ignore(unix.SIGHUP, unix.SIGCONT, unix.SIGTTOU)
	unix.IoctlSetInt(0, unix.TIOCNOTTY, 0)
}
