package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A network is what LaunchMain does about the network of its process. It is the first
// thing that it does.
type network struct {
	Of    int    `json:"of,omitempty"`    // the pid of the process whose network it joins; 0: it gets one of its own
	Born  bool   `json:"born,omitempty"`  // it was born in its own, as a user namespace allows it
	Ports string `json:"ports,omitempty"` // lowest port that needs no privilege in ours
}

// What fails, to follow "cannot".
const (
	stepLoopback = "give it a network of its own"
	stepJoin     = "join the network of the service"
)

// LoopbackHint is what helps where a process can have no network of its own.
const LoopbackHint = "run nix2gpu as root of a machine, or where users may make namespaces; in a container, start that with --cap-add SYS_ADMIN --cap-add NET_ADMIN; or leave network out here"

// network returns nil if the process is to be in our network.
func (s *Spec) network() *network {
	switch {
	case s.NetworkOf > 0:
		return &network{Of: s.NetworkOf}
	case s.Loopback:
		return &network{Ports: lowestPort()}
	}
	return nil
}

// enter puts this thread, which survives the exec, into the network.
func (n *network) enter() (step string, err error) {
	if n.Of > 0 {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", n.Of), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return stepJoin, err
		}
		defer unix.Close(fd)
		return stepJoin, unix.Setns(fd, unix.CLONE_NEWNET)
	}
	if !n.Born {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return stepLoopback, err
		}
		return stepLoopback, openLoopback(n.Ports)
	}
	if err := openLoopback(n.Ports); err != nil {
		return stepLoopback, err
	}
	return stepLoopback, keepCaps(nil) // those of the user namespace
}

// inNamespaces makes a child be born in a user namespace, which anybody may make, and in
// a network that belongs to it. It stays the user that we are.
func inNamespaces(sys *syscall.SysProcAttr) {
	sys.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNET
	sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	sys.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN} // for the loopback; an exec takes all others away
}

// HasLoopback returns why no process that we start can have a network of its own; nil if
// nothing speaks against it.
func HasLoopback() error {
	if os.Geteuid() == 0 {
		done := make(chan error)
		go onOwnThread(func() {
			err := unix.Unshare(unix.CLONE_NEWNET)
			if err == nil {
				err = openLoopback("")
			}
			done <- err
		})
		return <-done
	}
	sys := &syscall.SysProcAttr{}
	inNamespaces(sys)
	// The program does not exist: what is tried comes before it.
	_, err := syscall.ForkExec("/proc/self/no-program", []string{"none"}, &syscall.ProcAttr{Sys: sys})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
