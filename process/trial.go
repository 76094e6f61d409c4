package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Trial is a program that is run to hear what it says, in a network of its own: a
// loopback and nothing else. Where the kernel grants none it runs in ours, and may listen
// there but reach nobody. Where that can't be had either, its output says so: see
// [CutShared]. Whoever runs it makes our own binary do so, by [Trial.Args].
type Trial struct {
	Path       string   `json:"path"`
	Argv       []string `json:"argv"`
	Dir        string   `json:"dir"`
	User       *User    `json:"user,omitempty"`
	Caps       []string `json:"caps,omitempty"` // kept although it becomes another user
	NoNewPrivs bool     `json:"noNewPrivs,omitempty"`

	// Of the process that we start in namespaces for the trial, in place of ours.
	Ports  string `json:"ports,omitempty"`  // lowest port that needs no privilege
	Report int    `json:"report,omitempty"` // descriptor for why it can't be there
}

// TrialBroken is the exit code of a trial whose program could not be run at all.
const TrialBroken = 125

// shared begins the output of a trial that is not kept from our network.
const shared = "nix2gpu: no network of its own: "

// CutShared separates what a trial's program has printed from the reason why it could
// reach our network; "" if it could not.
func CutShared(output string) (rest, why string) {
	if after, ok := strings.CutPrefix(output, shared); ok {
		why, rest, _ = strings.Cut(after, "\n")
		return rest, why
	}
	return output, ""
}

// Args are the arguments of our own binary that run the trial.
func (t Trial) Args() ([]string, error) {
	text, err := json.Marshal(t)
	return []string{"trial", string(text)}, err
}

// TrialMain runs the trial that args say, in a network of its own if possible. Mostly
// it becomes the program and returns only when that failed. Where a network takes
// another process, it returns that one's exit code.
func TrialMain(args []string) (code int, err error) {
	var t Trial
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &t) != nil || t.Path == "" {
		return TrialBroken, errors.New("this command is used by \"check\", not by hand")
	}
	runtime.LockOSThread() // the network is this thread's, which survives the exec
	if t.Report > 0 {
		syscall.CloseOnExec(t.Report)
		if err := t.settle(); err != nil {
			unix.Write(t.Report, []byte(err.Error()))
			return TrialBroken, nil // whoever has started us goes on without
		}
		return TrialBroken, t.exec()
	}
	t.Ports = lowestPort()
	if unix.Unshare(unix.CLONE_NEWNET) == nil {
		_ = openLoopback(t.Ports) // it is in a network of its own, with or without
		return TrialBroken, t.exec()
	}
	code, err = t.elsewhere(os.Args[:len(os.Args)-len(args)])
	if err == nil {
		return code, nil
	}
	if refused := reachNobody(); refused != nil {
		fmt.Printf("%s%v; %v\n", shared, err, refused)
	}
	return TrialBroken, t.exec()
}

func (t *Trial) exec() error {
	return Exec(Spec{Path: t.Path, Argv: t.Argv, Env: os.Environ(), Dir: t.Dir, User: t.User, NoNewPrivs: t.NoNewPrivs,
		Sandbox: Sandbox{DropCaps: len(t.Caps) > 0, Caps: t.Caps}})
}

// elsewhere runs the trial in a user namespace, which anybody may make and in which
// anybody may make a network, and returns its exit code. A process with threads, as
// ours is, can't enter one, so another is born in it. The error says why that can't
// be; the program has not run then.
func (t Trial) elsewhere(argv []string) (code int, err error) {
	report, reportEnd, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer report.Close()
	t.Report = 3
	text, err := json.Marshal(t)
	if err != nil {
		reportEnd.Close()
		return 0, err
	}
	// Users are the same inside: a program that finds itself to be root does other
	// things. Root may be asked to run it as any of them; others are only themselves.
	sys := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	inNamespaces(sys)
	if os.Geteuid() == 0 {
		sys.UidMappings = []syscall.SysProcIDMap{{Size: 1 << 16}}
		sys.GidMappings, sys.GidMappingsEnableSetgroups = sys.UidMappings, true
	}
	pid, err := syscall.ForkExec("/proc/self/exe", append(argv[:len(argv):len(argv)], string(text)), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2, reportEnd.Fd()},
		Sys: sys,
	})
	reportEnd.Close()
	if err != nil {
		return 0, err
	}
	refused, _ := io.ReadAll(report) // until the exec of the program closes it
	var status syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	switch {
	case len(refused) > 0:
		return 0, errors.New(string(refused))
	case err != nil:
		return 0, err
	case status.Signaled():
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// settle prepares this process, which was born in namespaces, for the program.
func (t *Trial) settle() error {
	if err := openLoopback(t.Ports); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return nil
	}
	return keepCaps(nil)
}

// lowestPort returns the lowest port that needs no privilege in our network.
func lowestPort() string {
	text, _ := os.ReadFile(portStart)
	return strings.TrimSpace(string(text))
}

const portStart = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// openLoopback turns on the loopback of a new network, in which it is off, with its
// addresses nobody's: servers try to listen on them. Ports that need no privilege
// in ours need none there, where that can be set.
func openLoopback(ports string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	request := struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: unix.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("loopback: %w", errno)
	}
	if ports != "" && ports != lowestPort() {
		_ = os.WriteFile(portStart, []byte(ports), 0) // where /proc is read-only, a server may be refused a port
	}
	return nil
}
