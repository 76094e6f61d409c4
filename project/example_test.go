package project_test

import (
	"fmt"
	"time"

	"nix2gpu/project"
)

// shop is a small project: an API that needs a database.
func shop() *project.Project {
	main := func(id project.ID, line string) *project.Process {
		return &project.Process{ID: id, Service: id, Role: project.Main, Command: project.Command{Shell: project.Lit(line)}}
	}
	p := &project.Project{
		Version: project.Version, Name: "shop",
		Services: map[project.ID]*project.Service{
			"postgresql.db": {ID: "postgresql.db", Type: "postgresql", Instance: "db", Main: "postgresql.db"},
			"api": {ID: "api", Type: "custom", Instance: "api", Main: "api",
				DependsOn: map[project.ID]project.Dependency{"postgresql.db": {Condition: project.Ready}}},
		},
		Processes: map[project.ID]*project.Process{
			"postgresql.db": main("postgresql.db", "postgres"),
			"api":           main("api", "api-server"),
		},
	}
	p.AssignLabels()
	return p
}

func ExampleProject_Resolve() {
	p := shop()
	for _, name := range []string{"postgres", "db", "apo"} {
		ids, err := p.Resolve(name)
		fmt.Println(ids, err)
	}
	// Output:
	// [postgresql.db] <nil>
	// [postgresql.db] <nil>
	// [] no service "apo"
	//   hint: did you mean "api"?
}

func ExampleProject_Validate() {
	p := shop()
	p.Services["postgresql.db"].DependsOn = map[project.ID]project.Dependency{
		"api": {Condition: project.Started, Pos: project.Pos{File: "nix2gpu.nix", Line: 7, Col: 5}},
	}
	p.Processes["api"].Restart.Max = -1
	fmt.Println(p.Validate())
	// Output:
	// max_restarts of "api" must not be negative
	// services wait for each other: api → postgresql → api
	//   hint: remove one of these dependencies
}

func ExampleProject_StopLevels() {
	p := shop()
	fmt.Println(p.StopLevels([]project.ID{"api", "postgresql.db"}))
	// Output: [[api] [postgresql.db]]
}

func ExampleRestart_Wait() {
	var unset project.Restart
	set := project.Restart{Delay: project.For(10 * time.Second), Backoff: 2}
	for n := range 4 {
		fmt.Println(unset.Wait(n+1), set.Wait(n+1))
	}
	// Output:
	// 500ms 10s
	// 1s 20s
	// 2s 30s
	// 4s 30s
}
