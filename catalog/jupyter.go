package catalog

import "nix2gpu/project"

// jupyter serves notebooks.
var jupyter = ServiceType{
	Name: "jupyter", Package: "jupyter",
	Doc: "Jupyter, which serves notebooks. It runs as the container's user, in whose name notebooks run.",
	rows: []row{
		{"port", "port = 8888", "The port to listen on; no other is tried."},
		{"ip", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"host", "alias ip"},
		{"interface", "enum notebook lab", "What is served: the classic notebook, or JupyterLab, which Debian 12 lacks: python.requirements or the base must bring it."},
		{"notebookDir", "file = /workspace", "The folder of the notebooks."},
		{"token", "null secret", "What a browser has to show. Unless set, Jupyter makes one at each start, and prints it. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"tokenFile", "null key", "A file that holds the token, read at each start with the rights of whoever starts nix2gpu."},
		{"extraFlags", "list string", "Further arguments of jupyter."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "ip", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--ip"}}},
		argv: []string{"{bin/jupyter}", "{interface}", "--no-browser", "--allow-root", "--ip={web.host}", "--port={web.port}",
			"--notebook-dir={notebookDir}", "{extraFlags...}"},
		// On another port nobody would find it.
		env:  []string{"JUPYTER_PORT_RETRIES=0", "JUPYTER_DATA_DIR={data}", "JUPYTER_CONFIG_DIR={data/config}", "JUPYTER_RUNTIME_DIR={run/runtime}", "IPYTHONDIR={data/ipython}"},
		dirs: []string{"{data} 0700 keep", "{data/config} 0700", "{data/ipython} 0700", "{run/runtime} 0700"},
		ready: ready{listener: "web", http: "/api", slow: true,
			guard: []string{"--certfile", "--NotebookApp.base_url", "--ServerApp.base_url"}},
		finish: func(in *tableInstance, main *project.Process) {
			if token := in.secretText(in.Config, "token", "tokenFile"); token != nil {
				main.Env["JUPYTER_TOKEN"] = project.Value{Text: token, Secret: true}
			}
		},
	},
}
