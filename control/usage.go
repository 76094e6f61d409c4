package control

import (
	"time"

	"nix2gpu/project"
)

// A Usage is what services use at one moment. It is measured on request only, so that
// an idle supervisor costs nothing.
type Usage struct {
	At       time.Time      `json:"at"`
	Services []ServiceUsage `json:"services"`        // those that run, by label
	GPUs     []GPU          `json:"gpus,omitempty"`  // of the machine, as far as they are known
	Notes    []string       `json:"notes,omitempty"` // what could not be found out, and why
}

// A ServiceUsage is what all processes of one service use together.
type ServiceUsage struct {
	ID    project.ID `json:"id"`
	Label string     `json:"label"`
	PIDs  []int      `json:"pids"`
	// Processes are those of PIDs, with what each runs.
	Processes []ProcessInfo    `json:"processes,omitempty"`
	CPU       project.Duration `json:"cpu"`    // processor time of the living processes since each one's start
	Memory    int64            `json:"memory"` // resident, in bytes
	Threads   int              `json:"threads"`
	Files     int              `json:"files"` // open file descriptors; -1 if some belong to a user whose processes may not be looked at
	GPU       []GPUShare       `json:"gpu,omitempty"`
	// Listens are the sockets of TCP on which it listens, and those of UDP that it is
	// bound to.
	Listens []Listen `json:"listens,omitempty"`
}

// A Listen is a socket on which a service takes connections or datagrams.
type Listen struct {
	Protocol string `json:"protocol"` // tcp or udp
	Address  string `json:"address"`  // "127.0.0.1"; "0.0.0.0" and "::" are all
	Port     int    `json:"port"`
	PID      int    `json:"pid"`
	Apart    bool   `json:"apart,omitempty"` // in a network of its own, where nobody else reaches it
}

// A ProcessInfo is one process of a service.
type ProcessInfo struct {
	PID     int    `json:"pid"`
	Parent  int    `json:"parent"`
	Command string `json:"command"` // its arguments, or, if it has none, its name in brackets
}

// A GPUShare is the memory of one GPU that a service holds.
type GPUShare struct {
	Index  int    `json:"index"`
	UUID   string `json:"uuid"`
	Memory int64  `json:"memory"` // bytes
}

// A GPU is one GPU as nvidia-smi lists it. Memory and Used are in bytes, -1 where the
// driver does not tell.
type GPU struct {
	Index  int    `json:"index"`
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Memory int64  `json:"memory"`
	Used   int64  `json:"used"`
}
