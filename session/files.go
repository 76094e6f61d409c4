package session

import (
	"fmt"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// A Shortage is something of which this machine has less than the services need
// when all of them run. It is only a note: they may not all run at the same time,
// and a service that runs short reports it itself.
type Shortage struct {
	Msg  string
	Hint string // the cure
}

// Shortages compares what the services ids need with what this machine has.
func Shortages(p *project.Project, ids []project.ID) []Shortage {
	return shortOfFiles(supervisor.FilesNeeded(p, ids), process.FileLimit(), len(ids))
}

// ownFiles is roughly how many descriptors a session has open for itself.
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
