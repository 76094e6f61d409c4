package project

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Settings are what the kernel is told of a process beside what it executes, as
// systemd.exec(5) has it. The zero value leaves everything as it is.
type Settings struct {
	Nice           *int   `json:"nice,omitempty"`           // -20 to 19
	OOMScoreAdjust *int   `json:"oomScoreAdjust,omitempty"` // -1000 to 1000
	Umask          string `json:"umask,omitempty"`          // octal: "0027"
	// Groups are names or numbers of groups beside those of the user; only when we are root.
	Groups []string `json:"supplementaryGroups,omitempty"`
	// Capabilities are all that the process keeps of ours, whoever it runs as, as
	// CapabilityNames has them; nil: those of its user.
	Capabilities *[]string `json:"capabilities,omitempty"`
	// Sandbox is Strict, or empty for none.
	Sandbox  Sandbox `json:"sandbox,omitempty"`
	Writable []Text  `json:"readWritePaths,omitempty"` // what it may write beside its own folders, in a sandbox
	// Network is Loopback, or empty for ours.
	Network Network `json:"network,omitempty"`
}

// A Sandbox takes rights away from a process.
type Sandbox string

// Strict leaves a process its own folders to write and the system to read, and no
// privileges.
const Strict Sandbox = "strict"

// A Network is what a process reaches, and by what it is reached.
type Network string

// Loopback is a network of the service's own that leads nowhere else.
const Loopback Network = "loopback"

// Apart reports whether a service has a network of its own: its ports are in nobody's way,
// and nobody outside reaches them.
func (p *Project) Apart(s *Service) bool {
	main := p.Processes[s.Main]
	return main != nil && main.Settings.Network == Loopback
}

// UmaskBits returns the umask as a number; nil if none is set.
func (s *Settings) UmaskBits() (*int, error) {
	if s.Umask == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(s.Umask, 8, 32)
	if err != nil || n > 0o777 {
		return nil, fmt.Errorf("must be an octal number such as \"0027\", not %q", s.Umask)
	}
	bits := int(n)
	return &bits, nil
}

// Infinity is an Rlimit that bounds nothing.
const Infinity = uint64(math.MaxUint64)

// An Rlimit is a limit of each process of a service: what it has, and how far it may
// raise that itself.
type Rlimit struct {
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// RlimitNames are the limits of setrlimit(2), by the kernel's numbers, as ulimits names
// them.
func RlimitNames() []string {
	return []string{"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as",
		"locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"}
}

// InBytes reports whether a limit of RlimitNames is a number of bytes.
func InBytes(rlimit string) bool {
	return slices.Contains([]string{"fsize", "data", "stack", "core", "rss", "memlock", "as", "msgqueue"}, rlimit)
}

// CapabilityNames are those of capabilities(7), by the kernel's numbers.
func CapabilityNames() []string {
	return []string{"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
		"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
		"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
		"audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon",
		"bpf", "checkpoint_restore"}
}
