package control

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
