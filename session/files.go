package session

import (
	"fmt"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// A Shortage is something that this machine has less of than the services
// need when all of them run. They are started all the same: not all may run at
// the same time, and what finds none says so.
type Shortage struct {
	Msg  string
	Hint string // the cure
}

// Shortages reckons what the services ids need.
func Shortages(p *project.Project, ids []project.ID) []Shortage {
	return shortOfFiles(supervisor.FilesNeeded(p, ids), process.FileLimit(), len(ids))
}

// ownFiles is about how many descriptors a session has open for itself.
const ownFiles = 32

func shortOfFiles(need, limit, services int) []Shortage {
	need += ownFiles + process.FileReserve(limit)
	if need <= limit {
		return nil
	}
	which := "the service needs"
	if services != 1 {
		which = fmt.Sprintf("%d services need", services)
	}
	return []Shortage{{
		Msg:  fmt.Sprintf("%s about %d open files in the supervisor when all of them run, and %d are allowed here: some will not start", which, need, limit),
		Hint: process.FileHint(need),
	}}
}
