package catalog

import (
	"nix2gpu/project"
)

// setUpEnded returns the condition that holds of a service once the process has ended that
// sets it up in services-flake.
func setUpEnded(typ string) project.Condition {
	switch typ {
	case "clickhouse", "minio", "pgadmin", "postgresql":
		return project.Started // of the main process, which waits for them
	case "redis-cluster":
		return project.Completed
	}
	return project.Ready
}
