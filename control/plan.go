package control

import "nix2gpu/project"

// A Planned is what a reload would do to one service.
type Planned struct {
	ID     project.ID   `json:"id"`
	Label  string       `json:"label"`
	State  ServiceState `json:"state,omitempty"` // now; empty: it is new
	Action PlanAction   `json:"action"`
	Cause  PlanCause    `json:"cause,omitempty"` // of the action; of PlanNone, why a difference leads to no action
	// Differs names the differences that need a restart, Applies those that do not.
	Differs []string `json:"differs,omitempty"`
	Applies []string `json:"applies,omitempty"`
	With    []string `json:"with,omitempty"`    // labels of the dependencies with which it restarts
	Refused string   `json:"refused,omitempty"` // why it can't run on this machine: it is skipped
}

// A PlanAction is what a reload would do to a service.
type PlanAction string

// The actions.
const (
	PlanNone    PlanAction = "none"
	PlanStart   PlanAction = "start"
	PlanRestart PlanAction = "restart"
	PlanStop    PlanAction = "stop"
)

// A PlanCause is the reason of a PlanAction.
type PlanCause string

// The causes.
const (
	CauseAdded      PlanCause = "added"
	CauseRemoved    PlanCause = "removed"
	CauseEnabled    PlanCause = "enabled"
	CauseDisabled   PlanCause = "disabled"
	CauseChanged    PlanCause = "changed"
	CauseDependency PlanCause = "dependency" // it restarts with a service that it depends on
	CauseRetried    PlanCause = "retried"    // it was refused, or has failed for good; a reload tries it again
	CauseStopped    PlanCause = "stopped"    // it differs, but is stopped: the change applies at its next start
)
