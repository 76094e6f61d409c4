package catalog

import "nix2gpu/project"

// azurite stands in for Azure's storage.
var azurite = ServiceType{
	Name: "azurite", Package: "azurite", User: "azurite",
	Doc: "Azurite, Microsoft's emulator of Azure's storage: blobs, queues and tables. It comes from npm: npm install --global azurite.",
	rows: []row{
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"host", "alias listenAddress"},
		{"blobPort", "port = 10000", "The port for blobs."},
		{"queuePort", "port = 10001", "The port for queues."},
		{"tablePort", "port = 10002", "The port for tables."},
		{"extraFlags", "list string", "Further arguments of azurite."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "blob", port: "blobPort", address: "listenAddress", ports: []string{"--blobPort"}, hosts: []string{"--blobHost"}},
			{name: "queue", port: "queuePort", address: "listenAddress", ports: []string{"--queuePort"}, hosts: []string{"--queueHost"}},
			{name: "table", port: "tablePort", address: "listenAddress", ports: []string{"--tablePort"}, hosts: []string{"--tableHost"}},
		},
		argv: []string{"{bin/azurite}", "--location={data}", "--blobHost={blob.host}", "--blobPort={blob.port}", "--queueHost={queue.host}", "--queuePort={queue.port}",
			"--tableHost={table.host}", "--tablePort={table.port}", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "{extraFlags...}"},
		dirs: []string{"{data} 0750 keep"},
		// Tables begin last. Without a key they refuse, which only a server that serves does; of
		// an account that they do not have they say something else.
		ready: ready{listener: "table", http: "/devstoreaccount1?comp=properties&restype=service", slow: true,
			guard: []string{"--cert", "environment.AZURITE_ACCOUNTS"}},
		finish: func(_ *tableInstance, main *project.Process) {
			if main.Readiness.HTTP != nil {
				main.Readiness.HTTP.Status = 403
			}
			main.Packages = append(main.Packages, project.PackageRef{Attr: "nodejs"})
		},
	},
}
