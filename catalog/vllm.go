package catalog

import (
	"strings"

	"nix2gpu/project"
)

// vllm serves a language model.
var vllm = ServiceType{
	Name: "vllm", Package: "vllm",
	Doc: "vLLM, which serves a language model as OpenAI's API does. Its first start downloads the model into dataDir; it is ready once that is loaded. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"model", "required string", "The model: a name at Hugging Face, or the path of a folder."},
		{"port", "port = 8000", "The port to listen on."},
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"apiKey", "null secret", "What clients have to show. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"apiKeyFile", "null key", "A file that holds the key, read at each start with the rights of whoever starts nix2gpu."},
		{"hfToken", "null secret", "The token of Hugging Face, for models that need one. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"hfTokenFile", "null key", "A file that holds the token, read at each start with the rights of whoever starts nix2gpu."},
		{"servedModelName", "null string", "What clients call the model; as it is called in model unless set."},
		{"tensorParallelSize", "null positive", "Over how many GPUs the model is spread; 1 unless set."},
		{"gpuMemoryUtilization", "null number", "The part of a GPU's memory that it may take, such as 0.9."},
		{"maxModelLen", "null positive", "How many tokens a request and its answer may have; what the model says unless set."},
		{"extraArgs", "list string", "Further arguments of vllm serve."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "api", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--host"}}},
		argv: []string{"{bin/vllm}", "serve", "{model}", "--host={api.host}", "--port={api.port}", "--served-model-name={servedModelName}",
			"--tensor-parallel-size={tensorParallelSize}", "--gpu-memory-utilization={gpuMemoryUtilization}", "--max-model-len={maxModelLen}", "{extraArgs...}"},
		env:   []string{"HF_HOME={data/huggingface}", "VLLM_CACHE_ROOT={data/cache}"},
		dirs:  []string{"{data} 0750 keep", "{data/huggingface} 0750", "{data/cache} 0750"},
		ready: ready{listener: "api", http: "/health", slow: true, guard: []string{"--ssl-certfile", "--root-path"}},
		finish: func(in *tableInstance, main *project.Process) {
			in.service.GPUs = &project.GPUs{All: true} // unless gpus says otherwise
			if model := in.String("model"); strings.HasPrefix(model, "/") || strings.HasPrefix(model, ".") {
				main.Doing = "loading the model " + model
			} else {
				to := in.Data("/huggingface")
				if own, _, _ := in.said([]string{"--download-dir"}); own != "" {
					to = project.Lit(own)
				}
				main.Doing = in.downloading(model, "HF_HOME", to) + ", and loading it"
			}
			for variable, option := range map[string]string{"VLLM_API_KEY": "apiKey", "HF_TOKEN": "hfToken"} {
				if text := in.secretText(in.Config, option, option+"File"); text != nil {
					main.Env[variable] = project.Value{Text: text, Secret: true}
				}
			}
		},
	},
}
