package process

import (
	"os/signal"

	"golang.org/x/sys/unix"
)

// YieldTerminal gives up the terminal on our stdin, if we lead its session, so that a
// [Process] with OwnTerminal can have it without privileges. From then on, signals of the
// terminal reach that process alone.
func YieldTerminal() {
	// The kernel sends HUP and CONT to whoever loses its terminal.
	signal.Ignore(unix.SIGHUP, unix.SIGCONT, unix.SIGTTOU)
	unix.IoctlSetInt(0, unix.TIOCNOTTY, 0)
}
