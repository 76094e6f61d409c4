package compose

import (
	"fmt"
	"slices"
	"strings"
)

// signals are Linux's, by number from 1.
var signals = []string{
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE",
	"SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT",
	"SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
	"SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// SignalName is the full name of a signal given as 15, TERM or SIGTERM.
func SignalName(s string) (string, error) {
	if n, err := asInt(s, 1, len(signals)); err == nil {
		return signals[n-1], nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if !slices.Contains(signals, name) {
		return "", fmt.Errorf("must be a name such as SIGTERM or a number from 1 to %d, is %q", len(signals), s)
	}
	return name, nil
}

// SignalNumber is the number of a signal by its full name; 0 when unknown.
func SignalNumber(name string) int { return slices.Index(signals, name) + 1 }
