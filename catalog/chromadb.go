package catalog

// chromadb searches vectors.
var chromadb = ServiceType{
	Name: "chromadb", Package: "chromadb", User: "chromadb",
	Doc: "Chroma, which searches vectors. It downloads nothing: clients make the vectors, with models of theirs.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 8000", "The port to listen on."},
		{"dbpath", "alias dataDir"},
		{"logFile", "inert file", "logs go to nix2gpu"},
		{"extraArgs", "list string", "Further arguments of chroma run."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--host"}}},
		argv:      []string{"{bin/chroma}", "run", "--path={data}", "--host={web.host}", "--port={web.port}", "{extraArgs...}"},
		dirs:      []string{"{data} 0750 keep"},
		ready:     ready{listener: "web", http: "/api/v2/heartbeat", slow: true},
	},
}
