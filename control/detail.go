package control

import "nix2gpu/project"

// A Detail is what "nix2gpu status SERVICE" shows beside a service's state. It is
// collected on request, not kept.
type Detail struct {
	ID         project.ID  `json:"id"`
	Label      string      `json:"label"`
	Command    string      `json:"command,omitempty"`    // as the definition has it, without secrets
	User       string      `json:"user,omitempty"`       // that the definition names; empty: the user of the supervisor
	Pos        project.Pos `json:"pos,omitzero"`         // where it is defined
	Dependants []string    `json:"dependants,omitempty"` // labels of the services that depend on it
	Probes     []Probe     `json:"probes,omitempty"`     // the last results of single checks, oldest first
}
