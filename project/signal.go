package project

import (
	"encoding"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Signal is one of Linux's signals, by number; 0 is not a signal. As text, also in
// JSON, it is its name: "SIGTERM".
type Signal int

// The signals that the code of this program names.
const (
	SIGHUP  Signal = 1
	SIGINT  Signal = 2
	SIGQUIT Signal = 3
	SIGKILL Signal = 9
	SIGTERM Signal = 15
	SIGCONT Signal = 18

	sigRTMIN Signal = 34 // the C library keeps 32 and 33 for itself
	sigRTMAX Signal = 64
)

// signalNames lists the names without SIG by number, from 1.
const signalNames = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD " +
	"CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"

var (
	_ encoding.TextMarshaler   = Signal(0)
	_ encoding.TextUnmarshaler = (*Signal)(nil)
)

// ParseSignal reads a signal's name or number: "SIGTERM", "term", "15",
// "SIGRTMIN+3", "SIGRTMAX-2".
func ParseSignal(text string) (Signal, error) {
	wrong := fmt.Errorf("must be a name such as SIGTERM or a number from 1 to %d, not %q", int(sigRTMAX), text)
	if n, err := strconv.Atoi(text); err == nil {
		if s := Signal(n); s.Valid() {
			return s, nil
		}
		return 0, wrong
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if i := slices.Index(strings.Fields(signalNames), name); i >= 0 {
		return Signal(i + 1), nil
	}
	switch name {
	case "IOT":
		return 6, nil
	case "CLD":
		return 17, nil
	case "POLL":
		return 29, nil
	case "RTMIN":
		return sigRTMIN, nil
	case "RTMAX":
		return sigRTMAX, nil
	}
	s := Signal(0)
	if n, ok := realTimeOffset(name, "RTMIN+"); ok {
		s = sigRTMIN + n
	} else if n, ok := realTimeOffset(name, "RTMAX-"); ok {
		s = sigRTMAX - n
	}
	if s < sigRTMIN || s > sigRTMAX {
		return 0, wrong
	}
	return s, nil
}

// realTimeOffset reads the number of "RTMIN+3", without a further sign.
func realTimeOffset(name, prefix string) (Signal, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(digits, 10, 8)
	return Signal(n), ok && err == nil
}

// Valid reports whether the kernel has such a signal.
func (s Signal) Valid() bool { return s >= 1 && s <= sigRTMAX }

// String returns the name as kill -l gives it: "SIGTERM", "SIGRTMIN+3", "SIGRTMAX-2";
// "signal 33" if there is no name.
func (s Signal) String() string {
	names := strings.Fields(signalNames)
	switch {
	case s >= 1 && int(s) <= len(names):
		return "SIG" + names[s-1]
	case s == sigRTMIN:
		return "SIGRTMIN"
	case s == sigRTMAX:
		return "SIGRTMAX"
	case s > sigRTMIN && s < sigRTMIN+16:
		return fmt.Sprintf("SIGRTMIN+%d", int(s-sigRTMIN))
	case s > sigRTMIN && s < sigRTMAX:
		return fmt.Sprintf("SIGRTMAX-%d", int(sigRTMAX-s))
	}
	return fmt.Sprintf("signal %d", int(s))
}

// MarshalText returns the name, or the number if there is no name.
func (s Signal) MarshalText() ([]byte, error) {
	if name, ok := strings.CutPrefix(s.String(), "signal "); ok {
		return []byte(name), nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what ParseSignal reads.
func (s *Signal) UnmarshalText(text []byte) (err error) {
	if *s, err = ParseSignal(string(text)); err != nil {
		return fmt.Errorf("signal %w", err)
	}
	return nil
}
