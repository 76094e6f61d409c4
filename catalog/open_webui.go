package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// openWebUI lets people talk with language models.
var openWebUI = ServiceType{
	Name: "open-webui", Package: "open-webui", User: "open-webui",
	Doc: "Open WebUI, in which people talk with language models. Its first start downloads a model for searches, unless environment says OFFLINE_MODE, or RAG_EMBEDDING_ENGINE for another one. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 1111", "The port to listen on."},
		{"secretKey", "null secret", "What sessions are signed with. Unless set, Open WebUI makes one, and keeps it in dataDir. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"secretKeyFile", "null key", "A file that holds that key, read at each start with the rights of whoever starts nix2gpu."},
		{"stateDir", "alias dataDir"},
		{"extraArgs", "list string", "Further arguments of open-webui serve. What else there is to say is said by environment."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--host"}}},
		argv:      []string{"{bin/open-webui}", "serve", "--host={web.host}", "--port={web.port}", "{extraArgs...}"},
		env: []string{"DATA_DIR={data/data}", "STATIC_DIR={data/static}", "HF_HOME={data/hf_home}", "SENTENCE_TRANSFORMERS_HOME={data/transformers_home}",
			"SCARF_NO_ANALYTICS=True", "DO_NOT_TRACK=True", "ANONYMIZED_TELEMETRY=False"},
		dirs:  []string{"{data} 0750 keep", "{data/data} 0750", "{data/static} 0750", "{data/hf_home} 0750", "{data/transformers_home} 0750"},
		dir:   "{data}", // where it keeps the key that it makes
		ready: ready{listener: "web", http: "/health", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			if !in.Has("environment", "OFFLINE_MODE") && !in.Has("environment", "RAG_EMBEDDING_ENGINE") {
				model := "sentence-transformers/all-MiniLM-L6-v2"
				if own := in.Get("environment", "RAG_EMBEDDING_MODEL"); own.Kind() == module.KindStr {
					model = own.String()
				}
				main.Doing = in.downloading(model, "SENTENCE_TRANSFORMERS_HOME", in.Data("/transformers_home")) + ", for searches"
			}
			if key := in.secretText(in.Config, "secretKey", "secretKey"); key != nil {
				main.Env["WEBUI_SECRET_KEY"] = project.Value{Text: key, Secret: true}
			}
		},
	},
}
