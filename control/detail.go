package control

import "nix2gpu/project"

// A Detail is what "nix2gpu status SERVICE" shows beside a service's state. It is
// collected on request, not kept.
type Detail struct {
	ID         project.ID       `json:"id"`
	Label      string           `json:"label"`
	Command    string           `json:"command,omitempty"`    // as the definition has it, without secrets
	User       string           `json:"user,omitempty"`       // that the definition names; empty: the user of the supervisor
	Pos        project.Pos      `json:"pos,omitzero"`         // where it is defined
	Dependants []string         `json:"dependants,omitempty"` // labels of the services that depend on it
	Limits     project.Limits   `json:"limits,omitzero"`      // of its main process, as the definition has them
	Settings   project.Settings `json:"settings,omitzero"`    // of its main process, too: what the kernel is told of it
	Unlimited  *Unlimited       `json:"unlimited,omitempty"`  // the limits that are not enforced; absent: all are
	Log        LogGaps          `json:"log,omitzero"`         // of all its processes
	Probes     []Probe          `json:"probes,omitempty"`     // the last results of single checks, oldest first
}

// LogGaps counts what is missing in the logs of a service, since the project was started.
type LogGaps struct {
	Dropped uint64 `json:"dropped,omitempty"` // lines beyond the rate limit
	Lost    uint64 `json:"lost,omitempty"`    // lines that could not be written

	RemovedFiles uint64 `json:"removed_files,omitempty"` // older files, beyond its limits of number, bytes or age
	RemovedBytes uint64 `json:"removed_bytes,omitempty"`
}

// An Unlimited says which limits of a running process are not enforced, and why.
type Unlimited struct {
	Limits []string `json:"limits"` // as the definition names them: "memory", "cpus", "pids", "io"
	Why    string   `json:"why"`
}
