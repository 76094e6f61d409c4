package catalog

import (
	"strings"

	"nix2gpu/project"
)

// mlflow tracks experiments.
var mlflow = ServiceType{
	Name: "mlflow", Package: "mlflow-server", User: "mlflow",
	Doc: "MLflow, which tracks experiments and keeps models. Unless backendStoreUri says otherwise, it keeps what it tracks in a file of SQLite. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 5000", "The port to listen on."},
		{"backendStoreUri", "null secret ~ postgresql://localhost:5432/mlflow", "The database of experiments and runs, as SQLAlchemy has it; sqlite in dataDir unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"backendStoreUriFile", "null key", "A file that holds it, read at each start with the rights of whoever starts nix2gpu."},
		{"registryStoreUri", "null secret", "The database of models; that of experiments unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"registryStoreUriFile", "null key", "A file that holds it, read at each start with the rights of whoever starts nix2gpu."},
		{"artifactsDestination", "null string", "Where files of runs are kept that clients send to the server: a folder, or a URI such as s3://bucket; artifacts in dataDir unless set."},
		{"defaultArtifactRoot", "null string", "Where clients keep the files of new experiments themselves, past the server; they send them to the server unless set."},
		{"serveArtifacts", "bool = true", "Whether the server takes files of runs."},
		{"staticPrefix", "null string ~ /mlflow", "The path below which it serves, for a reverse proxy."},
		{"allowedHosts", "list string", "Names by which clients may reach it, instead of localhost and private addresses; \"*\" is all."},
		{"workers", "null positive", "How many processes serve; 4 unless set."},
		{"extraArgs", "list string", "Further arguments of mlflow server. With --app-name=basic-auth it asks for passwords; everyone knows that of its first user, admin, until you change it, or set another in the file that MLFLOW_AUTH_CONFIG_PATH names."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port -p"}, hosts: []string{"--host -h"}}},
		argv: []string{"{bin/mlflow}", "server", "--host={web.host}", "--port={web.port}", "!serveArtifacts --no-serve-artifacts",
			"!artifactsDestination --artifacts-destination={data/artifacts}",
			"--default-artifact-root={defaultArtifactRoot}", "--static-prefix={staticPrefix}", "--allowed-hosts={allowedHosts}", "--workers={workers}", "{extraArgs...}"},
		env:   []string{"MLFLOW_BACKEND_STORE_URI=sqlite:///{data/mlflow.db}", "MLFLOW_DISABLE_TELEMETRY=true", "HOME={data}"},
		dirs:  []string{"{data} 0750 keep", "{data/artifacts} 0750"},
		dir:   "{data}", // where basic-auth keeps its users
		ready: ready{listener: "web", http: "/health", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			for option, name := range map[string]string{"backendStoreUri": "MLFLOW_BACKEND_STORE_URI", "registryStoreUri": "MLFLOW_REGISTRY_STORE_URI"} {
				if uri := in.secretText(in.Config, option, option); uri != nil {
					main.Env[name] = project.Value{Text: uri, Secret: true}
				}
			}
			if at := in.Get("artifactsDestination"); at.Has() {
				to := in.Text("artifactsDestination")
				if !strings.Contains(at.String(), "://") {
					to = in.Path("artifactsDestination")
					main.Dirs = append(main.Dirs, project.Dir{Path: to, Mode: "0750", Keep: true})
				}
				main.Env["MLFLOW_ARTIFACTS_DESTINATION"] = project.Value{Text: to}
			}
			if prefix, _, ok := in.said([]string{"--static-prefix", "staticPrefix", "environment.MLFLOW_STATIC_PREFIX"}); ok {
				main.Readiness.HTTP.Path = prefix + main.Readiness.HTTP.Path
			}
		},
	},
}
