package control

import "nix2gpu/project"

// A Detail is what a close look at a service shows beside its state. It is put
// together when somebody asks.
type Detail struct {
	ID         project.ID  `json:"id"`
	Label      string      `json:"label"`
	Command    string      `json:"command,omitempty"`    // as the definition has it, without secrets
	User       string      `json:"user,omitempty"`       // whom it was told to run as; empty: whoever started us
	Pos        project.Pos `json:"pos,omitzero"`         // where it is defined
	Dependants []string    `json:"dependants,omitempty"` // labels of the services that depend on it
	Probes     []Probe     `json:"probes,omitempty"`     // the last results, oldest first: each check's own
}
