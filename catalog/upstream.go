package catalog

import (
	"strings"

	"nix2gpu/project"
)

// upstreamParts are the ends of the names that services-flake gives to the processes that
// set a service up, and what it means for us to wait for their end.
func upstreamParts() map[string]project.Condition {
	return map[string]project.Condition{
		"-init":      project.Started, // of the main process, which waits for them
		"-configure": project.Ready, "-models": project.Ready, "-cluster-create": project.Ready,
	}
}

// UpstreamParts lists the ends of the names that services-flake gives to the processes
// that set a service up.
func UpstreamParts() []string { return sortedKeys(upstreamParts()) }

// resolvePart finds the service that a process of services-flake's such as "pg1-init" is a
// part of, and the condition that holds once it has ended.
func (in *Instance) resolvePart(name string, d *project.Dependency) []project.ID {
	for _, end := range UpstreamParts() {
		instance, ok := strings.CutSuffix(name, end)
		if !ok || d.Condition != project.Completed && d.Condition != project.Exited {
			continue
		}
		if ids, err := in.project.Resolve(instance); err == nil && len(ids) == 1 && in.project.Services[ids[0]].Type != "custom" {
			d.Condition = upstreamParts()[end]
			return ids
		}
	}
	return nil
}
