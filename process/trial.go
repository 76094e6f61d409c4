package process

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Trial is a program that is run to hear what it says, where it can reach nothing:
// in a network of its own, with a loopback and nothing else, where the kernel grants
// one. Whoever runs it makes our own binary do so, by [Trial.Args].
type Trial struct {
	Path       string   `json:"path"`
	Argv       []string `json:"argv"`
	Dir        string   `json:"dir"`
	User       *User    `json:"user,omitempty"`
	Caps       []string `json:"caps,omitempty"` // kept although it becomes another user
	NoNewPrivs bool     `json:"noNewPrivs,omitempty"`
}

// TrialBroken is the exit code of a trial whose program could not be run at all.
const TrialBroken = 125

// Args are the arguments of our own binary that run the trial.
func (t Trial) Args() ([]string, error) {
	text, err := json.Marshal(t)
	return []string{"trial", string(text)}, err
}

// TrialMain becomes the program of the trial that args say. It returns only when
// that failed.
func TrialMain(args []string) error {
	var t Trial
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &t) != nil || t.Path == "" {
		return errors.New("this command is used by \"check\", not by hand")
	}
	runtime.LockOSThread() // the network is this thread's, which survives the exec
	isolate()
	return Exec(Spec{Path: t.Path, Argv: t.Argv, Env: os.Environ(), Dir: t.Dir, User: t.User, NoNewPrivs: t.NoNewPrivs,
		Sandbox: Sandbox{DropCaps: len(t.Caps) > 0, Caps: t.Caps}})
}

// isolate puts this thread into a network of its own. Where that may not be had it
// stays where it is: a test of a configuration is no attack.
func isolate() {
	if unix.Unshare(unix.CLONE_NEWNET) != nil {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// The loopback is down in a new network, and its addresses are nobody's until
	// it is up: servers try to listen on them.
	request := struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: unix.IFF_UP}
	copy(request.name[:], "lo")
	unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
}
