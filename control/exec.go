package control

import "nix2gpu/project"

// An ExecRequest asks for the surroundings of a service that runs.
type ExecRequest struct {
	Service string `json:"service"`        // as people name it
	User    string `json:"user,omitempty"` // instead of the service's own: a name or a number
	Dir     string `json:"dir,omitempty"`  // instead of the service's own; relative to the definition's folder
}

// Surroundings are what the main process of a service has around it. Whoever asks
// takes them on and becomes the command: it stays the child of its own shell, at its
// own terminal. Secrets that the service names are in Env.
type Surroundings struct {
	Env        []string `json:"env"` // "K=V"
	Dir        string   `json:"dir"`
	UID        int      `json:"uid"`
	GID        int      `json:"gid"`
	Groups     []int    `json:"groups,omitempty"`
	NoNewPrivs bool     `json:"noNewPrivs,omitempty"`
	Caps       []string `json:"caps,omitempty"`    // those kept; none named: as for that user
	NoFile     uint64   `json:"noFile,omitempty"`  // open files; 0: no limit of the service's
	Cgroups    []string `json:"cgroups,omitempty"` // folders of the groups that its limits are in
}

// A RunRequest asks for a copy of a service: one more process as its main one is, once.
// Without a service it is about the container's own environment.
type RunRequest struct {
	Service string   `json:"service,omitempty"` // as people name it
	Command []string `json:"command,omitempty"` // instead of the service's own
	User    string   `json:"user,omitempty"`    // as in ExecRequest
	Dir     string   `json:"dir,omitempty"`     // as in ExecRequest
	NoDeps  bool     `json:"noDeps,omitempty"`  // start nothing that the service depends on, and do not wait for it
}

// A Copy is what whoever has asked for one is to run: files and folders of the service
// are there, and what it depends on as well.
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
