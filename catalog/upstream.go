package catalog

import (
	"nix2gpu/project"
)

// upstreamPart returns the end of the name that services-flake gives to the process that
// sets up a service of a type, "" for none, and what it means for us to wait for its end.
func upstreamPart(typ string) (end string, met project.Condition) {
	switch typ {
	case "clickhouse", "minio", "pgadmin", "postgresql":
		return "-init", project.Started // of the main process, which waits for them
	case "mongodb", "mysql":
		return "-configure", project.Ready
	case "redis-cluster":
		return "-cluster-create", project.Completed
	case "ollama":
		return "-models", project.Ready
	}
	return "", ""
}

// UpstreamPart returns the end of the name that services-flake gives to the process that
// sets up a service of a type; "" where there is none.
func UpstreamPart(typ string) string {
	end, _ := upstreamPart(typ)
	return end
}

// resolvePart finds the services that a process of services-flake's such as "pg1-init" is a
// part of, and the condition that holds once it has ended.
func (in *Instance) resolvePart(name string, d *project.Dependency) (ids []project.ID) {
	if d.Condition != project.Completed && d.Condition != project.Exited {
		return nil
	}
	for id, svc := range in.project.Services {
		if end, met := upstreamPart(svc.Type); end != "" && svc.Instance+end == name {
			ids, d.Condition = append(ids, id), met
		}
	}
	return ids
}
