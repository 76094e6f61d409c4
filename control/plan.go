package control

import "nix2gpu/project"

// A Planned is what a reload would do to one service.
type Planned struct {
	ID     project.ID   `json:"id"`
	Label  string       `json:"label"`
	State  ServiceState `json:"state,omitempty"` // now; empty: it is new
	Action PlanAction   `json:"action"`
	Cause  PlanCause    `json:"cause,omitempty"` // of an action; of none why not, where something differs
	// Differs names what it is restarted for, Applies what applies without that.
	Differs []string `json:"differs,omitempty"`
	Applies []string `json:"applies,omitempty"`
	With    []string `json:"with,omitempty"`    // labels of the dependencies with which it restarts
	Refused string   `json:"refused,omitempty"` // why it can't run on this machine: it is skipped
}

// A PlanAction is what happens to a service.
type PlanAction string

// The actions.
const (
	PlanNone    PlanAction = "none"
	PlanStart   PlanAction = "start"
	PlanRestart PlanAction = "restart"
	PlanStop    PlanAction = "stop"
)

// A PlanCause is why.
type PlanCause string

// The causes.
const (
	CauseAdded      PlanCause = "added"
	CauseRemoved    PlanCause = "removed"
	CauseEnabled    PlanCause = "enabled"
	CauseDisabled   PlanCause = "disabled"
	CauseChanged    PlanCause = "changed"
	CauseDependency PlanCause = "dependency" // it is to restart with one
	CauseRetried    PlanCause = "retried"    // it was refused, or failed in a way that is not retried else
	CauseStopped    PlanCause = "stopped"    // it differs, and takes that when it is started
)
