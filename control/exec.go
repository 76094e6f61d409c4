package control

import (
	"time"

	"nix2gpu/project"
)

// An ExecRequest asks for the Surroundings of a running service.
type ExecRequest struct {
	Service string `json:"service"`        // an id, a label, an instance or a type
	User    string `json:"user,omitempty"` // instead of the service's own: a name or a number
	Dir     string `json:"dir,omitempty"`  // instead of the service's own; relative to the definition's folder
}

// Surroundings are the environment, folder, user and limits of a service's main
// process. The client applies them to itself and then executes the command, which so
// stays the child of its own shell, at its own terminal. Env holds the secrets that
// the service names.
type Surroundings struct {
	Env        []string `json:"env"` // "K=V"
	Dir        string   `json:"dir"`
	UID        int      `json:"uid"`
	GID        int      `json:"gid"`
	Groups     []int    `json:"groups,omitempty"`
	NoNewPrivs bool     `json:"noNewPrivs,omitempty"`
	Caps       []string `json:"caps,omitempty"`    // capabilities that are kept; empty: those that the user has anyway
	NoFile     uint64   `json:"noFile,omitempty"`  // how many files may be open; 0: the service sets no limit
	Cgroups    []string `json:"cgroups,omitempty"` // folders of the cgroups that hold its limits

	// NetworkOf is the pid of the process whose network the command joins; absent: it joins none.
	NetworkOf int `json:"networkOf,omitempty"`

	Rlimits  map[string]project.Rlimit `json:"ulimits,omitempty"`
	Settings project.Settings          `json:"settings,omitzero"`
	Read     []string                  `json:"read,omitempty"` // in a sandbox, with Write all that it may see of the file system
	Write    []string                  `json:"write,omitempty"`
}

// A RunRequest asks for a Copy of a service: one more process like its main one, run
// once. Without a service, the command runs in the container's own environment.
type RunRequest struct {
	Service string   `json:"service,omitempty"` // an id, a label, an instance or a type
	Command []string `json:"command,omitempty"` // instead of the service's own
	User    string   `json:"user,omitempty"`    // as in ExecRequest
	Dir     string   `json:"dir,omitempty"`     // as in ExecRequest
	NoDeps  bool     `json:"noDeps,omitempty"`  // start nothing that the service depends on, and do not wait for it
	// Detached says that whoever runs the copy is at no terminal.
	Detached bool `json:"detached,omitempty"`
}

// A RunningCopy is a copy that somebody runs now.
type RunningCopy struct {
	Name     string    `json:"name"`              // as that of its log: "api-run-1"
	Service  string    `json:"service,omitempty"` // the label of what it is a copy of; "": the container
	Command  []string  `json:"command,omitempty"` // if it is not the service's own
	PID      int       `json:"pid"`               // of the command, or of who is about to start it
	Since    time.Time `json:"since"`
	Detached bool      `json:"detached,omitempty"`
}

// An EndedCopy is how a copy ended, as whoever ran it has told. Without an Exit nobody
// knows: whoever ran it was killed.
type EndedCopy struct {
	Name string        `json:"name"`
	Exit *project.Exit `json:"exit,omitempty"`
}

// A Copy is what the client is to run. The service's files and folders are there by
// then, and its dependencies are ready.
type Copy struct {
	Surroundings
	Name   string           `json:"name"` // of its log: "api-run-1"
	Path   string           `json:"path"` // of the program
	Argv   []string         `json:"argv"`
	Limits project.Limits   `json:"limits,omitzero"`
	Stop   project.Signal   `json:"stop,omitempty"`  // the signal that tells it to stop
	Grace  project.Duration `json:"grace,omitempty"` // from there to the kill
	Logs   string           `json:"logs"`            // the folder of the project's logs
}
