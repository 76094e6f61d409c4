package packages_test

import (
	"fmt"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// A package is needed wherever it is named; in a service, only if that is to run.
func TestNeeded(t *testing.T) {
	path := func(attr string) project.Text { return project.PackagePath(attr, "/bin/x") }
	probe := func(attr string) *project.Probe {
		return &project.Probe{Exec: &project.ExecCheck{Command: project.Command{Exec: []project.Text{path(attr)}}}}
	}
	p := &project.Project{
		Container: project.Container{
			Env:        map[string]project.Value{"A": {Text: path("in-container-env")}, "B": {Text: project.FilePath("env-file")}},
			Startup:    path("in-startup"),
			SystemPkgs: []project.PackageRef{{Attr: "in-system"}},
		},
		Services: map[project.ID]*project.Service{
			"api":   {ID: "api", Main: "api"},
			"other": {ID: "other", Main: "other"},
			"never": {ID: "never", Main: "never", Unsupported: "not supported: it"},
		},
		Processes: map[project.ID]*project.Process{
			"api": {
				ID: "api", Service: "api",
				Command:   project.Command{Exec: []project.Text{path("in-command")}},
				Dir:       path("in-dir"),
				Path:      []project.Text{path("in-path")},
				EnvFiles:  []project.Text{path("in-env-file")},
				Files:     []project.File{{Path: path("in-file-path"), Content: project.FilePath("folder")}},
				Packages:  []project.PackageRef{{Attr: "in-list"}},
				Liveness:  probe("in-probe"),
				Readiness: probe("in-command"), // named twice
			},
			"other": {ID: "other", Service: "other", Command: project.Command{Shell: path("in-other")}},
			"never": {ID: "never", Service: "never", Command: project.Command{Shell: path("in-never")}},
		},
		Files: map[string]*project.File{
			"env-file":   {Content: path("in-generated-env")},
			"folder/one": {Content: path("in-folder")},
			"unused":     {Content: path("in-unused")},
		},
	}
	container := "in-container-env in-generated-env in-startup in-system"
	api := "in-command in-container-env in-dir in-env-file in-file-path in-folder in-generated-env in-list in-path in-probe in-startup in-system"
	for _, tt := range []struct {
		services []project.ID
		want     string
	}{
		{nil, container},
		{[]project.ID{"api"}, api},
		{[]project.ID{"never", "unknown"}, container},
	} {
		var got []string
		for _, ref := range packages.Needed(p, tt.services...) {
			got = append(got, ref.Attr)
		}
		if fmt.Sprint(got) != "["+tt.want+"]" {
			t.Errorf("Needed(%v) = %v, want [%s]", tt.services, got, tt.want)
		}
	}
}
