package catalog

import (
	"slices"

	"nix2gpu/project"
)

// dynamodb stands in for Amazon's DynamoDB.
var dynamodb = ServiceType{
	Name: "dynamodb-local", Package: "dynalite", User: "dynamodb",
	Doc: "An emulator of Amazon's DynamoDB: dynalite, which comes from npm: npm install --global dynalite. With package = pkgs.dynamodb-local it is Amazon's own, which listens on all addresses, and was not tried.",
	rows: []row{
		{"port", "port = 8000", "The port to listen on."},
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all. Amazon's own emulator listens on all, whatever this is."},
		{"dbPath", "null file", "The folder of the tables; dataDir unless set."},
		{"inMemory", "bool", "Keep the tables in memory, and so until the emulator stops."},
		{"disableTelemetry", "bool = true", "Whether Amazon's own emulator tells Amazon nothing; dynalite never does."},
		{"extraArgs", "list string", "Further arguments of the emulator."},
	},
	table: &table{
		extra: "extraArgs",
		endpoints: []endpoint{
			{name: "api", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port", "-port"}, hosts: []string{"--host"}}},
		argv:   []string{"{bin/dynalite}", "--host={api.host}", "--port={api.port}", "{extraArgs...}"},
		ready:  ready{listener: "api", http: "/"},
		finish: dynamodbEmulator,
	},
}

// dynamodbEmulator tells the emulator where its tables are.
func dynamodbEmulator(in *tableInstance, main *project.Process) {
	amazon := slices.Contains(in.Text("package").Packages(), "dynamodb-local")
	runtime := "nodejs"
	if amazon {
		runtime = "jre"
		main.Command.Exec = in.words([]string{"{bin/dynamodb-local}", "-port", "{api.port}", "?inMemory -inMemory", "?disableTelemetry -disableTelemetry", "{extraArgs...}"})
		main.Readiness.HTTP.Status = 400 // it wants to know who asks
		if everywhere(in.bounds["api"][0].host) != "*" && !in.Has("network") {
			in.Get("package").Errorf("Amazon's emulator listens on all addresses: it has no setting for the address\n" +
				"  hint: set host = \"0.0.0.0\" if that is meant; or leave out package; or set network = \"loopback\", where nothing else reaches it")
		}
		for i := range in.service.Ports {
			in.service.Ports[i].Address = "*"
		}
	}
	main.Packages = append(main.Packages, project.PackageRef{Attr: runtime, Pos: in.service.Pos})
	if in.Bool("inMemory") {
		if in.Has("dbPath") {
			in.Get("inMemory").Errorf("tables in memory have no folder\n  hint: set either inMemory or dbPath")
		}
		return
	}
	path := in.DataDir()
	if in.Has("dbPath") {
		path = in.Path("dbPath")
	}
	main.Dirs = append(main.Dirs, project.Dir{Path: path, Mode: "0750", Keep: true})
	if amazon {
		main.Command.Exec = append(main.Command.Exec, project.Lit("-dbPath"), path)
	} else {
		main.Command.Exec = append(main.Command.Exec, flag("path", path))
	}
}
